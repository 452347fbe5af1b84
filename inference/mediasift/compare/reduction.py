"""Tables of which every row depends on all inputs: first everything is read, then the rows are made."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Generic, TextIO, TypeVar

from mediasift.compare.collection import Collection, JournalStore, Store, read_collection
from mediasift.compare.index import Index
from mediasift.errors import InputError, OutputError
from mediasift.rows import Row
from mediasift.run.job import settings
from mediasift.run.journal import Journal
from mediasift.run.resume import look, plan
from mediasift.run.table import Table, publish
from mediasift.sources.naming import Skipped, Source
from mediasift.tables.manifest import Summary, computing, manifest
from mediasift.tables.writers import WRITERS, Form, format_of
from mediasift.tasks.fingerprint import Fingerprint

RowType = TypeVar("RowType", bound=Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read, and how.

    Attributes:
        table: Makes fingerprints; it is started already.
        sources: All inputs.
        skipped: Files in folders that are no inputs.
        fingerprints: Whether they are wanted; exact comparisons do without.
        index: The file that keeps fingerprints for the next run; None for none.
        keep: Columns of an input list that come along.
        settings: The command's own, JSON values.
        first: How many of the sources are queries, or an old collection; they come first.
    """

    table: Table[Any]
    sources: Sequence[Source]
    skipped: Skipped
    settings: dict[str, Any]
    fingerprints: bool = True
    index: Path | None = None
    keep: tuple[str, ...] = ()
    first: int = 0

    def collect(self, journal: Journal | None, progress: TextIO | None) -> Collection:
        """All fingerprints; kept in the index, else in the journal, where there is one.

        Raises:
            InputError: There is nothing to read.
            UsageError: The index was made in another way.
            Interrupted: Somebody wants to stop.
        """
        if not self.sources:
            raise InputError(f"nothing to read in {', '.join(settings(self.table.job)['inputs']) or 'no input'}")
        with ExitStack() as stack:
            stack.callback(self.table.close)
            if not self.fingerprints:
                return Collection(sources=self.sources)
            store: Store | None = None if journal is None else JournalStore(journal)
            if self.index is not None:
                store = stack.enter_context(Index(self.index, self.table.made_by, Fingerprint))
            return read_collection(self.table, self.sources, store, progress)


class Reduced(Generic[RowType]):
    """Rows that come when everything was read. Iterate over it once, or write it once; as `run.table.Table`.

    Args:
        row_type: Its rows.
        reading: What to read.
        reduce: The collection → its rows.

    Attributes:
        summary: Counts, filled in while it runs.
        left_alone: Whether `write` found the table finished and did nothing.
    """

    def __init__(
        self, row_type: type[RowType], reading: Reading, reduce: Callable[[Collection], Iterator[RowType]]
    ) -> None:
        self.summary = Summary()
        self.left_alone = False
        self._row_type = row_type
        self._reading = reading
        self._reduce = reduce
        self._begun = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._what: dict[str, Any] = {
            "settings": {**settings(reading.table.job), **reading.settings},
            "model": dict(reading.table.facts),
            "versions": computing(),
        }

    def __iter__(self) -> Iterator[RowType]:
        """Each row.

        Raises:
            InputError: There is nothing to read.
        """
        return self._rows(None, None)

    def print_to(
        self, file: IO[bytes], *, format: str, spreadsheet_safe: bool = False, progress: TextIO | None = None
    ) -> None:
        """Write the rows to an open stream."""
        rows = self._rows(None, progress)
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
        """Write the table and its manifest, each at once and whole.

        Until then fingerprints stand in `OUTPUT.journal.jsonl`, or in the index that was named: a run that ended in
        any way goes on where it ended. A finished table is left alone.

        Args:
            output: The table's file.
            format: csv, jsonl, parquet or npz; None takes the suffix.
            spreadsheet_safe: Put a `'` before text cells that a spreadsheet would take for a formula.
            progress: Where to tell how far it is.
            restart: Begin anew. A table that was changed since it was written is not overwritten even then.
            update: Write the finished table anew, over the inputs that are there now; only an index saves reading
                those again that were there before.

        Raises:
            UsageError: The name says no format; or the table was begun, or written, with other settings.
            OutputError: It cannot be written, another run is writing it, or the table there is not ours.
            Interrupted: With `isolate`, after Ctrl-C or SIGTERM.
        """
        try:
            output = Path(output)
            form = self._form(spreadsheet_safe)
            name = format_of(output, format, form.row_type)
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
                    journal.begin({"what": what, "replaces": found.table_sha256})
                rows = self._rows(journal, progress)
                publish(rows, form, output, journal, what=what, told=lambda: self._manifest(what))
        finally:
            self._reading.table.close()

    def manifest(self) -> str:
        """What produced the rows, as JSON; complete when they are."""
        return self._manifest({**self._what, "table": {}})

    def _manifest(self, what: Mapping[str, Any]) -> str:
        return manifest(self.summary, what=what, resources=self._reading.table.resources, started=self._begun)

    def _form(self, spreadsheet_safe: bool) -> Form:
        return Form(row_type=self._row_type, kept=self._reading.keep, spreadsheet_safe=spreadsheet_safe)

    def _rows(self, journal: Journal | None, progress: TextIO | None) -> Iterator[RowType]:
        reading, summary = self._reading, self.summary
        collection = reading.collect(journal, progress)
        summary.sources, summary.taken_over = len(reading.sources), collection.taken_over
        summary.skipped = dict(reading.skipped.counts)
        summary.worker_restarts = reading.table.summary.worker_restarts
        read = time.perf_counter() - self._clock
        for row in self._reduce(collection):
            summary.count(row.error)
            yield row
        whole = time.perf_counter() - self._clock
        summary.seconds = {**reading.table.summary.seconds, "gathered": read, "total": whole}
