"""The ways to compare pictures: from which similarity on each calls two of them the same, and the spaces they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.cosine import Vectors, centred, unit
from mediasift.compare.hamming import Positions
from mediasift.compare.hashes import to_hashes
from mediasift.compare.spaces import INVERSE, SIDEWAYS, TURNS, HashSpace, VectorSpace

METHODS = {"phash": 0.84375, "dhash": 0.875, "ahash": 0.953125, "disc": 0.87, "pixels": 0.992}
"""Name of a method → from which similarity on `duplicates` takes two pictures for the same, 1 for the same and 0 for
unrelated ones; from the figures in docs/similarity.md. Every other name is a model."""

CENTRED_MIN_SIMILARITY = 0.95
"""That of `pixels` with --centred."""

MODEL_MIN_SIMILARITY = 0.9
"""That of models."""


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


def pixel_space(pixels: NDArray[np.uint8], *, is_centred: bool, turns: bool) -> VectorSpace:
    """Shrunken pictures as vectors of their pixels.

    Args:
        pixels: uint8 (N, S, S, 3) RGB.
        is_centred: Subtract each picture's mean.
        turns: Also mirrored and turned; turning pixels is putting the numbers of the vector in another order.
    """
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:]))
    units = unit(centred(flat) if is_centred else flat)
    places = np.arange(flat.shape[1]).reshape(*pixels.shape[1:]).transpose(2, 0, 1)
    ways = list(TURNS.values())
    backs = [_reordered(units, ways[at](places).transpose(1, 2, 0)) for at in INVERSE[1:] if turns]
    return VectorSpace(units, backs)


def _reordered(units: Vectors, order: NDArray[np.int64]) -> Callable[[Positions], Vectors]:
    """Gives vectors with their numbers in another order; the last one, of those without direction, stays there."""
    whole = np.append(order.reshape(-1), order.size)
    return lambda positions: units[positions][:, whole]


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
    names, backs = [], []
    for mirror, start in (("", places), ("mirror", np.roll(places[::-1], 1, axis=0))):
        for step in range(DISC_ANGLES):
            rotation = f"rotate{step * 360 // DISC_ANGLES}" if step else ""
            names.append("+".join(part for part in (mirror, rotation) if part))
            # a mirrored turn undoes itself
            backs.append(_reordered(units, np.roll(start, step if mirror else -step, axis=0)))
    return VectorSpace(units, backs[1:], turn_names=names)


def embedding_space(vectors: Sequence[NDArray[np.float32]]) -> VectorSpace:
    """Embeddings as vectors.

    Args:
        vectors: float32 (N, D) each: of the pictures as they are, then in each other position of `TURNS`, if at all.
    """
    units = [unit(one) for one in vectors]
    return VectorSpace(units[0], [partial(np.take, units[at], axis=0) for at in INVERSE[1 : len(units)]])
