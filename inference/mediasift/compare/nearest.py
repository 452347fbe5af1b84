"""The nearest neighbours of a few pictures among many; exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.spaces import Positions, Space

_QUERIES, _COLUMNS = 256, 8192


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """For each query its neighbours, the most similar first, ties in the order of the collection.

    Attributes:
        position: int64 (Q, K) of the neighbour.
        similarity: float32 (Q, K).
        turn: int16 (Q, K): how the neighbour is turned; a position in `turns.TURNS`.
    """

    position: Positions
    similarity: NDArray[np.float32]
    turn: NDArray[np.int16]


def nearest(space: Space, queries: Positions, among: Positions, *, top: int) -> Nearest:
    """The `top` nearest of `among` to each of `queries`, fewer where there are not so many.

    The neighbour is what is turned; memory does not grow with the collection.
    """
    top = min(top, len(among))
    parts = [_block(space, queries[start : start + _QUERIES], among, top) for start in range(0, len(queries), _QUERIES)]
    empty = [(np.zeros((0, top), np.int64), np.zeros((0, top), np.float32), np.zeros((0, top), np.int16))]
    position, similarity, turn = (np.concatenate(part) for part in zip(*(parts or empty), strict=True))
    return Nearest(position=position, similarity=similarity, turn=turn)


Block = tuple[Positions, NDArray[np.float32], NDArray[np.int16]]


def _block(space: Space, queries: Positions, among: Positions, top: int) -> Block:
    """One tile after another, of which only what is among the best so far is kept."""
    best: Block = (
        np.zeros((len(queries), 0), dtype=np.int64),
        np.zeros((len(queries), 0), dtype=np.float32),
        np.zeros((len(queries), 0), dtype=np.int16),
    )
    for start in range(0, len(among), _COLUMNS):
        columns = among[start : start + _COLUMNS]
        similarity, turn = space.similarities(queries, columns)
        positions = np.concatenate([best[0], np.broadcast_to(columns, similarity.shape)], axis=1)
        similarity = np.concatenate([best[1], similarity], axis=1)
        turn = np.concatenate([best[2], turn], axis=1)
        order = np.argsort(-similarity, axis=1, kind="stable")[:, :top]
        take = np.take_along_axis
        best = (take(positions, order, axis=1), take(similarity, order, axis=1), take(turn, order, axis=1))
    return best
