"""All inputs at once: their fingerprints gathered into arrays, for what is to be compared with everything else."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Interrupted, Unreadable
from mediasift.items import Place
from mediasift.rows import Row
from mediasift.run.journal import Journal
from mediasift.run.journal import state as journal_state
from mediasift.run.table import Table
from mediasift.sources.naming import Source
from mediasift.tasks.fingerprint import Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Place):
    """One picture, or an error in its stead.

    Attributes:
        source: Position of its input.
        feature: Position among the pictures that could be read; -1 for an error.
        width, height: Pixels.
        sharpness: Where it was measured.
        error: The error cell.
    """

    source: int
    feature: int
    width: int = 0
    height: int = 0
    sharpness: float = 0.0
    error: str = ""


@dataclass(slots=True)
class Collection:
    """What was read.

    Attributes:
        sources: The inputs.
        entries: Their pictures, in order.
        pixels: The shrunken pixels of the readable ones, one after another.
        vectors: Their vectors.
        readable: Their entries.
        taken_over: How many inputs an earlier run had read.
    """

    sources: Sequence[Source]
    entries: list[Entry] = field(default_factory=list)
    pixels: bytearray = field(default_factory=bytearray)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    readable: list[Entry] = field(default_factory=list)
    taken_over: int = 0

    def add(self, source: int, row: Row) -> None:
        """Take one row of the fingerprint task."""
        entry_here = partial(Entry, path=row.path, page=row.page, frame=row.frame, time_s=row.time_s, source=source)
        if row.error or not isinstance(row, Fingerprint) or row.width is None:  # the last: nothing in it
            self.entries.append(entry_here(feature=-1, error=row.error))
            return
        entry = entry_here(
            feature=len(self.readable),
            width=row.width,
            height=row.height or 0,
            sharpness=row.sharpness or 0.0,
        )
        self.entries.append(entry)
        self.readable.append(entry)
        if row.pixels is not None:
            self.pixels += base64.b64decode(row.pixels)
        if row.vector is not None:
            self.vectors.append(row.vector)

    def shrunken(self, *shape: int) -> NDArray[np.uint8]:
        """The shrunken pixels, uint8 (N, *shape)."""
        return np.frombuffer(self.pixels, dtype=np.uint8).reshape(len(self.readable), *shape)

    def embedded(self, turns: int) -> list[NDArray[np.float32]]:
        """The vectors, float32 (N, D), once for each turn."""
        if not self.vectors:
            return [np.zeros((0, 1), dtype=np.float32)] * turns
        stacked = np.stack(self.vectors).reshape(len(self.vectors), turns, -1)
        return [np.ascontiguousarray(stacked[:, turn]) for turn in range(turns)]


class Store(Protocol):
    """Where fingerprints wait for the next run, or for this one when it is continued."""

    path: Path

    def state(self, source: Source) -> Any:
        """What tells whether a file is still the one that was read."""

    def knows(self, source: Source) -> bool:
        """Whether it has the rows of an input whose file has not changed since."""

    def find(self, source: Source) -> list[Row] | None:
        """Those rows; None when the file must be read."""

    def add(self, source: Source, state: Any, rows: Sequence[Row]) -> None:
        """Keep the rows of an input, which was in that state before it was read."""


class JournalStore:
    """The journal of an unfinished table as a store.

    Args:
        journal: It is begun already.
    """

    def __init__(self, journal: Journal) -> None:
        self.path = journal.path
        self._journal = journal

    def state(self, source: Source) -> Any:
        """See `journal.state`."""
        return journal_state(source)

    def knows(self, source: Source) -> bool:
        """Whether `find` would find it."""
        return self._journal.find(source) is not None

    def find(self, source: Source) -> list[Row] | None:
        """The rows of an input that an earlier run has read."""
        place = self._journal.find(source)
        if place is None:
            return None
        return [row for row in self._journal.rows(place, Fingerprint) if isinstance(row, Row)]

    def add(self, source: Source, state: Any, rows: Sequence[Row]) -> None:
        """Append them."""
        self._journal.append(source, state, rows)


def read_collection(
    table: Table[Any], sources: Sequence[Source], store: Store | None, progress: TextIO | None
) -> Collection:
    """Every source's fingerprints: from the store where its file is unchanged, else from the file.

    Raises:
        Interrupted: Somebody wants to stop; what was read is in the store.
    """
    collection = Collection(sources=sources)
    rows_of: Iterable[list[Row]]
    if store is None:
        rows_of = (finished.rows for finished in table.by_source(sources, progress, len(sources)))
    else:
        new = [source for source in sources if not store.knows(source)]
        collection.taken_over = len(sources) - len(new)
        rows_of = _stored(table, sources, new, store, progress=progress)
    for number, rows in enumerate(rows_of):
        for row in rows:
            collection.add(number, row)
    return collection


def _stored(
    table: Table[Any], sources: Sequence[Source], new: Sequence[Source], store: Store, *, progress: TextIO | None
) -> Iterator[list[Row]]:
    """The rows of each source; `new` are those that the store does not know."""
    states: deque[Any] = deque()

    def noted() -> Iterator[Source]:
        for source in new:
            states.append(store.state(source))
            yield source

    fresh = table.by_source(noted(), progress, len(new))
    waiting = iter(new)
    awaited = next(waiting, None)
    kept = 0
    try:
        for source in sources:
            if source is awaited:
                rows = next(fresh).rows
                store.add(source, states.popleft(), rows)
                awaited = next(waiting, None)
                kept += 1
                yield rows
            else:
                found = store.find(source)
                gone = Unreadable("was changed while the command ran; run it again")
                yield [Fingerprint(path=source.path, error=gone.as_cell())] if found is None else found
        next(fresh, None)  # lets the readers go
    except Interrupted as error:
        done = len(sources) - len(new) + kept
        raise Interrupted(
            f"interrupted; {done:,} inputs are read and kept in {store.path.name}. "
            "To go on, type the same command again"
        ) from error
    finally:
        fresh.close()
