"""From a random sample to the whole: sums and times with their 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_BLOCKS = 20
"""Blocks of neighbours whose times are compared, at most."""

_FEWEST = 5
"""Blocks without which there is no interval of the time."""


class Interval(NamedTuple):
    """A number with its 95 % interval, where there is one."""

    value: float
    low: float | None
    high: float | None

    def times(self, factor: float) -> Interval:
        """All of it so many times."""
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        return Interval(factor * self.value, low, high)


def student(degrees: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz and Stegun 26.7.5; to 0.003 from 4 degrees on)."""
    z = 1.959963984540054
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, 1))


def total(each: Sequence[float], count: int) -> Interval:
    """The sum over all `count` inputs, from a random sample of them without repetition; exact where it is all."""
    numbers, size = np.asarray(each, np.float64), len(each)
    known = float(numbers.sum())
    if size == count:
        return Interval(known, known, known)
    value = count * known / size
    if size < _FEWEST:
        return Interval(value, None, None)
    error = count * math.sqrt((1 - size / count) / size) * float(numbers.std(ddof=1))
    half = student(size - 1) * error
    return Interval(value, max(known, value - half), value + half)


def time_of(moments: Sequence[float], began: float, count: int) -> Interval:
    """Seconds for `count` inputs, from the moments at which those of a sample were done, in order.

    Inputs that are done in one moment stay in one block, so blocks have several sizes: the rate is that of all, and its
    error that of a ratio (Cochran 1977, 6.4).
    """
    size, edges = len(moments), [0]
    for done in range(1, size + 1):
        if done == size or (moments[done] > moments[done - 1] and done - edges[-1] >= size / _BLOCKS):
            edges.append(done)
    sizes = np.diff(edges)
    stamps = np.array([began, *(moments[edge - 1] for edge in edges[1:])])
    lasted = np.diff(stamps)
    each = (stamps[-1] - began) / size
    if len(sizes) < _FEWEST:
        return Interval(count * each, None, None)
    spread = float(((lasted - each * sizes) ** 2).sum()) / (len(sizes) - 1)
    half = student(len(sizes) - 1) * count * math.sqrt(len(sizes) * spread) / size
    return Interval(count * each, max(0.0, count * each - half), count * each + half)
