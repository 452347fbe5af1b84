"""A run as its caller sees it: rows to iterate over, or a table to write, and what became of the inputs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Generic, TextIO, TypeVar

import numpy as np

from mediasift.errors import InputError, OutputError
from mediasift.media.readers import ReadOptions
from mediasift.media.sources import Inputs, Skipped, Source, find_sources
from mediasift.models.providers import available_cores
from mediasift.rows import Row
from mediasift.run.manifest import Summary, manifest, manifest_path
from mediasift.run.pipeline import Finished, Pipeline
from mediasift.run.progress import Progress
from mediasift.run.writers import WRITERS, Form, format_of, write_atomically
from mediasift.tasks.task import Resources, Task

RowType = TypeVar("RowType", bound=Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that decides what a table says, and how it is computed.

    Attributes:
        task: The task's settings.
        inputs: What to read.
        reading: How.
        batch_size: Items per model call; None lets the task choose.
        jobs: Reader threads; None for one per core, 0 to read in the calling thread.
        threads: Threads of the model; None for every core.
    """

    task: Task
    inputs: Inputs
    reading: ReadOptions
    batch_size: int | None = None
    jobs: int | None = None
    threads: int | None = None


class Table(Generic[RowType]):
    """The rows of a job. It is started when it is made: a missing model fails here, before the first file.

    Iterate over it once, or write it once.

    Args:
        job: What to do.
        stdin: Where the input `-` reads paths from.

    Attributes:
        summary: Counts, filled in while it runs.
    """

    def __init__(self, job: Job, *, stdin: TextIO | None = None) -> None:
        self.job = job
        self.summary = Summary()
        self._skipped = Skipped()
        self._stdin = stdin
        self._begun = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._task = job.task.start(Resources(batch_size=job.batch_size, threads=job.threads))
        self._pipeline = Pipeline(
            self._task,
            row_type=job.task.row,
            reads=job.task.reads,
            options=job.reading,
            jobs=available_cores() if job.jobs is None else job.jobs,
        )

    def __iter__(self) -> Iterator[RowType]:
        """Each row, in input order.

        Raises:
            InputError: There is nothing to read.
        """
        yield from self._rows(Progress(None, None))

    def print_to(
        self, file: IO[bytes], *, format: str, spreadsheet_safe: bool = False, progress: TextIO | None = None
    ) -> None:
        """Write the rows to an open stream as they come."""
        rows = self._rows(Progress(progress, self._total(progress)))
        first = list(itertools.islice(rows, 1))  # an error that stops the run comes before the first line of output
        WRITERS[format](itertools.chain(first, rows), self._form(spreadsheet_safe), file)

    def write(
        self,
        output: str | Path,
        *,
        format: str | None = None,
        spreadsheet_safe: bool = False,
        progress: TextIO | None = None,
    ) -> None:
        """Write the table and its manifest, each at once and whole.

        Raises:
            UsageError: The name says no format.
            OutputError: The folder is not there or cannot be written to; tried before the first file is read.
        """
        output = Path(output)
        writer = WRITERS[format_of(output, format)]
        if not output.parent.is_dir():
            raise OutputError(f"{output}: the folder {output.parent} does not exist; make it first")
        rows = self._rows(Progress(progress, self._total(progress)))
        write_atomically(output, lambda file: writer(rows, self._form(spreadsheet_safe), file))
        write_atomically(manifest_path(output), self._write_manifest)

    def manifest(self) -> str:
        """What produced the rows, as JSON; complete when they are."""
        job = self.job
        resources = {"batch_size": self._task.batch_size, "jobs": job.jobs, "threads": job.threads or available_cores()}
        return manifest(
            self.summary, settings=settings(job), facts=self._task.facts, resources=resources, started=self._begun
        )

    def _write_manifest(self, file: IO[bytes]) -> None:
        file.write(self.manifest().encode())

    def _form(self, spreadsheet_safe: bool) -> Form:
        return Form(row_type=self.job.task.row, kept=self.job.inputs.keep, spreadsheet_safe=spreadsheet_safe)

    def _sources(self) -> Iterator[Source]:
        return find_sources(self.job.inputs, self._skipped, stdin=self._stdin)

    def _total(self, progress: TextIO | None) -> int | None:
        """How many sources there are, which only somebody who watches needs to know beforehand."""
        if progress is None or "-" in [name for name in self.job.inputs.named if isinstance(name, str)]:
            return None
        return sum(1 for _ in find_sources(self.job.inputs, Skipped()))

    @property
    def made_by(self) -> dict[str, Any]:
        """What the rows depend on, besides their inputs: the task's settings, its model, how pictures are read."""
        inputs = ("inputs", "recursive", "column", "keep")
        own = {name: value for name, value in settings(self.job).items() if name not in inputs}
        return {**own, **self._task.facts}

    def by_source(self, sources: Iterable[Source], progress: TextIO | None, total: int) -> Iterator[Finished]:
        """Each of the given sources with its rows, instead of those that the job names."""
        shown = Progress(progress, total)
        try:
            for finished in self._pipeline.run(sources):
                yield finished
                shown.advance(sum(1 for row in finished.rows if row.error))
        finally:
            shown.close()

    def _rows(self, progress: Progress) -> Iterator[Any]:
        try:
            for finished in self._pipeline.run(self._sources()):
                self.summary.sources += 1
                before = self.summary.error_rows
                for row in finished.rows:
                    self.summary.count(row.error)
                    yield row
                progress.advance(self.summary.error_rows - before)
        finally:
            progress.close()
        self.summary.skipped = dict(self._skipped.counts)
        spent = asdict(self._pipeline.seconds)
        self.summary.seconds = {**spent, "total": time.perf_counter() - self._clock}
        if self.summary.sources == 0:
            raise InputError(self._nothing())

    def _nothing(self) -> str:
        named = ", ".join("an array" if isinstance(name, np.ndarray) else str(name) for name in self.job.inputs.named)
        other = sum(self._skipped.counts.values())
        return f"nothing to read in {named or 'no input'}" + (f" ({other:,} files there are no media)" if other else "")


def settings(job: Job) -> dict[str, Any]:
    """The job's settings as JSON values."""
    task = {field.name: _plain(getattr(job.task, field.name)) for field in fields(job.task)}
    return {
        "task": job.task.name,
        **task,
        "inputs": ["array" if isinstance(name, np.ndarray) else str(name) for name in job.inputs.named],
        "recursive": job.inputs.recursive,
        "column": job.inputs.column,
        "keep": list(job.inputs.keep),
        **asdict(job.reading),
    }


def _plain(value: Any) -> Any:
    """A loaded model is named by its file; all other settings are JSON values already."""
    return str(value.path) if hasattr(value, "path") else value
