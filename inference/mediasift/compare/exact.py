"""Rows of `duplicates` that are the same to the byte or to the pixel; nothing is shrunk or compared for likeness."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from mediasift.compare.collection import Collection
from mediasift.compare.groups import Decode, Duplicate, content_size
from mediasift.errors import EmptyFile, ItemError, NotFound
from mediasift.media.information import Info
from mediasift.rows import Row
from mediasift.sources.content import Array
from mediasift.sources.naming import Source
from mediasift.tasks.fingerprint import Fingerprint


def byte_rows(collection: Collection) -> Iterator[Duplicate]:
    """A row for each input, grouped by equal bytes. Only files whose size is that of another one are read whole."""
    sizes = Counter(content_size(source) for source in collection.sources)
    rows, keys = [], []
    for source in collection.sources:
        row, key = Duplicate(path=source.path, kept=source.kept), None
        try:
            key = _byte_key(source, sizes)
        except ItemError as error:
            row = replace(row, error=error.as_cell())
        rows.append(row)
        keys.append(key)
    return grouped_by(rows, keys, ["bytes"] * len(rows))


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
    collection: Collection, headers: Decode, decode: Decode, *, every_frame: bool = False
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
    found = [one.rows for one in headers(collection.sources)]
    files: defaultdict[tuple[int | None, int | None], set[str | None]] = defaultdict(set)
    for rows in found:
        for row in rows:
            if isinstance(row, Info):
                files[row.width, row.height].add(row.sha256)
    doubtful = [number for number, rows in enumerate(found) if every_frame or not _is_settled(rows, files)]
    decoded = dict(zip(doubtful, decode([collection.sources[number] for number in doubtful]), strict=True))
    places: list[Duplicate] = []
    keys: list[Hashable] = []
    files_of: list[str | None] = []
    for number, rows in enumerate(found):
        for row in decoded[number].rows if number in decoded else rows:
            places.append(_place(row))
            keys.append(row.digest if isinstance(row, Fingerprint) else row.sha256 if isinstance(row, Info) else None)
            first = rows[0]
            files_of.append(first.sha256 if isinstance(first, Info) else None)
    return grouped_by(places, keys, files_of)


def _is_settled(rows: Sequence[Row], files: dict[tuple[int | None, int | None], set[str | None]]) -> bool:
    """One picture, no other file of whose size has other bytes."""
    row = rows[0]
    one_picture = len(rows) == 1 and isinstance(row, Info) and row.kind == "picture" and row.width is not None
    return one_picture and isinstance(row, Info) and len(files[row.width, row.height]) == 1


def _place(row: Row) -> Duplicate:
    return Duplicate(path=row.path, page=row.page, frame=row.frame, time_s=row.time_s, error=row.error, kept=row.kept)


def grouped_by(
    rows: Sequence[Duplicate], keys: Iterable[Hashable], same_bytes: Sequence[str | None]
) -> Iterator[Duplicate]:
    """The rows with groups by equal keys; the first of a group stands for it. None as a key is like nothing else.

    Args:
        rows: Places, or errors.
        keys: One for each.
        same_bytes: One for each: where it equals the representative's, the match is `bytes`, else `pixels`.
    """
    keys = [None if row.error else key for row, key in zip(rows, keys, strict=True)]
    members: defaultdict[Hashable, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        if key is not None:
            members[key].append(number)
    numbers: dict[Hashable, int] = {}
    for at, (row, key) in enumerate(zip(rows, keys, strict=True)):
        if key is None or len(members[key]) < 2:
            yield row
            continue
        first = members[key][0]
        match = "bytes" if same_bytes[at] is not None and same_bytes[at] == same_bytes[first] else "pixels"
        yield replace(
            row,
            group=numbers.setdefault(key, len(numbers) + 1),
            representative=rows[first].path,
            representative_page=rows[first].page,
            representative_frame=rows[first].frame,
            similarity=1.0,
            match=None if at == first else match,
        )
