"""Pixels as other numbers, looked up rather than computed: a pixel has only 256 values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.media.libraries import cv2
from mediasift.media.pictures.transforms import Picture


def look_up(picture: Picture, tables: NDArray[Any], *, planar: bool) -> NDArray[Any]:
    """What the tables have for each pixel, in the shape of the picture, or as (channels, H, W) if `planar`.

    Args:
        picture: uint8 (H, W, channels), or (H, W).
        tables: float32 or float16 (channels, 256), or (1, 256) where all channels are alike.
        planar: Lay the channels out one after the other.
    """
    picture, single = np.ascontiguousarray(picture), len(tables) == 1
    shape = picture.shape[2:] + picture.shape[:2] if planar else picture.shape
    made = np.empty(shape, dtype=tables.dtype)
    bits = made
    if tables.itemsize == 2:  # OpenCV moves 16-bit floats as whole numbers only
        bits, tables = made.view(np.uint16), tables.view(np.uint16)
    if planar and picture.ndim == 3:
        for channel, plane in enumerate(cv2.split(picture)):
            cv2.LUT(plane, tables[0 if single else channel], dst=bits[channel])
    else:
        cv2.LUT(picture, tables[0] if single else np.ascontiguousarray(tables.T)[None], dst=bits)
    return made
