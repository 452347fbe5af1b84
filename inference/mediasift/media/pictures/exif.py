"""EXIF: the first block of a picture; when and where it says that the picture was taken; a block for a copy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from mediasift.errors import ItemError
from mediasift.media.libraries import Image
from mediasift.media.pictures.headers import EXIF_IFD, GPS_IFD, ORIENTATION, Header, guarded, opened, pillow_reads
from mediasift.media.pictures.png import described_png
from mediasift.media.pictures.probe import read_header

KeepExif = Literal["strip", "keep", "without-place"]

_TAKEN, _OFFSET, _CHANGED = 0x9003, 0x9011, 0x0132  # EXIF 2.32: DateTimeOriginal, OffsetTimeOriginal, DateTime
_PLAIN = frozenset({"jpeg", "webp"})
"""Formats of which the header has the block, or there is none."""


def first_exif(data: bytes, name: str, header: Header) -> Image.Exif:
    """The first EXIF block of a picture; an empty one where it has none that can be found."""
    with suppress(ItemError):  # a block that is damaged, or none
        if header.exif:
            with guarded(name):
                return _whole(header.exif)
        if name not in _PLAIN and pillow_reads(name):
            with opened(described_png(data) if name == "png" else data, name) as picture:
                return _whole(Image.Image.getexif(picture))  # that of PNG would decode all of it to look behind
    return Image.Exif()


def _whole(block: bytes | Image.Exif) -> Image.Exif:
    """The block with those that it refers to, read now, as it may be damaged, and the file be closed."""
    exif = block if isinstance(block, Image.Exif) else Image.Exif()
    if isinstance(block, bytes):
        exif.load(b"Exif\0\0" + block)
    for inner in (EXIF_IFD, GPS_IFD):
        exif.get_ifd(inner)
    return exif


def exif_facts(exif: Image.Exif) -> dict[str, Any]:
    """`captured`, `latitude`, `longitude`; None for what it does not say."""
    taken, place = exif.get_ifd(EXIF_IFD), exif.get_ifd(GPS_IFD)
    when = moment(taken.get(_TAKEN) or exif.get(_CHANGED), taken.get(_OFFSET))
    return {"captured": when, "latitude": _degrees(place, 1, 90), "longitude": _degrees(place, 3, 180)}


def moment(text: Any, offset: Any) -> str | None:
    """EXIF's `2021:05:03 12:00:00` as ISO 8601; None for a moment that there never was."""
    match = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d:\d\d:\d\d)", str(text or ""))
    if not match:
        return None
    when = f"{match[1]}-{match[2]}-{match[3]}T{match[4]}"
    try:
        datetime.fromisoformat(re.sub(":60$", ":59", when))  # a leap second is one that there may be
    except ValueError:
        return None
    zone = re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", str(offset or "").strip())
    return f"{when}{zone[0] if zone else ''}"


def _degrees(place: Mapping[int, Any], tag: int, limit: float) -> float | None:
    """Degrees from the GPS tags `tag` (N, S, E or W) and `tag + 1` (degrees, minutes, seconds); EXIF 2.32, 4.6.6."""
    side, parts = str(place.get(tag, "")).strip("\0 ").upper(), place.get(tag + 1)
    try:
        degrees, minutes, seconds = (float(part) for part in parts or ())
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if side not in ("N", "S", "E", "W") or not math.isfinite(value) or value > limit:
        return None
    return round(-value if side in ("S", "W") else value, 7)


def kept_exif(data: bytes, name: str, keep: KeepExif) -> bytes:
    """A picture's EXIF block for its converted copy, whose pixels are upright already; empty where it has none."""
    if keep == "strip":
        return b""
    try:
        exif = first_exif(data, name, read_header(data, name))
    except ItemError:  # a drawing, an array: there is no EXIF that could be found
        return b""
    if keep == "without-place":
        exif.pop(GPS_IFD, None)
    if not len(exif):
        return b""
    exif[ORIENTATION] = 1
    return exif.tobytes()
