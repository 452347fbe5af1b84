"""Pictures out: the bytes of PNG, JPEG, WebP, AVIF or numpy files, metadata only where it is asked for; stills."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import EngineError, OutputError
from mediasift.items import Place
from mediasift.media.libraries import Image, cv2
from mediasift.system.files import fitting, path_below, place_suffix, unlike_a_place, write_file


def _pillow(form: str, numbers: NDArray[np.generic], quality: int, exif: bytes, **options: Any) -> bytes:
    out, image = io.BytesIO(), Image.fromarray(np.asarray(numbers))
    if form == "JPEG" and image.mode == "RGBA":  # four numbers that are ink: JPEG holds no transparency
        image = Image.frombytes("CMYK", image.size, image.tobytes())
    image.save(out, form, quality=quality, exif=exif, **options)
    return out.getvalue()


def _numpy(save: Callable[..., None], numbers: NDArray[np.generic], _quality: int, _exif: bytes) -> bytes:
    out = io.BytesIO()
    save(out, numbers)
    return out.getvalue()


ENCODERS: dict[str, Callable[[NDArray[np.generic], int, bytes], bytes]] = {
    "png": partial(_pillow, "PNG"),
    "jpg": partial(_pillow, "JPEG", optimize=True),
    "webp": partial(_pillow, "WEBP"),
    "avif": partial(_pillow, "AVIF", max_threads=1),
    "npy": partial(_numpy, np.save),
    "npz": partial(_numpy, lambda out, numbers: np.savez_compressed(out, image=numbers)),
}
"""Suffix → (numbers, quality 1..100, EXIF block) → bytes. `npz` holds the array under the name `image`."""

ARRAYS = ("npy", "npz")
"""Those that hold any numbers; the others hold uint8 grey, RGB and RGBA, jpg CMYK."""

STILLS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
"""Format of a still → its suffix."""

_STILL_QUALITY = 95


def check_encoder(name: str) -> None:
    """Raise an EngineError where Pillow was built without the codec."""
    from PIL import features

    if name in ("webp", "avif") and not features.check(name):
        raise EngineError(f"this Pillow was built without {name.upper()}; type: pip install -U pillow")


def write_picture(path: Path, image: NDArray[np.uint8], format: str) -> None:
    """Write uint8 (H, W, 3) RGB in a format of `STILLS`; the same picture always gives the same bytes.

    Raises:
        OutputError: It cannot be written.
    """
    quality = getattr(cv2, f"IMWRITE_{format.upper()}_QUALITY", None)  # of PNG, nothing is lost
    how = [] if quality is None else [quality, _STILL_QUALITY]
    try:
        done, data = cv2.imencode(STILLS[format], cv2.cvtColor(image, cv2.COLOR_RGB2BGR), how)
    except cv2.error as error:
        raise OutputError(f"{path}: cannot be written as {format} ({error.err or error})") from error
    if not done:
        raise OutputError(f"{path}: cannot be written as {format}")
    write_file(path, data.tobytes())


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write bool (H, W) as a grey PNG, 255 where it is true, else 0.

    Raises:
        OutputError: It cannot be written.
    """
    write_file(path, ENCODERS["png"](np.where(mask, np.uint8(255), np.uint8(0)), _STILL_QUALITY, b""))


def still_path(directory: str | Path, place: Place, format: str) -> Path:
    """Where a still belongs: the source's own path below the folder, then time, frame and page.

    `a/film.mp4` at 83.5 s, frame 2087 → `DIR/a/film.mp4_00-01-23.500_f2087.jpg`.
    """
    source = path_below(directory, place.path)
    suffix = place_suffix(place, time="_{}", frame="_f{}", page="_p{}")
    return fitting(source.with_name(f"{unlike_a_place(source.name)}{suffix}{STILLS[format]}"))
