from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.media.pictures.boxes import draw, placement, suppress
from mediasift.media.pictures.transforms import Anchor, Fit, fit, fitted_place

SIDES = st.integers(1, 900)


@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(get_args(Fit)), st.sampled_from(get_args(Anchor)))
def test_the_inverse_of_fitting_gives_every_pixel_back(
    width: int, height: int, target_width: int, target_height: int, how, anchor
):
    place = placement(width, height, fitted_place(width, height, target_width, target_height, how=how, anchor=anchor))
    corners = np.array([[0, 0, width, height], [width // 3, height // 3, width // 2, height // 2]], np.float32)
    fitted = corners * np.array([place.scale_x, place.scale_y] * 2) + np.array([place.left, place.top] * 2)
    assert np.allclose(
        place.undo(fitted.astype(np.float32), width, height), corners, atol=0.01 + max(width, height) * 1e-5
    )


@pytest.mark.parametrize("how", get_args(Fit))
@pytest.mark.parametrize("anchor", get_args(Anchor))
@pytest.mark.parametrize("size", [(800, 600), (601, 800), (416, 416), (123, 77), (1540, 978)])
def test_a_rectangle_is_where_the_placement_says(how, anchor, size: tuple[int, int]):
    """A white rectangle is drawn, fitted, found again by its pixels, and traced back."""
    width, height = size
    box = (width * 3 // 8, height * 3 // 8, width * 5 // 8, height * 5 // 8)
    picture = np.zeros((height, width), np.uint8)
    picture[box[1] : box[3], box[0] : box[2]] = 255
    fitted = fit(picture, 416, 416, how=how, anchor=anchor, resample="bilinear", pad_value=0)
    rows, columns = np.flatnonzero(fitted.max(1) > 127), np.flatnonzero(fitted.max(0) > 127)
    drawn = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
    place = placement(width, height, fitted_place(width, height, 416, 416, how=how, anchor=anchor))
    back = place.undo(drawn, width, height)[0]
    pixel = np.array([1 / place.scale_x, 1 / place.scale_y] * 2)
    assert (np.abs(back - box) <= pixel).all()


def plain_suppression(boxes, scores, labels, max_overlap: float) -> list[int]:
    """Greedy, by the definition: the best box drops those of its label that overlap it more than allowed."""
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)

        def overlap(i: int, best: int = best) -> float:
            a, b = boxes[best], boxes[i]
            inner = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
            return inner / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inner)

        left = [i for i in left if labels[i] != labels[best] or overlap(i) <= max_overlap]
    return kept


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from([0.2, 0.5, 0.8]))
def test_suppression_is_the_greedy_one_label_by_label(seed: int, count: int, max_overlap: float):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (count, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 40, (count, 2))]).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32) / max(count, 1) * 0.9 + 0.1
    labels = rng.integers(0, 3, count)
    kept = suppress(boxes, scores, labels, min_score=0.05, max_overlap=max_overlap)
    assert kept == plain_suppression(boxes.astype(float), scores, labels, max_overlap)


def test_drawing_leaves_the_picture_alone_and_marks_the_border():
    picture = np.full((100, 160, 3), 90, np.uint8)
    drawn = draw(picture, np.array([[40, 30, 120, 80]], np.float32), ["dog 0.83"])
    assert (picture == 90).all()
    assert (drawn[79:82, 60:100] != 90).any(axis=(0, 2)).all()
    assert (drawn[60, 60:100] == 90).all()
    assert np.array_equal(draw(picture, np.zeros((0, 4), np.float32), []), picture)
