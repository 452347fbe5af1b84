"""The eight ways to lay a square on the table: four turns, each also mirrored."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Numbers = TypeVar("Numbers", np.uint8, np.int64)


class Turn(Protocol):
    """Lays pictures down another way."""

    def __call__(self, pixels: NDArray[Numbers]) -> NDArray[Numbers]:
        """The pixels (..., H, W), turned."""


def _rotated(quarters: int, *, mirrored: bool = False) -> Turn:
    """Mirrored left to right where asked for, then turned clockwise by so many quarters."""

    def turn(pixels: NDArray[Numbers]) -> NDArray[Numbers]:
        return np.rot90(pixels[..., ::-1] if mirrored else pixels, -quarters, axes=(-2, -1))

    return turn


TURNS: dict[str, Turn] = {
    "": _rotated(0),
    "rotate90": _rotated(1),
    "rotate180": _rotated(2),
    "rotate270": _rotated(3),
    "mirror": _rotated(0, mirrored=True),
    "mirror+rotate90": _rotated(1, mirrored=True),
    "mirror+rotate180": _rotated(2, mirrored=True),
    "mirror+rotate270": _rotated(3, mirrored=True),
}
"""Name → the pixels (..., H, W) so turned, clockwise, the mirroring first. The first one changes nothing."""

INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)
"""Position of a turn in `TURNS` → that of the one which undoes it."""

SIDEWAYS = (1, 3, 5, 7)
"""Positions of the turns that swap width and height."""
