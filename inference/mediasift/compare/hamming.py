"""All pairs of 64-bit hashes within a Hamming distance; exact, none is missed.

Few hashes are compared one with each (`brute`). For many, `indexed` cuts the hashes into four parts of 16 bits: if
two differ in at most r bits, then in one of the parts they differ in at most r // 4 or fewer, so only hashes whose
parts nearly agree need be compared (multi-index hashing: Norouzi, Punjani, Fleet, "Fast Exact Search in Hamming Space
with Multi-Index Hashing", 2014).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]

_PARTS, _BITS = 4, 16
_BUCKETS = 1 << _BITS
_CANDIDATES = 1 << 20
"""Pairs looked at in one go by a thread: some 30 MB."""

WORTH_INDEXING = 30_000
"""Below so many hashes, comparing each with each takes less time than the index."""

_MOST_INDEXED_BITS = 16
"""From this distance on an index leaves almost everything to be compared."""


Near = tuple[Positions, Positions, NDArray[np.uint8]]
"""Pairs: positions in the left and the right collection, and in how many bits they differ: (P,) each."""


def distances(left: Hashes, right: Hashes) -> NDArray[np.uint8]:
    """In how many bits each differs from each: uint8 (N, M)."""
    return np.asarray(np.bitwise_count(left[:, None] ^ right[None, :]), dtype=np.uint8)


def pairs(left: Hashes, max_distance: int, *, right: Hashes | None = None, threads: int = 1) -> Iterator[Near]:
    """All pairs that differ in at most `max_distance` bits, some at a time, in no particular order.

    Args:
        left: uint64 (N,).
        max_distance: 0..64.
        right: uint64 (M,); None compares `left` with itself, each pair once, left before right.
        threads: How many may work at a time.
    """
    few = min(len(left), len(left if right is None else right)) < WORTH_INDEXING
    if few or max_distance > _MOST_INDEXED_BITS:
        return brute(left, max_distance, right=right)
    return indexed(left, max_distance, right=right, threads=threads)


def brute(left: Hashes, max_distance: int, *, right: Hashes | None = None) -> Iterator[Near]:
    """As `pairs`, by comparing each with each."""
    other = left if right is None else right
    rows, columns = 256, 8192
    for top in range(0, len(left), rows):
        for start in range(0 if right is not None else top - top % columns, len(other), columns):
            bits = distances(left[top : top + rows], other[start : start + columns])
            places = np.flatnonzero(bits <= max_distance)
            a, b = np.divmod(places, bits.shape[1])
            distance = bits.ravel()[places]
            if right is None:
                upper = a + top < b + start
                a, b, distance = a[upper], b[upper], distance[upper]
            if len(a):
                yield a + top, b + start, distance


def indexed(left: Hashes, max_distance: int, *, right: Hashes | None = None, threads: int = 1) -> Iterator[Near]:
    """As `pairs`, by parts that nearly agree."""
    limits = part_limits(max_distance)
    for part, limit in enumerate(limits):
        if limit < 0:
            continue
        join = _Join(left, right, part, limits, max_distance)
        masks = [mask for mask in range(_BUCKETS) if mask.bit_count() <= limit]
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(masks), threads):
                for near in pool.map(join.with_mask, masks[start : start + threads]):
                    yield from near


def part_limits(max_distance: int) -> list[int]:
    """In how many bits each part may differ: if all parts differed in more, the whole would exceed `max_distance`.

    The sum of (limit + 1) must be at least max_distance + 1; a limit of -1 means that a part need not be looked at.
    """
    base, more = divmod(max_distance + 1 - _PARTS, _PARTS)
    return [base + (part < more) for part in range(_PARTS)]


class _Side:
    """Hashes sorted by one part: `order` into the original, `hashes` and `keys` so ordered; size and start by key."""

    def __init__(self, hashes: Hashes, part: int) -> None:
        keys = _part(hashes, part)
        self.order = np.argsort(keys, kind="stable")
        self.hashes, self.keys = hashes[self.order], keys[self.order]
        self.counts = np.bincount(keys, minlength=_BUCKETS)
        self.starts = np.cumsum(self.counts) - self.counts


def _part(hashes: Hashes, part: int) -> NDArray[np.uint16]:
    return ((hashes >> np.uint64(_BITS * part)) & np.uint64(_BUCKETS - 1)).astype(np.uint16)


class _Join:
    """Finds the pairs whose part number `part` differs exactly by a mask."""

    def __init__(self, left: Hashes, right: Hashes | None, part: int, limits: list[int], max_distance: int) -> None:
        self.left = _Side(left, part)
        self.right = self.left if right is None else _Side(right, part)
        self.itself = right is None
        self.part = part
        self.limits = limits
        self.max_distance = max_distance

    def with_mask(self, mask: int) -> list[Near]:
        """All pairs for one mask. Large buckets are compared piece by piece."""
        partners = self.left.keys ^ np.uint16(mask)
        widths = self.right.counts[partners]
        if self.itself and mask:
            widths = np.where(self.left.keys < partners, widths, 0)  # each pair of buckets once
        ends = np.cumsum(widths)
        shifts = ends - widths - self.right.starts[partners]
        near: list[Near] = []
        start = 0
        while start < len(ends):
            done = int(ends[start - 1]) if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + _CANDIDATES, side="right")))
            a = np.repeat(np.arange(start, stop), widths[start:stop])
            b = np.arange(done, ends[stop - 1]) - np.repeat(shifts[start:stop], widths[start:stop])
            near += self._survivors(a, b, mask)
            start = stop
        return near

    def _survivors(self, a: Positions, b: Positions, mask: int) -> Iterator[Near]:
        near = np.flatnonzero(np.bitwise_count(self.left.hashes[a] ^ self.right.hashes[b]) <= self.max_distance)
        a, b = a[near], b[near]
        if self.itself and mask == 0:  # inside one bucket each pair comes twice, and each with itself
            once = self.left.order[a] < self.right.order[b]
            a, b = a[once], b[once]
        x, y = self.left.hashes[a], self.right.hashes[b]
        new = np.ones(len(a), dtype=np.bool_)
        for part in range(self.part):  # an earlier part has found it already
            if self.limits[part] >= 0:
                new &= np.bitwise_count(_part(x ^ y, part)) > self.limits[part]
        left, right = self.left.order[a[new]], self.right.order[b[new]]
        if self.itself:
            swapped = left > right
            left, right = np.where(swapped, right, left), np.where(swapped, left, right)
        if len(left):
            yield left, right, np.bitwise_count(x[new] ^ y[new])
