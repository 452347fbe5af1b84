"""How a task over inputs becomes a table; the options that every such command shares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO, TypedDict

import numpy as np
from numpy.typing import NDArray

from mediasift.media.documents.pages import parse_pages
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.readers import DPI, ReadOptions
from mediasift.run.job import Job
from mediasift.run.profile import with_profile
from mediasift.run.stream import Stream
from mediasift.run.supervisor import TIMEOUT_S, Limits
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
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
        every: Which frames of videos and animations: `2s`, `1000f`, `iframe` or `shot` (default: `1s` of a video).
        batch_size: Items per model call; default: the task's own.
        jobs: Reader threads; default one per core, 0 for none of ours.
        threads: Threads of the model; default every core.
        stdin: Where the input `-` reads paths from.
        isolate: Read and compute in a process of its own, as the command line does: whatever crashes there, stands
            still or eats memory costs one error row, and Ctrl-C leaves an output that can be continued.
        timeout_s: With `isolate`: seconds that one item may take.
        max_memory_gb: With `isolate`: memory that process may hold, in 10^9 bytes.
        dpi: Resolution at which pages of a PDF become pictures (default 150; 300 for `ocr`).
        pages: Which pages of a PDF, e.g. `1-3,5`.
        password: For encrypted PDFs.
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
    dpi: float | None
    pages: str | None
    password: str | None


def table(task: Task, inputs: Named, options: TableOptions, **reading: Any) -> Table[Any]:
    """The started table of a task over inputs; `reading` are fields of `ReadOptions` beyond those of `TableOptions`."""
    return Table(stream(task, inputs, options, **reading))


def stream(task: Task, inputs: Named, options: TableOptions, **reading: Any) -> Stream[Any]:
    """A started task over inputs."""
    limits = None
    if options.get("isolate", False):
        limits = Limits(timeout_s=options.get("timeout_s", TIMEOUT_S), max_memory_gb=options.get("max_memory_gb"))
    return Stream(with_profile(job_of(task, inputs, options, **reading)), stdin=options.get("stdin"), limits=limits)


def job_of(task: Task, inputs: Named, options: TableOptions, **reading: Any) -> Job:
    """The job of a task over inputs.

    Raises:
        UsageError: An option is out of range.
    """
    if options.get("pages"):
        parse_pages(str(options["pages"]))
    return Job(
        task=task,
        inputs=Inputs(
            named=named_inputs(inputs),
            recursive=options.get("recursive", True),
            column=options.get("column"),
            keep=tuple(options.get("keep", ())),
        ),
        reading=ReadOptions(
            max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS),
            every_frame=options.get("every_frame", False),
            every=options.get("every"),
            dpi=options.get("dpi") or DPI,
            pages=options.get("pages"),
            password=options.get("password"),
            **reading,
        ),
        batch_size=options.get("batch_size"),
        jobs=options.get("jobs"),
        threads=options.get("threads"),
    )


def named_inputs(inputs: Named) -> list[str | Path | NDArray[np.uint8]]:
    """One input or several as a list."""
    return [inputs] if isinstance(inputs, (str, Path, np.ndarray)) else list(inputs)
