from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Outline

from mediasift.media.pictures.masks import (
    Fitted,
    axis,
    bounds,
    interpolated,
    outlines,
    pasted_axes,
    strongest,
    tint,
)
from mediasift.media.pictures.transforms import Anchor, Fit, fit, fitted_place

MARGIN = 1e-5
"""Pixels whose two best labels differ by less may be either's: float32 in one order or another."""


def fitted(size: tuple[int, int], target: tuple[int, int], how: Fit, anchor: Anchor = "center") -> Fitted:
    return Fitted(size, fitted_place(*size, *target, how=how, anchor=anchor), target)


@pytest.mark.parametrize("size", [(640, 427), (33, 57), (8, 8), (1001, 3)])
def test_stretched_grids_are_resized_as_opencv_and_pytorch_do(size: tuple[int, int]):
    """OpenCV's INTER_LINEAR of floats is PyTorch's bilinear with align_corners=False; without averaging, also down."""
    grid = np.random.default_rng(0).standard_normal((24, 32)).astype(np.float32)
    rows, columns = fitted(size, (128, 96), "stretch").axes(grid.shape)
    ours = interpolated(grid, rows, columns)
    assert ours.shape == size[::-1]
    assert np.allclose(ours, cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR), atol=MARGIN)


@pytest.mark.parametrize("anchor", get_args(Anchor))
def test_a_letterbox_is_cut_off_before_resizing(anchor: Anchor):
    """A picture of 640 x 320 in an input of 128 x 128, with a grid of 32 x 32: 16 rows of cells are the picture's."""
    grid = np.random.default_rng(1).standard_normal((32, 32)).astype(np.float32)
    top = 8 if anchor == "center" else 0
    rows, columns = fitted((640, 320), (128, 128), "pad", anchor).axes(grid.shape)
    expected = cv2.resize(grid[top : top + 16], (640, 320), interpolation=cv2.INTER_LINEAR)
    assert np.allclose(interpolated(grid, rows, columns), expected, atol=MARGIN)


def test_a_crop_reaches_as_far_as_the_model_sees():
    grid = np.random.default_rng(2).standard_normal((64, 64)).astype(np.float32)
    rows, columns = fitted((256, 128), (64, 64), "crop").axes(grid.shape)
    assert (columns.start, columns.stop, rows.start, rows.stop) == (64, 192, 0, 128)
    assert np.allclose(interpolated(grid, rows, columns), cv2.resize(grid, (128, 128)), atol=MARGIN)


@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(1, 90), st.integers(1, 90), st.sampled_from(get_args(Fit)),
    st.integers(1, 40), st.integers(1, 40),
)  # fmt: skip
def test_every_pixel_that_the_model_sees_gets_a_cell_of_the_picture(
    width: int, height: int, wide: int, high: int, how: Fit, cells_x: int, cells_y: int
):
    view = fitted((width, height), (wide, high), how)
    rows, columns = view.axes((cells_y, cells_x))
    for part, length, cells in ((rows, height, cells_y), (columns, width, cells_x)):
        assert 0 <= part.start <= part.stop <= length
        assert len(part) == len(part.first) == len(part.second) == len(part.share)
        assert ((part.first >= 0) & (part.second < cells) & (part.share >= 0) & (part.share <= 1)).all()
        if how != "crop":
            assert (part.start, part.stop) == (0, length)


@pytest.mark.parametrize("how", get_args(Fit))
def test_a_marked_rectangle_comes_back_to_its_pixels(how: Fit):
    """Drawn, fitted as for a model, found there by its brightness, and brought back."""
    picture = np.zeros((300, 500), np.uint8)
    picture[100:200, 150:350] = 255
    target = (224, 224)
    grid = fit(picture, *target, how=how, resample="bilinear").astype(np.float32)
    rows, columns = fitted((500, 300), target, how).axes(grid.shape)
    mask = np.zeros((300, 500), bool)
    mask[rows.start : rows.stop, columns.start : columns.stop] = interpolated(grid, rows, columns) > 127.5
    assert np.abs(np.array(bounds(mask)) - (150, 100, 350, 200)).max() <= 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 9), st.integers(1, 60), st.integers(1, 60))
def test_the_strongest_label_is_that_of_all_maps_resized_one_by_one(
    seed: int, labels: int, cells: int, width: int, height: int
):
    grids = np.random.default_rng(seed).standard_normal((labels, cells, cells + 1)).astype(np.float32)
    grids[labels // 2] += 1  # so that some labels win nowhere
    rows, columns = fitted((width, height), (32, 32), "stretch").axes(grids.shape[1:])
    resized = np.stack([cv2.resize(one.astype(np.float64), (width, height)) for one in grids])
    best = strongest(grids, rows, columns)
    least = resized.max(axis=0) - np.take_along_axis(resized, best[None].astype(np.int64), axis=0)[0]
    assert least.max() < MARGIN
    clear = np.ptp(np.sort(resized, axis=0)[-2:], axis=0) > MARGIN if labels > 1 else np.ones(best.shape, bool)
    assert (best == resized.argmax(axis=0))[clear].all()


def paste_masks_in_image(mask: np.ndarray, box: np.ndarray, width: int, height: int) -> np.ndarray:
    """torchvision 0.21, `models/detection/roi_heads.py`: `paste_masks_in_image` of one mask, with its padding of 1."""
    scale = np.float32((mask.shape[-1] + 2) / mask.shape[-1])
    padded = np.pad(mask, 1)
    half = (box[2:] - box[:2]) * np.float32(0.5) * scale
    centre = (box[2:] + box[:2]) * np.float32(0.5)
    x0, y0, x1, y1 = (int(side) for side in (*(centre - half), *(centre + half)))
    wide, high = max(x1 - x0 + 1, 1), max(y1 - y0 + 1, 1)
    resized = cv2.resize(padded, (wide, high), interpolation=cv2.INTER_LINEAR)
    image = np.zeros((height, width), np.float32)
    left, right, top, bottom = max(x0, 0), min(x1 + 1, width), max(y0, 0), min(y1 + 1, height)
    image[top:bottom, left:right] = resized[top - y0 : bottom - y0, left - x0 : right - x0]
    return image


@pytest.mark.parametrize("box", [(10, 20, 60, 50), (0, 0, 99.5, 79.25), (90.2, 3.7, 100, 77.1), (40, 40, 40.5, 40.5)])
def test_masks_of_boxes_are_pasted_as_torchvision_does(box: tuple[float, ...]):
    mask, corners = np.random.default_rng(3).random((28, 28)).astype(np.float32), np.array(box, np.float32)
    rows, columns = pasted_axes(corners, mask.shape, (100, 80))
    ours = np.zeros((80, 100), np.float32)
    ours[rows.start : rows.stop, columns.start : columns.stop] = interpolated(np.pad(mask, 1), rows, columns)
    expected = paste_masks_in_image(mask, corners, 100, 80)
    assert np.allclose(ours, expected, atol=MARGIN)
    assert ((ours > 0.5) == (expected > 0.5))[np.abs(expected - 0.5) > MARGIN].all()


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 5), st.integers(0, 5))
def test_outlines_filled_by_the_even_odd_rule_are_the_mask(mask: np.ndarray, left: int, top: int):
    height, width = mask.shape
    centres = np.stack(np.meshgrid(np.arange(width) + 0.5 + left, np.arange(height) + 0.5 + top), -1).reshape(-1, 2)
    inside = np.zeros(height * width, bool)
    for ring in outlines(mask, left, top):
        points = np.array(ring).reshape(-1, 2)
        assert len(points) >= 4
        steps = np.abs(np.diff(points, axis=0, append=points[:1]))
        assert (np.count_nonzero(steps, axis=1) == 1).all(), "each step goes along one axis"
        inside ^= Outline([*points, points[0]], closed=True).contains_points(centres)
    assert (inside.reshape(mask.shape) == mask).all()


def test_the_outline_of_a_rectangle_has_four_corners():
    mask = np.zeros((5, 7), bool)
    mask[1:3, 2:6] = True
    (ring,) = outlines(mask)
    assert sorted(map(tuple, np.array(ring).reshape(-1, 2).tolist())) == [(2, 1), (2, 3), (6, 1), (6, 3)]
    assert outlines(np.zeros((3, 3), bool)) == []


def test_numbers_between_cells_lie_on_a_line():
    grid = np.array([[0, 10]], np.float32)
    columns = axis(0, 4, scale=0.5, shift=0, least=0, most=1)
    assert interpolated(grid, axis(0, 1, scale=1, shift=0, least=0, most=0), columns).tolist() == [[0, 2.5, 7.5, 10]]
    assert columns.nearest.tolist() == [0, 0, 1, 1]


def test_an_object_over_the_input_has_all_its_pixels():
    """Only the part around it is interpolated; that part leaves nothing out."""
    grid = np.zeros((64, 64), np.float32)
    grid[20:30, 40:44] = np.random.default_rng(4).random((10, 4)) + 0.2
    view = fitted((300, 200), (64, 64), "pad")
    rows, columns = view.around(grid, 0.5)
    part = interpolated(grid, rows, columns) > 0.5
    whole = interpolated(grid, *view.axes(grid.shape)) > 0.5
    assert part.sum() == whole.sum() > 0
    assert part.size < whole.size / 4


def test_a_tint_is_half_the_colour_where_the_mask_is():
    picture = np.full((4, 4, 3), 100, np.uint8)
    tint(picture, np.array([[True, False]]), 1, 2, (255, 0, 20))
    assert picture[2, 1].tolist() == [177, 50, 60]
    assert (np.delete(picture.reshape(-1, 3), 9, axis=0) == 100).all()
