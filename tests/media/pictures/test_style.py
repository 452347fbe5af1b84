from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from mediasift.media.pictures.style import dominant_colors, style
from tests.pictures import scene, solid


def test_measures_are_those_of_their_formulas():
    """Written out in float64; luma by Pillow, saturation by matplotlib's definition of HSV."""
    image = scene(120, 80, 2)
    red, green, blue = (image[..., channel].astype(float) for channel in range(3))
    one, other = red - green, (red + green) / 2 - blue
    measured = style(image)
    expected = np.hypot(one.std(), other.std()) + 0.3 * np.hypot(one.mean(), other.mean())
    assert measured.colourfulness == pytest.approx(expected, rel=1e-3)
    luma = np.asarray(Image.fromarray(image).convert("L")).astype(float)
    assert measured.brightness == pytest.approx(luma.mean() / 255, abs=0.003)
    assert measured.contrast == pytest.approx(luma.std() / 255, abs=0.003)
    highest, lowest = image.max(axis=2).astype(float), image.min(axis=2).astype(float)
    saturation = np.divide(highest - lowest, highest, out=np.zeros_like(highest), where=highest > 0)
    assert measured.saturation == pytest.approx(saturation.mean(), abs=0.003)
    laplacian = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F)
    assert measured.sharpness == pytest.approx(laplacian.var(), rel=1e-3)
    assert measured.mean_color == "#" + "".join(f"{round(one.mean()):02x}" for one in (red, green, blue))


@pytest.mark.parametrize(
    ("color", "brightness", "saturation"),
    [((0, 0, 0), 0, 0), ((255, 255, 255), 1, 0), ((255, 0, 0), 0.298, 1), ((0, 0, 255), 0.1137, 1)],
)
def test_plain_colours(color: tuple[int, int, int], brightness: float, saturation: float):
    measured = style(solid(color, 20))
    assert (measured.contrast, measured.sharpness) == (0, 0)
    assert measured.brightness == pytest.approx(brightness, abs=0.001)
    assert measured.saturation == saturation
    shown = "#" + "".join(f"{level:02x}" for level in color)
    assert (measured.mean_color, measured.dominant_colors) == (shown, f"{shown} 1.000")


def test_black_and_white_have_the_largest_contrast():
    board = np.indices((40, 40)).sum(axis=0) % 2 * 255
    assert style(np.repeat(board[..., None], 3, axis=2).astype(np.uint8)).contrast == 0.5


def test_dominant_colours_with_their_shares():
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, :50] = (200, 30, 30)
    image[:, 50:80] = (20, 160, 40)
    image[:, 80:] = (250, 250, 250)
    assert dominant_colors(image) == [("#c81e1e", 0.5), ("#14a028", 0.3), ("#fafafa", 0.2)]


def test_a_large_picture_has_the_colours_of_its_parts():
    image = np.zeros((900, 1200, 3), np.uint8)
    image[:, 300:] = (10, 20, 200)
    colors = dict(dominant_colors(image))
    assert colors["#0a14c8"] == pytest.approx(0.75, abs=0.01)
    assert colors["#000000"] == pytest.approx(0.25, abs=0.01)
