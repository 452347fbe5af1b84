"""Numbers from samples, and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rounds = Sequence[Sequence[float]]
"""Samples (seconds per picture), grouped by the round in which they were taken."""

_BEYOND = 10
"""Samples that must lie beyond a percentile: with fewer, one hiccup of the machine moves it."""

_RESAMPLES = 2000
_FEW = 50
"""Samples per round that the bootstrap looks at: evenly spaced quantiles of the round say as much as all of them."""


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """`p50`, `p90` ... of samples, as far as there are samples enough."""
    ordered, count = np.sort(samples), len(samples)
    return {
        f"p{percent:g}": float(ordered[math.ceil(count * percent / 100 - 1e-9) - 1])
        for percent in (50, 90, 95, 99, 99.9)
        if count * (100 - percent) / 100 + 1e-9 >= _BEYOND
    }


def is_steady(times: Sequence[float]) -> bool:
    """Whether the last three rounds took the same time within 5 %: then the warm-up is over."""
    last = times[-3:]
    return len(last) == 3 and max(last) - min(last) <= 0.05 * float(np.median(last))


def spread(samples: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median."""
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return float((high - low) / 2 / middle) if middle else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as fast the second is: above 1 it is faster, with the limits of a 95 % interval."""

    ratio: float
    low: float
    high: float

    def verdict(self, tolerance: float) -> str:
        """`slower`, `faster` or `same`, where the whole interval lies in that range; else `undecided`."""
        if self.high < 1 - tolerance:
            return "slower"
        if self.low > 1 + tolerance:
            return "faster"
        return "same" if self.low >= 1 - tolerance and self.high <= 1 + tolerance else "undecided"


def speed_ratio(before: Rounds, after: Rounds, *, paired: bool = False) -> Ratio:
    """Median time of `before` over that of `after`, with a bootstrap interval.

    Whole rounds are drawn with replacement, not single samples (a cluster bootstrap): samples of one round were taken
    while the machine was equally busy and are not independent; single ones would give an interval far too narrow.

    Args:
        before, after: Their samples.
        paired: Rounds of the same number were taken one right after the other, and are drawn together.

    Raises:
        ValueError: One of them is empty.
    """
    rng = np.random.default_rng(0)
    rounds = [_thinned(before), _thinned(after)]
    drawn = [rng.integers(0, len(one), (_RESAMPLES, len(one))) for one in rounds]
    if paired:
        drawn[1] = drawn[0]
    medians = [np.median(one[which].reshape(_RESAMPLES, -1), axis=1) for one, which in zip(rounds, drawn, strict=True)]
    low, high = np.percentile(medians[0] / medians[1], [2.5, 97.5])
    ratio = np.median(np.concatenate([*before])) / np.median(np.concatenate([*after]))
    return Ratio(ratio=float(ratio), low=float(low), high=float(high))


def _thinned(rounds: Rounds) -> NDArray[np.float64]:
    """The same number of quantiles of each round, float64 (rounds, quantiles)."""
    kept = [samples for samples in rounds if len(samples)]
    if not kept:
        raise ValueError("no samples")
    size = min(_FEW, max(map(len, kept)))
    return np.stack([np.quantile(samples, (np.arange(size) + 0.5) / size) for samples in kept])
