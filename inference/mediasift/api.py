"""One function per command: what `import mediasift` offers and what the command line calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import UsageError
from mediasift.media.images import MAX_MEGAPIXELS
from mediasift.media.readers import ReadOptions
from mediasift.media.sources import Inputs
from mediasift.media.transforms import Box
from mediasift.models import report
from mediasift.models.describe import write_sidecar
from mediasift.models.description import ModelDescription
from mediasift.models.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR, Entry, entries
from mediasift.models.session import OnnxModel
from mediasift.run.doctor import Finding, findings
from mediasift.run.job import Job
from mediasift.run.supervisor import TIMEOUT_S, Limits
from mediasift.run.table import Table
from mediasift.tasks.classify import Classification, Classify
from mediasift.tasks.detect import Detect, Detection
from mediasift.tasks.keyframes import KeyFrame, KeyFrames
from mediasift.tasks.shots import Shot, Shots, ShotsSummary, ShotSummary
from mediasift.tasks.task import Task
from mediasift.tasks.timeline import PARTS, Moment, Part, Timeline

Named = str | Path | NDArray[np.uint8] | Sequence[str | Path | NDArray[np.uint8]]


class TableOptions(TypedDict, total=False):
    """Options that every command with a table takes.

    Attributes:
        recursive: Enter folders inside named folders (default True).
        column: Column of a `.csv` list that holds the paths; default `path`, or the only one.
        keep: Columns of a `.csv` list to carry into every row.
        max_megapixels: Largest picture that is decoded (default 100).
        every_frame: All frames of animated pictures instead of the first.
        every: Which frames of videos and animations: `2s`, `1000f`, `iframe` or `shot` (default: `1s` of a video).
        batch_size: Items per model call; default: the task's own.
        jobs: Reader threads; default one per core, 0 for none of ours.
        threads: Threads of the model; default every core.
        stdin: Where the input `-` reads paths from.
        isolate: Read and compute in a process of its own, as the command line does: whatever crashes there, stands
            still or eats memory costs one error row, and Ctrl-C leaves an output that can be continued.
        timeout_s: With `isolate`: seconds that one item may take.
        max_memory_gb: With `isolate`: memory that process may hold, in 10^9 bytes.
    """

    recursive: bool
    column: str | None
    keep: Sequence[str]
    max_megapixels: float
    every_frame: bool
    every: str | None
    batch_size: int | None
    jobs: int | None
    threads: int | None
    stdin: TextIO | None
    isolate: bool
    timeout_s: float
    max_memory_gb: float | None


def classify(
    inputs: Named,
    *,
    model: str | Path | OnnxModel = DEFAULT_CLASSIFIER,
    device: str = "cpu",
    top: int = 1,
    min_score: float = 0.0,
    crops: Sequence[Box] = (),
    invert: bool = False,
    **options: Unpack[TableOptions],
) -> Table[Classification]:
    """Rows of labels for pictures; iterate over them, or `write` them to a file.

    Args:
        inputs: Paths, folders, globs, `.txt` or `.csv` lists, or uint8 arrays (H, W, 3) in RGB; one or several.
        model: Name, path of an ONNX file, or what `load_model` gave.
        device: cpu, auto, openvino, cuda, tensorrt, coreml or directml.
        top: Labels per picture at most; 0 for all.
        min_score: Leave out labels below this score, 0..1.
        crops: Boxes (left, top, right, bottom), fractions 0..1, each classified on its own.
        invert: Swap light and dark first.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here or cannot be used.
        UsageError: An option is out of range.
    """
    task = Classify(
        model=model if isinstance(model, OnnxModel) else str(model),
        device=device,
        top=top,
        min_score=min_score,
        crops=tuple(crops),
        invert=invert,
    )
    return _table(task, inputs, options)


def _table(task: Task, inputs: Named, options: TableOptions, *, detector: str = "content") -> Table[Any]:
    """The started table of a task over inputs."""
    limits = None
    if options.get("isolate", False):
        limits = Limits(timeout_s=options.get("timeout_s", TIMEOUT_S), max_memory_gb=options.get("max_memory_gb"))
    return Table(_job(task, inputs, options, detector=detector), stdin=options.get("stdin"), limits=limits)


def detect(
    inputs: Named,
    *,
    model: str | Path | OnnxModel = DEFAULT_DETECTOR,
    device: str = "cpu",
    min_score: float = 0.3,
    iou: float = 0.5,
    labels: Sequence[str] = (),
    draw: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Table[Detection]:
    """A row for each object in pictures and frames of videos, with its box.

    Args:
        inputs: See `classify`.
        model: Name, path of an ONNX file, or what `load_model` gave.
        device: See `classify`.
        min_score: Leave out lower scores, 0..1.
        iou: Of boxes of one label that overlap more (intersection over union), only the best stays.
        labels: Only these; none for all.
        draw: Write copies of the pictures with boxes into this folder.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here or cannot be used.
        UsageError: An option is out of range, or a label is none of the model's.
    """
    task = Detect(
        model=model if isinstance(model, OnnxModel) else str(model),
        device=device,
        min_score=min_score,
        iou=iou,
        labels=tuple(labels),
        draw=None if draw is None else str(draw),
    )
    return _table(task, inputs, options)


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
    return _table(task, inputs, {**options, "every": every}, detector=detector)


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
    return _table(Shots(fades=fades), inputs, options, detector=detector)


def shot_summary(
    inputs: Named, *, detector: str = "content", fades: bool = True, **options: Unpack[TableOptions]
) -> Table[ShotSummary]:
    """A row for each video: cuts per minute, mean and median length of its shots; see `shots`."""
    return _table(ShotsSummary(fades=fades), inputs, options, detector=detector)


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
    detector: str = "content",
    fades: bool = True,
    vtt: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Table[Moment]:
    """One table on one clock for videos, each decoded once.

    Args:
        inputs: Paths, folders, globs or lists of videos and animated pictures.
        parts: What it holds: shots, keyframes, classify, detect.
        classify_model: For `classify`.
        detect_model: For `detect`.
        device: See `classify`.
        top: Labels per frame at most; 0 for all.
        min_score: Leave out lower scores, 0..1.
        labels: Only these objects; none for all.
        detector: What finds hard cuts: content or adaptive.
        fades: Whether black between two shots parts them, too.
        vtt: Write a WebVTT file per video into this folder.
        **options: See `TableOptions`; `every` says which frames are classified and searched for objects.

    Raises:
        ModelError: A model is not here or cannot be used.
        UsageError: An option is out of range, or a part is none.
    """
    if unknown := [part for part in parts if part not in PARTS]:
        raise UsageError(f"part {unknown[0]!r}: a timeline can hold {', '.join(PARTS)}")
    shared = {"device": device, "min_score": min_score}
    settings = {
        "classify": {"model": str(classify_model), "top": top, **shared},
        "detect": {"model": str(detect_model), "labels": list(labels), **shared},
    }
    task = Timeline(
        shots="shots" in parts,
        keyframes="keyframes" in parts,
        parts=tuple(Part(name=name, settings=json.dumps(settings[name])) for name in settings if name in parts),
        fades=fades,
        vtt=None if vtt is None else str(vtt),
    )
    return _table(task, inputs, options, detector=detector)


def _job(task: Task, inputs: Named, options: TableOptions, *, detector: str = "content") -> Job:
    named = [inputs] if isinstance(inputs, (str, Path, np.ndarray)) else list(inputs)
    return Job(
        task=task,
        inputs=Inputs(
            named=named,
            recursive=options.get("recursive", True),
            column=options.get("column"),
            keep=tuple(options.get("keep", ())),
        ),
        reading=ReadOptions(
            max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS),
            every_frame=options.get("every_frame", False),
            every=options.get("every"),
            detector=detector,
        ),
        batch_size=options.get("batch_size"),
        jobs=options.get("jobs"),
        threads=options.get("threads"),
    )


def list_models() -> list[tuple[Entry, Path | None]]:
    """Every model the registry knows, and its file where it is on this machine."""
    return [(entry, report.where(entry)) for entry in entries().values()]


def show_model(model: str) -> Iterator[str]:
    """Lines on a model: labels, recipe, layers, parameters, origin, scores."""
    return report.show(model)


def verify_models() -> Iterator[tuple[str, str]]:
    """(name, empty or what is wrong) of every known model on this machine."""
    return report.verify()


def describe_model(path: str | Path, description: ModelDescription) -> Path:
    """Write a foreign ONNX file's description beside it, once it has run as described; returns the sidecar's path."""
    return write_sidecar(Path(path), description)


def doctor() -> list[Finding]:
    """What works on this machine and what does not."""
    return list(findings())
