"""Draws the pictures of this folder: digits in several hands, garments, and one broken file.

Run `python examples/draw.py` to draw them again; they come out the same each time.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).parent
Point = tuple[float, float]


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points on an ellipse, angles in degrees clockwise from the right."""
    steps = [start + (end - start) * i / 24 for i in range(25)]
    return [(cx + rx * math.cos(math.radians(a)), cy + ry * math.sin(math.radians(a))) for a in steps]


# Strokes in a unit square, y down.
DIGITS: dict[str, list[list[Point]]] = {
    "0": [arc(0.5, 0.5, 0.28, 0.42, 0, 360)],
    "1": [[(0.36, 0.24), (0.54, 0.08), (0.5, 0.92)]],
    "2": [[*arc(0.48, 0.3, 0.25, 0.22, 190, 380), (0.22, 0.9), (0.8, 0.88)]],
    "3": [[*arc(0.45, 0.29, 0.24, 0.2, 200, 445), *arc(0.45, 0.69, 0.28, 0.22, 275, 510)]],
    "4": [[(0.3, 0.1), (0.24, 0.52), (0.78, 0.5)], [(0.7, 0.1), (0.64, 0.92)]],
    "5": [[(0.75, 0.1), (0.34, 0.12), (0.3, 0.45), *arc(0.46, 0.66, 0.26, 0.24, 245, 500)]],
    "6": [[(0.66, 0.08), (0.36, 0.4), *arc(0.5, 0.69, 0.24, 0.22, 200, 560)]],
    "7": [[(0.22, 0.2), (0.74, 0.16), (0.5, 0.92)]],
    "8": [arc(0.5, 0.29, 0.2, 0.19, 90, 450), arc(0.5, 0.7, 0.25, 0.22, -90, 270)],
    "9": [[*arc(0.5, 0.3, 0.22, 0.2, 0, 360), (0.66, 0.92)]],
}

GARMENTS: dict[str, list[list[Point]]] = {
    "trouser": [[(0.34, 0.04), (0.66, 0.04), (0.69, 0.96), (0.55, 0.96), (0.5, 0.3), (0.45, 0.96), (0.31, 0.96)]],
    "t-shirt": [
        [(0.34, 0.1), (0.44, 0.14), (0.56, 0.14), (0.66, 0.1), (0.92, 0.26), (0.84, 0.42), (0.72, 0.36), (0.72, 0.92),
         (0.28, 0.92), (0.28, 0.36), (0.16, 0.42), (0.08, 0.26)]
    ],
    "dress": [[(0.42, 0.04), (0.58, 0.04), (0.6, 0.36), (0.7, 0.96), (0.3, 0.96), (0.4, 0.36)]],
    "bag": [[(0.1, 0.4), (0.9, 0.4), (0.94, 0.9), (0.06, 0.9)]],
    "ankle-boot": [
        [(0.42, 0.14), (0.84, 0.12), (0.86, 0.6), (0.9, 0.86), (0.72, 0.84), (0.62, 0.78), (0.42, 0.86), (0.08, 0.86),
         (0.1, 0.72), (0.36, 0.62), (0.44, 0.46)]
    ],
}  # fmt: skip


def digit(label: str, size: int, thickness: float, slant: float, seed: int) -> Image.Image:
    """One digit, light on dark, with a margin as handwriting has it."""
    rng = random.Random(seed)
    scale = 4 * size
    canvas = Image.new("L", (scale, scale))
    pen = ImageDraw.Draw(canvas)
    for stroke in DIGITS[label]:
        points = []
        for x, y in stroke:
            x += slant * (0.5 - y) + rng.uniform(-0.008, 0.008)
            points.append((scale * (0.19 + 0.62 * x), scale * (0.16 + 0.68 * y + rng.uniform(-0.005, 0.005))))
        pen.line(points, fill=255, width=round(thickness * scale), joint="curve")
        for x, y in (points[0], points[-1]):
            half = thickness * scale / 2
            pen.ellipse((x - half, y - half, x + half, y + half), fill=255)
    return canvas.resize((size, size), Image.Resampling.LANCZOS)


def garment(label: str, size: int, shade: int) -> Image.Image:
    """One garment as a shaded shape on black."""
    scale = 4 * size
    canvas = Image.new("L", (scale, scale))
    pen = ImageDraw.Draw(canvas)
    for polygon in GARMENTS[label]:
        pen.polygon([(x * scale, y * scale) for x, y in polygon], fill=shade)
    if label == "bag":
        box = (0.28 * scale, 0.1 * scale, 0.72 * scale, 0.8 * scale)
        pen.arc(box, 180, 360, fill=shade, width=round(0.05 * scale))
    return canvas.filter(ImageFilter.GaussianBlur(scale / 90)).resize((size, size), Image.Resampling.LANCZOS)


def main() -> None:
    """Draw all pictures."""
    digits, garments, paper = (HERE / name for name in ("digits", "garments", "paper"))
    for folder in (digits, garments, paper):
        folder.mkdir(exist_ok=True)
    hands = [(28, 0.07, 0.0), (96, 0.075, 0.1), (200, 0.06, 0.16), (64, 0.075, 0.1)]
    for number, label in enumerate("0123456789"):
        size, thickness, slant = hands[number % len(hands)]
        picture = digit(label, size, thickness, slant, seed=number)
        if label in "27":
            picture.save(digits / f"{label}.jpg", quality=90)
        else:
            picture.save(digits / f"{label}.png")
    for number, label in enumerate(GARMENTS):
        garment(label, (120, 28, 240)[number % 3], 190).save(garments / f"{label}.png")
    for label in "38":
        ink = digit(label, 120, 0.06, 0.1, seed=40)
        Image.eval(ink, lambda grey: 250 - grey * 220 // 255).convert("RGB").save(paper / f"{label}.jpg", quality=90)
    whole = (digits / "2.jpg").read_bytes()
    (digits / "broken.jpg").write_bytes(whole[: len(whole) // 3])


if __name__ == "__main__":
    main()
