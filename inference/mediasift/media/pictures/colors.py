"""What every picture is brought to: sRGB, by its colour profile, on a background where it is transparent.

Both happen here and nowhere else, before anything is compared, recognised, read or written.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import UsageError
from mediasift.media.libraries import Image
from mediasift.media.pictures.tones import HLG, PQ, tone_mapped
from mediasift.media.pictures.transforms import Picture, to_gray
from mediasift.system.optional import lazily

if TYPE_CHECKING:
    from PIL import ImageCms, ImageColor
else:
    ImageCms, ImageColor = lazily("PIL.ImageCms"), lazily("PIL.ImageColor")

WHITE = (255, 255, 255)
LIGHT = 224
"""Luma from which a pixel would hardly be seen on white, of 255."""
_ALL_BUT = 0.01
BAND_ROWS = 256
"""Rows that are worked on at a time: whole, a picture would be held several times."""
_SAME = 2
"""A profile that changes no colour by more levels than this is taken for sRGB."""
_HDR = b"primaries and transfer: "
"""What the two numbers of a picture of high dynamic range follow, where others have a profile."""
_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
_SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_D65, _D50 = (0.3127, 0.3290), (0.9642, 1.0, 0.8249)  # x and y; X, Y and Z
_CODED = {9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), 12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))}
"""Primaries of BT.2020 and P3 by their code points (ITU-T H.273)."""


def parse_color(text: str) -> tuple[int, int, int]:
    """`#rrggbb`, `R,G,B` or a name of CSS as three numbers 0..255.

    Raises:
        UsageError: It is none of them.
    """
    numbers: tuple[int, ...] = ()
    with suppress(ValueError):
        numbers = ImageColor.getrgb(f"rgb({text})" if "," in text else text)
    if len(numbers) != 3 or not all(0 <= part <= 255 for part in numbers):
        raise UsageError(f"colour {text!r}: must be #rrggbb, R,G,B with numbers from 0 to 255, or a name such as white")
    return numbers[0], numbers[1], numbers[2]


def check_background(text: str) -> None:
    """Raise a UsageError for what is neither `auto` nor a colour."""
    if text != "auto":
        parse_color(text)


class Background:
    """What lies behind transparent pixels.

    `auto` is white; but black where at least 99 % of what is seen, by its opacity, is so light (`LIGHT`) that it would
    vanish on white. It is chosen once: all frames of an animation lie on the same ground.
    """

    def __init__(self, color: str = "auto") -> None:
        self.color = None if color == "auto" else parse_color(color)

    def lay(self, image: Picture, alpha: NDArray[np.uint8] | None) -> Picture:
        """The picture without transparency.

        Args:
            image: uint8 (H, W, 3), not multiplied by its opacity.
            alpha: uint8 (H, W), 255 is opaque; None where all of it is.
        """
        if alpha is None or bool((alpha == 255).all()):
            return image
        if self.color is None:
            seen = float(alpha.sum(dtype=np.int64))
            dark = float(alpha[to_gray(image) < LIGHT].sum(dtype=np.int64))
            self.color = (0, 0, 0) if seen and dark < _ALL_BUT * seen else WHITE
        return laid(image, alpha, self.color)


def laid(image: Picture, alpha: NDArray[np.uint8], color: Sequence[int]) -> Picture:
    """uint8 (H, W, 3) on a ground of one colour; some rows at a time, as 16 bits are needed in between."""
    whole, ground = np.empty_like(image), np.array(color, dtype=np.uint16)
    for top in range(0, len(image), BAND_ROWS):
        part = slice(top, top + BAND_ROWS)
        opacity = alpha[part, :, None].astype(np.uint16)
        whole[part] = (image[part] * opacity + ground * (255 - opacity) + 127) // 255
    return whole


def to_srgb(picture: Image.Image, icc: bytes) -> Image.Image:
    """The picture as RGB in sRGB.

    Args:
        picture: In the mode L, RGB, CMYK or LAB.
        icc: Its colour profile; one that is damaged or for other colours counts as none.
    """
    if icc.startswith(_HDR):
        return Image.fromarray(array_to_srgb(np.asarray(picture.convert("RGB")), icc))
    if picture.mode == "L" and icc[16:20] == b"RGB ":
        picture = picture.convert("RGB")
    transform = _transform(icc, picture.mode) if icc or picture.mode == "LAB" else None
    if transform is None:
        return picture if picture.mode == "RGB" else picture.convert("RGB")  # which copies even what is RGB
    return ImageCms.applyTransform(picture, transform) or picture


def array_to_srgb(image: Picture, icc: bytes) -> Picture:
    """The same for uint8 (H, W, 3) RGB, of which a grey profile sees one channel."""
    if not icc:
        return image
    if icc.startswith(_HDR):
        bands = (image[top : top + BAND_ROWS] for top in range(0, len(image), BAND_ROWS))
        return np.concatenate([tone_mapped(band.astype(np.uint16) * 257, icc[-1], icc[-2]) for band in bands])
    grey = icc[16:20] == b"GRAY"
    if _transform(icc, "L" if grey else "RGB") is None:
        return image
    picture = Image.fromarray(np.ascontiguousarray(image[:, :, 0]) if grey else image)
    return np.asarray(to_srgb(picture, icc))


@lru_cache(maxsize=32)
def _transform(icc: bytes, mode: str) -> Any:
    """From a profile to sRGB; None where it changes nothing, or cannot be used."""
    try:
        if mode == "LAB":
            source: Any = ImageCms.createProfile("LAB")
        elif icc[16:20] != _SPACES.get(mode):
            return None
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode in ("L", "RGB"):
            sample = _sample(mode)
            changed = np.asarray(ImageCms.applyTransform(sample, transform)).astype(int)
            if np.abs(changed - np.asarray(sample.convert("RGB"))).max() <= _SAME:
                return None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return transform


def _sample(mode: str) -> Image.Image:
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(9, 81, 3))


def profile_of_code_points(primaries: int, transfer: int) -> bytes:
    """A profile for what a PNG's cICP or an AVIF's nclx says (ITU-T H.273); empty for sRGB and the unknown.

    PQ and HLG have no ICC profile: their two numbers stand for it.
    """
    if transfer in (PQ, HLG):
        return _HDR + bytes((primaries, transfer))
    if primaries not in _CODED:
        return b""
    return _made_profile(_CODED[primaries], _D65, {4: 2.2, 5: 2.8, 8: 1.0}.get(transfer))


def profile_of_primaries(gamma: float, places: Sequence[float]) -> bytes:
    """A profile for a PNG's gAMA and cHRM; empty where they are nearly those of sRGB, or make no sense.

    Args:
        gamma: Of encoding: 0.45455 is that of sRGB.
        places: x and y of white, red, green and blue.
    """
    pairs = [(places[at], places[at + 1]) for at in range(0, 8, 2)]
    usual = max(abs(one - other) for pair, known in zip(pairs, [_D65, *_SRGB], strict=True)
                for one, other in zip(pair, known, strict=True)) < 0.01  # fmt: skip
    is_srgb = 0.43 < gamma < 0.48
    if not 0.1 <= gamma <= 5 or min(y for _, y in pairs) <= 0 or (usual and is_srgb):
        return b""
    return _made_profile(pairs[1:], pairs[0], None if is_srgb else 1 / gamma)


def _made_profile(primaries: Sequence[tuple[float, float]], white: tuple[float, float], gamma: float | None) -> bytes:
    """A matrix profile (ICC.1:2001-04) of three primaries, a white point and a curve; None is the curve of sRGB."""

    def xyz(x: float, y: float) -> NDArray[np.float64]:
        return np.array([x / y, 1.0, (1 - x - y) / y])

    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    columns = np.stack([xyz(*one) for one in primaries], axis=1)
    try:
        columns = columns * np.linalg.solve(columns, xyz(*white))
    except np.linalg.LinAlgError:
        return b""
    scale = (bradford @ np.array(_D50)) / (bradford @ xyz(*white))
    columns = np.linalg.solve(bradford, scale[:, None] * (bradford @ columns))
    level = np.linspace(0, 1, 1024)
    srgb = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    light = srgb if gamma is None else level**gamma
    curve = b"curv\0\0\0\0" + struct.pack(">I", 1024) + np.round(light * 65535).astype(">u2").tobytes()
    bodies = [b"XYZ \0\0\0\0" + np.round(one * 65536).astype(">i4").tobytes() for one in columns.T] + [curve]
    starts = np.cumsum([132 + 12 * 6, *(len(body) for body in bodies)]).tolist()
    names = [(b"rXYZ", 0), (b"gXYZ", 1), (b"bXYZ", 2), (b"rTRC", 3), (b"gTRC", 3), (b"bTRC", 3)]
    table = b"".join(name + struct.pack(">II", starts[at], len(bodies[at])) for name, at in names)
    head = b"\0\0\0\0" + b"\x02\x40\0\0" + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += np.round(np.array(_D50) * 65536).astype(">i4").tobytes() + bytes(48)
    return struct.pack(">I", starts[-1]) + head + struct.pack(">I", 6) + table + b"".join(bodies)
