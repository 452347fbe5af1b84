"""What studies of visual style measure in a picture: its colours, brightness, contrast, colourfulness, sharpness.

Sources: Hasler and Süsstrunk, "Measuring colourfulness in natural images", SPIE 2003 (colourfulness); Peli, "Contrast
in complex images", JOSA A 1990 (contrast as the standard deviation of luma); Heckbert, "Color image quantization for
frame buffer display", SIGGRAPH 1982 (dominant colours by median cut); Pech-Pacheco et al., ICPR 2000 (sharpness).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mediasift.media.libraries import Image, cv2
from mediasift.media.pictures.transforms import Picture, resize, sharpness, to_gray

DOMINANT = 5
"""So many colours at most."""

_SIDE = 256
"""Longest side of the copy in which dominant colours are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What a picture looks like.

    Attributes:
        mean_color: Mean of all pixels, as #rrggbb.
        dominant_colors: At most five colours, each #rrggbb and its share of the picture, the largest first.
        brightness: Mean luma (ITU-R BT.601), 0..1.
        contrast: Standard deviation of luma, 0..0.5.
        saturation: Mean saturation (of hue, saturation, value), 0..1.
        colourfulness: Hasler and Süsstrunk's M3: 0 for grey, about 100 for the most colourful.
        sharpness: Variance of the Laplacian of luma; comparable between pictures of one size.
    """

    mean_color: str
    dominant_colors: str
    brightness: float
    contrast: float
    saturation: float
    colourfulness: float
    sharpness: float


def style(image: Picture) -> Style:
    """What a uint8 (H, W, 3) RGB picture looks like."""
    luma_mean, luma_deviation = (float(one.item()) for one in cv2.meanStdDev(to_gray(image)))
    bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), dtype=np.uint8)
    hsv = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)
    return Style(
        mean_color=_hex(cv2.mean(image)[:3]),
        dominant_colors=" ".join(f"{color} {share:.3f}" for color, share in dominant_colors(image)),
        brightness=round(luma_mean / 255, 4),
        contrast=round(luma_deviation / 255, 4),
        saturation=round(cv2.mean(hsv)[1] / 255, 4),
        colourfulness=round(colourfulness(bgr), 3),
        sharpness=round(sharpness(image), 3),
    )


def colourfulness(bgr: Picture) -> float:
    """Hasler and Süsstrunk's M3 of a uint8 (H, W, 3) BGR picture; 0 for grey."""
    # Whole numbers: the sum of (red + green - 2 blue)^2 follows from the differences between two channels.
    blue, green, red = (mean for mean in cv2.mean(bgr)[:3])
    b, g, r = cv2.split(bgr)
    red_green, red_blue, green_blue = (
        cv2.norm(one, other, cv2.NORM_L2SQR) / one.size for one, other in ((r, g), (r, b), (g, b))
    )
    opponents = red - green, (red + green) / 2 - blue
    spread = red_green + (2 * red_blue + 2 * green_blue - red_green) / 4 - opponents[0] ** 2 - opponents[1] ** 2
    return math.sqrt(max(0.0, spread)) + 0.3 * math.hypot(*opponents)


def dominant_colors(image: Picture) -> list[tuple[str, float]]:
    """At most five colours that stand for all, by median cut, each with its share of the pixels; the largest first.

    Args:
        image: uint8 (H, W, 3) RGB; of a large one, a copy of 256 pixels is looked at.
    """
    height, width = image.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    small = resize(image, max(1, round(width * factor)), max(1, round(height * factor)))
    quantized = Image.fromarray(small).quantize(DOMINANT, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    numbers = np.asarray(quantized).ravel()
    groups = [(number, numbers == number) for number in np.unique(numbers)]
    pixels = small.reshape(-1, 3)
    colors = [(_hex(pixels[mask].mean(axis=0)), float(mask.mean())) for _, mask in groups]
    return sorted(colors, key=lambda one: (-one[1], one[0]))


def _hex(color: object) -> str:
    return "#" + "".join(f"{int(level + 0.5):02x}" for level in np.asarray(color, dtype=np.float64))
