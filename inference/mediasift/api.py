"""One function per command: what `import mediasift` offers and what the command line calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from mediasift.evaluation.labels import Evaluation
from mediasift.evaluation.labels import evaluate_labels as measured
from mediasift.evaluation.plots import need_plots
from mediasift.media.images import MAX_MEGAPIXELS
from mediasift.media.labelled import read_labelled
from mediasift.media.readers import ReadOptions
from mediasift.media.sources import Inputs
from mediasift.media.transforms import Box
from mediasift.models import report
from mediasift.models.checking import Check, check_description
from mediasift.models.describe import write_sidecar
from mediasift.models.description import ModelDescription
from mediasift.models.pull import pull
from mediasift.models.registry import DEFAULT_CLASSIFIER, Entry, entries
from mediasift.models.session import OnnxModel, load_model
from mediasift.run.doctor import Finding, findings
from mediasift.run.evaluation import said_labels, true_labels, write_report
from mediasift.run.job import Job
from mediasift.run.progress import Transfer
from mediasift.run.supervisor import TIMEOUT_S, Limits
from mediasift.run.table import Table
from mediasift.run.tables import read_table
from mediasift.tasks.classify import Classification, Classify
from mediasift.tasks.task import Task

Named = str | Path | NDArray[np.uint8] | Sequence[str | Path | NDArray[np.uint8]]


class TableOptions(TypedDict, total=False):
    """Options that every command with a table takes.

    Attributes:
        recursive: Enter folders inside named folders (default True).
        column: Column of a `.csv` list that holds the paths; default `path`, or the only one.
        keep: Columns of a `.csv` list to carry into every row.
        max_megapixels: Largest picture that is decoded (default 100).
        every_frame: All frames of animated pictures instead of the first.
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


def _table(task: Task, inputs: Named, options: TableOptions) -> Table[Any]:
    """The started table of a task over inputs."""
    limits = None
    if options.get("isolate", False):
        limits = Limits(timeout_s=options.get("timeout_s", TIMEOUT_S), max_memory_gb=options.get("max_memory_gb"))
    return Table(_job(task, inputs, options), stdin=options.get("stdin"), limits=limits)


def _job(task: Task, inputs: Named, options: TableOptions) -> Job:
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
            max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS), every_frame=options.get("every_frame", False)
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


def pull_model(model: str, *, source: str | None = None, progress: TextIO | None = None) -> Path:
    """The file of a known model, fetched if it is not on this machine; resumed if it was cut before.

    Args:
        model: A name of `list_models`.
        source: A file or another URL to take it from; the bytes must be the registered ones.
        progress: Where to tell how far it is.
    """
    told = Transfer(progress, model)
    try:
        return pull(model, source=source, told=told)
    finally:
        told.close()


def describe_model(path: str | Path, description: ModelDescription) -> Path:
    """Write a foreign ONNX file's description beside it, once it has run as described; returns the sidecar's path."""
    return write_sidecar(Path(path), description)


def check_model(model: str | Path, folder: str | Path) -> Check:
    """How well a model's description does on a folder with a folder per label (or a CSV), and what would do better."""
    return check_description(load_model(model), read_labelled(Path(folder)))


def evaluate_labels(
    result: str | Path, reference: str | Path, *, report: str | Path | None = None, seed: int = 0
) -> Evaluation:
    """How good a table of labels is, measured against a table of what is true.

    Args:
        result: Written by `classify`, or any table with the columns path and label (score, rank and label_id count).
        reference: With the columns path and label.
        report: Folder for tables and plots.
        seed: Of the bootstrap that the intervals come from.

    Raises:
        InputError: A table cannot be read, lacks a column, or they have no path in common.
        MissingPackage: A report needs matplotlib.
    """
    result, reference = Path(result), Path(reference)
    if report is not None:
        need_plots()
    true = true_labels(reference, read_table(reference))
    known = {label for labels in true.values() for label in labels}
    found = measured(said_labels(result, read_table(result), known), true, seed=seed)
    if report is not None:
        write_report(found, Path(report))
    return found


def doctor() -> list[Finding]:
    """What works on this machine and what does not."""
    return list(findings())
