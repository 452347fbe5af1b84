"""How pictures are compared: a method's settings, what it wants of each picture, and the space they make up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from mediasift.compare.collection import Collection
from mediasift.compare.hashes import HASHES
from mediasift.compare.methods import (
    DISC_ANGLES,
    DISC_RADII,
    METHODS,
    default_min_similarity,
    disc_space,
    embedding_space,
    hash_size,
    hash_space,
    pixel_space,
)
from mediasift.compare.spaces import HashSpace, VectorSpace
from mediasift.compare.turns import TURNS
from mediasift.errors import UsageError
from mediasift.tasks.fingerprint import TakeFingerprints

DEFAULT_METHOD = "phash"
PIXELS_SIDE = 15
"""Side of the square that `pixels` compares: what the handbook's example takes, 675 numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """Settings.

    Attributes:
        method: A key of `similarity.methods.METHODS`, or the name or path of a model.
        size: For `pixels`: side of the square.
        centred: For `pixels`: subtract each picture's mean.
        resample: For `pixels`: `area` averages; `bicubic` is Pillow's.
        layer, device: For models.
        turns: Compare the mirrored and turned picture, too.
        sharpness: Measure it, for those who prefer the sharpest.
        every_pixel: Decode large JPEGs at full size, too: slower, and a similarity then differs by some thousandths.
    """

    method: str = DEFAULT_METHOD
    size: int = PIXELS_SIDE
    centred: bool = False
    resample: Literal["area", "bicubic"] = "area"
    layer: str | None = None
    device: str = "cpu"
    turns: bool = False
    sharpness: bool = False
    every_pixel: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 256:
            raise UsageError(f"size {self.size}: must be 1 to 256")
        if self.method != "pixels" and (self.centred or self.size != PIXELS_SIDE or self.resample != "area"):
            raise UsageError(f"size, centred and resample are for the method pixels, not for {self.method}")
        if self.method in METHODS and self.layer is not None:
            raise UsageError(f"layer is for models; {self.method} has none")

    def task(self) -> TakeFingerprints:
        """What it wants of each picture."""
        if self.method not in METHODS:
            return TakeFingerprints(
                model=self.method, layer=self.layer, device=self.device, turns=self.turns, sharpness=self.sharpness
            )
        shrunken = partial(TakeFingerprints, sharpness=self.sharpness, every_pixel=self.every_pixel)
        if self.method == "pixels":
            how, side = METHODS[self.method].fit, self.size
            return shrunken(width=side, height=side, how=how, resample=self.resample, gray=False)
        if self.method == "disc":
            return shrunken(width=DISC_RADII, height=DISC_ANGLES, how="disc")
        width, height = hash_size(self.method)
        return shrunken(width=width, height=height)

    def space(self, collection: Collection) -> HashSpace | VectorSpace:
        """The readable pictures, comparable."""
        if self.method in HASHES:
            width, height = hash_size(self.method)
            if width == height:
                pixels = collection.shrunken(height, width)
                return hash_space(self.method, pixels, pixels, turns=self.turns)
            both = collection.shrunken(2 * height * width)
            upright = both[:, : height * width].reshape(-1, height, width)
            sideways = both[:, height * width :].reshape(-1, width, height)
            return hash_space(self.method, upright, sideways, turns=self.turns)
        if self.method == "disc":
            return disc_space(collection.shrunken(DISC_ANGLES, DISC_RADII), turns=self.turns)
        if self.method == "pixels":
            pixels = collection.shrunken(self.size, self.size, 3)
            return pixel_space(pixels, is_centred=self.centred, turns=self.turns)
        return embedding_space(collection.embedded(len(TURNS) if self.turns else 1))

    def least(self, min_similarity: float | None) -> float:
        """The threshold: the one given, or the method's.

        Raises:
            UsageError: It is not from -1 to 1.
        """
        if min_similarity is None:
            return default_min_similarity(self.method, is_centred=self.centred)
        if not -1 <= min_similarity <= 1:
            raise UsageError(f"min-similarity {min_similarity:g}: must be from -1 to 1")
        return min_similarity
