"""Resizing, fitting, cropping and grey: the one set of pixel operations that training and inference share.

All functions take and return uint8 arrays, (H, W, 3) RGB or (H, W) grey, and never change their input.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import UsageError
from mediasift.media.libraries import Image, cv2

Picture = NDArray[np.uint8]
Fit = Literal["stretch", "crop", "pad"]
Resample = Literal["nearest", "area", "linear", "bilinear", "bicubic", "lanczos"]
Anchor = Literal["center", "top-left"]
ColorModel = Literal["gray", "rgb", "rgba", "cmyk", "hsv", "lab"]
Filling = Literal["color", "reflect", "blur"]
Canvas = Literal["keep", "grow"]
Color = tuple[int, ...]
Box = tuple[float, float, float, float]
"""left, top, right, bottom as fractions 0..1 of the picture's width and height."""


def resize(
    image: Picture,
    width: int,
    height: int,
    resample: Resample = "area",
    *,
    window: tuple[int, int, int, int] | None = None,
) -> Picture:
    """The picture at (height, width), proportions ignored.

    Args:
        resample: `area` averages (OpenCV's INTER_AREA) where a side shrinks and is bilinear where none does; `linear`
            is OpenCV's plain INTER_LINEAR, which leaves pixels out when shrinking; the others are Pillow's filters,
            which do not.
        window: Only this part of the result, left, top, right, bottom in its pixels. Where all of it would be much
            larger than picture and window together (1 x 60,000 pixels at a shorter side of 256), nothing else is made.
    """
    high, wide = image.shape[:2]
    left, top, right, bottom = window or (0, 0, width, height)
    size = right - left, bottom - top
    shrinks = width < wide or height < high
    how = {"area": "BOX" if shrinks else "BILINEAR", "linear": "BILINEAR"}.get(resample, resample.upper())
    if width * height > _BLOWN_UP * (wide * high + size[0] * size[1]):
        part = (left * wide / width, top * high / height, right * wide / width, bottom * high / height)
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling[how], box=part))
    if (wide, high) != (width, height):
        if resample in ("area", "linear") and image.shape[2:] != (4,):  # Pillow minds that colours may be invisible
            method = cv2.INTER_AREA if shrinks and resample == "area" else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)
        else:
            image = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling[how]))
    return image[top:bottom, left:right]


_BLOWN_UP = 16


def fit(
    image: Picture,
    width: int,
    height: int,
    *,
    how: Fit,
    resample: Resample = "area",
    shorter_side: int | None = None,
    anchor: Anchor = "center",
    pad_value: int = 0,
) -> Picture:
    """The picture at (height, width), brought there in one of three ways.

    Args:
        how: `stretch` ignores the proportions; `crop` covers the size and cuts the middle; `pad` fits inside
            and fills the rest.
        shorter_side: For `crop`, the length of the shorter side before the middle is cut; for `stretch`, of both.
        anchor: For `pad`, where the picture lies.
        pad_value: For `pad`, the grey level 0..255 of the filling.
    """
    if image.shape[:2] == (height, width) and shorter_side is None:
        return image
    if how == "pad":
        return padded(image, width, height, color=pad_value, resample=resample, anchor=anchor)
    new_width, new_height, left, top = fitted_place(
        image.shape[1], image.shape[0], width, height, how=how, shorter_side=shorter_side
    )
    return resize(image, new_width, new_height, resample, window=(-left, -top, width - left, height - top))


def fitted_place(
    width: int,
    height: int,
    target_width: int,
    target_height: int,
    *,
    how: Fit,
    shorter_side: int | None = None,
    anchor: Anchor = "center",
) -> tuple[int, int, int, int]:
    """(width, height, left, top): the size a picture is scaled to, and where its corner then lies in the target.

    A negative corner is cut off. The arguments are those of `fit`.
    """
    if how == "stretch":
        new_width, new_height = shorter_side or target_width, shorter_side or target_height
        return new_width, new_height, -round((new_width - target_width) / 2), -round((new_height - target_height) / 2)
    if how == "crop":
        new_width, new_height = covering_size(width, height, target_width, target_height, shorter_side)
        # Half of the rest, ties to even, as torchvision's `center_crop`.
        return new_width, new_height, -round((new_width - target_width) / 2), -round((new_height - target_height) / 2)
    factor = min(target_width / width, target_height / height)
    inner_width = min(target_width, max(1, round(width * factor)))
    inner_height = min(target_height, max(1, round(height * factor)))
    if anchor == "top-left":
        return inner_width, inner_height, 0, 0
    return inner_width, inner_height, (target_width - inner_width) // 2, (target_height - inner_height) // 2


def covering_size(
    width: int, height: int, target_width: int, target_height: int, shorter_side: int | None
) -> tuple[int, int]:
    """(width, height) to resize to before the middle is cut, proportions kept.

    The longer side is rounded down, as torchvision's `Resize`, timm and Transformers do.
    """
    if shorter_side is not None:
        target_width = target_height = max(shorter_side, target_width, target_height)
    if target_width * height >= target_height * width:
        return target_width, max(target_height, int(target_width * height / width))
    return max(target_width, int(target_height * width / height)), target_height


def crop(image: Picture, box: Box) -> Picture:
    """The part of the picture inside `box`; at least one pixel.

    Raises:
        UsageError: The box is not left < right, top < bottom, all within 0..1.
    """
    check_box(box)
    left, top, right, bottom = box
    height, width = image.shape[:2]
    x0, y0 = min(int(left * width + 0.5), width - 1), min(int(top * height + 0.5), height - 1)
    x1, y1 = max(int(right * width + 0.5), x0 + 1), max(int(bottom * height + 0.5), y0 + 1)
    return image[y0:y1, x0:x1]


def middle(image: Picture, width: int, height: int) -> Picture:
    """The largest part in the middle with the proportions of (width, height): for a square, the centre square."""
    wide, high = image.shape[1], image.shape[0]
    factor = min(wide / width, high / height)
    new_wide, new_high = max(1, round(width * factor)), max(1, round(height * factor))
    left, top = (wide - new_wide) // 2, (high - new_high) // 2
    return image[top : top + new_high, left : left + new_wide]


def check_box(box: Box) -> None:
    """Raise a UsageError unless left < right and top < bottom, all within 0..1."""
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        shown = ",".join(f"{side:g}" for side in box)
        raise UsageError(f"crop box {shown}: needs left < right and top < bottom, fractions from 0 to 1")


def parse_box(text: str) -> Box:
    """The box that `L,T,R,B` names, four fractions; whether they make a box `check_box` decides.

    Raises:
        UsageError: It is not four numbers.
    """
    try:
        left, top, right, bottom = (float(side) for side in text.split(","))
    except ValueError as error:
        raise UsageError(f"box {text!r}: a box is four fractions from 0 to 1: L,T,R,B") from error
    return left, top, right, bottom


def to_gray(image: Picture) -> Picture:
    """ITU-R BT.601 luma, uint8 (H, W); grey pictures as they are."""
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


_DISC_SIDE = 64
"""Side of the square from which a disc is read; coarse enough for a few degrees not to matter."""


def disc(image: Picture, angles: int, radii: int) -> Picture:
    """The disc in the middle of a grey picture, uint8 (angles, radii): from the top clockwise, from the middle out."""
    square = resize(middle(image, 1, 1), _DISC_SIDE, _DISC_SIDE)
    radius = (np.arange(radii) + 0.5) / radii * (_DISC_SIDE / 2 - 1)
    angle = np.arange(angles) * 2 * np.pi / angles
    centre = (_DISC_SIDE - 1) / 2
    x = (centre + np.outer(np.sin(angle), radius)).astype(np.float32)
    y = (centre - np.outer(np.cos(angle), radius)).astype(np.float32)
    return np.asarray(cv2.remap(square, x, y, cv2.INTER_LINEAR), dtype=np.uint8)


def sharpness(image: Picture) -> float:
    """Variance of the Laplacian of the grey picture, 0 for a plain one; comparable between pictures of one size.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR 2000.

    Args:
        image: uint8 (H, W, 3) RGB, or (H, W).
    """
    return float(cv2.meanStdDev(cv2.Laplacian(to_gray(image), cv2.CV_16S))[1].item() ** 2)


def padded(
    image: Picture,
    width: int,
    height: int,
    *,
    filling: Filling = "color",
    color: Color | int = (0, 0, 0),
    resample: Resample = "area",
    anchor: Anchor = "center",
) -> Picture:
    """The whole picture, as large as fits, in (height, width).

    Args:
        filling: What is around it: `color`; `reflect`, the picture's own edge mirrored; `blur`, a blurred copy of the
            picture that covers everything; the last two for RGB only.
        color: RGB, or a grey level, 0..255.
        anchor: Where the picture lies.
    """
    inner_width, inner_height, left, top = fitted_place(
        image.shape[1], image.shape[0], width, height, how="pad", anchor=anchor
    )
    inner = resize(image, inner_width, inner_height, resample)
    if (inner_width, inner_height) == (width, height):
        return inner
    if filling == "reflect":
        sides = (top, height - inner_height - top), (left, width - inner_width - left), (0, 0)
        return np.pad(inner, sides, mode="symmetric")
    if filling == "blur":
        cover = fit(image, width, height, how="crop")
        filled = np.array(cv2.GaussianBlur(cover, (0, 0), max(1.0, min(width, height) / 20)), dtype=np.uint8)
    else:
        filled = np.full((height, width, *image.shape[2:]), color, dtype=np.uint8)
    filled[top : top + inner_height, left : left + inner_width] = inner
    return filled


def flip(image: Picture, axis: Literal["h", "v"]) -> Picture:
    """Mirrored left to right (h) or top to bottom (v)."""
    return np.ascontiguousarray(image[:, ::-1] if axis == "h" else image[::-1])


def rotated_size(width: int, height: int, degrees: float, canvas: Canvas) -> tuple[int, int]:
    """(width, height) of what `rotate` gives."""
    if canvas == "keep":
        return width, height
    if degrees % 90 == 0:
        return (width, height) if degrees % 180 == 0 else (height, width)
    cosine, sine = abs(np.cos(np.radians(degrees))), abs(np.sin(np.radians(degrees)))
    return int(np.ceil(width * cosine + height * sine - 1e-9)), int(np.ceil(width * sine + height * cosine - 1e-9))


def rotate(image: Picture, degrees: float, *, canvas: Canvas = "grow", color: Color = (0, 0, 0)) -> Picture:
    """The RGB picture turned clockwise about its middle.

    Right angles on a canvas that grows move pixels and change none; all else interpolates (bilinear).

    Args:
        canvas: `grow` shows all of the turned picture; `keep` has the old size, and corners are cut.
        color: RGB of what the picture leaves free.
    """
    height, width = image.shape[:2]
    new_width, new_height = rotated_size(width, height, degrees, canvas)
    if degrees % 90 == 0 and (canvas == "grow" or degrees % 180 == 0 or width == height):
        return np.ascontiguousarray(np.rot90(image, -round(degrees / 90)))
    # Pixel centres are at whole numbers, so the middle of a side of n pixels is at (n - 1) / 2.
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    turn[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    turned = cv2.warpAffine(image, turn, (new_width, new_height), flags=cv2.INTER_LINEAR,
                            borderMode=cv2.BORDER_CONSTANT, borderValue=color)  # fmt: skip
    return np.asarray(turned, dtype=np.uint8)


def to_color_model(image: Picture, model: ColorModel) -> NDArray[np.generic]:
    """The RGB picture's numbers in another colour model; those of an RGBA one as they are.

    Returns:
        gray: uint8 (H, W), 0..255. rgb: uint8 (H, W, 3), 0..255. rgba: uint8 (H, W, 4). cmyk: uint8 (H, W, 4), Pillow's
        plain complement, of no press; 255 is all ink. hsv: float32 (H, W, 3), hue 0..360 degrees,
        saturation and value 0..1. lab: float32 (H, W, 3), CIE L* 0..100, a* and b* about -128..127, white D65, the
        picture taken for sRGB.
    """
    if model == "gray":
        return to_gray(image)
    if model in ("rgb", "rgba"):
        return image
    if model == "cmyk":
        return np.asarray(Image.fromarray(image).convert("CMYK"))
    scaled = image.astype(np.float32) / np.float32(255)
    code = cv2.COLOR_RGB2HSV if model == "hsv" else cv2.COLOR_RGB2LAB
    return np.asarray(cv2.cvtColor(scaled, code), dtype=np.float32)
