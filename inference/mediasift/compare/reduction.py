"""Tables of which every row depends on all inputs: first everything is read, then the rows are made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Generic, TextIO

from mediasift.compare.collection import Collection
from mediasift.compare.index import Index
from mediasift.errors import InputError
from mediasift.rows import RowType
from mediasift.run.journal import Journal
from mediasift.run.stream import Stream, refuse_shard
from mediasift.sources.content import content_bytes
from mediasift.sources.folders import Skipped
from mediasift.sources.naming import Source
from mediasift.sources.spellings import nothing_to_read
from mediasift.system.progress import Progress
from mediasift.tables.manifest import Summary
from mediasift.tasks.fingerprint import Fingerprint


class Reduction(Generic[RowType]):
    """Rows that are made when everything was read; see `mediasift.run.table.Rows`.

    Args:
        row_type: Its rows.
        reduce: The collection → its rows.
        stream: Makes fingerprints, and is started already; one that makes something else is not read here.
        groups: Queries or an old collection, perhaps; then the inputs.
        skipped: Files in folders that are no inputs.
        index: The file that keeps fingerprints for the next run; None for none.
        settings: The verb's own, JSON values.
    """

    extends = False

    def __init__(
        self,
        row_type: type[RowType],
        reduce: Callable[[Collection], Iterator[RowType]],
        *,
        stream: Stream[Any],
        groups: Sequence[Sequence[Source]],
        skipped: Skipped,
        index: str | Path | None,
        settings: Mapping[str, Any],
    ) -> None:
        refuse_shard(stream)
        self.row_type, self.keep, self.began = row_type, stream.keep, stream.began
        self.facts, self.resources = stream.facts, stream.resources
        self.what: Mapping[str, Any] = {**stream.what, "settings": {**stream.what["settings"], **settings}}
        self.stream = stream
        self.sources = [source for group in groups for source in group]
        self.first = len(self.sources) - len(groups[-1])
        self._reduce, self._skipped, self._index = reduce, skipped, index
        self._clock = time.perf_counter()

    def collect(self, journal: Journal | None = None, progress: TextIO | None = None) -> Collection:
        """All fingerprints: from the index, else the journal, where a file is unchanged, else from the file.

        Raises:
            InputError: There is nothing to read.
            UsageError: The index was made in another way.
            Interrupted: Somebody wants to stop; what was read is in the index or journal.
        """
        if not self.sources:
            raise InputError(nothing_to_read(self.stream.what["settings"]["inputs"]))
        collection = Collection(sources=self.sources, first=self.first)
        if self.stream.row_type is not Fingerprint:
            return collection
        shown = Progress(progress, len(self.sources))
        index = nullcontext(journal) if self._index is None else Index(Path(self._index), self.stream.made_by)
        with index as store:
            if store is None:
                for number, finished in enumerate(self.stream.read(self.sources, shown)):
                    collection.add(number, finished.rows)
                return collection
            for number, (place, new) in enumerate(self.stream.kept(self.sources, store, shown)):
                collection.taken_over += new is None
                collection.add(number, store.rows(place, Fingerprint) if new is None else new.rows)
        return collection

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[RowType]:
        """All rows, once."""
        try:
            collection = self.collect(journal, progress)
        finally:
            self.close()
        self.stream.tell(summary)
        summary.sources, summary.taken_over = len(self.sources), collection.taken_over
        if not summary.sizes:
            sizes = [content_bytes(Journal.state(source)) for source in self.sources]
            summary.sizes = [-1 if size is None else size for size in sizes]
        summary.skipped = dict(self._skipped)
        gathered = time.perf_counter() - self._clock
        yield from self._reduce(collection)
        summary.seconds |= {"gathered": gathered, "total": time.perf_counter() - self._clock}

    def close(self) -> None:
        """Let go of what computes."""
        self.stream.close()
