"""What a picture's header says, read without decoding: size, EXIF orientation, pages.

JPEG and PNG, the great majority, are read by the few lines below; the rest by Pillow, whose `open` reads headers only.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mediasift.errors import Damaged, TooLarge, Unsupported
from mediasift.media.libraries import PIL, Image
from mediasift.system.optional import is_installed, require

ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825  # tags of EXIF 2.32


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A picture's header.

    Attributes:
        width, height: As stored, before the orientation is applied; pixels.
        orientation: EXIF orientation, 1..8; 1 is upright.
        mode: Pillow's name of the colour model (`RGB`, `CMYK`, `P` ...), empty where it was not asked.
        pages: Pages of a TIFF or frames of an animation, 1 for others.
    """

    width: int
    height: int
    orientation: int = 1
    mode: str = ""
    pages: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) after the orientation is applied."""
        return (self.width, self.height) if self.orientation < 5 else (self.height, self.width)


def read_header(data: bytes, name: str) -> Header:
    """The header of a picture in the format `name` (see `formats.sniff`).

    Raises:
        Damaged: The header makes no sense.
        Unsupported: No decoder here knows the format.
        TooLarge: The header alone is a bomb.
    """
    if name in _READERS and (header := _READERS[name](data)):
        return header
    with opened(data, name) as picture:
        return pillow_header(picture, name)


def pillow_header(picture: Image.Image, name: str = "") -> Header:
    """The header of an opened Pillow picture. Pages are counted for TIFF only; it may need to walk the file."""
    pages = int(getattr(picture, "n_frames", 1)) if name == "tiff" else 1
    turn = _orientation(picture.getexif().get(ORIENTATION))
    return Header(width=picture.width, height=picture.height, orientation=turn, mode=picture.mode, pages=max(1, pages))


def _orientation(value: object) -> int:
    """What a header gives as the orientation; 1 where it makes no sense."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def check_size(width: int, height: int, max_megapixels: float) -> None:
    """Raise TooLarge for a picture of more than `max_megapixels`."""
    if width * height > max_megapixels * 1e6:
        raise TooLarge(
            f"{width} x {height} is {width * height / 1e6:,.0f} megapixels, more than the limit of {max_megapixels:g}; "
            "if you trust it: --max-megapixels"
        )


_pillow_lock = threading.Lock()

PILLOW_ERRORS = (
    OSError, ValueError, TypeError, LookupError, SyntaxError, EOFError, struct.error, ArithmeticError, AttributeError,
    RuntimeError,
)  # fmt: skip
"""What Pillow's plugins raise on damaged files (seen on fuzzed files; its documentation names only OSError)."""


@contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """A lazily opened Pillow picture, its errors turned into ours."""
    with guarded(name), open_lazily(data, name) as picture:
        yield picture


def open_lazily(data: bytes, name: str) -> Image.Image:
    """A picture of which only the header is read; call it, and what it gives, inside `guarded`."""
    if name == "heif":
        _register_heif()
    return Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS.get(name))


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Whatever Pillow does inside, its errors become ours.

    One at a time: Pillow reports oddities as Python warnings, and silencing those is a process-wide switch.
    """
    with _pillow_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError as error:
            raise TooLarge(f"{name}: {error}") from error
        except MemoryError as error:
            raise TooLarge(f"{name}: not enough memory to decode it") from error
        except PILLOW_ERRORS as error:
            doubt = "" if name in _WHOLLY_READ else " or of a kind that cannot be read here"
            kind = Unsupported if doubt else Damaged
            if isinstance(error, PIL.UnidentifiedImageError):
                raise kind(f"{name.upper()} whose header is damaged{doubt}") from error
            problem = f"is damaged{doubt}" if doubt else "does not decode"
            raise kind(f"{name.upper()} {problem} ({error or type(error).__name__})") from error


_WHOLLY_READ = frozenset({"jpeg", "png", "gif", "webp", "bmp", "tiff", "pnm"})
"""Formats of which every usual kind is read here: what does not decode is damaged."""

_PILLOW_FORMATS: dict[str, list[str]] = {
    **{
        name: [name.upper()]
        for name in (
            "png", "gif", "tiff", "bmp", "webp", "avif", "heif", "psd", "jpeg2000", "qoi", "dds", "icns", "sgi", "xpm",
            "msp", "fli", "fits", "pcx", "tga",
        )
    },
    "jpeg": ["JPEG", "MPO"],
    "ico": ["ICO", "CUR"],
    "sun-raster": ["SUN"],
    "pnm": ["PPM"],
}  # fmt: skip
"""Our name of a format → the only Pillow plugins that may read it. EPS is missing on purpose: it runs Ghostscript.
So is BLP, a format of games whose decoder is pure Python and needs eight times the memory of the picture."""


def pillow_reads(name: str) -> bool:
    """Whether a Pillow plugin exists for the format in this installation."""
    if name not in _PILLOW_FORMATS:
        return False
    if name == "heif":
        _register_heif()
    Image.init()
    return any(plugin in Image.OPEN for plugin in _PILLOW_FORMATS[name])


def _register_heif() -> None:
    if not is_installed("pillow_heif"):
        raise Unsupported("HEIC/HEIF needs a decoder; type: pip install 'mediasift[heic]'")
    require("pillow_heif", extra="heic").register_heif_opener()


def _jpeg(data: bytes) -> Header | None:
    """Size and orientation from a JPEG's markers (ITU-T T.81, annex B); None where they do not add up."""
    position, orientation, end = 2, 1, len(data)
    while position + 4 <= end:
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker in (0xFF, 0x01, *range(0xD0, 0xD9)):  # padding, or a marker without a body
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = exif_orientation(body[6:])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if len(body) < 6:
                return None
            height, width = struct.unpack_from(">HH", body, 1)
            mode = {1: "L", 3: "RGB", 4: "CMYK"}.get(body[5], "")
            return Header(width=width, height=height, orientation=orientation, mode=mode) if width and height else None
        position += 2 + length
    return None


def _png(data: bytes) -> Header | None:
    """Size from IHDR, orientation from an eXIf chunk before the pixels (PNG, third edition)."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    orientation, position, animated = 1, 33, False
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IDAT":
            break
        if kind == b"eXIf":
            orientation = exif_orientation(data[position + 8 : position + 8 + length])
        animated = animated or kind == b"acTL"
        position += 12 + length
    mode = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}.get(colour, "")
    if not width or not height:
        return None
    mode = "animated" if animated else f"{mode};16" if depth == 16 else mode
    return Header(width=width, height=height, orientation=orientation, mode=mode)


_TIFF_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MAX_PAGES = 100_000


def _tiff(data: bytes) -> Header | None:
    """Size, orientation, depth and pages of a classic TIFF (TIFF 6.0, section 2); None where they do not add up."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 8 or struct.unpack_from(f"{order}H", data, 2) != (42,):
        return None
    (begin,) = (start,) = struct.unpack_from(f"{order}I", data, 4)
    seen: set[int] = set()
    while start and start + 2 <= len(data) and start not in seen and len(seen) < _MAX_PAGES:
        seen.add(start)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        end = start + 2 + 12 * count
        start = struct.unpack_from(f"{order}I", data, end)[0] if end + 4 <= len(data) else 0
    cut = start > 0 and start + 2 > len(data)  # a page that is announced, but not there
    first = dict(_tiff_entries(data, order, begin)) if seen else {}
    width, height = first.get(256, 0), first.get(257, 0)
    if not width or not height:
        return None
    kind = {0: "L", 1: "L", 2: "RGB"}.get(first.get(262, -1), "")
    depth = {8: "", 16: ";16", 32: ";32"}.get(first.get(258, 1), ";?")
    simple = kind and first.get(277, 1) == len(kind) and first.get(284, 1) == 1 and first.get(266, 1) == 1
    return Header(
        width=width,
        height=height,
        orientation=_orientation(first.get(ORIENTATION)),
        mode=f"{kind}{depth}{'F' if first.get(339) == 3 else ''}" if simple else "",
        pages=len(seen) + cut,
    )


def _tiff_entries(data: bytes, order: str, start: int) -> Iterator[tuple[int, int]]:
    """(tag, first value) of the whole-number entries of the directory at `start`."""
    (entries,) = struct.unpack_from(f"{order}H", data, start)
    for position in range(start + 2, min(start + 2 + 12 * entries, len(data) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, position)
        if kind not in _TIFF_TYPES:
            continue
        code = f"{order}{_TIFF_TYPES[kind]}"
        place = position + 8
        if struct.calcsize(code) * count > 4:
            (place,) = struct.unpack_from(f"{order}I", data, place)
        if place + struct.calcsize(code) <= len(data):
            yield tag, struct.unpack_from(code, data, place)[0]


def exif_orientation(tiff: bytes) -> int:
    """The orientation, 1..8, in a block of EXIF (a TIFF header and its first directory); 1 where it has none."""
    if len(tiff) < 8 or tiff[:2] not in (b"II", b"MM"):
        return 1
    order = "<" if tiff[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    return _orientation(dict(_tiff_entries(tiff, order, start)).get(ORIENTATION) if start + 2 <= len(tiff) else None)


def _radiance(data: bytes) -> Header:
    """Size of a Radiance HDR picture: the line `-Y height +X width` after the header's empty line."""
    _, _, rest = data[:65536].partition(b"\n\n")
    parts = rest.split(b"\n", 1)[0].split()
    if len(parts) != 4 or not (parts[1].isdigit() and parts[3].isdigit()) or not 0 < len(parts[1] + parts[3]) < 20:
        raise Unsupported("HDR with a header that is damaged or of a kind unknown here")
    return Header(width=int(parts[3]), height=int(parts[1]), mode="F")


_READERS: dict[str, Callable[[bytes], Header | None]] = {"jpeg": _jpeg, "png": _png, "tiff": _tiff, "hdr": _radiance}
