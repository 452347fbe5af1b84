"""Drawings in numpy: handwritten digits as a pen writes them, and landscapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Picture = NDArray[np.uint8]

_SIDE, _BOX = 28, 20
"""Of a digit and of the box that its ink fills, pixels, as in MNIST (LeCun et al. 1998)."""

_FINE = 2
"""Samples per pixel and direction, averaged: smooth edges."""


def _arc(x: float, y: float, across: float, down: float, begin: float, end: float) -> list[Point]:  # noqa: PLR0917  (a shape)
    """Part of an ellipse around (x, y), from one angle to another: degrees, clockwise from the right."""
    angles = np.radians(np.linspace(begin, end, 24))
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


STROKES: dict[int, tuple[list[Point], ...]] = {
    0: (_arc(0.5, 0.5, 0.34, 0.5, -90, 270),),
    1: ([(0.42, 0.1), (0.55, 0.0), (0.5, 1.0)],),
    2: ([*_arc(0.45, 0.27, 0.36, 0.27, 190, 380), (0.7, 0.55), (0.1, 0.97), (0.95, 0.95)],),
    3: (_arc(0.4, 0.25, 0.38, 0.25, 200, 450), _arc(0.4, 0.74, 0.44, 0.26, -90, 160)),
    4: ([(0.2, 0.0), (0.1, 0.5), (0.85, 0.48)], [(0.8, 0.05), (0.7, 1.0)]),
    5: ([(0.9, 0.0), (0.3, 0.02), (0.22, 0.42), *_arc(0.42, 0.69, 0.4, 0.31, -110, 150)],),
    6: ([(0.7, 0.0), (0.35, 0.3), *_arc(0.48, 0.72, 0.3, 0.27, 180, 540)],),
    7: ([(0.08, 0.06), (0.85, 0.03), (0.6, 0.4), (0.4, 1.0)],),
    8: (_arc(0.5, 0.24, 0.27, 0.24, 90, 450), _arc(0.47, 0.74, 0.33, 0.26, -90, 270)),
    9: ([*_arc(0.45, 0.27, 0.33, 0.27, 0, 360), (0.72, 0.6), (0.6, 1.0)],),
}
"""Digit → the strokes of the pen, in a square from (0, 0) at its top left to (1, 1)."""


def digit(number: int, rng: np.random.Generator) -> Picture:
    """uint8 (28, 28): a digit, light on dark, of a hand that slants and presses differently each time."""
    slant, narrow, pen = rng.uniform(-0.4, 0.8), rng.uniform(0.5, 1.0), rng.uniform(0.8, 1.9)
    strokes = [
        [(narrow * (x - 0.5) - slant * (y - 0.5) + rng.normal(0, 0.03), y - 0.5) for x, y in stroke]
        for stroke in STROKES[number]
    ]
    grid = (np.arange(_SIDE * _FINE) + 0.5) / _FINE - _SIDE / 2
    distance = np.full((_SIDE * _FINE,) * 2, np.inf)
    for stroke in strokes:
        for start, end in pairwise(stroke):
            distance = np.minimum(distance, _from_line(grid, start, end, _BOX - 2 * pen))
    ink = _averaged(np.clip(pen + 0.5 - distance, 0, 1)[..., None])[..., 0]
    mass = ink.sum()
    shift = [round(_SIDE / 2 - 0.5 - float((ink.sum(1 - axis) * np.arange(_SIDE)).sum() / mass)) for axis in (0, 1)]
    centred: Picture = np.roll(np.round(255 * ink).astype(np.uint8), shift, (0, 1))
    return centred


def _from_line(grid: NDArray[np.float64], start: Point, end: Point, scale: float) -> NDArray[np.float64]:
    """float64 (N, N): how far each place of a grid is from a line."""
    (ax, ay), (bx, by) = ((x * scale, y * scale) for x, y in (start, end))
    along = (grid[None] - ax) * (bx - ax) + (grid[:, None] - ay) * (by - ay)
    share = np.clip(along / max((bx - ax) ** 2 + (by - ay) ** 2, 1e-9), 0, 1)
    return np.hypot(grid[None] - ax - share * (bx - ax), grid[:, None] - ay - share * (by - ay))


def landscape(rng: np.random.Generator, width: int = 320, height: int = 180) -> Picture:
    """uint8 (H, W, 3): a sky with a sun, three ranges of hills, and houses."""
    x, y = np.meshgrid(*((np.arange(side * _FINE) + 0.5) / _FINE for side in (width, height)))
    sky, ground = rng.uniform((60, 110, 150), (190, 190, 250)), rng.uniform((20, 60, 20), (120, 150, 90))
    image = sky + (255 - sky) * (y / height)[..., None] ** 1.5
    at, size = rng.uniform((0.1, 0.1), (0.9, 0.35)) * (width, height), rng.uniform(0.06, 0.13) * height
    image[np.hypot(x - at[0], y - at[1]) < size] = (255, 236, 150)
    for rank in range(3):
        waves = zip(rng.uniform(1, 4, 3), rng.uniform(0, 6.3, 3), rng.uniform(0.02, 0.07, 3), strict=True)
        hill = 0.45 + 0.17 * rank + sum(high * np.sin(often * 6.3 * x / width + begin) for often, begin, high in waves)
        image[y > hill * height] = ground * (0.55 + 0.25 * rank) + sky * (0.35 - 0.15 * rank)
    for left in np.sort(rng.uniform(0.05, 0.85, rng.integers(1, 5))) * width:
        wide, high, foot = rng.uniform((0.06, 0.1, 0.85), (0.12, 0.2, 0.97)) * (width, height, height)
        inside = (x > left) & (x < left + wide)
        image[inside & (y < foot) & (y > foot - high)] = rng.uniform(130, 250, 3)
        roof = foot - high - np.minimum(x - left, left + wide - x) * 0.8
        image[inside & (y <= foot - high) & (y > roof)] = rng.uniform((90, 20, 10), (190, 80, 60))
    drawn: Picture = np.clip(np.round(_averaged(image)), 0, 255).astype(np.uint8)
    return drawn


def _averaged(fine: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same with as many samples as pixels."""
    height, width, channels = fine.shape
    mean: NDArray[np.float64] = fine.reshape(height // _FINE, _FINE, width // _FINE, _FINE, channels).mean((1, 3))
    return mean


def pan(image: Picture, frames: int, width: int, height: int) -> Sequence[Picture]:
    """uint8 (H, W, 3) parts of a larger picture, as a camera sees them that turns from left to right."""
    room = image.shape[1] - width
    starts = [round(room * number / max(1, frames - 1)) for number in range(frames)]
    return [np.ascontiguousarray(image[:height, start : start + width]) for start in starts]
