"""What a picture's header says, and Pillow at arm's length: its errors become ours."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Iterator
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
        orientation: EXIF orientation, 1..8, of the first EXIF block; 1 is upright. XMP has no say.
        mode: Pillow's name of the colour model (`RGB`, `CMYK`, `P` ...), empty where it was not asked.
        pages: Of a TIFF, where its pages stand in the chain of directories; one of them for others.
        icc: The colour profile; empty for none.
        exif: The first EXIF block, from its TIFF header on; empty for none, and where only Pillow finds it.
    """

    width: int
    height: int
    orientation: int = 1
    mode: str = ""
    pages: tuple[int, ...] = (0,)
    icc: bytes = b""
    exif: bytes = b""

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) after the orientation is applied."""
        return (self.width, self.height) if self.orientation < 5 else (self.height, self.width)


def check_size(width: int, height: int, max_megapixels: float) -> None:
    """Raise TooLarge for a picture of more than `max_megapixels`."""
    if width * height > max_megapixels * 1e6:
        exact = f"{width * height / 1e6:,.6f}".rstrip("0").rstrip(".")
        raise TooLarge(
            f"{width} x {height} is {exact} megapixels, more than the limit of {max_megapixels:g}; "
            "if you trust it: --max-megapixels"
        )


def exif_orientation(tiff: bytes) -> int:
    """The orientation, 1..8, in a block of EXIF (a TIFF header and its first directory); 1 where it has none."""
    tiff = tiff.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    count = struct.unpack_from(f"{order}H", tiff, start)[0] if start + 2 <= len(tiff) else 0
    for position in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", tiff, position)
        if tag == ORIENTATION and kind in (1, 3, 4):
            return possible_orientation(struct.unpack_from(f"{order}{' BHHI'[kind]}", tiff, position + 8)[0])
    return 1


def possible_orientation(value: object) -> int:
    """What a header gives as the orientation; 1 where it makes no sense."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


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
    picture = Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS.get(name))
    for key in ("xmp", "XML:com.adobe.xmp"):  # else Pillow takes an orientation from it
        picture.info.pop(key, None)
    return picture


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Whatever Pillow does inside, its errors become ours.

    One at a time: Pillow reports oddities as Python warnings, and silencing those is a process-wide switch.
    """
    with _pillow_lock, warnings.catch_warnings(), translated(name):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def translated(name: str) -> Iterator[None]:
    """What Pillow raises inside becomes an ItemError about a file of the format `name`."""
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
        raise Unsupported("HEIC/HEIF needs the extra heic; mediasift doctor shows the line that installs it here")
    require("pillow_heif", extra="heic").register_heif_opener()
