"""Intervals of shares, and of sums of shares, of samples whose items may have weights. Pure, in numpy.

An interval of a share from few cases must be lopsided, and one of no case at all must not be a point: the normal
approximation is neither. Here an interval is the mid-P form of Clopper and Pearson's (Lancaster 1961; Agresti and
Gottard 2005), which covers close to what it says also where a handful of cases is expected. Intervals of several
shares become one of their weighted sum by the method of variance estimates recovery (Zou and Donner 2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

TAIL = 0.025
"""Of each side of a 95 % interval."""
_HALVINGS = 50
_TERMS = 500
_TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number from a sample, and how far it can be trusted.

    Attributes:
        value: The estimate.
        low, high: A 95 % interval.
    """

    value: float
    low: float
    high: float


def effective_size(weights: Numbers) -> float:
    """How many items with equal weights would say as much (Kish 1965): their number, where all weights are equal."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.size else 0.0


def share_interval(share: float, size: float, *, left: float = 1.0) -> Interval:
    """A share with its mid-P interval.

    Args:
        share: 0 to 1.
        size: Of the sample, which need not be a whole number: an effective size.
        left: Share of the population that is not in the sample; the interval narrows as it gets small.
    """
    if size <= 0:
        return Interval(value=share, low=0.0, high=1.0)
    hits = share * size
    low = 0.0 if hits < 1e-9 else _solved(hits, size, TAIL)
    high = 1.0 if size - hits < 1e-9 else _solved(hits, size, 1 - TAIL)
    shrunk = math.sqrt(max(0.0, left))
    return Interval(value=share, low=share - (share - low) * shrunk, high=share + (high - share) * shrunk)


def summed(parts: Sequence[tuple[float, Interval]]) -> Interval:
    """The interval of a sum of independent estimates.

    Args:
        parts: (weight, at least 0; estimate with its interval) of each.
    """
    value = sum(weight * one.value for weight, one in parts)
    below = math.sqrt(sum((weight * (one.value - one.low)) ** 2 for weight, one in parts))
    above = math.sqrt(sum((weight * (one.high - one.value)) ** 2 for weight, one in parts))
    return Interval(value=value, low=max(0.0, value - below), high=min(1.0, value + above))


@lru_cache(maxsize=10_000)  # counts recur: over labels, groups and simulations
def _solved(hits: float, size: float, wanted: float) -> float:
    """The share at which half of what is as likely as `hits` and all that is above make up `wanted`."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = (incomplete_beta(hits, size - hits + 1, middle) + incomplete_beta(hits + 1, size - hits, middle)) / 2
        low, high = (low, middle) if above > wanted else (middle, high)
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function: P(Beta(a, b) <= x), which for whole numbers is P(Bin(a+b-1, x) >= a).

    Its continued fraction (Abramowitz and Stegun 1964, 26.5.8), evaluated by Lentz's method (1976).
    """
    if a <= 0 or x >= 1:
        return 1.0
    if b <= 0 or x <= 0:
        return 0.0
    is_far = x > (a + 1) / (a + b + 2)  # where the fraction converges slowly, and that of the other tail fast
    return 1.0 - _lower_tail(b, a, 1 - x) if is_far else _lower_tail(a, b, x)


def _lower_tail(a: float, b: float, x: float) -> float:
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    fraction, above, below = 1.0, 1.0, 0.0
    for number in range(1, _TERMS):
        half = number // 2
        if number % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        below, above = 1 / (1 + term * below or _TINY), 1 + term / above or _TINY
        fraction *= above * below
        if abs(above * below - 1) < 1e-14:
            break
    return front / fraction
