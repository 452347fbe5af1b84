"""TIFF: what its directories say (TIFF 6.0, section 2; BigTIFF), what of it is no picture, and whether it is whole.

Pillow decodes it; where libtiff only warns, the strips are looked at here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged, ItemError, Unsupported
from mediasift.media.pictures.headers import ORIENTATION, Header, possible_orientation
from mediasift.media.pictures.jpeg import decode_jpeg, jpeg_header

_TYPES = {1: "B", 3: "H", 4: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
_MAX_PAGES = 100_000
_FAR_TOO_LONG = 1 << 26  # bytes of a strip that are inflated to no end
_SUBTYPE, _OLD_SUBTYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
_STRIPS, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _SUB_DIRECTORIES, _FORMAT = 322, 323, 324, 325, 330, 339
_START = -1  # no tag: where the directory is
_JPEG_TABLES, _ICC, _DNG = 347, 34675, 50706
_KNOWN = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000, 50001})
_NAMES = {33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34892: "lossy JPEG", 50002: "JPEG XL"}
_JPEG, _DEFLATE, _PACKBITS = 7, (8, 32946), 32773
_UNSIGNED, _FLOAT = 1, 3
_CFA, _LINEAR_RAW = 32803, 34892
CAMERA_RAW = (
    "camera raw: what lies in it as a picture is a preview; develop it with darktable, RawTherapee or the camera's own "
    "program, and save JPEG or TIFF"
)

Directory = dict[int, Sequence[int]]
"""Tag → its whole numbers."""


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    order: str
    is_big: bool

    def numbers(self, code: str, at: int, count: int = 1) -> tuple[Any, ...]:
        return struct.unpack_from(f"{self.order}{count}{code}", self.data, at)

    def directory(self, start: int) -> tuple[Directory, int]:
        """The directory at `start`, and where the next one is; entries that lie outside the file are left out."""
        word, size, head = ("Q", 20, 8) if self.is_big else ("I", 12, 2)
        (count,) = self.numbers("Q" if self.is_big else "H", start)
        entries: Directory = {_START: (start,)}
        for at in range(start + head, min(start + head + size * count, len(self.data) - size + 1), size):
            tag, kind = self.numbers("H", at, 2)
            if kind not in _TYPES:
                continue
            (length,) = self.numbers(word, at + 4)
            place = at + 4 + struct.calcsize(word)
            if struct.calcsize(_TYPES[kind]) * length > struct.calcsize(word):
                (place,) = self.numbers(word, place)
            if length and place + struct.calcsize(_TYPES[kind]) * length <= len(self.data):
                entries[tag] = self.numbers(_TYPES[kind], place, length)
        end = start + head + size * count
        return entries, self.numbers(word, end)[0] if end + struct.calcsize(word) <= len(self.data) else 0


def _file(data: bytes) -> _File | None:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    return _File(data, order, struct.unpack_from(f"{order}H", data, 2) == (43,))


def _directories(data: bytes) -> Iterator[Directory]:
    """Those of the chain, in order; an empty one for one that is announced, but not there."""
    file = _file(data)
    if file is None:
        return
    (start,) = file.numbers("Q" if file.is_big else "I", 8 if file.is_big else 4)
    seen: set[int] = set()
    while start and start not in seen and len(seen) < _MAX_PAGES:
        seen.add(start)
        if start + 8 > len(data):
            yield {}
            return
        directory, start = file.directory(start)
        yield directory


def _first(directory: Directory, tag: int, default: int) -> int:
    return directory[tag][0] if tag in directory else default


def _is_page(directory: Directory) -> bool:
    """False for a reduced copy and for a mask (NewSubfileType, bits 0 and 2; SubfileType 2)."""
    return not _first(directory, _SUBTYPE, 0) & 5 and _first(directory, _OLD_SUBTYPE, 1) != 2


def tiff_header(data: bytes) -> Header | None:
    """Size, orientation, colour profile and pages; None where they do not add up.

    Raises:
        Unsupported: It is what a camera's sensor saw.
    """
    directories = list(_directories(data))
    pages = tuple(at for at, one in enumerate(directories) if _is_page(one)) or tuple(range(len(directories)))
    if not pages:
        return None
    _check_raw(data, directories)
    first = _page_header(directories[pages[0]])
    return replace(first, pages=pages) if first.width and first.height else None


def page_headers(data: bytes, pages: Sequence[int]) -> Iterator[Header]:
    """The header of each page."""
    return (_page_header(one) for at, one in enumerate(_directories(data)) if at in pages)


def _page_header(directory: Directory) -> Header:
    turn = possible_orientation(_first(directory, ORIENTATION, 1))
    width, height = _first(directory, _WIDTH, 0), _first(directory, _HEIGHT, 0)
    return Header(width=width, height=height, orientation=turn, icc=bytes(directory.get(_ICC, b"")))


def _check_raw(data: bytes, directories: Sequence[Directory]) -> None:
    file = _file(data)
    inner = [start for one in directories[:4] for start in one.get(_SUB_DIRECTORIES, ())[:8]]
    parts = [file.directory(start)[0] for start in inner if file and start + 8 <= len(data)]
    photometric = {_first(one, _PHOTOMETRIC, 0) for one in [*directories[:8], *parts]}
    if data[8:10] == b"CR" or _DNG in directories[0] or photometric & {_CFA, _LINEAR_RAW}:
        raise Unsupported(CAMERA_RAW)


def check_tiff(data: bytes, page: int) -> Directory:
    """The directory of a page that is of a kind that decodes and whose strips are all there.

    Raises:
        Unsupported: Nothing here decodes it.
        Damaged: A strip or tile is cut off or damaged.
    """
    directory = next((one for at, one in enumerate(_directories(data)) if at == page), {})
    compression, bits = _first(directory, _COMPRESSION, 1), directory.get(_BITS, (1,))
    if compression not in _KNOWN:
        name = f" ({_NAMES[compression]})" if compression in _NAMES else ""
        raise Unsupported(f"TIFF of compression {compression}{name}; save it with LZW, Deflate or none")
    kinds = set(directory.get(_FORMAT, (_UNSIGNED,)))
    if kinds - {_UNSIGNED, _FLOAT, 4}:
        raise Unsupported("TIFF of signed or complex samples, which have no black and white; save it as unsigned")
    if (_FLOAT in kinds and set(bits) != {32}) or max(bits) > 32:
        raise Unsupported(f"TIFF of {max(bits)}-bit samples; save it with 8 or 16 bits, or as 32-bit float from 0 to 1")
    offsets = directory.get(_STRIPS) or directory.get(_TILES) or ()
    counts = directory.get(_STRIP_BYTES) or directory.get(_TILE_BYTES) or ()
    for number, (start, length) in enumerate(zip(offsets, counts, strict=False)):
        if start + length > len(data) and compression != 1:  # of plain numbers, the decoder asks for what it needs
            raise Damaged(f"TIFF cut off: part {number + 1} of {len(offsets)} lies beyond its end")
        if compression in (*_DEFLATE, _PACKBITS, _JPEG) and length:
            problem = _problem(data[start : start + length], directory, compression, _wanted(directory, number))
            if problem:
                raise Damaged(f"TIFF whose part {number + 1} of {len(offsets)} is damaged ({problem})")
    return directory


def _wanted(directory: Directory, number: int) -> int:
    """Bytes of a strip or tile, unpacked; 0 where it is not that simple."""
    bits, samples = directory.get(_BITS, (1,)), _first(directory, _SAMPLES, 1)
    per_pixel = bits[0] if _first(directory, _PLANAR, 1) == 2 else bits[0] * samples
    if len(set(bits)) > 1 or _first(directory, _PHOTOMETRIC, 0) == 6:
        return 0
    if _TILES in directory:
        return -(-_first(directory, _TILE_WIDTH, 0) * per_pixel // 8) * _first(directory, _TILE_HEIGHT, 0)
    height = _first(directory, _HEIGHT, 0)
    rows = min(_first(directory, _ROWS, height), height)
    strips = -(-height // rows) if rows else 1
    rows = min(rows, height - number % strips * rows)
    return -(-_first(directory, _WIDTH, 0) * per_pixel // 8) * rows


def _problem(part: bytes, directory: Directory, compression: int, wanted: int) -> str:
    """What is wrong with a strip or tile; empty for nothing."""
    if compression == _JPEG:
        whole = (bytes(directory.get(_JPEG_TABLES, b""))[:-2] or part[:2]) + part[2:]
        header = jpeg_header(whole)
        width, height = (
            max(_first(directory, one, 0) for one in sides) + 64  # perhaps padded to whole units
            for sides in ((_WIDTH, _TILE_WIDTH), (_HEIGHT, _TILE_HEIGHT))
        )
        if header is None or header.width > width or header.height > height:
            return "it is no JPEG, or one of another size"
        try:
            decode_jpeg(whole)
        except Unsupported:
            return ""
        except ItemError as error:
            return str(error)
        return ""
    if compression == _PACKBITS:
        return "" if not wanted or _unpacked(part) == wanted else "its length is wrong"
    inflater, size = zlib.decompressobj(), 0
    try:
        while part and not inflater.eof and size <= _FAR_TOO_LONG + wanted:
            size += len(inflater.decompress(part, 1 << 20))
            part = inflater.unconsumed_tail
    except zlib.error as error:
        return str(error)
    return "" if size > _FAR_TOO_LONG + wanted or (inflater.eof and size >= wanted) else "it ends too early"


def _unpacked(part: bytes) -> int:
    """How many bytes PackBits makes of a strip (TIFF 6.0, section 9)."""
    size = at = 0
    while at < len(part):
        count = part[at]
        at += count + 2 if count < 128 else 1 if count == 128 else 2
        size += count + 1 if count < 128 else 0 if count == 128 else 257 - count
    return size if at == len(part) else -1


def familiar(data: bytes, directory: Directory) -> bytes:
    """The file with grey samples of a page called by the name under which Pillow knows them.

    Of 16 bits it does not know that 0 may be white, of 32 not that they may be unsigned; `tiff_numbers` minds both.
    """
    file, bits = _file(data), _first(directory, _BITS, 1)
    if file is None or _first(directory, _SAMPLES, 1) != 1 or bits < 16 or _first(directory, _PHOTOMETRIC, 9) > 1:
        return data
    named = {_PHOTOMETRIC: 1} | ({_FORMAT: 2} if bits == 32 and _first(directory, _FORMAT, 1) == _UNSIGNED else {})
    head, size, place = (8, 20, 12) if file.is_big else (2, 12, 8)
    start, changed = directory[_START][0], bytearray(data)
    (count,) = file.numbers("Q" if file.is_big else "H", start)
    for at in range(start + head, start + head + size * count, size):
        tag, kind = file.numbers("H", at, 2)
        if tag in named and kind == 3:
            struct.pack_into(f"{file.order}H", changed, at + place, named[tag])
    return bytes(changed)


def tiff_numbers(numbers: NDArray[Any], directory: Directory) -> NDArray[Any]:
    """Grey samples of more than 8 bits as Pillow has them, as uint16, uint32 or float32 (H, W), the most white."""
    bits = _first(directory, _BITS, 1)
    if numbers.dtype == np.int32 and bits == 32:
        numbers = numbers.view(np.uint32)
    elif numbers.dtype.kind != "f" and bits < 16:
        numbers = (numbers.astype(np.uint32) * 65535 // (2**bits - 1)).astype(np.uint16)
    if _first(directory, _PHOTOMETRIC, 1) == 0:  # the least is white
        numbers = 1 - numbers if numbers.dtype.kind == "f" else np.iinfo(numbers.dtype).max - numbers
    return numbers


def is_float_rgb(directory: Directory) -> bool:
    """Whether it holds three floats per pixel, which Pillow does not read, in strips whose damage would show here."""
    kinds, compression = directory.get(_FORMAT, ()), _first(directory, _COMPRESSION, 1)
    return tuple(kinds) == (_FLOAT,) * 3 and compression in (1, *_DEFLATE)
