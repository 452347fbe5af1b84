"""Pictures that tests draw themselves."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

RED, GREEN, BLUE = (220, 10, 20), (20, 200, 30), (10, 20, 230)


def solid(colour: tuple[int, int, int], width: int = 20, height: int = 10) -> np.ndarray:
    """uint8 (H, W, 3) of one colour."""
    return np.full((height, width, 3), colour, dtype=np.uint8)


def scene(width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    """uint8 (H, W, 3), smooth and without symmetry, so that every flip and rotation shows."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(array: np.ndarray, form: str = "PNG", **options) -> bytes:
    """The array as a file's bytes."""
    out = io.BytesIO()
    Image.fromarray(array).save(out, form, **options)
    return out.getvalue()


def save(path: Path, array: np.ndarray, **options) -> Path:
    """The array as a file, its format by the suffix."""
    Image.fromarray(array).save(path, **options)
    return path
