"""Pictures → the bytes of files: PNG, JPEG, WebP, AVIF, or numpy arrays; metadata only where it is asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import EngineError, ItemError
from mediasift.media.pictures.headers import opened, pillow_reads
from mediasift.sources.content import Content
from mediasift.sources.formats import HEAD_BYTES, sniff
from mediasift.system.optional import lazily

if TYPE_CHECKING:
    from PIL import Image, features
else:
    Image, features = lazily("PIL.Image"), lazily("PIL.features")

KeepExif = Literal["strip", "keep", "without-place"]

_ORIENTATION, _GPS_IFD = 0x0112, 0x8825


def _pillow(form: str, **options: Any) -> Callable[[NDArray[np.generic], int, bytes], bytes]:
    def encode(numbers: NDArray[np.generic], quality: int, exif: bytes) -> bytes:
        out = io.BytesIO()
        more: dict[str, Any] = {"exif": exif} if exif else {}
        if form != "PNG":
            more["quality"] = quality
        Image.fromarray(np.asarray(numbers)).save(out, form, **options, **more)
        return out.getvalue()

    return encode


def _npy(numbers: NDArray[np.generic], _quality: int, _exif: bytes) -> bytes:
    out = io.BytesIO()
    np.save(out, numbers, allow_pickle=False)
    return out.getvalue()


def _npz(numbers: NDArray[np.generic], _quality: int, _exif: bytes) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, image=numbers)
    return out.getvalue()


ENCODERS: dict[str, Callable[[NDArray[np.generic], int, bytes], bytes]] = {
    "png": _pillow("PNG"),
    "jpg": _pillow("JPEG", optimize=True),
    "webp": _pillow("WEBP"),
    "avif": _pillow("AVIF"),
    "npy": _npy,
    "npz": _npz,
}
"""Suffix → (numbers, quality 1..100, EXIF block) → bytes. `npz` holds the array under the name `image`."""

ARRAYS = ("npy", "npz")
"""Those that hold any numbers; the others hold uint8 grey or RGB."""


def check_encoder(name: str) -> None:
    """Raise an EngineError where Pillow was built without the codec."""
    if name in ("webp", "avif") and not features.check(name):
        raise EngineError(f"this Pillow was built without {name.upper()}; type: pip install -U pillow")


def kept_exif(content: Content, keep: KeepExif) -> bytes:
    """A picture's EXIF block for its converted copy, whose pixels are upright already; empty where it has none."""
    if keep == "strip":
        return b""
    try:
        data = content.read()
        found = sniff(data[:HEAD_BYTES], content.suffix)
        if found is None or not pillow_reads(found.name):
            return b""
        with opened(data, found.name) as picture:
            exif = picture.getexif()
            exif.get_ifd(0x8769)  # read now: a block that is only referred to is not written
            if keep == "without-place":
                exif.pop(_GPS_IFD, None)
            else:
                exif.get_ifd(_GPS_IFD)
            if not len(exif):
                return b""
            exif[_ORIENTATION] = 1
            return exif.tobytes()
    except ItemError:  # the pixels were read by another decoder; there is no EXIF that Pillow could find
        return b""
