"""Rows of `duplicates`: which pictures are the same, to the byte, to the pixel or nearly, and which stands for them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np

from mediasift.compare.collection import Collection, Entry
from mediasift.compare.grouping import group
from mediasift.compare.hamming import Positions
from mediasift.compare.spaces import Matches, Space
from mediasift.errors import EmptyFile, ItemError, NotFound
from mediasift.media.information import Info
from mediasift.rows import Row, placed
from mediasift.run.finished import Finished
from mediasift.sources.memory import Array
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


def _grouped(row: Duplicate, number: int, leader: Entry | Row) -> Duplicate:
    """The row with the number of its group, and what stands for that."""
    return replace(row, group=number, representative=leader.path, representative_page=leader.page,
                   representative_frame=leader.frame)  # fmt: skip


def duplicate_rows(
    collection: Collection, space: Space, *, decode: Decode, min_similarity: float, prefer: Prefer, threads: int
) -> Iterator[Duplicate]:
    """A row for each new picture, in input order, and for each old one that could not be read.

    Args:
        collection: The old pictures first, if there are any.
        space: The readable ones.
        decode: For pairs that may be the same to the pixel.
        min_similarity: See `compare.grouping.group`.
        prefer: Which of a group stands for it.
        threads: How many may work at a time.
    """
    readable = collection.readable
    known = sum(entry.source < collection.first for entry in readable)
    groups = group(space, _preference(readable, known, prefer), min_similarity, known=known, threads=threads)
    matches = _matches(collection, groups, known, decode)
    numbers: dict[int, int] = {}
    members = np.bincount(groups.position, minlength=len(readable))
    for entry in collection.entries:
        if entry.source < collection.first and not entry.error:
            continue
        row = placed(Duplicate(error=entry.error), entry, collection.sources[entry.source].kept)
        leader = int(groups.position[entry.feature]) if entry.feature >= 0 else -1
        if leader >= 0 and members[leader] > 1:  # an old picture leads itself, so it and one new one are two
            row = replace(
                _grouped(row, numbers.setdefault(leader, len(numbers) + 1), readable[leader]),
                similarity=round(float(groups.similarity[entry.feature]), 6),
                match=matches.get(entry.feature),
                turn=space.turn_names[groups.turn[entry.feature]] or None,
            )
        yield row


def _preference(readable: Sequence[Entry], known: int, prefer: Prefer) -> Positions:
    """Positions of the new pictures, those that should stand for others first; ties in input order."""
    new = readable[known:]
    area = np.array([-entry.width * entry.height for entry in new], dtype=np.float64)
    sharp = np.array([-entry.sharpness for entry in new], dtype=np.float64)
    keys = {"first": (np.arange(len(new)),), "largest": (area,), "sharpest": (area, sharp)}[prefer]
    return np.asarray(np.lexsort(keys) + known, dtype=np.int64)


def _matches(collection: Collection, groups: Matches, known: int, decode: Decode) -> dict[int, str]:
    """Feature → how a member matches its representative. Files are read only where their sizes agree."""
    sources, kinds = collection.sources, dict[int, str]()
    doubtful: list[tuple[Entry, Entry]] = []

    @cache
    def sha256(number: int) -> str | None:
        content = sources[number].content
        with suppress(ItemError):
            return None if content is None else content.sha256()[1]
        return None

    for one, leader, turn in zip(collection.readable, groups.position.tolist(), groups.turn.tolist(), strict=True):
        if one.feature < known or one.feature == leader:
            continue
        other = collection.readable[leader]
        kinds[one.feature] = "near"
        if turn:
            continue
        size, same_place = _size(sources[one.source]), (one.page, one.frame) == (other.page, other.frame)
        may_be_same = same_place and size is not None and size == _size(sources[other.source])
        if may_be_same and sha256(one.source) is not None and sha256(one.source) == sha256(other.source):
            kinds[one.feature] = "bytes"
        elif (one.width, one.height) == (other.width, other.height):
            doubtful.append((one, other))
    numbers = sorted({entry.source for pair in doubtful for entry in pair})
    finished = decode([sources[number] for number in numbers]) if numbers else ()
    digests = {
        (number, row.page, row.frame): row.digest
        for number, one in zip(numbers, finished, strict=True)
        for row in one.rows
        if isinstance(row, Fingerprint) and row.digest is not None
    }
    for one, other in doubtful:
        mine = digests.get((one.source, one.page, one.frame))
        if mine is not None and mine == digests.get((other.source, other.page, other.frame)):
            kinds[one.feature] = "pixels"
    return kinds


def _size(source: Source) -> int | None:
    """Bytes of an input; None for arrays and what is not there."""
    return None if source.content is None else source.content.size


_Keyed = tuple[Duplicate, Hashable, str | None]
"""A place or an error; what equals that of its duplicates; and what equals that of those which are the same file."""


def byte_rows(collection: Collection) -> Iterator[Duplicate]:
    """A row for each input, grouped by equal bytes. Only files whose size is that of another one are read whole."""
    sizes = Counter(map(_size, collection.sources))

    def keyed() -> Iterator[_Keyed]:
        for source in collection.sources:
            row = Duplicate(path=source.path, kept=source.kept)
            try:
                yield row, _byte_key(source, sizes), "bytes"
            except ItemError as error:
                yield replace(row, error=error.as_cell()), None, None

    return _grouped_by(list(keyed()))


def _byte_key(source: Source, sizes: Counter[int | None]) -> Hashable:
    if source.content is None:
        raise source.failure or NotFound("nothing to read")
    if isinstance(source.content, Array):
        return source.content.state()
    if not source.content.head():
        raise EmptyFile("the file is empty (0 bytes)")
    size = source.content.size
    return source.content.sha256()[1] if size is None or sizes[size] > 1 else None


def pixel_rows(
    collection: Collection, *, headers: Decode, decode: Decode, every_frame: bool = False
) -> Iterator[Duplicate]:
    """A row for each picture, grouped by equal pixels.

    Only pictures of a size that another file with other bytes has, too, are decoded; a damaged file of a size of its
    own is therefore not found out.

    Args:
        collection: The inputs.
        headers: Gives the `info` rows of sources.
        decode: Gives the fingerprints, with digests, of sources.
        every_frame: Whether animated pictures, which headers do not tell from others, are looked at frame by frame.
    """
    described = [one.rows for one in headers(collection.sources)]
    files: defaultdict[tuple[int | None, int | None], set[str | None]] = defaultdict(set)
    for info in (row for rows in described for row in rows if isinstance(row, Info)):
        files[info.width, info.height].add(info.sha256)

    def is_settled(rows: Sequence[Row]) -> bool:
        """One picture, no other file of whose size has other bytes."""
        row = rows[0]
        if len(rows) > 1 or not isinstance(row, Info) or row.kind != "picture" or row.width is None:
            return False
        return len(files[row.width, row.height]) == 1

    doubtful = [number for number, rows in enumerate(described) if every_frame or not is_settled(rows)]
    decoded = dict(zip(doubtful, decode([collection.sources[number] for number in doubtful]), strict=True))

    def keyed() -> Iterator[_Keyed]:
        for number, rows in enumerate(described):
            file = rows[0].sha256 if isinstance(rows[0], Info) else None
            for row in decoded[number].rows if number in decoded else rows:
                place = Duplicate(
                    path=row.path, page=row.page, frame=row.frame, time_s=row.time_s, error=row.error, kept=row.kept
                )
                key = row.digest if isinstance(row, Fingerprint) else row.sha256 if isinstance(row, Info) else None
                yield place, None if row.error else key, file

    return _grouped_by(list(keyed()))


def _grouped_by(keyed: Sequence[_Keyed]) -> Iterator[Duplicate]:
    """The rows with groups by equal keys; the first of a group stands for it. None as a key is like nothing else."""
    members = Counter(key for _, key, _ in keyed)
    leaders: dict[Hashable, tuple[int, int]] = {}
    for at, (row, key, file) in enumerate(keyed):
        if key is None or members[key] < 2:
            yield row
            continue
        number, first = leaders.setdefault(key, (len(leaders) + 1, at))
        leader, _, same_file = keyed[first]
        match = "bytes" if file is not None and file == same_file else "pixels"
        yield replace(_grouped(row, number, leader), similarity=1.0, match=None if at == first else match)
