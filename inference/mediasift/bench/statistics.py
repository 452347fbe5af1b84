"""Numbers from samples, and how far they can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rounds = Sequence[Sequence[float]]
"""Samples (seconds per item), grouped by the round in which they were taken."""

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)

_BEYOND = 10
"""Samples that must lie beyond a percentile before it is told. With fewer, one hiccup of the machine moves it: 1 in
100 of 300 samples are three of them."""

_STEADY_ROUNDS = 3
_STEADY_SPREAD = 0.05

_RESAMPLES = 2000
_Z95 = 1.959964
"""The normal distribution's 97.5th percentile."""


def percentiles(samples: Sequence[float]) -> dict[str, float | None]:
    """`p50`, `p90` ... of samples: those that so many samples can tell. Infinity (never answered) becomes None."""
    sorted_samples = np.sort(np.asarray(samples, dtype=np.float64))
    count = len(sorted_samples)
    found: dict[str, float | None] = {}
    for percent in PERCENTILES:
        if math.floor(count * (100 - percent) / 100 + 1e-9) >= _BEYOND:
            value = float(sorted_samples[math.ceil(count * percent / 100 - 1e-9) - 1])
            found[f"p{percent:g}"] = value if math.isfinite(value) else None
    return found


def is_steady(rounds: Sequence[float]) -> bool:
    """Whether the last three rounds took the same time within 5 %: then the warm-up is over."""
    last = rounds[-_STEADY_ROUNDS:]
    return len(last) == _STEADY_ROUNDS and max(last) - min(last) <= _STEADY_SPREAD * float(np.median(last))


def spread(samples: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median."""
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return float((high - low) / 2 / middle) if middle else 0.0


def wilson(hits: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (E. B. Wilson, Probable inference, JASA 22, 1927), right near 0 and 1, too."""
    if count == 0:
        return 0.0, 1.0
    share, squared = hits / count, _Z95**2
    middle = (share + squared / (2 * count)) / (1 + squared / count)
    reach = _Z95 * math.sqrt(share * (1 - share) / count + squared / (4 * count**2)) / (1 + squared / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as fast the second is: above 1 it is faster, with the limits of a 95 % interval."""

    ratio: float
    low: float
    high: float


def speed_ratio(before: Rounds, after: Rounds, *, seed: int = 0) -> Ratio:
    """Median time of `before` over that of `after`, with a bootstrap interval.

    Whole rounds are drawn with replacement, not single samples (a cluster bootstrap): samples of one round were taken
    under one mood of the machine and are not independent, and single ones would give an interval far too narrow.

    Raises:
        ValueError: One of them is empty.
    """
    rng = np.random.default_rng(seed)
    drawn = [_medians(rounds, rng) for rounds in (before, after)]
    ratios = drawn[0] / drawn[1]
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Ratio(ratio=_pooled(before) / _pooled(after), low=float(low), high=float(high))


_FEW = 50
"""Samples per round that the bootstrap looks at: evenly spaced quantiles of the round say as much as all of them."""


def _medians(rounds: Rounds, rng: np.random.Generator) -> NDArray[np.float64]:
    """The pooled median of rounds drawn with replacement, float64 (2000,)."""
    kept = [np.asarray(samples, dtype=np.float64) for samples in rounds if len(samples)]
    if not kept:
        raise ValueError("no samples")
    size = min(_FEW, max(len(samples) for samples in kept))
    thinned = np.stack([np.quantile(samples, (np.arange(size) + 0.5) / size) for samples in kept])
    chosen = rng.integers(0, len(thinned), (_RESAMPLES, len(thinned)))
    return np.asarray(np.median(thinned[chosen].reshape(_RESAMPLES, -1), axis=1))


def _pooled(rounds: Rounds) -> float:
    return float(np.median(np.concatenate([np.asarray(samples, dtype=np.float64) for samples in rounds])))
