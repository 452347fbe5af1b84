"""AVIF and HEIF: the colours that the file states of its primary picture (ISO/IEC 14496-12 and 23008-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple


class _Box(NamedTuple):
    kind: bytes
    start: int
    end: int


def color_code_points(data: bytes) -> tuple[int, int] | None:
    """Numbers of primaries and transfer (ITU-T H.273) of the primary picture; None where the file states no such.

    A gain map and what it makes of the picture are other items, with colours of their own.
    """
    try:
        meta = next(box for box in _boxes(data, 0, len(data)) if box.kind == b"meta")
        inside = {box.kind: box for box in _boxes(data, meta.start + 4, meta.end)}
        of_items = {box.kind: box for box in _boxes(data, inside[b"iprp"].start, inside[b"iprp"].end)}
        properties = list(_boxes(data, of_items[b"ipco"].start, of_items[b"ipco"].end))
        for number in _associated(data, of_items[b"ipma"].start, _primary(data, inside[b"pitm"].start)):
            box = properties[number - 1]
            if number and box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
                primaries, transfer = struct.unpack_from(">HH", data, box.start + 4)
                return primaries, transfer
    except (struct.error, StopIteration, KeyError, IndexError):
        return None  # the decoder says what is wrong with it
    return None


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, start + 8), 16
        stop = end if size == 0 else start + size
        if stop < start + head:
            return
        yield _Box(kind, start + head, min(stop, end))
        start = stop


def _primary(data: bytes, start: int) -> int:
    (item,) = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)
    return int(item)


def _associated(data: bytes, start: int, item: int) -> list[int]:
    """Numbers of the properties of an item, from 1, by the table of associations."""
    wide_item, wide_number = data[start] > 0, data[start + 3] & 1
    (count,), start = struct.unpack_from(">I", data, start + 4), start + 8
    for _ in range(count):
        (one,) = struct.unpack_from(">I" if wide_item else ">H", data, start)
        start += 4 if wide_item else 2
        (length,), start = struct.unpack_from(">B", data, start), start + 1
        numbers = struct.unpack_from(f">{length}{'H' if wide_number else 'B'}", data, start)
        if one == item:
            return [number & (0x7FFF if wide_number else 0x7F) for number in numbers]
        start += length * (2 if wide_number else 1)
    return []
