"""Tables of which every row depends on all inputs: first everything is read, then the rows are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TextIO

from mediasift.compare.collection import Collection, read_collection
from mediasift.compare.index import Index
from mediasift.errors import InputError
from mediasift.rows import RowType
from mediasift.run.journal import Journal
from mediasift.run.progress import Progress
from mediasift.run.stream import Stream
from mediasift.sources.naming import Skipped, Source
from mediasift.tables.manifest import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is read, and how.

    Attributes:
        stream: Makes fingerprints; it is started already.
        sources: All inputs.
        skipped: Files in folders that are no inputs.
        fingerprints: Whether they are wanted; exact comparisons do without.
        index: The file that keeps fingerprints for the next run; None for none.
        keep: Columns of an input list that come along.
        settings: The command's own, JSON values.
        first: How many of the sources are queries, or an old collection; they come first.
    """

    stream: Stream[Any]
    sources: Sequence[Source]
    skipped: Skipped
    settings: dict[str, Any]
    fingerprints: bool = True
    index: Path | None = None
    keep: tuple[str, ...] = ()
    first: int = 0

    def collect(self, journal: Journal | None = None, progress: TextIO | None = None) -> Collection:
        """All fingerprints; kept in the index, else in the journal, where there is one.

        Raises:
            InputError: There is nothing to read.
            UsageError: The index was made in another way.
            Interrupted: Somebody wants to stop.
        """
        if not self.sources:
            raise InputError(f"nothing to read in {', '.join(self.stream.what['settings']['inputs']) or 'no input'}")
        if not self.fingerprints:
            return Collection(sources=self.sources)
        index = nullcontext(journal) if self.index is None else Index(self.index, self.stream.made_by)
        with index as store:
            return read_collection(self.stream, self.sources, store, Progress(progress, len(self.sources)))


class Reduction(Generic[RowType]):
    """Rows that are made when everything was read; see `mediasift.run.table.Rows`.

    Args:
        row_type: Its rows.
        reading: What to read.
        reduce: The collection → its rows.
    """

    extends = False

    def __init__(
        self, row_type: type[RowType], reading: Reading, reduce: Callable[[Collection], Iterator[RowType]]
    ) -> None:
        stream = reading.stream
        self.row_type, self.keep, self.began = row_type, reading.keep, stream.began
        self.facts: Mapping[str, Any] = stream.facts
        self.what: Mapping[str, Any] = {**stream.what, "settings": {**stream.what["settings"], **reading.settings}}
        self.reading = reading
        self._reduce = reduce
        self._clock = time.perf_counter()

    @property
    def resources(self) -> Mapping[str, Any]:
        """What the rows cost: threads, batch size, limits."""
        return self.reading.stream.resources

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[RowType]:
        """All rows, once."""
        reading = self.reading
        try:
            collection = reading.collect(journal, progress)
        finally:
            reading.stream.close()
        reading.stream.tell(summary)
        summary.sources, summary.taken_over = len(reading.sources), collection.taken_over
        summary.skipped = dict(reading.skipped)
        gathered = time.perf_counter() - self._clock
        yield from self._reduce(collection)
        summary.seconds |= {"gathered": gathered, "total": time.perf_counter() - self._clock}

    def close(self) -> None:
        """Let go of what computes."""
        self.reading.stream.close()
