from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.recipe import arrange, arrange_all, fitted, input_shape, noise, prepare, smallest_size
from tests.conftest import IMAGENET_INPUT
from tests.pictures import scene, solid


def test_the_imagenet_recipe_step_by_step():
    picture = scene(300, 200)
    resized = np.asarray(Image.fromarray(picture).resize((384, 256), Image.Resampling.BILINEAR))[16:240, 80:304]
    expected = (resized / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    made = prepare(picture, IMAGENET_INPUT)
    assert made.shape == (3, 224, 224)
    assert made.dtype == np.float32
    assert np.abs(made - expected.transpose(2, 0, 1)).max() < 1e-5


@settings(max_examples=150, deadline=None)
@given(st.integers(24, 700), st.integers(24, 700), st.sampled_from([(32, 32), (36, 32), (41, 32), (50, 33)]))
def test_resize_and_centre_crop_are_torchvisions_pixel_for_pixel(width: int, height: int, sizes: tuple[int, int]):
    """`Resize(resize_to)` and `CenterCrop(side)` as torchvision, timm and Transformers define them, by Pillow alone."""
    resize_to, side = sizes
    picture = scene(width, height)
    short, long = sorted((width, height))
    new = (resize_to, int(resize_to * long / short))[:: 1 if width <= height else -1]
    resized = Image.fromarray(picture).resize(new, Image.Resampling.BICUBIC)
    left, top = (int(round((length - side) / 2.0)) for length in new)  # noqa: RUF046  (torchvision's own line)
    expected = np.asarray(resized.crop((left, top, left + side, top + side)))
    wanted = InputDescription(width=side, height=side, fit="crop", shorter_side=resize_to, resample="bicubic")
    assert (fitted(picture, wanted) == expected).all()


def test_linear_is_opencvs_own():
    wanted = InputDescription(width=20, height=14, fit="stretch", resample="linear")
    expected = cv2.resize(scene(90, 60), (20, 14), interpolation=cv2.INTER_LINEAR)
    assert (fitted(scene(90, 60), wanted) == expected).all()
    assert (fitted(scene(90, 60), replace(wanted, resample="area")) != expected).any()
    assert ModelDescription.from_json(
        ModelDescription(task="embed", input=wanted, output=OutputDescription(values="embedding")).to_json()
    ).input == wanted  # fmt: skip


SCALINGS = [
    (1.0, (0.0,), (1.0,)), (1 / 127.5, (1.0,), (1.0,)), (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    (1.0, (127.0,), (128.0,)), (1.0, (123.68, 116.779, 103.939), (1.0,)), (1.0, (0.0,), (58.4, 57.1, 57.4)),
]  # fmt: skip


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "flat", "NHW"])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("scale", "mean", "std"), SCALINGS)
def test_every_number_is_that_of_the_formula_in_float32_to_the_last_bit(layout, colour, dtype, scale, mean, std):
    channels = 1 if colour == "gray" else 3
    if (layout == "NHW" and channels == 3) or max(len(mean), len(std)) > channels:
        return  # no description may be so
    wanted = InputDescription(
        width=20, height=14, fit="stretch", layout=layout, colour=colour, dtype=dtype, scale=scale, mean=mean, std=std
    )
    random = np.random.default_rng(0)
    whole = random.integers(0, 256, (30, 40) if colour == "gray" else (30, 40, 3), dtype=np.uint8)
    for picture in (whole[:14, :20].copy(), whole[3:17, 5:25], np.flip(whole[3:17, 5:25], 1)):
        means, spreads = (np.asarray(numbers, dtype=np.float32) for numbers in (mean, std))
        ordered = picture[:, :, ::-1] if colour == "bgr" else picture
        numbers = ordered.astype(np.float32) * (np.float32(scale) / spreads) - means / spreads
        numbers = numbers.transpose(2, 0, 1) if layout == "NCHW" and channels == 3 else numbers
        made = arrange(picture, wanted)
        assert made.shape == input_shape(wanted)
        assert made.flags.c_contiguous
        assert made.tobytes() == np.ascontiguousarray(numbers, dtype=dtype).tobytes()
        together = arrange_all([picture, picture], wanted)
        assert together.shape == (2, *made.shape)
        assert together.tobytes() == 2 * made.tobytes()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "flat"])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_shapes_and_types(layout: str, colour: str, dtype: str):
    wanted = InputDescription(width=6, height=4, fit="stretch", layout=layout, colour=colour, dtype=dtype)
    made = prepare(scene(), wanted)
    assert made.shape == input_shape(wanted)
    assert made.dtype == dtype
    assert made.flags["C_CONTIGUOUS"]


def test_channel_order():
    rgb = InputDescription(width=2, height=2, fit="stretch")
    assert prepare(solid((10, 20, 30)), rgb)[:, 0, 0].tolist() == [10, 20, 30]
    assert prepare(solid((10, 20, 30)), replace(rgb, colour="bgr"))[:, 0, 0].tolist() == [30, 20, 10]


def test_invert():
    wanted = InputDescription(width=2, height=2, fit="stretch", colour="gray", layout="NHW")
    assert prepare(solid((255, 255, 255)), wanted, invert=True).tolist() == [[0, 0], [0, 0]]


def test_padding_is_not_inverted():
    wanted = InputDescription(width=4, height=4, fit="pad", colour="gray", layout="NHW")
    made = prepare(solid((255, 255, 255), 4, 2), wanted, invert=True)
    assert not made.any()


@pytest.mark.parametrize(
    ("width", "height", "shorter", "expected"), [(224, 224, 256, (256, 256)), (100, 50, None, (100, 50))]
)
def test_the_size_a_picture_must_keep(width, height, shorter, expected):
    wanted = InputDescription(width=width, height=height, fit="crop", shorter_side=shorter)
    assert smallest_size(wanted) == expected


def test_noise_is_the_same_everywhere_and_has_no_pattern():
    """MurmurHash3's last step of 1 is 0x514E28B7, of 2 is 0x30F4C306 (its reference implementation, fmix32)."""
    made = noise((40, 50, 3))
    assert made.ravel()[:2].tolist() == [0xB7, 0x06]
    assert abs(made.mean() - 127.5) < 3
    assert abs(made.std() - 256 / 12**0.5) < 3
    assert abs(np.corrcoef(made[:-1].ravel(), made[1:].ravel())[0, 1]) < 0.05
