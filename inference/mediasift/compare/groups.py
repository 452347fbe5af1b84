"""Rows of `duplicates`: which pictures are the same, and which of them stands for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np

from mediasift.compare.collection import Collection, Entry
from mediasift.compare.grouping import Groups, group
from mediasift.compare.spaces import Positions, Space
from mediasift.errors import ItemError
from mediasift.rows import Row, placed
from mediasift.run.pipeline import Finished
from mediasift.sources.naming import Source
from mediasift.tasks.fingerprint import Fingerprint

Prefer = Literal["largest", "sharpest", "first"]
Decode = Callable[[Sequence[Source]], Iterable[Finished]]
"""Reads sources again, in order, every pixel, for the digests of their pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(Row):
    """One picture; without a group it has no duplicate.

    Attributes:
        group: From 1, in the order of the first member.
        representative: Path of the picture that stands for the group; its own when it is the one.
        representative_page, representative_frame: Where in that file.
        similarity: To the representative, 1 for the same.
        match: `bytes`: the same file; `pixels`: the same pixels in another file; `near`: similar.
        turn: How it is turned to look like the representative (clockwise, after mirroring); empty as it is.
    """

    group: int | None = None
    representative: str | None = None
    representative_page: int | None = None
    representative_frame: int | None = None
    similarity: float | None = None
    match: str | None = None
    turn: str | None = None


def duplicate_rows(
    collection: Collection,
    space: Space,
    decode: Decode,
    *,
    min_similarity: float,
    prefer: Prefer,
    known_sources: int,
    threads: int,
) -> Iterator[Duplicate]:
    """A row for each new picture, in input order, and for each old one that could not be read.

    Args:
        collection: The old pictures first, if there are any.
        space: The readable ones.
        decode: For pairs that may be the same to the pixel.
        min_similarity: See `similarity.duplicates.group`.
        prefer: Which of a group stands for it.
        known_sources: How many of the inputs are the old collection.
        threads: How many may work at a time.
    """
    known = sum(1 for entry in collection.readable if entry.source < known_sources)
    order = preference(collection.readable, known, prefer)
    groups = group(space, order, min_similarity, known=known, threads=threads)
    matches = _matches(collection, groups, known, decode)
    numbers: dict[int, int] = {}
    shared = np.bincount(groups.leader, minlength=len(groups.leader)) if len(groups.leader) else np.zeros(0, int)
    for entry in collection.entries:
        row = placed(Duplicate(error=entry.error), entry, collection.sources[entry.source].kept)
        if entry.feature < 0:
            if entry.source >= known_sources or entry.error:
                yield row
        elif entry.source >= known_sources:
            leader = int(groups.leader[entry.feature])
            if shared[leader] < 2:  # an old picture leads itself, so it and one new one are two
                yield row
                continue
            turn = space.turn_names[groups.turn[entry.feature]]
            row = _grouped(row, groups, entry, collection.readable[leader], turn)
            number = numbers.setdefault(leader, len(numbers) + 1)
            yield replace(row, group=number, match=matches.get(entry.feature))


def _grouped(row: Duplicate, groups: Groups, entry: Entry, leader: Entry, turn: str) -> Duplicate:
    """The row with what is known of its representative."""
    return replace(
        row,
        representative=leader.path,
        representative_page=leader.page,
        representative_frame=leader.frame,
        similarity=round(float(groups.similarity[entry.feature]), 6),
        turn=turn or None,
    )


def preference(readable: Sequence[Entry], known: int, prefer: Prefer) -> Positions:
    """Positions of the new pictures, those that should stand for others first; ties in input order."""
    new = readable[known:]
    area = np.array([-entry.width * entry.height for entry in new], dtype=np.float64)
    sharp = np.array([-entry.sharpness for entry in new], dtype=np.float64)
    keys = {"first": (np.arange(len(new)),), "largest": (area,), "sharpest": (area, sharp)}[prefer]
    return np.asarray(np.lexsort(keys) + known, dtype=np.int64)


def _matches(collection: Collection, groups: Groups, known: int, decode: Decode) -> dict[int, str]:
    """Feature → how a member matches its representative."""
    found: dict[int, str] = {}
    doubtful: list[tuple[Entry, Entry]] = []
    same_file = _SameFile(collection.sources)
    for feature in range(known, len(groups.leader)):
        leader = int(groups.leader[feature])
        if leader == feature:
            continue
        one, other = collection.readable[feature], collection.readable[leader]
        found[feature] = "near"
        if groups.turn[feature]:
            continue
        if (one.page, one.frame) == (other.page, other.frame) and same_file(one.source, other.source):
            found[feature] = "bytes"
        elif (one.width, one.height) == (other.width, other.height):
            doubtful.append((one, other))
    digests = pixel_digests(collection, {entry.source for pair in doubtful for entry in pair}, decode)
    for one, other in doubtful:
        mine = digests.get((one.source, one.page, one.frame))
        if mine is not None and mine == digests.get((other.source, other.page, other.frame)):
            found[one.feature] = "pixels"
    return found


_At = tuple[int, int | None, int | None]


def pixel_digests(collection: Collection, wanted: set[int], decode: Decode) -> dict[_At, str]:
    """(source, page, frame) → SHA-256 of the pixels, of the sources that are wanted."""
    numbers = sorted(wanted)
    digests = {}
    if numbers:
        finished = decode([collection.sources[number] for number in numbers])
        for number, one in zip(numbers, finished, strict=True):
            for row in one.rows:
                if isinstance(row, Fingerprint) and row.digest is not None:
                    digests[number, row.page, row.frame] = row.digest
    return digests


class _SameFile:
    """Whether two inputs have the same bytes; files are read only where their sizes agree."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._digest = cache(self._sha256)

    def __call__(self, one: int, other: int) -> bool:
        size = content_size(self._sources[one])
        if size is None or size != content_size(self._sources[other]):
            return False
        mine = self._digest(one)
        return mine is not None and mine == self._digest(other)

    def _sha256(self, number: int) -> str | None:
        content = self._sources[number].content
        try:
            return None if content is None else content.sha256()[1]
        except ItemError:
            return None


def content_size(source: Source) -> int | None:
    """Bytes of an input; None for arrays and what is not there."""
    return None if source.content is None else source.content.size
