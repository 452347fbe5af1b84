"""What pictures were made into, and how near they are there: hashes with their distances, vectors with cosines.

With turns, the collection is held once as it is and once in each other position; two pictures are as similar as they
are in the best of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.compare import cosine, hamming
from mediasift.compare.hamming import Hashes, Positions, distances

Scores = NDArray[np.float32]
Turned = NDArray[np.int16]
Pairs = Iterator[tuple[Positions, Positions, Scores]]

_QUERIES, _COLUMNS = 256, 8192
"""Pictures on both sides of a tile, where the nearest are looked for."""


def _turned(quarters: int, mirrored: bool, pixels: NDArray[Any]) -> NDArray[Any]:
    """Mirrored left to right where asked for, then turned clockwise by so many quarters."""
    return np.rot90(pixels[..., ::-1] if mirrored else pixels, -quarters, axes=(-2, -1))


TURNS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "": partial(_turned, 0, False),
    "rotate90": partial(_turned, 1, False),
    "rotate180": partial(_turned, 2, False),
    "rotate270": partial(_turned, 3, False),
    "mirror": partial(_turned, 0, True),
    "mirror+rotate90": partial(_turned, 1, True),
    "mirror+rotate180": partial(_turned, 2, True),
    "mirror+rotate270": partial(_turned, 3, True),
}
"""Name → the pixels (..., H, W) so turned, clockwise, the mirroring first. The first one changes nothing."""

INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)
"""Position of a turn in `TURNS` → that of the one which undoes it."""

SIDEWAYS = (1, 3, 5, 7)
"""Positions of the turns that swap width and height."""


class Matches(NamedTuple):
    """For each of some pictures one that is like it, or several.

    Attributes:
        position: int64: which.
        similarity: float32.
        turn: int16: how one is turned to look like the other; a position in the space's `turn_names`.
    """

    position: Positions
    similarity: Scores
    turn: Turned


@dataclass(frozen=True, eq=False)
class HashSpace:
    """Hashes: similarity is 1 - distance / 64.

    Attributes:
        hashes: uint64 (T, N): as they are, and so often turned.
        turn_names: Of the turns.
    """

    hashes: Hashes
    turn_names: Sequence[str] = tuple(TURNS)

    def __len__(self) -> int:
        """How many."""
        return len(self.hashes[0])

    def similarities(self, left: Positions, right: Positions) -> tuple[Scores, Turned]:
        """How similar each on the left is to each on the right, as turned: float32 (L, R), and which turn, int16."""
        best = distances(self.hashes[0, left], self.hashes[0, right])
        turns = np.zeros(best.shape, dtype=np.int16)
        for turn, turned in enumerate(self.hashes[1:], start=1):
            distance = distances(self.hashes[0, left], turned[right])
            turns[distance < best] = turn
            np.minimum(best, distance, out=best)
        return hash_similarity(best), turns

    def least(self, min_similarity: float) -> float:
        """The smallest similarity that counts as reaching `min_similarity`; rounding has no say."""
        return float(hash_similarity(np.array(max_distance(min_similarity), dtype=np.uint8)))

    def pairs(self, min_similarity: float, threads: int) -> Pairs:
        """All pairs that are so similar as they are, not turned: positions, left < right, and similarity."""
        most = max_distance(min_similarity)
        for left, right, distance in hamming.pairs(self.hashes[0], most, threads=threads) if most >= 0 else ():
            yield left, right, hash_similarity(distance)

    def matrix(self) -> NDArray[np.float64]:
        """Similarity of each to each as they are: float64 (N, N)."""
        return hash_similarity(distances(self.hashes[0], self.hashes[0])).astype(np.float64)


def hash_similarity(distance: NDArray[np.uint8]) -> Scores:
    """1 - distance / 64, float32; exact, as 64 is a power of two."""
    return 1 - distance.astype(np.float32) / np.float32(64)


def max_distance(min_similarity: float) -> int:
    """The largest number of bits, -1..64, in which two hashes may differ to be so similar; -1 when none will do."""
    return int(min(64.0, np.floor((1 - min_similarity) * 64 + 1e-9)))


@dataclass(frozen=True, eq=False)
class VectorSpace:
    """Vectors: similarity is the cosine, rounded to 6 decimals.

    Attributes:
        units: float32 (N, D) of length 1, see `cosine.unit`.
        turned_back: For each turn but the first, what gives the vectors at some positions (P,) as they are when the
            pictures are turned the other way round: float32 (P, D). Turning the left one back is turning the right one.
        turn_names: Of the turns.
    """

    units: cosine.Vectors
    turned_back: Sequence[Callable[[Positions], cosine.Vectors]] = ()
    turn_names: Sequence[str] = tuple(TURNS)

    def __len__(self) -> int:
        """How many."""
        return len(self.units)

    def similarities(self, left: Positions, right: Positions) -> tuple[Scores, Turned]:
        """As those of hashes."""
        columns = self.units[right].T
        best = self.units[left] @ columns
        turns = np.zeros(best.shape, dtype=np.int16)
        for turn, turned_back in enumerate(self.turned_back, start=1):
            cosines = turned_back(left) @ columns
            turns[cosines > best + _TIE] = turn
            np.maximum(best, cosines, out=best)
        return np.round(best, 6).clip(-1, 1), turns

    def least(self, min_similarity: float) -> float:
        """As that of hashes."""
        return float(np.float32(round(min_similarity, 6)))

    def pairs(self, min_similarity: float, threads: int) -> Pairs:  # noqa: ARG002  (the product has its own threads)
        """As those of hashes."""
        return cosine.pairs(self.units, min_similarity)

    def matrix(self) -> NDArray[np.float64]:
        """As that of hashes."""
        return cosine.matrix(self.units)


_TIE = np.float32(2e-6)
"""A turn must be better by more than the rounding of float32 products to be named."""

Space = HashSpace | VectorSpace


def nearest(space: Space, queries: Positions, among: Positions, *, top: int) -> Matches:
    """The `top` nearest of `among` to each of `queries`, fewer where there are not so many: (Q, K), exact.

    The most similar come first, ties in the order of the collection. The neighbour is what is turned. Memory does not
    grow with the collection.
    """
    starts = range(0, max(1, len(queries)), _QUERIES)
    parts = [_nearest(space, queries[start : start + _QUERIES], among, top) for start in starts]
    return Matches(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _nearest(space: Space, queries: Positions, among: Positions, top: int) -> Matches:
    """One tile after another, of which only what is among the best so far is kept."""
    best = Matches(*(np.zeros((len(queries), 0), dtype=kind) for kind in (np.int64, np.float32, np.int16)))
    for start in range(0, len(among), _COLUMNS):
        columns = among[start : start + _COLUMNS]
        similarity, turn = space.similarities(queries, columns)
        tile = Matches(np.broadcast_to(columns, similarity.shape), similarity, turn)
        joined: list[NDArray[Any]] = [np.concatenate([best[i], tile[i]], axis=1) for i in range(3)]
        order = np.argsort(-joined[1], axis=1, kind="stable")[:, :top]
        best = Matches(*(np.take_along_axis(one, order, axis=1) for one in joined))
    return best
