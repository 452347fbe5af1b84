"""Groups of near duplicates that cannot chain.

The rule: pictures are gone through in order of preference (the largest first, say). One that no earlier representative
has taken becomes a representative itself and takes every picture that is free and similar enough *to it*. So each
member is within the threshold of its representative, and two members are never further apart than twice that; linking
whatever has a similar neighbour ("single linkage") would join a video's first frame with its last by way of all frames
between them.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mediasift.compare import hamming
from mediasift.compare.hamming import WORTH_INDEXING, Positions
from mediasift.compare.spaces import HashSpace, Matches, Scores, Space, Turned, hash_similarity, max_distance, nearest

_ROWS, _COLUMNS = 512, 4096
_MOST_PAIRS = 30_000_000
"""Pairs held at a time (some 600 MB); a collection with more is gone through in tiles, which hold none."""


def group(space: Space, order: Positions, min_similarity: float, *, known: int = 0, threads: int = 1) -> Matches:
    """For each picture of a collection the one that stands for it, perhaps itself.

    Args:
        space: The collection.
        order: int64: all positions from `known` on, the preferred ones first.
        min_similarity: A member is at least so similar to its representative.
        known: So many pictures at the front are an old collection: they are members of no group and are not compared
            among themselves, and a new picture that is similar enough to any of them goes to the most similar one.
        threads: How many may work at a time.

    Returns:
        (N,) each: the representative; the similarity to it, 1 for itself; how the picture is turned to look like it.
    """
    count = len(space)
    matches = Matches(np.full(count, -1, np.int64), np.ones(count, np.float32), np.zeros(count, np.int16))
    matches.position[:known] = np.arange(known)
    if known and len(order):
        best = nearest(space, order, np.arange(known), top=1)
        close = best.similarity[:, 0] >= space.least(min_similarity)
        _take(matches, order[close], *(part[close, 0] for part in best))
    free = order[matches.position[order] < 0]
    if isinstance(space, HashSpace) and len(free) >= WORTH_INDEXING:
        near = _all_pairs(space, free, max_distance(min_similarity), threads)
        if near is not None:
            _by_pairs(matches, free, near)
            return matches
    _by_tiles(matches, space, free, space.least(min_similarity))
    return matches


def _take(matches: Matches, members: Positions, leaders: Positions, similarity: Scores, turn: Turned) -> None:
    matches.position[members], matches.similarity[members], matches.turn[members] = leaders, similarity, turn


def _by_tiles(matches: Matches, space: Space, free: Positions, least: float) -> None:
    """Rows of the next few free pictures; only those that become representatives are compared with the rest."""
    leader = matches.position
    while len(free):
        block, free = free[:_ROWS], free[_ROWS:]
        similarity, turn = space.similarities(block, block)
        leads: list[int] = []
        for row, position in enumerate(block):
            if leader[position] >= 0:
                continue
            leader[position] = position
            leads.append(row)
            taken = np.flatnonzero((similarity[row] >= least) & (leader[block] < 0))
            _take(matches, block[taken], block[[row]], similarity[row, taken], turn[row, taken])
        for start in range(0, len(free), _COLUMNS):
            columns = free[start : start + _COLUMNS]
            similarity, turn = space.similarities(block[leads], columns)
            reached = similarity >= least
            taken = np.flatnonzero(reached.any(axis=0))
            first = reached[:, taken].argmax(axis=0)
            _take(matches, columns[taken], block[leads][first], similarity[first, taken], turn[first, taken])
        free = free[leader[free] < 0]


Edges = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8], Turned]
"""Pairs by rank in the order of preference: the left may stand for the right; their distance; the right one's turn."""


def _all_pairs(space: HashSpace, free: Positions, most: int, threads: int) -> Edges | None:
    """Every pair within the distance, the preferred one on the left; None where they would be too many to hold."""
    parts: list[Edges] = [(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int16))]
    total = 0
    for turn, turned in enumerate(space.hashes):
        other = None if turn == 0 else turned[free]
        for a, b, bits in hamming.pairs(space.hashes[0, free], most, right=other, threads=threads):
            keep = a < b
            total += int(np.count_nonzero(keep))
            if total > _MOST_PAIRS:
                return None
            ranks = a[keep].astype(np.int32), b[keep].astype(np.int32)
            parts.append((*ranks, bits[keep], np.full(len(ranks[0]), turn, np.int16)))
    left, right, distance, turns = (np.concatenate(part) for part in zip(*parts, strict=True))
    return left, right, distance, turns


def _by_pairs(matches: Matches, free: Positions, near: Edges) -> None:
    """The rule, with the pairs at hand: sorted so that of a pair's turns the nearest comes first."""
    left, right, distance, turn = near
    order = np.lexsort((turn, distance, right, left))
    left, right, leader = left[order], right[order], matches.position
    similarity, turn = hash_similarity(distance[order]), turn[order]
    starts = [0, *(np.flatnonzero(left[1:] != left[:-1]) + 1).tolist()][: len(left)]
    for start, stop in pairwise([*starts, len(left)]):
        position = free[left[start]]
        if leader[position] >= 0:
            continue
        leader[position] = position
        reached, first = np.unique(right[start:stop], return_index=True)
        still_free = leader[free[reached]] < 0
        best = first[still_free] + start
        _take(matches, free[reached[still_free]], free[left[[start]]], similarity[best], turn[best])
    alone = free[leader[free] < 0]
    leader[alone] = alone
