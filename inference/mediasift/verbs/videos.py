"""Commands on whole videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR
from mediasift.media.settings import MAX_MEGAPIXELS
from mediasift.run.table import Table
from mediasift.tasks.keyframes import KeyFrame, KeyFrames
from mediasift.tasks.shots import Shot, Shots, ShotsSummary, ShotSummary
from mediasift.tasks.task import TIMEOUT_S
from mediasift.tasks.timeline import Timeline
from mediasift.tasks.timeline_parts import Moment
from mediasift.verbs.tables import Named, TableOptions, table


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
    task = Timeline(
        parts=tuple(parts),
        classify_model=str(classify_model),
        detect_model=str(detect_model),
        device=device,
        top=top,
        min_score=min_score,
        labels=tuple(labels),
        ocr_engine=ocr_engine,
        ocr_language=ocr_language,
        speech_engine=speech_engine,
        speech_model=None if speech_model is None else str(speech_model),
        detector=detector,
        every=options.get("every"),
        max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS),
        fades=fades,
        vtt=None if vtt is None else str(vtt),
        timeout_s=options.get("timeout_s", TIMEOUT_S),
    )
    return table(task, inputs, options, detector=detector)
