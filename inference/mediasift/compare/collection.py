"""All inputs at once: their fingerprints gathered into arrays, for what is to be compared with everything else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mediasift.items import Place
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
    width: int
    height: int
    sharpness: float
    error: str


@dataclass(slots=True, kw_only=True)
class Collection:
    """What was read.

    Attributes:
        sources: The inputs.
        first: How many of them are queries, or an old collection; they come first.
        entries: Their pictures, in order.
        pixels: The shrunken pixels of the readable ones, one after another.
        vectors: Their vectors.
        readable: Their entries.
        taken_over: How many inputs an earlier run had read.
    """

    sources: Sequence[Source]
    first: int = 0
    entries: list[Entry] = field(default_factory=list)
    pixels: bytearray = field(default_factory=bytearray)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)
    readable: list[Entry] = field(default_factory=list)
    taken_over: int = 0

    def add(self, source: int, rows: Iterable[object]) -> None:
        """Take the fingerprints of one source."""
        for row in rows:
            if not isinstance(row, Fingerprint):
                continue
            is_read = not row.error and row.width is not None  # an input may have nothing in it
            entry = Entry(
                path=self.sources[source].path, page=row.page, frame=row.frame, time_s=row.time_s, source=source,
                feature=len(self.readable) if is_read else -1, width=row.width or 0, height=row.height or 0,
                sharpness=row.sharpness or 0.0, error=row.error,
            )  # fmt: skip
            self.entries.append(entry)
            if is_read:
                self.readable.append(entry)
                self.pixels += base64.b64decode(row.pixels or "")
                self.vectors += [] if row.vector is None else [row.vector]

    def behind(self, queries: Sequence[str], vectors: NDArray[np.float32]) -> Collection:
        """The same behind queries that are texts, of which only the vectors are known, float32 (N, D)."""
        count = len(queries)
        asked = [
            Entry(path=text, source=number, feature=number, width=0, height=0, sharpness=0.0, error="")
            for number, text in enumerate(queries)
        ]
        moved = {
            id(entry): replace(entry, source=entry.source + count,
                               feature=entry.feature + count if entry.feature >= 0 else -1)
            for entry in self.entries
        }  # fmt: skip
        return replace(
            self, sources=[*(Source(path=text) for text in queries), *self.sources], first=count,
            entries=[*asked, *moved.values()], readable=[*asked, *(moved[id(entry)] for entry in self.readable)],
            vectors=[*vectors, *self.vectors],
        )  # fmt: skip

    def shrunken(self, *shape: int) -> NDArray[np.uint8]:
        """The shrunken pixels, uint8 (N, *shape)."""
        return np.frombuffer(self.pixels, dtype=np.uint8).reshape(len(self.readable), *shape)

    def embedded(self, turns: int) -> list[NDArray[np.float32]]:
        """The vectors, float32 (N, D), once for each turn."""
        if not self.vectors:
            return [np.zeros((0, 1), dtype=np.float32)] * turns
        stacked = np.stack(self.vectors).reshape(len(self.vectors), turns, -1)
        return [np.ascontiguousarray(stacked[:, turn]) for turn in range(turns)]
