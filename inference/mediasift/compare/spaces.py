"""What pictures were made into, and how near they are there: hashes with their distances, vectors with cosines.

With turns, the collection is held once as it is and once in each other position; two pictures are as similar as they
are in the best of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.hamming import Hashes, distances
from mediasift.compare.turns import TURNS

Positions = NDArray[np.int64]
Vectors = NDArray[np.float32]
Scores = NDArray[np.float32]


class Space(Protocol):
    """A collection of comparable pictures.

    Attributes:
        turn_names: Names of the positions that were tried; the first one, as it is, is empty.
    """

    turn_names: Sequence[str]

    def __len__(self) -> int:
        """How many."""

    def similarities(self, left: Positions, right: Positions) -> tuple[Scores, NDArray[np.int16]]:
        """How similar each on the left is to each on the right, as turned: float32 (L, R), and which turn, int16."""

    def least(self, min_similarity: float) -> float:
        """The smallest similarity that counts as reaching `min_similarity`; rounding has no say."""


class HashSpace:
    """Hashes: similarity is 1 - distance / 64.

    Args:
        hashes: uint64 (T, N): as they are, and so often turned.
    """

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = hashes
        self.turn_names: Sequence[str] = tuple(TURNS)

    def __len__(self) -> int:
        """How many."""
        return len(self.hashes[0])

    def similarities(self, left: Positions, right: Positions) -> tuple[Scores, NDArray[np.int16]]:
        """See `Space`."""
        best, turns = None, np.zeros((len(left), len(right)), dtype=np.int16)
        for turn, turned in enumerate(self.hashes):
            found = distances(self.hashes[0, left], turned[right])
            if best is None:
                best = found
            else:
                turns[found < best] = turn
                np.minimum(best, found, out=best)
        return hash_similarity(np.zeros_like(turns, dtype=np.uint8) if best is None else best), turns

    def least(self, min_similarity: float) -> float:
        """See `Space`."""
        return float(hash_similarity(np.array(max_distance(min_similarity), dtype=np.uint8)))


def hash_similarity(distance: NDArray[np.uint8]) -> Scores:
    """1 - distance / 64, float32; exact, as 64 is a power of two."""
    return 1 - distance.astype(np.float32) / np.float32(64)


def max_distance(min_similarity: float) -> int:
    """The largest number of bits, -1..64, in which two hashes may differ to be so similar; -1 when none will do."""
    return int(min(64.0, np.floor((1 - min_similarity) * 64 + 1e-9)))


class VectorSpace:
    """Vectors: similarity is the cosine, rounded to 6 decimals.

    Args:
        units: float32 (N, D) of length 1, see `cosine.unit`.
        turned_back: For each turn but the first, what gives the vectors at some positions (P,) as they are when the
            pictures are turned the other way round: float32 (P, D). Turning the left one back is turning the right one.
        turn_names: Of the turns.
    """

    def __init__(
        self,
        units: Vectors,
        turned_back: Sequence[Callable[[Positions], Vectors]] = (),
        *,
        turn_names: Sequence[str] = tuple(TURNS),
    ) -> None:
        self.units = units
        self.turn_names = turn_names
        self.turned_back = turned_back

    def __len__(self) -> int:
        """How many."""
        return len(self.units)

    def similarities(self, left: Positions, right: Positions) -> tuple[Scores, NDArray[np.int16]]:
        """See `Space`."""
        columns = self.units[right].T
        best = self.units[left] @ columns
        turns = np.zeros(best.shape, dtype=np.int16)
        for turn, turned_back in enumerate(self.turned_back, start=1):
            found = turned_back(left) @ columns
            turns[found > best + _TIE] = turn
            np.maximum(best, found, out=best)
        return np.round(best, 6).clip(-1, 1), turns

    def least(self, min_similarity: float) -> float:
        """See `Space`."""
        return float(np.float32(round(min_similarity, 6)))


_TIE = np.float32(2e-6)
"""A turn must be better by more than the rounding of float32 products to be named."""
