"""Samples of any depth as levels 0..255."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Unsupported
from mediasift.media.libraries import cv2
from mediasift.media.pictures.transforms import Picture


def eight_bit(image: NDArray[Any]) -> Picture:
    """uint8 (H, W, 3) from grey or RGB of any depth; see `levels`."""
    scaled: Any = levels(image)
    if scaled.ndim == 2 or scaled.shape[2] == 1:
        scaled = cv2.cvtColor(np.ascontiguousarray(scaled), cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(scaled)


_TOLERATED = 0.5 / 255


def check_floats(least: Sequence[float], most: Sequence[float]) -> None:
    """Raise Unsupported unless floats, of whose parts these are the least and the most, lie within 0..1."""
    low, high = float(np.min(least)), float(np.max(most))
    if not (low >= -_TOLERATED and high <= 1 + _TOLERATED):
        raise Unsupported(
            f"floating-point samples from {low:g} to {high:g}: only 0 to 1 is known as black to white; scale them to "
            "that, or save the picture with 8 or 16 bits"
        )


def levels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Samples as levels 0..255: of 16 bits divided by 257, of 32 by 2**24, floats 0..1 times 255, all rounded.

    Raises:
        Unsupported: Floats that lie outside 0..1, or are no numbers: what is white in them is not known.
    """
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind == "f":
        check_floats([image.min()], [image.max()])
        return np.asarray(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    if image.dtype == np.uint32:
        return np.asarray((image.astype(np.uint64) * 255 + 2**31) // (2**32 - 1)).astype(np.uint8)
    depth16 = np.clip(image, 0, 65535).astype(np.uint32)  # which Pillow may keep in 32 bits
    return np.asarray((depth16 + 128) // 257).astype(np.uint8)
