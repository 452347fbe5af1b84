"""All inputs at once: their fingerprints gathered into arrays, for what is to be compared with everything else."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Unreadable
from mediasift.items import Place
from mediasift.media.sources import Source
from mediasift.rows import Row
from mediasift.run.index import Index
from mediasift.run.table import Table
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
    """

    sources: Sequence[Source]
    entries: list[Entry] = field(default_factory=list)
    pixels: bytearray = field(default_factory=bytearray)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    readable: list[Entry] = field(default_factory=list)

    def add(self, source: int, row: Row) -> None:
        """Take one row of the fingerprint task."""
        place = {"path": row.path, "page": row.page, "frame": row.frame, "time_s": row.time_s, "source": source}
        if row.error or not isinstance(row, Fingerprint) or row.width is None:  # the last: nothing in it
            self.entries.append(Entry(**place, feature=-1, error=row.error))  # type: ignore[arg-type]
            return
        entry = Entry(
            **place,  # type: ignore[arg-type]
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
    table: Table[Any], sources: Sequence[Source], index_path: Path | None, progress: TextIO | None
) -> Collection:
    """Every source's fingerprints: from the index where its file is unchanged, else from the file.

    Raises:
        UsageError: The index was made in another way.
    """
    collection = Collection(sources=sources)
    if index_path is None:
        for number, finished in enumerate(table.by_source(sources, progress, len(sources))):
            for row in finished.rows:
                collection.add(number, row)
        return collection
    with Index(index_path, table.made_by, Fingerprint) as index:
        for number, rows in enumerate(_indexed(table, sources, index, progress)):
            for row in rows:
                collection.add(number, row)
    return collection


def _indexed(
    table: Table[Any], sources: Sequence[Source], index: Index, progress: TextIO | None
) -> Iterator[Sequence[Row]]:
    new = [source for source in sources if not index.knows(source)]
    fresh = iter(table.by_source(new, progress, len(new)) if new else ())
    waiting = iter(new)
    awaited = next(waiting, None)
    for source in sources:
        if source is awaited:
            finished = next(fresh)
            index.add(source, finished.rows)
            awaited = next(waiting, None)
            yield finished.rows
        else:
            rows = index.find(source)
            gone = Unreadable("was changed while the command ran; run it again")
            yield [Fingerprint(path=source.path, error=gone.as_cell())] if rows is None else rows
    next(fresh, None)  # lets the readers go
