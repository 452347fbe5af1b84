"""Pictures out: encoded, and written at once and whole."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import OutputError
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
    _write(path, data.tobytes())


def write_text(directory: str | Path, path: str, suffix: str, text: str) -> Path:
    """Write UTF-8 text for a source into a folder, `a/film.mp4` → `DIR/a/film.mp4SUFFIX`; returns where.

    Raises:
        OutputError: It cannot be written.
    """
    parts = _inside(path)
    target = Path(directory, *parts[:-1], parts[-1] + suffix)
    _write(target, text.encode("utf-8", "surrogateescape"))
    return target


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def still_path(
    directory: str | Path,
    path: str,
    format: str,
    *,
    frame: int | None = None,
    time_s: float | None = None,
    page: int | None = None,
) -> Path:
    """Where a still belongs: the source's own path below the folder, then time, frame and page.

    `a/film.mp4` at 83.5 s, frame 2087 → `DIR/a/film.mp4_00-01-23.500_f2087.jpg`. Nothing leaves the folder: `..` and
    the root become ordinary names.
    """
    parts = _inside(path)
    name = parts[-1]
    if time_s is not None:
        name += f"_{clock(time_s)}"
    if frame is not None:
        name += f"_f{frame}"
    if page is not None:
        name += f"_p{page}"
    return Path(directory, *parts[:-1], name + FORMATS[format][0])


def clock(time_s: float) -> str:
    """Seconds as `hh-mm-ss.mmm`."""
    milliseconds = round(abs(time_s) * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{'-' if time_s < 0 else ''}{hours:02}-{minutes:02}-{milliseconds / 1000:06.3f}"


def _inside(path: str) -> list[str]:
    """A source's path as names below a folder."""
    parts = [part for part in re.split(r"[/\\\\]", path.replace(":", "_")) if part not in ("", ".")]
    return ["up" if part == ".." else part for part in parts] or ["picture"]
