"""Tables of which every row depends on all inputs: first everything is read, then the rows are made."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TextIO, TypeVar

from mediasift.errors import InputError, OutputError
from mediasift.media.sources import Skipped, Source
from mediasift.rows import Row
from mediasift.run.collection import Collection, read_collection
from mediasift.run.manifest import Summary, manifest_path
from mediasift.run.table import Table
from mediasift.run.writers import WRITERS, Form, format_of, write_atomically

RowType = TypeVar("RowType", bound=Row)


def _put(file: IO[bytes], text: str) -> None:
    file.write(text.encode())


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
        settings: The command's own, for the manifest.
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


class Reduced(Generic[RowType]):
    """Rows that come when everything was read. Iterate over it once, or write it once; as `run.table.Table`.

    Args:
        row_type: Its rows.
        reading: What to read.
        reduce: The collection → its rows.

    Attributes:
        summary: Counts, filled in while it runs.
    """

    def __init__(
        self, row_type: type[RowType], reading: Reading, reduce: Callable[[Collection], Iterator[RowType]]
    ) -> None:
        self.summary = Summary()
        self._row_type = row_type
        self._reading = reading
        self._reduce = reduce
        self._clock = time.perf_counter()

    def __iter__(self) -> Iterator[RowType]:
        """Each row.

        Raises:
            InputError: There is nothing to read.
        """
        return self._rows(self._reading.index, None)

    def print_to(
        self, file: IO[bytes], *, format: str, spreadsheet_safe: bool = False, progress: TextIO | None = None
    ) -> None:
        """Write the rows to an open stream."""
        rows = self._rows(self._reading.index, progress)
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

        Until then fingerprints stand in `OUTPUT.journal.jsonl`, or in the index that was named: a run that was killed
        goes on where it ended.

        Raises:
            UsageError: The name says no format; or what was begun there was begun in another way.
            OutputError: The folder is not there or cannot be written to.
        """
        output = Path(output)
        writer = WRITERS[format_of(output, format)]
        if not output.parent.is_dir():
            raise OutputError(f"{output}: the folder {output.parent} does not exist; make it first")
        journal = output.with_name(output.name + ".journal.jsonl")
        index = self._reading.index or journal
        rows = self._rows(index, progress)
        write_atomically(output, lambda file: writer(rows, self._form(spreadsheet_safe), file))
        text = self.manifest()
        write_atomically(manifest_path(output), lambda file: _put(file, text))
        if index == journal:
            journal.unlink(missing_ok=True)

    def manifest(self) -> str:
        """What produced the rows, as JSON; complete when they are."""
        data = json.loads(self._reading.table.manifest())
        summary = self.summary
        counts = {"sources": summary.sources, "rows": summary.rows, "error_rows": summary.error_rows,
                  "errors": summary.errors, "skipped": summary.skipped}  # fmt: skip
        data |= {"settings": self._reading.settings, "counts": counts, "seconds": summary.seconds}
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"

    def _form(self, spreadsheet_safe: bool) -> Form:
        return Form(row_type=self._row_type, kept=self._reading.keep, spreadsheet_safe=spreadsheet_safe)

    def _rows(self, index: Path | None, progress: TextIO | None) -> Iterator[RowType]:
        reading, summary = self._reading, self.summary
        if not reading.sources:
            raise InputError(f"nothing to read in {', '.join(reading.settings['inputs']) or 'no input'}")
        collection = Collection(sources=reading.sources)
        if reading.fingerprints:
            collection = read_collection(reading.table, reading.sources, index, progress)
        summary.sources = len(reading.sources)
        summary.skipped = dict(reading.skipped.counts)
        read = time.perf_counter() - self._clock
        for row in self._reduce(collection):
            summary.count(row.error)
            yield row
        summary.seconds = {"read": round(read, 3), "total": round(time.perf_counter() - self._clock, 3)}
