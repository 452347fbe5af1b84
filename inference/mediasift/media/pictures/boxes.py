"""Boxes: from a model's input back to the picture, the best of overlapping ones, and drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediasift.media.libraries import cv2
from mediasift.media.pictures.transforms import Box, Picture, resize

Boxes = NDArray[np.float32]
"""(N, 4): left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where `transforms.fit` put a picture: x_fitted = x * scale_x + left, likewise for y."""

    scale_x: float
    scale_y: float
    left: int
    top: int

    def undo(self, boxes: Boxes, width: int, height: int) -> Boxes:
        """Boxes of the fitted picture as boxes of the picture, float32 (N, 4), cut at its borders.

        Args:
            boxes: float32 (N, 4) in pixels of the fitted picture.
            width, height: Of the picture before.
        """
        shift = np.array([self.left, self.top] * 2, dtype=np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, dtype=np.float32)
        return ((boxes - shift) / scale).clip(0, np.array([width, height] * 2, dtype=np.float32)).astype(np.float32)


def placement(width: int, height: int, place: tuple[int, int, int, int]) -> Placement:
    """Where `transforms.fit` puts a picture of this size, by the answer of `transforms.fitted_place`."""
    new_width, new_height, left, top = place
    return Placement(new_width / width, new_height / height, left, top)


def suppress(
    boxes: Boxes, scores: NDArray[np.float32], labels: NDArray[np.int64], *, min_score: float, max_overlap: float
) -> list[int]:
    """Positions of the boxes to keep, best first: of boxes of one label that overlap, the best (OpenCV's NMS).

    Args:
        boxes: float32 (N, 4).
        scores: float32 (N,).
        labels: int64 (N,).
        min_score: Lower ones are dropped.
        max_overlap: Largest intersection over union of two kept boxes of one label.
    """
    if not len(boxes):
        return []
    corners = boxes.astype(float)
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxesBatched(
        sizes.tolist(), scores.astype(float).tolist(), labels.tolist(), min_score, max_overlap
    )
    return sorted((int(i) for i in np.ravel(kept)), key=lambda i: (-float(scores[i]), i))


def draw(image: Picture, boxes: Boxes, captions: Sequence[str]) -> Picture:
    """A copy with boxes and captions.

    Args:
        image: uint8 (H, W, 3) RGB.
        boxes: float32 (N, 4) in its pixels.
        captions: One per box; one colour per first word.
    """
    drawn = image.copy()
    scale = max(0.4, max(image.shape[:2]) / 1600)
    thick = max(1, round(2 * scale))
    for box, caption in zip(boxes, captions, strict=True):
        left, top, right, bottom = (round(float(side)) for side in box)
        colour = color_of(caption.rsplit(" ", 1)[0])
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, thick)
        text = caption.encode("ascii", "replace").decode()  # OpenCV's letters are ASCII
        (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        base = max(high + below, top)
        cv2.rectangle(drawn, (left, base - high - below), (left + wide, base), colour, cv2.FILLED)
        cv2.putText(drawn, text, (left, base - below), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
    return drawn


_BLURRED_CELLS = 6
"""Along the longer side of a box that is blurred: of a face, neither eyes nor mouth can be made out."""

_BLURRED_MARGIN = 0.1
"""Of a box's sides: faces reach beyond what detectors mark."""


def blurred(image: Picture, boxes: Iterable[Box]) -> Picture:
    """A copy in which each box, and a tenth of its sides around it, is so coarse that what it shows is gone for good.

    Args:
        image: uint8 (H, W, C).
        boxes: Fractions, see `transforms.Box`.
    """
    picture = image.copy()
    height, width = image.shape[:2]
    for left, top, right, bottom in boxes:
        wide, high = (right - left) * _BLURRED_MARGIN, (bottom - top) * _BLURRED_MARGIN
        x0, x1 = math.floor(max(left - wide, 0) * width), math.ceil(min(right + wide, 1) * width)
        y0, y1 = math.floor(max(top - high, 0) * height), math.ceil(min(bottom + high, 1) * height)
        part, cell = picture[y0:y1, x0:x1], max(x1 - x0, y1 - y0) / _BLURRED_CELLS
        coarse = resize(part, max(1, round((x1 - x0) / cell)), max(1, round((y1 - y0) / cell)))
        picture[y0:y1, x0:x1] = resize(coarse, x1 - x0, y1 - y0, "bilinear")
    return picture


def color_of(text: str) -> tuple[int, int, int]:
    """A bright colour that depends only on the text."""
    hue = sum(text.encode()) * 47 % 180
    red, green, blue = cv2.cvtColor(np.array([[[hue, 200, 255]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
    return int(red), int(green), int(blue)
