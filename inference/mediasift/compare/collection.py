"""All inputs at once: their fingerprints gathered into arrays, for what is to be compared with everything else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.items import Place
from mediasift.rows import Row
from mediasift.run.progress import Progress
from mediasift.run.stream import Store, Stream
from mediasift.sources.naming import Source
from mediasift.tables.stored import Stored
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

    def add(self, source: int, rows: Iterable[Row | Stored]) -> None:
        """Take the fingerprints of one source."""
        for row in rows:
            if isinstance(row, Row):
                self._add(source, row)

    def _add(self, source: int, row: Row) -> None:
        path = self.sources[source].path
        entry_here = partial(Entry, path=path, page=row.page, frame=row.frame, time_s=row.time_s, source=source)
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


def read_collection(
    stream: Stream[Any], sources: Sequence[Source], store: Store | None, progress: Progress
) -> Collection:
    """Every source's fingerprints: from the store where its file is unchanged, else from the file.

    Raises:
        Interrupted: Somebody wants to stop; what was read is in the store.
    """
    collection = Collection(sources=sources)
    if store is None:
        for number, finished in enumerate(stream.read(sources, progress)):
            collection.add(number, finished.rows)
        return collection
    for number, (place, rows) in enumerate(stream.kept(sources, store, progress)):
        collection.taken_over += rows is None
        collection.add(number, store.rows(place, Fingerprint) if rows is None else rows)
    return collection
