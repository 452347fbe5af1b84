"""Masks: from a model's coarse grid back to the picture, to the pixel; as outlines; drawn.

A grid has cells as a picture has pixels; both are measured from their corner, so the centre of cell i lies at i + 0.5.
Between centres numbers are interpolated linearly, as PyTorch's `interpolate(mode="bilinear", align_corners=False)` and
OpenCV's `INTER_LINEAR` do. Nothing is averaged where a picture is smaller than the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediasift.media.pictures.boxes import Placement, placement
from mediasift.media.pictures.transforms import Picture

Grid = NDArray[np.float32]
"""(H, W), a number for each cell."""
Mask = NDArray[np.bool_]

_STRIP = 256
"""Rows of the picture that are interpolated at a time: of a large one, all labels at once would fill the memory."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where pixels lie along one axis of a grid: between the centres of two cells.

    Attributes:
        start: The first pixel.
        first, second: Numbers of the cells, int64 (n,).
        share: How far from the first to the second, float32 (n,), 0..1.
    """

    start: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    share: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)

    @property
    def stop(self) -> int:
        """The pixel after the last."""
        return self.start + len(self)

    @property
    def nearest(self) -> NDArray[np.int64]:
        """The cell in which each pixel's centre lies."""
        return np.where(self.share < 0.5, self.first, self.second)

    def part(self, start: int, stop: int) -> Axis:
        """Only these of its pixels, counted from its first."""
        return Axis(self.start + start, self.first[start:stop], self.second[start:stop], self.share[start:stop])


def axis(start: int, stop: int, *, scale: float, shift: float, least: int, most: int) -> Axis:
    """Pixels from `start` to before `stop`.

    Args:
        scale: Cells per pixel.
        shift: Where the corner of pixel 0 lies, in cells.
        least, most: The first and last cell that count; pixels outside get the nearest one's number.
    """
    places = ((np.arange(start, stop) + 0.5) * scale + (shift - 0.5)).clip(least, most)
    first = np.floor(places).astype(np.int64)
    return Axis(start, first, np.minimum(first + 1, most), (places - first).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a picture lies in a model's input.

    Attributes:
        size: (width, height) of the picture in the file; what was decoded at a half or a quarter has larger pixels.
        place: Its size and corner in the model's input, see `transforms.fitted_place`.
        target: (width, height) of the model's input.
    """

    size: tuple[int, int]
    place: tuple[int, int, int, int]
    target: tuple[int, int]

    @property
    def placement(self) -> Placement:
        """The way of boxes back to the picture."""
        return placement(*self.size, self.place)

    def axes(self, cells: tuple[int, ...], window: Sequence[int] | None = None) -> tuple[Axis, Axis]:
        """The picture's rows and columns along a grid of (rows, columns) that covers the model's input.

        Pixels that were cut off are left out. Cells of a border that was added do not count, as in Ultralytics'
        `scale_masks`.

        Args:
            cells: Of the grid, (rows, columns).
            window: Only pixels from left, top to before right, bottom.
        """
        rows = self._axis(1, cells[0], None if window is None else (window[1], window[3]))
        return rows, self._axis(0, cells[1], None if window is None else (window[0], window[2]))

    def _axis(self, side: int, cells: int, window: tuple[int, int] | None) -> Axis:
        length, target, new_length, corner = self.size[side], self.target[side], self.place[side], self.place[side + 2]
        per_pixel = cells / target
        low, high = max(corner, 0) * per_pixel, min(corner + new_length, target) * per_pixel
        least, most = math.ceil(low - 0.5), math.floor(high - 0.5)
        if least > most:  # less than a cell
            least = most = min(int((low + high) / 2), cells - 1)
        scale = new_length / length
        start = max(0, math.ceil(-corner / scale - 0.5))
        stop = min(length, math.ceil((target - corner) / scale - 0.5))
        if window is not None:
            start, stop = max(start, window[0]), min(stop, window[1])
        return axis(start, max(start, stop), scale=scale * per_pixel, shift=corner * per_pixel, least=least, most=most)

    def around(self, grid: Grid, threshold: float) -> tuple[Axis, Axis]:
        """The rows and columns of a grid over the model's input where interpolated numbers may be above a threshold."""
        left, top, right, bottom = bounds(grid > threshold)
        cell = np.array([self.target[0] / grid.shape[1], self.target[1] / grid.shape[0]] * 2, np.float32)
        window = np.array([[left - 1, top - 1, right + 1, bottom + 1]], np.float32) * cell
        corners = self.placement.undo(window, *self.size)[0]
        return self.axes(grid.shape, [*np.floor(corners[:2]).astype(int), *np.ceil(corners[2:]).astype(int)])


def pasted_axes(box: NDArray[np.float32], cells: tuple[int, ...], size: tuple[int, int]) -> tuple[Axis, Axis]:
    """Rows and columns of the pixels of a box along a grid that covers it, with a border of one empty cell.

    As torchvision's `paste_masks_in_image`: the box grows with the border, is rounded towards zero and holds its
    last pixel.

    Args:
        box: float32 (4,), left, top, right, bottom in pixels of the picture.
        cells: Of the grid without its border, (rows, columns).
        size: (width, height) of the picture.
    """
    return _pasted(box[1], box[3], cells[0], size[1]), _pasted(box[0], box[2], cells[1], size[0])


def _pasted(low: np.float32, high: np.float32, cells: int, length: int) -> Axis:
    half_float = np.float32(0.5)
    middle, half = (low + high) * half_float, (high - low) * half_float * np.float32((cells + 2) / cells)
    first, last = int(middle - half), int(middle + half)
    count = max(last - first + 1, 1)
    start, stop = max(first, 0), min(first + count, length)
    scale = (cells + 2) / count
    return axis(start, max(start, stop), scale=scale, shift=-first * scale, least=0, most=cells + 1)


def interpolated(grid: Grid, rows: Axis, columns: Axis) -> Grid:
    """The numbers at these pixels, float32 (rows, columns)."""
    between = _blend(grid[rows.first], grid[rows.second], rows.share[:, None])
    return _blend(between[:, columns.first], between[:, columns.second], columns.share)


def _blend(first: Grid, second: Grid, share: NDArray[np.float32]) -> Grid:
    second = second - first
    second *= share
    second += first
    return second


def strongest(grids: NDArray[np.float32], rows: Axis, columns: Axis) -> NDArray[np.int32]:
    """Which of several grids is largest at each pixel after interpolation, int32 (rows, columns); of equals, the first.

    Args:
        grids: float32 (labels, H, W).
    """
    labels = _contenders(grids)
    best_label = np.full((len(rows), len(columns)), labels[0], np.int32)
    for start in range(0, len(rows) if len(labels) > 1 else 0, _STRIP):
        strip, part = rows.part(start, start + _STRIP), best_label[start : start + _STRIP]
        best = interpolated(grids[labels[0]], strip, columns)
        for label in labels[1:]:
            values = interpolated(grids[label], strip, columns)
            better = values > best
            part[better] = label
            np.copyto(best, values, where=better)
    return best_label


def _contenders(grids: NDArray[np.float32]) -> list[int]:
    """Grids that are largest somewhere, or may be: between four cells, each stays between their least and most."""
    highest_low = _of_neighbours(grids[0], np.minimum)
    for grid in grids[1:]:
        np.maximum(highest_low, _of_neighbours(grid, np.minimum), out=highest_low)
    return [i for i, grid in enumerate(grids) if (_of_neighbours(grid, np.maximum) >= highest_low).any()]


def _of_neighbours(grid: Grid, choose: np.ufunc) -> Grid:
    """The least or most of each cell and those right of it, below it, and both."""
    padded = np.pad(grid, ((0, 1), (0, 1)), mode="edge")
    pairs = choose(padded[:-1], padded[1:])
    return np.asarray(choose(pairs[:, :-1], pairs[:, 1:]))


def bounds(mask: Mask) -> tuple[int, int, int, int]:
    """left, top, right, bottom of what is marked, the last two one beyond; all 0 where nothing is."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def outlines(mask: Mask, left: int = 0, top: int = 0) -> list[list[int]]:
    """Closed lines along the pixels' edges, each as x, y, x, y ...; filled by the even-odd rule they are the mask.

    In a figure of right angles, the corners in a row belong together in pairs from left to right, those in a column in
    pairs from top to bottom; the lines lead from pair to pair. A corner where two pixels touch counts twice.

    Args:
        mask: bool (H, W).
        left, top: Added to the coordinates: where the mask's own corner lies.
    """
    cells = np.pad(mask.astype(np.int8), 1)
    square = cells[:-1, :-1], cells[:-1, 1:], cells[1:, :-1], cells[1:, 1:]
    total = square[0] + square[1] + square[2] + square[3]
    times = (total % 2) + 2 * ((total == 2) & (square[0] == square[3]))
    y, x = np.nonzero(times)
    repeats = times[y, x]
    y, x = np.repeat(y, repeats), np.repeat(x, repeats)
    across, down = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
    for partner, order in ((across, np.lexsort((x, y))), (down, np.lexsort((y, x)))):
        partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    return _rings((x + left).tolist(), (y + top).tolist(), across.tolist(), down.tolist())


def _rings(x: list[int], y: list[int], across: list[int], down: list[int]) -> list[list[int]]:
    """The lines that lead from each corner to its partner in its row, then in its column, until they close."""
    rings, seen = [], [False] * len(x)
    for start in range(len(x)):
        ring: list[int] = []
        corner = start
        while not seen[corner]:
            other = across[corner]
            seen[corner] = seen[other] = True
            ring += (x[corner], y[corner], x[other], y[other])
            corner = down[other]
        if ring:
            rings.append(ring)
    return rings


def tint(image: Picture, mask: Mask, left: int, top: int, color: tuple[int, int, int]) -> None:
    """Mix half a colour into the marked pixels of a picture, in place.

    Args:
        image: uint8 (H, W, 3) RGB.
        mask: bool (h, w), its corner at `left`, `top`.
        color: RGB, 0..255.
    """
    part = image[top : top + mask.shape[0], left : left + mask.shape[1]]
    part[mask] = part[mask] // 2 + np.array([level // 2 for level in color], np.uint8)
