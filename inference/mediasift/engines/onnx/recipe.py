"""A description's input part, applied: a picture becomes exactly the array that the model was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import InputDescription
from mediasift.media.pictures.transforms import covering_size, fit, to_gray


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
    """Pixels to (pixel * scale - mean) / std in the described channel order, layout and dtype."""
    pixels: NDArray[Any] = picture[:, :, ::-1] if wanted.colour == "bgr" else picture
    if wanted.dtype != "uint8":
        mean, std = (np.asarray(numbers, dtype=np.float32) for numbers in (wanted.mean, wanted.std))
        factor, offset = np.float32(wanted.scale) / std, mean / std
        pixels = pixels.astype(np.float32)
        if factor.tolist() != [1.0]:
            pixels *= factor
        if offset.any():
            pixels -= offset
    if wanted.layout == "flat":
        pixels = pixels.reshape(-1)
    elif wanted.layout == "NCHW":
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    elif wanted.layout == "NHWC" and pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return np.ascontiguousarray(pixels, dtype=wanted.dtype)


def input_shape(wanted: InputDescription) -> tuple[int, ...]:
    """Shape of one prepared picture, without the batch axis."""
    height, width, channels = wanted.height, wanted.width, wanted.channels
    if wanted.layout == "flat":
        return (height * width * channels,)
    return {"NHW": (height, width), "NHWC": (height, width, channels), "NCHW": (channels, height, width)}[wanted.layout]


def smallest_size(wanted: InputDescription) -> tuple[int, int]:
    """(width, height) below which a picture must not be reduced while it is decoded."""
    return covering_size(wanted.width, wanted.height, wanted.width, wanted.height, wanted.shorter_side)
