"""Each step of cleaning, and the way back to the original's pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasift.media.pictures import cleaning
from mediasift.media.pictures.cleaning import clean, map_box, rotated, skew_deg


def page() -> np.ndarray:
    """uint8 (H, W): dark bars like lines of words on white."""
    image = np.full((400, 600), 255, np.uint8)
    rng = np.random.default_rng(0)
    for top in range(40, 360, 25):
        left = 40
        while left < 540:
            width = int(rng.integers(10, 60))
            image[top : top + 12, left : min(560, left + width)] = 20
            left += width + 8
    return image


@pytest.mark.parametrize("angle", [-9.0, -3.3, -0.7, 1.5, 4.0, 12.0])
def test_skew_is_found_within_a_fifth_of_a_degree(angle: float):
    turned = np.asarray(Image.fromarray(page()).rotate(-angle, Image.Resampling.BICUBIC, expand=True, fillcolor=255))
    assert skew_deg(turned) == pytest.approx(angle, abs=0.2)


def test_a_straight_page_and_one_without_text_have_no_skew():
    assert skew_deg(page()) == 0
    assert skew_deg(np.full((400, 400), 255, np.uint8)) == 0
    assert skew_deg(np.zeros((3, 3, 3), np.uint8)) == 0


def test_deskew_levels_the_lines():
    turned, _ = rotated(page(), 5.0)
    level, _ = cleaning.deskew(turned)
    assert abs(skew_deg(level)) <= 0.2


@pytest.mark.parametrize("angle", [0, 90, 180, 270, -7.5, 33.0])
@given(x=st.integers(60, 500), y=st.integers(60, 340))
@settings(max_examples=10)
def test_the_way_back_leads_to_the_same_mark(angle: float, x: int, y: int):
    image = np.full((400, 600), 255, np.uint8)
    cv2.circle(image, (x, y), 6, (0,), -1)
    turned, back = rotated(image, angle)
    found_y, found_x = np.argwhere(turned < 128).mean(axis=0)
    assert back @ [found_x + 0.5, found_y + 0.5, 1] == pytest.approx([x + 0.5, y + 0.5], abs=1.0)


def test_quarter_turns_are_pillows():
    image = page()
    for angle in (90, 180, 270):
        assert (rotated(image, angle)[0] == np.asarray(Image.fromarray(image).rotate(-angle, expand=True))).all()


def test_inversion_makes_text_dark_and_leaves_dark_text_alone():
    assert (cleaning.dark_on_light(255 - page()) == page()).all()
    assert (cleaning.dark_on_light(page()) == page()).all()
    assert (cleaning.dark_on_light(np.zeros((9, 9), np.uint8)) == 0).all()


def test_denoise_takes_single_specks_away_and_threshold_leaves_two_levels():
    speckled = page()
    speckled[5, 5] = 0
    assert cleaning.denoise(speckled)[5, 5] == 255
    shaded = (page() * np.linspace(0.4, 1, 600)[None]).astype(np.uint8)
    black = cleaning.threshold(shaded)
    assert set(np.unique(black)) == {0, 255}
    assert ((black == 0) == (page() < 128))[20:-20, 20:-20].mean() > 0.97


def test_contrast_spreads_the_levels():
    flat = (120 + page() // 16).astype(np.uint8)
    assert np.ptp(cleaning.contrast(flat)) > np.ptp(flat)


def test_small_text_is_enlarged_and_large_text_is_not():
    small, back = cleaning.enlarge_small_text(page())
    assert small.shape[0] > 2 * 400
    assert back[0, 0] == pytest.approx(600 / small.shape[1])
    large = cv2.resize(page(), None, fx=4, fy=4)
    assert cleaning.enlarge_small_text(large)[0].shape == large.shape


def test_boxes_come_back_through_all_steps():
    image = np.full((300, 500, 3), 255, np.uint8)
    image[100:130, 200:260] = 0
    cleaned, back = clean(image, cleaning.STEPS, clockwise_deg=90)
    rows, columns = np.nonzero(cleaned < 128)
    box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert map_box(box, back, 500, 300) == pytest.approx((200, 100, 60, 30), abs=4)


@pytest.mark.parametrize("step", cleaning.STEPS)
def test_every_step_takes_any_picture_and_leaves_it_unchanged(step: str):
    for shape in ((1, 1, 3), (2, 500), (30, 40, 3)):
        image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        before = image.copy()
        assert clean(image, [step])[0].ndim == 2
        assert (image == before).all()
