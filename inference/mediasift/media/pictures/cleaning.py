"""Making text easier to read: denoise, contrast, threshold, deskew and the like, each a transform of its own.

All functions take uint8 arrays, (H, W, 3) RGB or (H, W) grey, and return a grey one (H, W); none changes its input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from mediasift.media.libraries import cv2
from mediasift.media.pictures.transforms import Picture, rotated_size, to_gray

MAX_SKEW_DEG = 15.0
_SKEW_STEP_DEG = 0.1
_SKEW_WIDTH_PX = 600
_SKEW_LEAST_PX = 100
_MOST_GROWTH = 4
SMALL_TEXT_PX = 20.0
"""Lines of capital letters lower than this are enlarged; Tesseract's manual asks for about 20 pixels at least
(https://tesseract-ocr.github.io/tessdoc/ImproveQuality.html)."""

Matrix = NDArray[np.float64]
"""float64 (2, 3): an affine map (x, y, 1) → (x, y), in pixels."""

IDENTITY: Matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def denoise(image: Picture) -> Picture:
    """Without single specks: a median over 3 x 3 pixels."""
    return np.asarray(cv2.medianBlur(to_gray(image), 3), dtype=np.uint8)


def contrast(image: Picture) -> Picture:
    """Contrast evened out locally: CLAHE with clip limit 2 on 8 x 8 tiles (Zuiderveld 1994)."""
    return np.asarray(cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(to_gray(image)), dtype=np.uint8)


def threshold(image: Picture) -> Picture:
    """Black and white: each pixel against the Gaussian mean of its neighbourhood of 31 pixels, less 15 levels."""
    kind = cv2.ADAPTIVE_THRESH_GAUSSIAN_C
    return np.asarray(cv2.adaptiveThreshold(to_gray(image), 255, kind, cv2.THRESH_BINARY, 31, 15), dtype=np.uint8)


def dark_on_light(image: Picture) -> Picture:
    """Inverted when most of it is dark: text is the smaller part of a page."""
    grey = to_gray(image)
    level, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    dark = float(np.count_nonzero(grey <= level)) / grey.size
    return np.asarray(255 - grey, dtype=np.uint8) if dark > 0.5 and np.ptp(grey) > 32 else grey


def skew_deg(image: Picture) -> float:
    """How far lines of text are turned, degrees clockwise, within `MAX_SKEW_DEG`; 0.0 where there is no telling.

    The angle whose row profile has the sharpest steps (Postl 1986), found coarsely, then in tenths of a degree.
    """
    grey = to_gray(image)
    if min(grey.shape) < _SKEW_LEAST_PX:
        return 0.0
    factor = min(1.0, _SKEW_WIDTH_PX / max(grey.shape))
    size = [max(1, round(side * factor)) for side in reversed(grey.shape)]
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    ink = np.asarray(cv2.threshold(small, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)[1], dtype=np.uint8)
    if not 0.002 < np.count_nonzero(ink) / ink.size < 0.5:
        return 0.0
    coarse = _sharpest(ink, np.arange(-MAX_SKEW_DEG, MAX_SKEW_DEG + 0.5, 1.0))
    fine = _sharpest(ink, coarse + np.arange(-1.0, 1.0 + _SKEW_STEP_DEG / 2, _SKEW_STEP_DEG))
    return 0.0 if abs(fine) < 2 * _SKEW_STEP_DEG else round(float(fine), 1)


def _sharpest(ink: NDArray[np.uint8], angles: NDArray[np.float64]) -> float:
    height, width = ink.shape

    def sharpness(angle: float) -> float:
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        rows = cv2.warpAffine(ink, matrix, (width, height), flags=cv2.INTER_NEAREST).sum(axis=1, dtype=np.float64)
        return float(np.square(np.diff(rows)).sum())

    return float(max(angles, key=sharpness))


def rotated(image: Picture, clockwise_deg: float) -> tuple[Picture, Matrix]:
    """Turned, on a canvas that holds all of it, and the map from the result's pixels to the original's.

    Quarter turns are exact; other angles are interpolated, the new corners filled with the border's median.
    """
    grey = to_gray(image)
    height, width = grey.shape
    quarters, rest = divmod(clockwise_deg, 90)
    if rest == 0:
        turns = int(quarters) % 4
        back = {0: IDENTITY, 1: [[0, 1, 0], [-1, 0, height]], 2: [[-1, 0, width], [0, -1, height]],
                3: [[0, -1, width], [1, 0, 0]]}[turns]  # fmt: skip
        return np.ascontiguousarray(np.rot90(grey, -turns)), np.array(back, dtype=np.float64)
    forward = cv2.getRotationMatrix2D((width / 2, height / 2), -clockwise_deg, 1.0)
    cos, sin = abs(forward[0, 0]), abs(forward[0, 1])
    new_width, new_height = round(width * cos + height * sin), round(width * sin + height * cos)
    forward[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    turned = cv2.warpAffine(
        grey, forward, (new_width, new_height), flags=cv2.INTER_CUBIC, borderValue=(float(_edge(grey)),)
    )
    return np.asarray(turned, dtype=np.uint8), np.asarray(cv2.invertAffineTransform(forward), dtype=np.float64)


def deskew(image: Picture) -> tuple[Picture, Matrix]:
    """With its lines of text level, and the map from the result's pixels to the original's.

    A strip of which the turned canvas would be more than `_MOST_GROWTH` times as large stays as it is.
    """
    angle, (height, width) = skew_deg(image), image.shape[:2]
    new_width, new_height = rotated_size(width, height, angle, "grow")
    is_level = not angle or new_width * new_height > _MOST_GROWTH * width * height
    return (to_gray(image), IDENTITY) if is_level else rotated(image, -angle)


def with_border(image: Picture, width_px: int = 10) -> tuple[Picture, Matrix]:
    """With a border of the paper's colour, and the map from the result's pixels to the original's.

    Letters that touch the edge are misread; Tesseract's manual asks for 10 pixels.
    """
    grey = to_gray(image)
    return np.pad(grey, width_px, constant_values=_edge(grey)), np.array([[1.0, 0, -width_px], [0, 1.0, -width_px]])


def _edge(grey: Picture) -> np.uint8:
    return np.uint8(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def enlarge_small_text(image: Picture) -> tuple[Picture, Matrix]:
    """Up to four times as large when its letters are low, and the map from the result's pixels to the original's.

    How high they are is the median height of the connected components that may be letters, if there are a few.
    """
    grey = to_gray(image)
    _, ink = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    _, _, components, _ = cv2.connectedComponentsWithStats(ink)
    heights, widths = components[1:, cv2.CC_STAT_HEIGHT], components[1:, cv2.CC_STAT_WIDTH]
    letters = heights[(heights >= 5) & (heights < ink.shape[0] / 3) & (widths < 4 * heights)]
    height = float(np.median(letters)) if len(letters) >= 5 else 0.0
    factor = min(4.0, 1.5 * SMALL_TEXT_PX / height, 8000 / max(grey.shape)) if 0 < height < SMALL_TEXT_PX else 1.0
    if factor <= 1:
        return grey, IDENTITY
    large = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    back_x, back_y = grey.shape[1] / large.shape[1], grey.shape[0] / large.shape[0]
    return np.asarray(large, dtype=np.uint8), np.array([[back_x, 0, 0], [0, back_y, 0]])


STEPS: dict[str, Callable[[Picture], Picture | tuple[Picture, Matrix]]] = {
    "invert": dark_on_light,
    "denoise": denoise,
    "contrast": contrast,
    "deskew": deskew,
    "upscale": enlarge_small_text,
    "threshold": threshold,
    "border": with_border,
}
"""What `clean` can do, in the order in which it is done; finding the upright orientation comes before, with the
engine's help."""


def clean(image: Picture, steps: Collection[str], *, clockwise_deg: float = 0.0) -> tuple[Picture, Matrix]:
    """The picture, turned, then cleaned by the steps named, in the order of `STEPS`; and the map back."""
    current, matrix = rotated(image, clockwise_deg)
    for name, step in STEPS.items():
        if name in steps:
            result = step(current)
            if isinstance(result, tuple):
                current, back = result
                matrix = np.asarray(matrix @ np.vstack([back, [0, 0, 1]]), dtype=np.float64)
            else:
                current = result
    return current, matrix


def map_box(
    box: tuple[float, float, float, float], matrix: Matrix, width: int, height: int
) -> tuple[int, int, int, int]:
    """A box (left, top, width, height) of the result as one of the original, within its width and height."""
    left, top, wide, high = box
    corners = np.array([[x, y, 1.0] for x in (left, left + wide) for y in (top, top + high)])
    points = corners @ matrix.T
    x0, y0 = np.clip(np.rint(points.min(axis=0)), 0, (width - 1, height - 1)).astype(int).tolist()
    x1, y1 = np.clip(np.rint(points.max(axis=0)), 1, (width, height)).astype(int).tolist()
    return x0, y0, max(1, x1 - x0), max(1, y1 - y0)
