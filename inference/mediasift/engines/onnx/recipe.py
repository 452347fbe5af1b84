"""A description's input part, applied: a picture becomes exactly the array that the model was trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import InputDescription
from mediasift.media.pictures.planes import look_up
from mediasift.media.pictures.transforms import covering_size, fit, to_gray

_SMALL = 64 * 64


def is_small(wanted: InputDescription) -> bool:
    """Whether a model's pictures are so small that a call for each of them costs more than what it does."""
    return wanted.width * wanted.height <= _SMALL


def prepare(image: NDArray[np.uint8], wanted: InputDescription, *, invert: bool = False) -> NDArray[Any]:
    """One picture as the model wants it, without the batch axis.

    Args:
        image: uint8 (H, W, 3) RGB.
        wanted: The description's input part.
        invert: Swap light and dark (255 - pixel) first, for ink on paper before a light-on-dark model.
    """
    return arrange(fitted(image, wanted, invert=invert), wanted)


def fitted(image: NDArray[np.uint8], wanted: InputDescription, *, invert: bool = False) -> NDArray[np.uint8]:
    """The picture at the model's size: uint8 (height, width, 3) RGB, or (height, width) for gray."""
    picture = to_gray(image) if wanted.colour == "gray" else image
    if invert:
        picture = 255 - picture
    return fit(picture, wanted.width, wanted.height, how=wanted.fit, resample=wanted.resample, anchor=wanted.anchor,
               shorter_side=wanted.shorter_side, pad_value=wanted.pad_value)  # fmt: skip


def arrange(picture: NDArray[np.uint8], wanted: InputDescription) -> NDArray[Any]:
    """Pixels to (pixel * scale - mean) / std in the described channel order, layout and dtype.

    A pixel has 256 values, so that each number is looked up: what computing it would give, at a fraction of the time.

    Args:
        picture: uint8 (height, width, 3) RGB, or (height, width) for gray, at the model's size.
        wanted: The description's input part.
    """
    return _numbers(picture, wanted).reshape(input_shape(wanted))


def arrange_all(pictures: Sequence[NDArray[np.uint8]], wanted: InputDescription) -> NDArray[Any]:
    """The same for several pictures, (N, ...): at once, unless their channels are laid out one after the other.

    For gray they may be RGB, too, which is made gray here.
    """
    if wanted.layout == "NCHW" and wanted.colour != "gray":
        return np.stack([arrange(one, wanted) for one in pictures])
    if wanted.colour == "gray" and any(one.ndim == 2 for one in pictures):
        pictures = [to_gray(one) for one in pictures]
    pixels = pictures[0] if len(pictures) == 1 else np.concatenate(pictures)
    if wanted.colour == "gray":
        pixels = to_gray(pixels)
    return _numbers(pixels, wanted).reshape(len(pictures), *input_shape(wanted))


def _numbers(picture: NDArray[np.uint8], wanted: InputDescription) -> NDArray[Any]:
    pixels = picture[:, :, ::-1] if wanted.colour == "bgr" else picture
    planar = wanted.layout == "NCHW"
    if wanted.dtype == "uint8":
        return np.ascontiguousarray(pixels.transpose(2, 0, 1) if planar and pixels.ndim == 3 else pixels)
    return look_up(pixels, _levels(wanted.scale, wanted.mean, wanted.std, wanted.dtype), planar=planar)


@lru_cache(maxsize=64)
def _levels(scale: float, mean: tuple[float, ...], std: tuple[float, ...], dtype: str) -> NDArray[Any]:
    """What each of the 256 values of a pixel becomes, (channels, 256), or (1, 256) where all channels are alike."""
    means, spreads = (np.asarray(numbers, dtype=np.float32)[:, None] for numbers in (mean, std))
    factors, offsets = np.float32(scale) / spreads, means / spreads
    levels: NDArray[Any] = np.arange(256, dtype=np.float32) * factors - offsets
    return levels.astype(dtype)


def input_shape(wanted: InputDescription) -> tuple[int, ...]:
    """Shape of one prepared picture, without the batch axis."""
    height, width, channels = wanted.height, wanted.width, wanted.channels
    match wanted.layout:
        case "NHWC":
            return height, width, channels
        case "NCHW":
            return channels, height, width
        case "NHW":
            return height, width
        case "flat":
            return (height * width * channels,)


def smallest_size(wanted: InputDescription) -> tuple[int, int]:
    """(width, height) below which a picture must not be reduced while it is decoded."""
    return covering_size(wanted.width, wanted.height, wanted.width, wanted.height, wanted.shorter_side)


def noise(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bytes without a pattern, always the same: positions, mixed by MurmurHash3's last steps (Appleby, public domain).

    numpy's own random numbers would take longer to import than the model takes to run.
    """
    mixed = np.arange(1, math.prod(shape) + 1, dtype=np.uint32)
    for factor, shift in ((0x85EBCA6B, 13), (0xC2B2AE35, 16)):
        mixed *= np.uint32(factor)
        mixed ^= mixed >> np.uint32(shift)
    return (mixed & np.uint32(255)).astype(np.uint8).reshape(shape)
