"""Commands on whole videos."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR
from mediasift.errors import UsageError
from mediasift.run.table import Table
from mediasift.tasks.keyframes import KeyFrame, KeyFrames
from mediasift.tasks.shots import Shot, Shots, ShotsSummary, ShotSummary
from mediasift.tasks.timeline import Timeline
from mediasift.tasks.timeline_parts import PARTS, Moment, Part
from mediasift.tasks.transcribe import PIECES_S
from mediasift.verbs.tables import Named, TableOptions, table

OFFLINE_SPEECH = ("pocketsphinx", "onnx")
"""Engines of `transcribe` that send nothing away and cost nothing."""


def keyframes(
    inputs: Named,
    *,
    directory: str | Path | None = None,
    image_format: str = "jpeg",
    detector: str = "content",
    **options: Unpack[TableOptions],
) -> Table[KeyFrame]:
    """A row for each chosen frame of videos; also stills where a folder for them is named.

    Args:
        inputs: Paths, folders, globs or lists of videos and animated pictures.
        directory: Write stills here, named by video, time and frame.
        image_format: jpeg, png or webp.
        detector: What finds the cuts for `every` shot: content or adaptive.
        **options: See `TableOptions`; `every` is `shot` here unless something else is asked for.

    Raises:
        UsageError: An option is out of range.
        OutputError: The folder cannot be made.
    """
    task = KeyFrames(directory=None if directory is None else str(directory), image_format=image_format)
    every = options.get("every") or "shot"
    return table(task, inputs, {**options, "every": every}, detector=detector)


def shots(
    inputs: Named, *, detector: str = "content", fades: bool = True, **options: Unpack[TableOptions]
) -> Table[Shot]:
    """A row for each shot of videos: when it begins and ends, and what it looks like.

    Args:
        inputs: Paths, folders, globs or lists of videos and animated pictures.
        detector: What finds hard cuts: content or adaptive.
        fades: Whether black between two shots parts them, too.
        **options: See `TableOptions`.
    """
    return table(Shots(fades=fades), inputs, options, detector=detector)


def shot_summary(
    inputs: Named, *, detector: str = "content", fades: bool = True, **options: Unpack[TableOptions]
) -> Table[ShotSummary]:
    """A row for each video: cuts per minute, mean and median length of its shots; see `shots`."""
    return table(ShotsSummary(fades=fades), inputs, options, detector=detector)


def timeline(
    inputs: Named,
    *,
    parts: Sequence[str] = ("shots", "keyframes"),
    classify_model: str | Path = DEFAULT_CLASSIFIER,
    detect_model: str | Path = DEFAULT_DETECTOR,
    device: str = "cpu",
    top: int = 1,
    min_score: float = 0.3,
    labels: Sequence[str] = (),
    ocr_engine: str = "tesseract",
    ocr_language: str | None = None,
    speech_engine: str = "pocketsphinx",
    speech_model: str | Path | None = None,
    detector: str = "content",
    fades: bool = True,
    vtt: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Table[Moment]:
    """One table on one clock for videos, each decoded once; for `transcribe` its sound is read, too.

    Args:
        inputs: Paths, folders, globs or lists of videos and animated pictures.
        parts: What it holds: shots, keyframes, classify, detect, ocr (a row per line of text), transcribe (one per
            segment of speech).
        classify_model: For `classify`.
        detect_model: For `detect`.
        device: See `classify`.
        top: Labels per frame at most; 0 for all.
        min_score: Leave out labels and objects with lower scores, 0..1.
        labels: Only these objects; none for all.
        ocr_engine, ocr_language: For `ocr`, see `ocr`.
        speech_engine, speech_model: For `transcribe`: pocketsphinx, or onnx with the folder of a model.
        detector: What finds hard cuts: content or adaptive.
        fades: Whether black between two shots parts them, too.
        vtt: Write a WebVTT file per video into this folder.
        **options: See `TableOptions`; `every` says which frames are looked at for labels, objects and text.

    Raises:
        ModelError: A model is not here or cannot be used.
        EngineError: An engine for text or speech is missing.
        UsageError: An option is out of range, or a part is none.
    """
    if unknown := [part for part in parts if part not in PARTS]:
        raise UsageError(f"part {unknown[0]!r}: a timeline can hold {', '.join(PARTS)}")
    if speech_engine not in OFFLINE_SPEECH:
        raise UsageError(f"speech engine {speech_engine!r}: a timeline is made with {' or '.join(OFFLINE_SPEECH)}")
    shared = {"device": device, "min_score": min_score}
    settings = {
        "classify": {"model": str(classify_model), "top": top, **shared},
        "detect": {"model": str(detect_model), "labels": list(labels), **shared},
        "ocr": {
            "engine": ocr_engine,
            "language": ocr_language,
            "level": "line",
            "timeout_s": options.get("timeout_s"),
        },
        "transcribe": {"engine": speech_engine, "model": None if speech_model is None else str(speech_model)},
    }
    piece_s = PIECES_S[speech_engine]
    task = Timeline(
        shots="shots" in parts,
        keyframes="keyframes" in parts,
        parts=tuple(
            Part(name=name, settings=json.dumps(settings[name]), piece_s=piece_s) for name in settings if name in parts
        ),
        fades=fades,
        vtt=None if vtt is None else str(vtt),
    )
    return table(task, inputs, options, detector=detector)
