"""PNG: what its chunks say (PNG, third edition), and a copy with nothing but the pixels for the decoders.

What a chunk announces is never allocated, and texts, profiles and whatever else stands beside the pixels cannot make
them undecodable: decoders are given the critical chunks alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged, TooLarge, Unsupported
from mediasift.media.libraries import cv2
from mediasift.media.pictures.colors import profile_of_code_points, profile_of_primaries
from mediasift.media.pictures.headers import Header, exif_orientation

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT"})
_WITH_PALETTE = _PIXELS | {b"tRNS"}
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_MAX_PROFILE = 16 << 20
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}


_head = struct.Struct(">I4s").unpack_from


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its body starts and ends) of all that are there; the last may announce more than there is.

    Eight bytes before the body stand its length and kind, in four behind it a checksum.
    """
    start = len(_SIGNATURE) + 8
    while start <= len(data):
        length, kind = _head(data, start - 8)
        yield kind, start, start + length
        if kind == b"IEND":
            return
        start += 12 + length


def png_header(data: bytes) -> Header | None:
    """Size from IHDR; orientation and colours from what stands before the pixels; None where there is no size."""
    first: dict[bytes, bytes] = {}
    plain = data[8:16] == b"\0\0\0\x0dIHDR" and data[37:41] == b"IDAT"  # as most small pictures have nothing between
    for kind, start, end in ((b"IHDR", 16, 29), (b"IDAT", 41, 41)) if plain else _chunks(data):
        if kind == b"IDAT":
            break
        if kind != b"tEXt" and end <= len(data):
            first.setdefault(kind, data[start:end])
    header = first.get(b"IHDR", b"")
    if len(header) < 13 or not all(struct.unpack_from(">II", header)):
        return None
    width, height, depth, color = struct.unpack_from(">IIBB", header)
    mode = _MODES.get(color, "")
    exif = first.get(b"eXIf", b"")
    return Header(
        width=width, height=height, orientation=exif_orientation(exif) if exif else 1, exif=exif,
        icc=_profile(first) if len(first) > 1 else b"",
        mode="animated" if b"acTL" in first else f"{mode};16" if depth == 16 else mode,
    )  # fmt: skip


def _profile(first: dict[bytes, bytes]) -> bytes:
    """The colour profile, by the order of precedence of the third edition, 4.3; empty for sRGB and for none."""
    if len(coded := first.get(b"cICP", b"")) == 4:
        return profile_of_code_points(coded[0], coded[1])
    if packed := first.get(b"iCCP", b"").partition(b"\0")[2][1:]:
        try:
            return zlib.decompressobj().decompress(packed, _MAX_PROFILE)
        except zlib.error:
            return b""  # a damaged profile is none
    gamma, places = first.get(b"gAMA", b""), first.get(b"cHRM", b"")
    if b"sRGB" in first or len(gamma) != 4:
        return b""
    if len(places) != 32:  # a gamma alone is often wrong, and no other reader minds it
        return b""
    return profile_of_primaries(
        struct.unpack(">I", gamma)[0] / 100_000, [n / 100_000 for n in struct.unpack(">8I", places)]
    )


def bare_png(data: bytes, *, keep: frozenset[bytes] = frozenset()) -> bytes:
    """The chunks of the pixels alone, whole and with their checksums right, and those to `keep`.

    Raises:
        Damaged: One of them is not, or pixels are missing.
    """
    return _bared(data, _PIXELS | keep)[0]


def _bared(data: bytes, keep: frozenset[bytes]) -> tuple[bytes, bytes]:
    """(what `bare_png` gives, the body of the first chunk of transparency; empty where there is none)."""
    if data.startswith(b"\0\0\0\x0dIHDR", 8) and data.startswith(b"IDAT", 37) and data.endswith(_END):
        end = 41 + int.from_bytes(data[33:37])
        if end + 4 + len(_END) == len(data):  # as most small pictures are: nothing is left out
            view = memoryview(data)
            if zlib.crc32(view[12:29]) == int.from_bytes(view[29:33]) and (
                zlib.crc32(view[37:end]) == int.from_bytes(view[end : end + 4])
            ):
                return data, b""
    parts, last, is_complete, transparent = [_SIGNATURE], b"", False, None
    view = memoryview(data)
    for kind, start, end in _chunks(data):
        is_complete = is_complete or (last == b"IDAT" and kind != last)
        last = kind
        if kind == b"CgBI":
            raise Unsupported("PNG in Apple's form for iOS (CgBI); `pngcrush -revert-iphone-optimizations` restores it")
        if kind == b"tRNS" and transparent is None:
            transparent = data[start:end]
        if end + 4 > len(data):
            if not is_complete:
                raise Damaged(f"PNG cut off in its chunk {kind.decode('latin-1')!r}")
            break
        if kind in keep:
            if zlib.crc32(view[start - 4 : end]) != int.from_bytes(view[end : end + 4]):
                raise Damaged(f"PNG whose chunk {kind.decode('latin-1')!r} is damaged (checksum)")
            parts.append(data[start - 8 : end + 4])
    return b"".join([*parts, _END]), transparent or b""


def animated_png(data: bytes) -> bytes:
    """The same with the frames of an animation."""
    return bare_png(data, keep=_ANIMATION | _WITH_PALETTE)


def described_png(data: bytes) -> bytes:
    """A PNG of the first chunk and what may hold EXIF, for Pillow; it has no pixels."""
    kept = [
        data[start - 8 : end + 4]
        for kind, start, end in _chunks(data)
        if kind in (b"IHDR", b"eXIf")
        or (kind in (b"tEXt", b"zTXt") and data.startswith(b"Raw profile type exif\0", start))
    ]
    return b"".join([_SIGNATURE, *kept, b"\0\0\0\0IDAT5\xaf\x06\x1e", _END])


def decode_png(data: bytes) -> tuple[NDArray[Any], NDArray[np.generic] | None]:
    """(pixels, alpha): uint8 or uint16 (H, W) grey or (H, W, 3) RGB, and (H, W) of the same depth where it has any.

    Raises:
        Damaged: It does not decode wholly.
    """
    depth, color = data[24], data[25]
    bare, transparent = _bared(data, _WITH_PALETTE if color == 3 else _PIXELS)
    is_rgb = color < 4 and not transparent
    how = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH if is_rgb else cv2.IMREAD_UNCHANGED
    try:
        image: Any = cv2.imdecode(np.frombuffer(bare, np.uint8), how)
    except (cv2.error, MemoryError) as error:
        raise TooLarge(f"PNG does not decode ({error})") from error
    if image is None:
        raise Damaged("PNG whose pixels are damaged or cut off")
    if image.ndim == 3 and image.shape[2] == 4:
        return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), image[:, :, 3]
    pixels = image if is_rgb or image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    if color == 3 or len(transparent) != 2 * (1 if image.ndim == 2 else 3):
        return pixels, None
    unseen = np.frombuffer(transparent, ">u2").astype(np.uint32) * (255 // (2**depth - 1) if depth < 8 else 1)
    is_seen = np.any(pixels.reshape(*pixels.shape[:2], -1) != unseen, axis=2)
    return pixels, (is_seen * np.iinfo(pixels.dtype).max).astype(pixels.dtype)
