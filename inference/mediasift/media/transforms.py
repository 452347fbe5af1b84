"""Resizing, fitting, cropping and grey: the one set of pixel operations that training and inference share.

All functions take and return uint8 arrays, (H, W, 3) RGB or (H, W) grey, and never change their input.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mediasift.errors import UsageError

Picture = NDArray[np.uint8]
Fit = Literal["stretch", "crop", "pad"]
Resample = Literal["nearest", "area", "bilinear", "bicubic", "lanczos"]
Anchor = Literal["center", "top-left"]
Box = tuple[float, float, float, float]
"""left, top, right, bottom as fractions 0..1 of the picture's width and height."""

_PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resize(image: Picture, width: int, height: int, resample: Resample = "area") -> Picture:
    """The picture at (height, width), proportions ignored.

    Args:
        resample: `area` averages (OpenCV's INTER_AREA) where a side shrinks and is bilinear where none does;
            the others are Pillow's filters, which are antialiased when shrinking (OpenCV's are not).
    """
    if image.shape[:2] == (height, width):
        return image
    if resample != "area":
        resized = Image.fromarray(image).resize((width, height), _PILLOW[resample])
        return np.asarray(resized)
    shrinks = width < image.shape[1] or height < image.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def fit(
    image: Picture,
    width: int,
    height: int,
    *,
    how: Fit,
    resample: Resample = "area",
    shorter_side: int | None = None,
    anchor: Anchor = "center",
    pad_value: int = 0,
) -> Picture:
    """The picture at (height, width), brought there in one of three ways.

    Args:
        how: `stretch` ignores the proportions; `crop` covers the size and cuts the middle; `pad` fits inside
            and fills the rest.
        shorter_side: For `crop`, the length of the shorter side before the middle is cut.
        anchor: For `pad`, where the picture lies.
        pad_value: For `pad`, the grey level 0..255 of the filling.
    """
    if how == "stretch":
        return resize(image, width, height, resample)
    if how == "crop":
        new_width, new_height = covering_size(image.shape[1], image.shape[0], width, height, shorter_side)
        grown = resize(image, new_width, new_height, resample)
        left, top = (new_width - width) // 2, (new_height - height) // 2
        return grown[top : top + height, left : left + width]
    inner_width, inner_height, left, top = padded_place(image.shape[1], image.shape[0], width, height, anchor)
    filled = np.full((height, width, *image.shape[2:]), pad_value, dtype=np.uint8)
    filled[top : top + inner_height, left : left + inner_width] = resize(image, inner_width, inner_height, resample)
    return filled


def padded_place(
    width: int, height: int, target_width: int, target_height: int, anchor: Anchor
) -> tuple[int, int, int, int]:
    """(width, height, left, top) of a picture that is fitted inside, proportions kept."""
    factor = min(target_width / width, target_height / height)
    inner_width, inner_height = _scaled(width, factor, target_width), _scaled(height, factor, target_height)
    if anchor == "top-left":
        return inner_width, inner_height, 0, 0
    return inner_width, inner_height, (target_width - inner_width) // 2, (target_height - inner_height) // 2


def covering_size(
    width: int, height: int, target_width: int, target_height: int, shorter_side: int | None
) -> tuple[int, int]:
    """(width, height) to resize to before the middle is cut, proportions kept."""
    factor = max(target_width / width, target_height / height)
    if shorter_side is not None:
        factor = max(factor, shorter_side / min(width, height))
    return max(target_width, round(width * factor)), max(target_height, round(height * factor))


def _scaled(side: int, factor: float, limit: int) -> int:
    return min(limit, max(1, round(side * factor)))


def crop(image: Picture, box: Box) -> Picture:
    """The part of the picture inside `box`; at least one pixel.

    Raises:
        UsageError: The box is not left < right, top < bottom, all within 0..1.
    """
    check_box(box)
    left, top, right, bottom = box
    height, width = image.shape[:2]
    x0, y0 = min(int(left * width + 0.5), width - 1), min(int(top * height + 0.5), height - 1)
    x1, y1 = max(int(right * width + 0.5), x0 + 1), max(int(bottom * height + 0.5), y0 + 1)
    return image[y0:y1, x0:x1]


def check_box(box: Box) -> None:
    """Raise a UsageError unless left < right and top < bottom, all within 0..1."""
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        shown = ",".join(f"{side:g}" for side in box)
        raise UsageError(f"crop box {shown}: needs left < right and top < bottom, fractions from 0 to 1")


def to_gray(image: Picture) -> Picture:
    """ITU-R BT.601 luma, uint8 (H, W)."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
