"""Renders the pictures of `scenes/`: things that a classifier of photographs knows. They are drawn, not photographed.

Run `python examples/render.py` to render them again; they come out the same each time.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
SIDE = 480
MIDDLE = SIDE // 2
Y, X = (axis.astype(np.float64) for axis in np.mgrid[0:SIDE, 0:SIDE])


def noise(coarseness: int, seed: int) -> np.ndarray:
    """Six octaves of smooth noise, (SIDE, SIDE), 0..1."""
    rng = np.random.default_rng(seed)
    total = np.zeros((SIDE, SIDE))
    for octave in range(6):
        cells = coarseness * 2**octave
        total += cv2.resize(rng.random((cells, cells)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) / 2**octave
    return np.asarray((total - total.min()) / np.ptp(total))


def blended(below: np.ndarray, above: np.ndarray, where: np.ndarray) -> np.ndarray:
    """One picture over another where a mask is true, with a soft edge."""
    mask = cv2.GaussianBlur(where.astype(np.float64), (0, 0), 1)[..., None]
    return below * (1 - mask) + above * mask


def drawable(picture: np.ndarray) -> np.ndarray:
    """The picture as uint8, for OpenCV to draw on."""
    return np.clip(picture, 0, 255).astype(np.uint8)


def orange() -> np.ndarray:
    """A rough ball under a lamp on a table."""
    radius = 150.0
    across, down = (X - MIDDLE) / radius, (Y - MIDDLE) / radius
    towards = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
    skin = noise(30, 1)
    slopes = (cv2.Sobel(skin, cv2.CV_64F, 1, 0), cv2.Sobel(skin, cv2.CV_64F, 0, 1))
    normal = np.stack([across + 0.9 * slopes[0], down + 0.9 * slopes[1], towards], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6
    lamp = np.array([-0.5, -0.65, 0.6]) / np.linalg.norm([-0.5, -0.65, 0.6])
    halfway = lamp + np.array([0, 0, 1])
    halfway /= np.linalg.norm(halfway)
    lit, shine = np.clip(normal @ lamp, 0, 1), np.clip(normal @ halfway, 0, 1) ** 40
    ball = np.array([245, 140, 20]) * (0.25 + 0.85 * lit)[..., None] + 90 * shine[..., None]
    table = np.array([190, 170, 150]) * ((0.55 + 0.45 * Y / SIDE) * (0.9 + 0.2 * noise(4, 2)))[..., None]
    shadow = np.exp(-1.5 * (((X - 285) / 170) ** 2 + ((Y - 380) / 40) ** 2))
    return blended(table * (1 - 0.65 * shadow)[..., None], ball, across**2 + down**2 < 1)


def clock() -> np.ndarray:
    """A wall clock at ten past ten."""
    distance = np.hypot(X - MIDDLE, Y - MIDDLE)
    wall = np.array([205, 190, 165]) - 30 * noise(3, 1)[..., None]
    shadow = cv2.GaussianBlur((np.hypot(X - 254, Y - 260) < 200).astype(np.float64), (0, 0), 14)
    rim = (90 + 0.3 * (MIDDLE - Y) + 0.2 * (MIDDLE - X))[..., None] * np.array([0.55, 0.4, 0.3])
    face = np.array([248, 246, 238]) - 12 * (distance / 175)[..., None]
    wall = blended(wall * (1 - 0.45 * shadow)[..., None], rim, distance < 200)
    picture = drawable(blended(wall, face, distance < 175))

    def at(turn: float, length: float) -> tuple[int, int]:
        return (
            round(MIDDLE + length * math.sin(2 * math.pi * turn)),
            round(MIDDLE - length * math.cos(2 * math.pi * turn)),
        )

    for minute in range(60):
        length, width = (18, 5) if minute % 5 == 0 else (7, 2)
        cv2.line(picture, at(minute / 60, 165), at(minute / 60, 165 - length), (20, 20, 20), width, cv2.LINE_AA)
    for hour in range(1, 13):
        (width, height), _ = cv2.getTextSize(str(hour), cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)
        x, y = at(hour / 12, 125)
        place = (x - width // 2, y + height // 2)
        cv2.putText(picture, str(hour), place, cv2.FONT_HERSHEY_DUPLEX, 1.0, (15, 15, 15), 2, cv2.LINE_AA)
    for turn, length, width in ((305 / 360, 80, 9), (60 / 360, 128, 6), (200 / 360, 135, 2)):
        cv2.line(picture, at(turn, -20), at(turn, length), (15, 15, 15), width, cv2.LINE_AA)
    cv2.circle(picture, (MIDDLE, MIDDLE), 8, (15, 15, 15), -1, cv2.LINE_AA)
    return picture


def sky(seed: int) -> np.ndarray:
    """Blue above, paler below, with clouds."""
    blue = np.stack([95 + 110 * Y / SIDE, 150 + 80 * Y / SIDE, 225 + 15 * Y / SIDE], -1)
    clouds = np.clip(noise(3, seed) - 0.5, 0, 1)[..., None] * 2
    return np.asarray(blue * (1 - clouds) + 250 * clouds)


def balloon() -> np.ndarray:
    """A hot-air balloon in three colours."""
    across, down = (X - MIDDLE) / 140, (Y - 190) / 150
    half = np.sqrt(np.clip(1 - np.where(down < 0, down, down / 1.25) ** 2, 0, 1))
    half *= np.where(down > 0, 1 - 0.45 * np.clip(down, 0, 1.2) ** 2, 1)
    round_it = np.arcsin(np.clip(across / np.maximum(half, 0.1), -1, 1))
    stripes = np.array([[210, 30, 35], [245, 200, 40], [40, 70, 170]])[
        (np.floor((round_it / np.pi + 0.5) * 9) % 3).astype(int)
    ]
    cloth = stripes * (0.6 + 0.55 * np.cos(round_it + 0.5))[..., None]
    picture = drawable(blended(sky(9), cloth, (np.abs(across) < half) & (down > -1) & (down < 1.05)))
    for side in (-30, 30):
        cv2.line(picture, (MIDDLE + side, 345), (MIDDLE + side // 2, 405), (60, 45, 30), 2, cv2.LINE_AA)
    cv2.rectangle(picture, (222, 403), (258, 432), (110, 75, 40), -1)
    return picture


def traffic_light() -> np.ndarray:
    """A traffic light that shows red."""
    picture = drawable(sky(5))
    cv2.rectangle(picture, (232, 380), (250, 480), (60, 62, 60), -1)
    cv2.rectangle(picture, (165, 40), (315, 390), (28, 30, 28), -1)
    cv2.rectangle(picture, (165, 40), (315, 390), (15, 15, 15), 6)
    for y, colour in ((100, (255, 45, 30)), (215, (80, 65, 15)), (330, (15, 60, 35))):
        cv2.circle(picture, (MIDDLE, y), 46, (10, 10, 10), -1, cv2.LINE_AA)
        cv2.circle(picture, (MIDDLE, y), 40, colour, -1, cv2.LINE_AA)
        cv2.ellipse(picture, (MIDDLE, y - 6), (52, 48), 0, 180, 360, (18, 18, 18), 8, cv2.LINE_AA)
    glow = np.exp(-((X - MIDDLE) ** 2 + (Y - 100) ** 2) / 4050)[..., None]
    return np.asarray(picture + glow * np.array([120, 20, 10]))


def main() -> None:
    """Render all pictures, as a camera would have them: a little soft, a little grainy."""
    folder = HERE / "scenes"
    folder.mkdir(exist_ok=True)
    grain = np.random.default_rng(0).normal(0, 4, (SIDE, SIDE, 3))
    for render in (balloon, clock, orange, traffic_light):
        picture = drawable(cv2.GaussianBlur(render().astype(np.float64), (0, 0), 0.8) + grain)
        small = cv2.resize(picture, (320, 320), interpolation=cv2.INTER_AREA)
        file = folder / f"{render.__name__.replace('_', '-')}.jpg"
        cv2.imwrite(str(file), small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
