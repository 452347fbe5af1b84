"""Groups of near duplicates that cannot chain.

The rule: pictures are gone through in order of preference (the largest first, say). One that no earlier representative
has taken becomes a representative itself and takes every picture that is free and similar enough *to it*. So each
member is within the threshold of its representative, and two members are never further apart than twice that; linking
whatever has a similar neighbour ("single linkage") would join a video's first frame with its last by way of all frames
between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.hamming import WORTH_INDEXING, Near
from mediasift.compare.hamming import pairs as hash_pairs
from mediasift.compare.nearest import nearest
from mediasift.compare.spaces import HashSpace, Positions, Space, hash_similarity, max_distance

_ROWS, _COLUMNS = 512, 4096
_MOST_PAIRS = 30_000_000
"""Pairs held at a time (some 600 MB); a collection with more is gone through in tiles, which hold none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """For each picture the one that stands for it.

    Attributes:
        leader: int64 (N,): position of the representative, which is its own.
        similarity: float32 (N,) to the representative, 1 for itself.
        turn: int16 (N,): how the picture is turned to look like it; a position in `turns.TURNS`.
    """

    leader: Positions
    similarity: NDArray[np.float32]
    turn: NDArray[np.int16]


def group(space: Space, order: Positions, min_similarity: float, *, known: int = 0, threads: int = 1) -> Groups:
    """The groups of a collection.

    Args:
        space: The collection.
        order: int64: all positions from `known` on, the preferred ones first.
        min_similarity: A member is at least so similar to its representative.
        known: So many pictures at the front are an old collection: they are nobody's members and are not compared
            among themselves, and a new picture that is similar enough to any of them goes to the most similar one.
        threads: How many may work at a time.
    """
    count = len(space)
    found = Groups(
        leader=np.full(count, -1, dtype=np.int64),
        similarity=np.ones(count, dtype=np.float32),
        turn=np.zeros(count, dtype=np.int16),
    )
    found.leader[:known] = np.arange(known)
    if known and len(order):
        best = nearest(space, order, np.arange(known), top=1)
        close = best.similarity[:, 0] >= space.least(min_similarity)
        _take(found, order[close], best.position[close, 0], best.similarity[close, 0], best.turn[close, 0])
    free = order[found.leader[order] < 0]
    if isinstance(space, HashSpace) and len(free) >= WORTH_INDEXING:
        near = _all_pairs(space, free, max_distance(min_similarity), threads)
        if near is not None:
            _by_pairs(found, free, near)
            return found
    _by_tiles(found, space, free, space.least(min_similarity))
    return found


def _take(
    found: Groups,
    members: Positions,
    leaders: Positions,
    similarity: NDArray[np.float32],
    turn: NDArray[np.int16],
) -> None:
    found.leader[members] = leaders
    found.similarity[members] = similarity
    found.turn[members] = turn


def _by_tiles(found: Groups, space: Space, free: Positions, least: float) -> None:
    """Rows of the next few free pictures; only those that become representatives are compared with the rest."""
    while len(free):
        block, free = free[:_ROWS], free[_ROWS:]
        similarity, turn = space.similarities(block, block)
        leads: list[int] = []
        for row, position in enumerate(block):
            if found.leader[position] >= 0:
                continue
            found.leader[position] = position
            leads.append(row)
            taken = np.flatnonzero((similarity[row] >= least) & (found.leader[block] < 0))
            _take(found, block[taken], block[[row]], similarity[row, taken], turn[row, taken])
        for start in range(0, len(free), _COLUMNS):
            columns = free[start : start + _COLUMNS]
            similarity, turn = space.similarities(block[leads], columns)
            reached = similarity >= least
            taken = np.flatnonzero(reached.any(axis=0))
            first = reached[:, taken].argmax(axis=0)
            _take(found, columns[taken], block[leads][first], similarity[first, taken], turn[first, taken])
        free = free[found.leader[free] < 0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Edges:
    """Pairs by rank in the order of preference: `left` may stand for `right`; the turn is that of the right one."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    distance: NDArray[np.uint8]
    turn: NDArray[np.int16]


def _all_pairs(space: HashSpace, free: Positions, distance: int, threads: int) -> _Edges | None:
    """Every pair within the distance, the preferred one on the left; None where they would be too many to hold."""
    as_is = space.hashes[0, free]
    parts: list[_Edges] = []
    total = 0
    for turn in range(len(space.hashes)):
        right = None if turn == 0 else space.hashes[turn, free]
        for near in hash_pairs(as_is, distance, right=right, threads=threads):
            upper = near.left < near.right
            total += int(upper.sum())
            if total > _MOST_PAIRS:
                return None
            parts.append(_edges(near, upper, turn))
    return _Edges(
        **{
            name: np.concatenate([getattr(part, name) for part in parts] or [np.zeros(0, dtype=kind)])
            for name, kind in (("left", np.int32), ("right", np.int32), ("distance", np.uint8), ("turn", np.int16))
        }
    )


def _edges(near: Near, keep: NDArray[np.bool_], turn: int) -> _Edges:
    left = near.left[keep].astype(np.int32)
    return _Edges(
        left=left,
        right=near.right[keep].astype(np.int32),
        distance=near.distance[keep],
        turn=np.full(len(left), turn, dtype=np.int16),
    )


def _by_pairs(found: Groups, free: Positions, near: _Edges) -> None:
    """The rule, with the pairs at hand: sorted so that of a pair's turns the nearest comes first."""
    order = np.lexsort((near.turn, near.distance, near.right, near.left))
    left, right = near.left[order], near.right[order]
    similarity, turn = hash_similarity(near.distance[order]), near.turn[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(left)) + 1]) if len(left) else np.zeros(0, dtype=np.int64)
    for start, stop in _ranges(starts, len(left)):
        position = free[left[start]]
        if found.leader[position] >= 0:
            continue
        found.leader[position] = position
        reached, first = np.unique(right[start:stop], return_index=True)
        still_free = found.leader[free[reached]] < 0
        best = first[still_free] + start
        _take(found, free[reached[still_free]], free[left[[start]]], similarity[best], turn[best])
    alone = free[found.leader[free] < 0]
    found.leader[alone] = alone


def _ranges(starts: NDArray[np.int64], end: int) -> Iterable[tuple[int, int]]:
    stops = [*starts[1:].tolist(), end]
    return zip(starts.tolist(), stops, strict=len(starts) > 0)
