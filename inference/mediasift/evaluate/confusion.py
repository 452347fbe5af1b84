"""Summaries of a confusion matrix, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from mediasift.evaluate.agreement import INTERVAL, RESAMPLES

Counts = NDArray[np.int64]
Weights = NDArray[np.float64]
"""How many pictures each stands for, float64 (N,)."""


class Summary(TypedDict):
    """A number with its interval; None where there is none.

    `undefined` counts the samples of the bootstrap, of 1,000, in which it is undefined; they are left out.
    """

    value: float | None
    low: float | None
    high: float | None
    undefined: int


def confusion_of(pairs: Counts, size: int, weights: Weights | None = None) -> Counts:
    """(size, size): how often each (true, predicted) occurs, int64; or for how many it stands, float64."""
    return np.bincount(pairs[:, 0] * size + pairs[:, 1], weights, minlength=size * size).reshape(size, size)


def f1_macro(confusion: Counts) -> float:
    """Mean F1 of the labels that occur, true or predicted."""
    hits, both = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def kappa(confusion: Counts) -> float:
    """Cohen's kappa: agreement beyond what the labels' frequencies give by chance; 0 is chance, 1 is all.

    Not a number where there is but one label, true and predicted, so that chance explains everything.
    """
    total = confusion.sum()
    chance = float((confusion.sum(axis=0) * confusion.sum(axis=1)).sum() / total**2)
    return float("nan") if chance > 1 - 1e-12 else (float(np.trace(confusion) / total) - chance) / (1 - chance)


_SUMMARIES: dict[str, Callable[[Counts], float]] = {"f1_macro": f1_macro, "kappa": kappa}


def summaries(pairs: Counts, size: int, rng: np.random.Generator, weights: Weights) -> dict[str, Summary]:
    """Name → its value and interval, by percentiles of a bootstrap over pictures.

    Args:
        pairs: int64 (N, 2): numbers of the true and the predicted label.
        size: How many labels there are.
        rng: Of the bootstrap.
        weights: How many pictures each stands for.
    """
    draws = (rng.integers(0, len(pairs), len(pairs)) for _ in range(RESAMPLES))
    drawn = [confusion_of(pairs[draw], size, weights[draw]) for draw in draws]
    whole = confusion_of(pairs, size, weights)
    return {name: _summary(summary(whole), np.array([summary(one) for one in drawn]))
            for name, summary in _SUMMARIES.items()}  # fmt: skip


def _summary(value: float, samples: NDArray[np.float64]) -> Summary:
    defined = samples[np.isfinite(samples)]
    is_interval = np.isfinite(value) and defined.size and np.ptp(defined) > 1e-12
    low, high = map(float, np.percentile(defined, INTERVAL)) if is_interval else (None, None)
    return Summary(value=value if np.isfinite(value) else None, low=low, high=high,
                   undefined=RESAMPLES - defined.size)  # fmt: skip
