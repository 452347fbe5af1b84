"""The eight ways to lay a square on the table: four turns, each also mirrored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _turned(quarters: int, mirrored: bool, pixels: NDArray[Any]) -> NDArray[Any]:
    """Mirrored left to right where asked for, then turned clockwise by so many quarters."""
    return np.rot90(pixels[..., ::-1] if mirrored else pixels, -quarters, axes=(-2, -1))


TURNS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "": partial(_turned, 0, False),
    "rotate90": partial(_turned, 1, False),
    "rotate180": partial(_turned, 2, False),
    "rotate270": partial(_turned, 3, False),
    "mirror": partial(_turned, 0, True),
    "mirror+rotate90": partial(_turned, 1, True),
    "mirror+rotate180": partial(_turned, 2, True),
    "mirror+rotate270": partial(_turned, 3, True),
}
"""Name → the pixels (..., H, W) so turned, clockwise, the mirroring first. The first one changes nothing."""

INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)
"""Position of a turn in `TURNS` → that of the one which undoes it."""

SIDEWAYS = (1, 3, 5, 7)
"""Positions of the turns that swap width and height."""
