from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasift.errors import UsageError
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.transforms import crop, fit, resize, to_gray
from tests.pictures import scene

sizes = st.integers(1, 70)


@settings(max_examples=100)
@given(sizes, sizes, sizes, sizes, st.sampled_from(["stretch", "crop", "pad"]), st.booleans())
def test_fit_always_gives_the_size(width, height, to_width, to_height, how, gray):
    picture = scene(width, height)
    out = fit(to_gray(picture) if gray else picture, to_width, to_height, how=how)
    assert out.shape == ((to_height, to_width) if gray else (to_height, to_width, 3))
    assert out.dtype == np.uint8


@pytest.mark.parametrize("resample", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_filters_are_pillows(resample: str):
    expected = Image.fromarray(scene(90, 60)).resize((31, 17), Image.Resampling[resample.upper()])
    assert (resize(scene(90, 60), 31, 17, resample) == np.asarray(expected)).all()


def test_area_averages():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[::2, ::2] = 255
    assert (resize(picture, 2, 2) == 64).all()


def test_crop_cuts_the_middle():
    picture = np.zeros((10, 30, 3), np.uint8)
    picture[:, 10:20] = 9
    assert (fit(picture, 10, 10, how="crop") == 9).all()


def test_pad_fills_around_or_below_and_right():
    picture = np.full((10, 20, 3), 200, np.uint8)
    centred = fit(picture, 20, 20, how="pad", pad_value=114)
    assert (centred[5:15] == 200).all()
    assert (centred[:5] == 114).all()
    corner = fit(picture, 20, 20, how="pad", anchor="top-left")
    assert (corner[:10] == 200).all()
    assert (corner[10:] == 0).all()


def test_nothing_is_changed_in_place():
    picture = scene()
    before = picture.copy()
    fit(picture, 10, 10, how="pad")
    to_gray(picture)
    assert (picture == before).all()


@given(
    st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    sizes,
    sizes,
)
def test_crop_stays_inside_and_is_never_empty(start, end, width, height):
    box = (start[0], start[1], end[0], end[1])
    if box[0] < box[2] and box[1] < box[3]:
        part = crop(scene(width, height), box)
        assert 1 <= part.shape[0] <= height
        assert 1 <= part.shape[1] <= width


def test_crop_takes_fractions():
    assert crop(scene(100, 50), (0.1, 0.2, 0.5, 1)).shape == (40, 40, 3)
    for box in ((0.5, 0, 0.5, 1), (0, 0, 1.1, 1), (-0.1, 0, 1, 1), (0, 0.9, 1, 0.1), (float("nan"), 0, 1, 1)):
        with pytest.raises(UsageError, match="fractions"):
            crop(scene(), box)


def test_gray_is_itu_601():
    picture = scene()
    expected = picture @ np.array([0.299, 0.587, 0.114])
    assert np.abs(to_gray(picture) - expected).max() <= 1


def test_the_books_picture_has_the_books_shape(test_data: Path):
    data = (test_data / "book-pictures" / "259_3_32_15.jpg").read_bytes()
    assert to_gray(next(iter(decode(data))).image).shape == (453, 805)


@pytest.mark.parametrize("resample", ["area", "linear", "nearest", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(1, 60_000), (60_000, 1), (3, 12_000)])
def test_a_narrow_picture_takes_what_its_window_takes(size: tuple[int, int], resample: str):
    width, height = size
    colors = np.zeros((height, width, 3), np.uint8)
    colors[height // 2 :, :] = 200
    tracemalloc.start()
    cut = fit(colors, 224, 224, how="crop", resample=resample, shorter_side=256)
    fitted = fit(colors, 224, 224, how="pad", resample=resample)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    assert cut.shape == fitted.shape == (224, 224, 3)
    if height > width:
        assert cut[0, 0, 0] < 20
        assert cut[-1, -1, 0] > 180


def test_the_window_of_a_blown_up_picture_is_that_of_the_whole():
    narrow = scene(2, 400)
    for resample in ("bilinear", "bicubic", "lanczos"):
        whole = resize(narrow, 64, 12_800, resample)
        part = fit(narrow, 64, 64, how="crop", resample=resample)
        assert np.abs(part.astype(int) - whole[6368:6432]).max() <= 2


def test_reported_narrow_pictures(test_data: Path):
    for name in ("one-pixel-wide.png", "one-pixel-wide-12000.png"):
        (item,) = decode((test_data / "reports" / "pictures" / name).read_bytes())
        assert fit(item.image, 224, 224, how="crop", shorter_side=256).shape == (224, 224, 3)
