"""The ways to compare pictures: what each looks at, and from which similarity on it calls two of them the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.cosine import Vectors, centred, unit
from mediasift.compare.hashes import HASHES, to_hashes
from mediasift.compare.spaces import HashSpace, Positions, VectorSpace
from mediasift.compare.turns import INVERSE, SIDEWAYS, TURNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to compare pictures.

    Attributes:
        min_similarity: From here on `duplicates` takes two pictures for the same, -1..1; 1 is the same and 0 unrelated.
            From the figures in docs/similarity.md.
        fit: How a picture becomes a square, see `media.transforms.fit`.
        about: One line for --help.
    """

    min_similarity: float
    fit: Literal["stretch", "crop"]
    about: str


METHODS: dict[str, Method] = {
    "phash": Method(
        min_similarity=0.84375, fit="stretch", about="64 bits of coarse structure; survives size, quality and format"
    ),
    "dhash": Method(min_similarity=0.875, fit="stretch", about="64 bits: whether it gets lighter from left to right"),
    "ahash": Method(min_similarity=0.953125, fit="stretch", about="64 bits: lighter or darker than the mean"),
    "disc": Method(
        min_similarity=0.87,
        fit="crop",
        about="the grey disc in the middle; with --turns at any angle, in steps of 5 degrees, also mirrored",
    ),
    "pixels": Method(
        min_similarity=0.992,
        fit="crop",
        about="cosine of the shrunken pixels; it cannot tell a picture from a darker copy of it, and strangers often "
        "reach 0.9, because all pixels are positive; --centred subtracts each picture's mean first",
    ),
}
"""Name → method; every other name is a model, whose `MODEL_MIN_SIMILARITY` applies."""

CENTRED_MIN_SIMILARITY = 0.95
"""The default for `pixels` with --centred."""

MODEL_MIN_SIMILARITY = 0.9
"""The default for embeddings."""


def default_min_similarity(method: str, *, is_centred: bool) -> float:
    """From which similarity on the method calls pictures the same."""
    if is_centred and method == "pixels":
        return CENTRED_MIN_SIMILARITY
    return METHODS[method].min_similarity if method in METHODS else MODEL_MIN_SIMILARITY


def hash_space(method: str, upright: NDArray[np.uint8], sideways: NDArray[np.uint8], *, turns: bool) -> HashSpace:
    """Shrunken pictures as hashes.

    Args:
        method: A key of `HASHES`.
        upright: uint8 (N, height, width), grey, of the hash's size.
        sideways: The same pictures at the size (N, width, height), of use for turns by a quarter.
        turns: Also mirrored and turned.
    """
    if not turns:
        return HashSpace(to_hashes(method, upright)[None])
    turned = [turn(sideways if at in SIDEWAYS else upright) for at, turn in enumerate(TURNS.values())]
    return HashSpace(np.stack([to_hashes(method, np.ascontiguousarray(pixels)) for pixels in turned]))


def hash_size(method: str) -> tuple[int, int]:
    """(width, height) to which the hash wants pictures shrunk."""
    return HASHES[method].width, HASHES[method].height


def pixel_space(pixels: NDArray[np.uint8], *, is_centred: bool, turns: bool) -> VectorSpace:
    """Shrunken pictures as vectors of their pixels.

    Args:
        pixels: uint8 (N, S, S, 3) RGB.
        is_centred: Subtract each picture's mean.
        turns: Also mirrored and turned; turning pixels is putting the numbers of the vector in another order.
    """
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:]))
    units = unit(centred(flat) if is_centred else flat)
    if not turns:
        return VectorSpace(units)
    places = np.arange(flat.shape[1]).reshape(*pixels.shape[1:]).transpose(2, 0, 1)
    backs: list[Callable[[Positions], Vectors]] = []
    ways = list(TURNS.values())
    for turn in range(1, len(ways)):
        order = ways[INVERSE[turn]](places).transpose(1, 2, 0).reshape(-1)
        backs.append(partial(_reordered, units, np.append(order, flat.shape[1])))
    return VectorSpace(units, backs)


def _reordered(units: Vectors, order: NDArray[np.int64], positions: Positions) -> Vectors:
    return units[positions][:, order]


DISC_ANGLES, DISC_RADII = 72, 16
"""What `disc` looks at: so many directions from the middle, each 5 degrees further, at so many distances."""


def disc_space(rays: NDArray[np.uint8], *, turns: bool) -> VectorSpace:
    """Discs as vectors: each point weighs as much as the area it stands for, and the mean is taken away.

    Args:
        rays: uint8 (N, 72, 16): grey, from the top clockwise, from the middle outwards.
        turns: Also mirrored, and turned by each multiple of 5 degrees: that only moves the rays around.
    """
    areas = np.arange(DISC_RADII) + 0.5
    numbers = rays.astype(np.float64)
    numbers -= ((numbers * areas).sum(axis=(1, 2)) / (areas.sum() * DISC_ANGLES))[:, None, None]
    # Rounded, so that a plain disc is exactly 0 and has no direction instead of a direction that rounding chose.
    units = unit(np.round(numbers * np.sqrt(areas), 6).reshape(len(rays), DISC_ANGLES * DISC_RADII))
    if not turns:
        return VectorSpace(units)
    places = np.arange(DISC_ANGLES * DISC_RADII).reshape(DISC_ANGLES, DISC_RADII)
    mirrored = np.roll(places[::-1], 1, axis=0)
    names, backs = [], []
    for mirror, start in (("", places), ("mirror", mirrored)):
        for step in range(DISC_ANGLES):
            order = np.roll(start, step if mirror else -step, axis=0).reshape(-1)  # a mirrored turn undoes itself
            rotation = f"rotate{step * 360 // DISC_ANGLES}" if step else ""
            names.append("+".join(part for part in (mirror, rotation) if part))
            backs.append(partial(_reordered, units, np.append(order, len(order))))
    return VectorSpace(units, backs[1:], turn_names=names)


def embedding_space(vectors: Sequence[NDArray[np.float32]]) -> VectorSpace:
    """Embeddings as vectors.

    Args:
        vectors: float32 (N, D) each: of the pictures as they are, then in each other position of `TURNS`, if at all.
    """
    units = [unit(one) for one in vectors]
    backs = [partial(_picked, units[INVERSE[turn]]) for turn in range(1, len(units))]
    return VectorSpace(units[0], backs)


def _picked(units: Vectors, positions: Positions) -> Vectors:
    return units[positions]
