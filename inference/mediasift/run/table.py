"""A run as its caller sees it: rows to iterate over, or a table to write, and what became of the inputs."""

from __future__ import annotations

import itertools
import time
import weakref
from array import array
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Generic, TextIO, TypeVar

import numpy as np

from mediasift.errors import InputError, Interrupted, OutputError, UsageError
from mediasift.rows import Row
from mediasift.run.job import Job, settings
from mediasift.run.journal import Journal, state
from mediasift.run.ledger import check_consent
from mediasift.run.pipeline import Finished, readers
from mediasift.run.progress import Progress
from mediasift.run.resume import look, plan, stored_rows
from mediasift.run.runners import Here, Runner
from mediasift.run.supervisor import Limits, Supervisor
from mediasift.sources.naming import Skipped, Source, find_sources
from mediasift.system.files import write_atomically
from mediasift.system.machine import available_cores
from mediasift.tables.manifest import Summary, computing, manifest, manifest_path
from mediasift.tables.stored import READERS, Stored
from mediasift.tables.writers import WRITERS, Form, format_of

RowType = TypeVar("RowType", bound=Row)


class Table(Generic[RowType]):
    """The rows of a job. It is started when it is made: a missing model fails here, before the first file.

    Iterate over it once, or write it once.

    Args:
        job: What to do.
        stdin: Where the input `-` reads paths from.
        limits: Compute in a process of its own, within these limits; None computes in this process.

    Attributes:
        summary: Counts, filled in while it runs.
        left_alone: Whether `write` found the table finished and did nothing.
    """

    def __init__(
        self,
        job: Job,
        *,
        stdin: TextIO | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.job = job
        self.summary = Summary()
        self.left_alone = False
        self._skipped = Skipped()
        self._stdin = stdin
        self._limits = limits
        self._begun = datetime.now(UTC)
        self._clock = time.perf_counter()
        versions = computing()  # before the runner: a worker that was started ahead is still loading
        self._runner: Runner = Here(job) if limits is None else Supervisor(job, limits)
        weakref.finalize(self, self._runner.close)  # for a table that is made and then neither read nor written
        try:
            check_consent(job)
        except UsageError:
            self._runner.close()
            raise
        self._what: dict[str, Any] = {
            "settings": settings(job),
            "model": dict(self.facts),
            "versions": versions,
        }

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
        restart: bool = False,
        update: bool = False,
    ) -> None:
        """Write the table and its manifest, each at once and whole, when all inputs are done.

        Until then finished inputs stand in `OUTPUT.journal.jsonl`. If the run ends in any way, the same call goes on
        where it ended. A finished table is left alone.

        Args:
            output: The table's file.
            format: csv, jsonl or parquet; None takes the suffix.
            spreadsheet_safe: Put a `'` before text cells that a spreadsheet would take for a formula.
            progress: Where to tell how far it is.
            restart: Begin anew. A table that was changed since it was written is not overwritten even then.
            update: Add inputs that are not in the finished table; rows of inputs that are gone stay.

        Raises:
            UsageError: The name says no format; or the table was begun, or written, with other settings.
            OutputError: It cannot be written (tried before the first file is read), another run is writing it, or the
                table there is not ours.
            Interrupted: With `limits`, after Ctrl-C or SIGTERM.
        """
        try:
            output = Path(output)
            name = format_of(output, format, self.job.task.row)
            if update and name not in READERS:
                raise UsageError(f"{output}: a .{name} cannot be added to; --update is for {', '.join(READERS)}")
            form = self._form(spreadsheet_safe)
            if not output.parent.is_dir():
                raise OutputError(f"{output}: the folder {output.parent} does not exist; make it first")
            what = {**self._what, "table": {"format": name, "spreadsheet_safe": spreadsheet_safe}}
            with Journal(output) as journal:
                found = look(output)
                todo = plan(output, found, journal, what, restart=restart, update=update)
                if todo == "finished":
                    self.left_alone = True
                    self.summary = Summary.of(found.manifest)
                    return
                if todo != "continue":
                    stored = stored_rows(output, name, form) if todo == "extend" else ()
                    journal.begin({"what": what, "replaces": found.table_sha256}, stored)
                order = self._fill(journal, Progress(progress, self._total(progress)))
                self._publish(journal, order, output, form, what)
        finally:
            self._runner.close()

    def _fill(self, journal: Journal, progress: Progress) -> array[int]:
        """Do what is not in the journal yet; returns where the rows of each input stand in it, in input order."""
        order = array("q")
        waiting: deque[tuple[int, Any]] = deque()

        def undone() -> Iterator[Source]:
            for source in self._sources():
                place = journal.find(source)
                order.append(-1 if place is None else place)
                if place is None:
                    waiting.append((len(order) - 1, state(source)))
                    yield source
                else:
                    self.summary.taken_over += 1
                    progress.take_over()

        try:
            for finished in self._runner.run(undone()):
                position, found = waiting.popleft()
                order[position] = journal.append(finished.source, found, finished.rows)
                progress.advance(sum(1 for row in finished.rows if row.error))
        except Interrupted as error:
            raise Interrupted(
                f"interrupted; {progress.done:,} inputs are done and kept in {journal.path.name}. "
                "To go on, type the same command again"
            ) from error
        finally:
            progress.close()
        self.summary.sources = len(order)
        if not order:
            raise InputError(self._nothing())
        vanished = journal.vanished()
        self.summary.vanished = [journal.path_at(place) for place in vanished]
        order.extend(vanished)
        return order

    def _publish(self, journal: Journal, order: array[int], output: Path, form: Form, what: dict[str, Any]) -> None:
        """Put the rows in input order into the table; then the manifest; then the journal goes."""
        self._add_account()
        rows = self._journaled(journal, order)
        publish(rows, form, output, journal, what=what, told=lambda: self._manifest(what))

    def _journaled(self, journal: Journal, order: array[int]) -> Iterator[Row | Stored]:
        """All rows. Those taken from an older table stand there once, however often their input is named."""
        taken: set[int] = set()
        for place in order:
            if place in taken:
                continue
            for row in journal.rows(place, self.job.task.row):
                if isinstance(row, Stored):
                    taken.add(place)
                self.summary.count(row.error)
                yield row

    def manifest(self) -> str:
        """What produced the rows, as JSON; complete when they are."""
        return self._manifest({**self._what, "table": {}})

    def _manifest(self, what: Mapping[str, Any]) -> str:
        return manifest(self.summary, what=what, resources=self.resources, started=self._begun)

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
    def facts(self) -> Mapping[str, Any]:
        """What the task says of itself: its model, the device."""
        return self._runner.facts

    @property
    def made_by(self) -> dict[str, Any]:
        """What the rows depend on, besides their inputs: the task's settings, its model, how pictures are read."""
        inputs = ("inputs", "recursive", "column", "keep")
        own = {name: value for name, value in settings(self.job).items() if name not in inputs}
        return {**own, **self.facts}

    @property
    def resources(self) -> dict[str, Any]:
        """Threads, batch size and limits: what the rows cost, not what they say."""
        return {
            "batch_size": self._runner.batch_size,
            "jobs": readers(self.job.jobs),
            "threads": self.job.threads or available_cores(),
            "profile": self.job.profile or None,
            "limits": None if self._limits is None else asdict(self._limits),
        }

    def by_source(
        self, sources: Iterable[Source], progress: TextIO | None, total: int
    ) -> Generator[Finished, None, None]:
        """Each of the given sources with its rows, instead of those that the job names."""
        shown = Progress(progress, total)
        try:
            for finished in self._runner.run(sources):
                shown.advance(sum(1 for row in finished.rows if row.error))
                yield finished
        finally:
            shown.close()
            self._runner.close()
        self._add_account()

    def close(self) -> None:
        """Let go of what computes, for a table of which nothing is wanted."""
        self._runner.close()

    def _rows(self, progress: Progress) -> Iterator[Any]:
        try:
            for finished in self._runner.run(self._sources()):
                self.summary.sources += 1
                before = self.summary.error_rows
                for row in finished.rows:
                    self.summary.count(row.error)
                    yield row
                progress.advance(self.summary.error_rows - before)
        finally:
            progress.close()
            self._runner.close()
        self._add_account()
        if self.summary.sources == 0:
            raise InputError(self._nothing())

    def _add_account(self) -> None:
        """What the runner knows of the run, into the summary."""
        runner = self._runner
        self.summary.skipped = dict(self._skipped.counts)
        self.summary.worker_restarts = runner.restarts
        self.summary.worker_peak_bytes = runner.peak_bytes
        self.summary.seconds = {
            **asdict(runner.seconds),
            "longest_item": runner.longest_item_s,
            "total": time.perf_counter() - self._clock,
        }

    def _nothing(self) -> str:
        named = ", ".join("an array" if isinstance(name, np.ndarray) else str(name) for name in self.job.inputs.named)
        other = sum(self._skipped.counts.values())
        return f"nothing to read in {named or 'no input'}" + (f" ({other:,} files there are no media)" if other else "")


def publish(
    rows: Iterable[Row | Stored],
    form: Form,
    output: Path,
    journal: Journal,
    *,
    what: dict[str, Any],
    told: Callable[[], str],
) -> None:
    """The rows into the table; then the manifest that is `told`; then the journal goes."""
    writer = WRITERS[what["table"]["format"]]

    def then(sha256: str) -> None:
        what["table"]["sha256"] = sha256
        journal.finish(sha256)

    write_atomically(output, lambda file: writer(rows, form, file), then=then)
    text = told().encode()
    write_atomically(manifest_path(output), lambda file: file.write(text))
    journal.remove()
