"""Pictures out: encoded, and written whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import OutputError
from mediasift.items import Place
from mediasift.system.files import path_below, place_suffix, write_file
from mediasift.system.optional import lazily

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazily("cv2")

FORMATS: dict[str, tuple[str, str]] = {
    "jpeg": (".jpg", "IMWRITE_JPEG_QUALITY"),
    "png": (".png", ""),
    "webp": (".webp", "IMWRITE_WEBP_QUALITY"),
}
"""Name of a format → its suffix, and what OpenCV calls its quality; empty where nothing is lost."""

_QUALITY = 95


def write_picture(path: Path, image: NDArray[np.uint8], format: str) -> None:
    """Write uint8 (H, W, 3) RGB; the same picture always gives the same bytes.

    Raises:
        OutputError: It cannot be written.
    """
    suffix, quality = FORMATS[format]
    how = [getattr(cv2, quality), _QUALITY] if quality else []
    try:
        done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), how)
    except cv2.error as error:
        raise OutputError(f"{path}: cannot be written as {format} ({error.err or error})") from error
    if not done:
        raise OutputError(f"{path}: cannot be written as {format}")
    write_file(path, data.tobytes())


def still_path(directory: str | Path, place: Place, format: str) -> Path:
    """Where a still belongs: the source's own path below the folder, then time, frame and page.

    `a/film.mp4` at 83.5 s, frame 2087 → `DIR/a/film.mp4_00-01-23.500_f2087.jpg`.
    """
    source = path_below(directory, place.path)
    suffix = place_suffix(place, time="_{}", frame="_f{}", page="_p{}")
    return source.with_name(f"{source.name}{suffix}{FORMATS[format][0]}")
