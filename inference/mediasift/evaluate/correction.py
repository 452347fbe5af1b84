"""The share of a label in a corpus, corrected for a classifier's errors with a coded sample. Pure: no files.

A classifier has labelled every item of the corpus, coders a probability sample of it. With f the classifier's verdict
on an item (1: it has the label), y the coders', w the inverse of the item's probability of being sampled, and F the
classifier's share in the corpus, which is known without error:

- **naive** F. As wrong as the classifier, whatever the size of the corpus;
- **coded** the weighted share of y: right on average, and blind to the classifier;
- **design_based** F p1 + (1 - F) p0, where p1 and p0 are the weighted shares of y among coded items with and without
  f: the difference estimator of survey sampling (Särndal, Swensson and Wretman 1992, chapters 6 and 7) whose
  corrections use the known probabilities alone, as in design-based supervised learning (Egami, Hinck, Stewart and Wei
  2023), calibrated on what the classifier says of the whole corpus;
- **prediction_powered** L F + mean of w (y - L f), where L minimises the variance: PPI++ (Angelopoulos, Duchi and Zrnic
  2023), the corpus taken as its unlabelled set;
- **matrix** (F + specificity - 1) / (sensitivity + specificity - 1): Rogan and Gladen 1978.

Intervals of the first three that have one are those of `intervals`. The normal interval of PPI++ is too narrow where
the sample holds few errors of the classifier, so that one miss and one false alarm are added for its variance, as
Bonett and Price (2012) do for differences of paired shares; that of the matrix is Lang and Reiczigel's (2014) with the
corpus's share known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mediasift.evaluate.intervals import Interval, effective_size, share_interval, summed
from mediasift.evaluate.labels import Z

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The coded items, and what the classifier says of the corpus they were drawn from.

    Attributes:
        predicted: f of each coded item, float64 (n,) of 0 and 1.
        true: y, float64 (n,) of 0 and 1.
        weights: w, float64 (n,), at least 1: how many items of the corpus each stands for.
        strata: Numbers of the strata that were drawn from separately, int64 (n,).
        predicted_share: F.
        corpus: Items in the corpus.
    """

    predicted: Numbers
    true: Numbers
    weights: Numbers
    strata: NDArray[np.int64]
    predicted_share: float
    corpus: int


FEW = 10
"""With fewer coded items that have the label, or that lack it, no interval can be relied on."""


def is_small(sample: Sample) -> bool:
    """Whether too few of the coded items have the label, or lack it: as they count, by their weights."""
    return any(min(effective_count(sample, side), float((sample.true == side).sum())) < FEW - 1e-9 for side in (0, 1))


def effective_count(sample: Sample, side: int) -> float:
    """How many items of equal weight would say as much as the coded ones that have the label (1) or lack it (0)."""
    count = 0.0
    for predicted in (0, 1):
        within = sample.predicted == predicted
        weights, having = sample.weights[within], sample.true[within] == side
        if having.any():
            count += float(weights[having].sum() / weights.sum()) * effective_size(weights)
    return count


class Undefined(ValueError):
    """There is no such estimate; the message says why."""


def coded(sample: Sample) -> Interval:
    """From the coded items alone."""
    return _share(sample, np.ones(len(sample.true), dtype=bool), sample.true)


def design_based(sample: Sample) -> Interval:
    """The classifier's verdicts corrected by the known probabilities."""
    shares = (1 - sample.predicted_share, sample.predicted_share)
    return summed([(share, _share(sample, sample.predicted == side, sample.true)) for side, share in enumerate(shares)])


def prediction_powered(sample: Sample) -> Interval:
    """PPI++."""
    value, power = power_tuned(sample)
    extra = np.array([_added_weight(sample, 0), -power * _added_weight(sample, 1)])
    errors = np.append(_scaled(sample.weights) * (sample.true - power * sample.predicted), extra)
    half = Z * _error(errors, power, sample)
    return Interval(value=min(1.0, max(0.0, value)), low=max(0.0, value - half), high=min(1.0, value + half))


def power_tuned(sample: Sample) -> tuple[float, float]:
    """The estimate of PPI++ as it comes, which may lie outside 0 to 1, and the power L, from 0 to 1.

    L is the covariance of the weighted y and f over (1 + n/N) times the variance of f, in sample and corpus together.
    """
    weights, share, size = _scaled(sample.weights), sample.predicted_share, len(sample.true)
    first = share + float((weights * (sample.true - sample.predicted)).mean())
    true, predicted = weights * (sample.true - first), weights * (sample.predicted - first)
    covariance = float((true * predicted).mean() - true.mean() * predicted.mean())
    together, corpus = size + sample.corpus, sample.corpus
    mean = (float(predicted.sum()) + corpus * (share - first)) / together
    squares = float((predicted**2).sum()) + corpus * (share * (1 - first) ** 2 + (1 - share) * first**2)
    variance = (squares - together * mean**2) / (together - 1)
    power = min(1.0, max(0.0, covariance / ((1 + size / corpus) * variance))) if variance > 1e-12 else 0.0
    return power * share + float((weights * (sample.true - power * sample.predicted)).mean()), power


def matrix(sample: Sample) -> Interval:
    """Rogan and Gladen's.

    Raises:
        Undefined: The sample lacks items with or without the label, or the classifier is no better than chance.
    """
    sides = [sample.true == side for side in (0, 1)]
    if not all(side.any() for side in sides):
        raise Undefined("needs coded items with and without the label")
    weights = [sample.weights * side for side in sides]
    specificity, sensitivity = (float(weights[s] @ (sample.predicted == s) / weights[s].sum()) for s in (0, 1))
    if sensitivity + specificity <= 1:
        raise Undefined("the classifier is no better than chance in the sample")
    share = sample.predicted_share
    value = min(1.0, max(0.0, (share + specificity - 1) / (sensitivity + specificity - 1)))
    sizes = [_size(sample, sides[side], (sample.predicted == side).astype(np.float64)) for side in (0, 1)]
    right, detected = (
        (size * rate + 1) / (size + 2) for size, rate in zip(sizes, (specificity, sensitivity), strict=True)
    )
    youden = right + detected - 1
    adjusted = min(1.0, max(0.0, (share + right - 1) / youden))
    spread = [rate * (1 - rate) / (size + 2) for rate, size in zip((right, detected), sizes, strict=True)]
    shift = 2 * Z**2 * (adjusted * spread[1] - (1 - adjusted) * spread[0])
    half = Z / youden * math.sqrt(adjusted**2 * spread[1] + (1 - adjusted) ** 2 * spread[0])
    low, high = max(0.0, adjusted + shift - half), min(1.0, adjusted + shift + half)
    return Interval(value=value, low=min(low, value), high=max(high, value))


CORRECTIONS: dict[str, Callable[[Sample], Interval]] = {
    "coded": coded,
    "design_based": design_based,
    "prediction_powered": prediction_powered,
    "matrix": matrix,
}
"""Method → its estimate; the naive one has no interval."""


def _share(sample: Sample, within: NDArray[np.bool_], outcome: Numbers) -> Interval:
    """The weighted share of an outcome among some of the coded items; one half, from 0 to 1, where there are none."""
    if not within.any():
        return Interval(value=0.5, low=0.0, high=1.0)
    weights = sample.weights[within]
    share = float((weights * outcome[within]).sum() / weights.sum())
    left = float((weights * (weights - 1)).sum() / (weights**2).sum())
    return share_interval(min(1.0, share), _size(sample, within, outcome), left=left)


def _size(sample: Sample, within: NDArray[np.bool_], outcome: Numbers) -> float:
    """How many items drawn with equal probability would say as much of the share: the smaller of two answers.

    One is Kish's, from the weights alone; one follows from the variance of the share over the strata, by linearisation
    (Särndal, Swensson and Wretman 1992, 5.6), as Korn and Graubard (1998) put it into an interval for small counts.
    """
    weights = sample.weights * within
    size = effective_size(weights[within])
    if np.ptp(weights[within]) == 0:
        return size
    share = float((weights * outcome).sum() / weights.sum())
    off = weights * (outcome - share)
    variance = 0.0
    for stratum in np.unique(sample.strata):
        inside = off[sample.strata == stratum]
        centred = inside - inside.mean() if inside.size > 1 else inside
        variance += float((centred**2).sum()) * inside.size / max(1, inside.size - 1)
    variance /= float(weights.sum()) ** 2
    return min(size, share * (1 - share) / variance) if 0 < share < 1 and variance > 0 else size


def _scaled(weights: Numbers) -> Numbers:
    """Weights whose mean is 1."""
    return np.asarray(weights / weights.mean())


def _added_weight(sample: Sample, side: int) -> float:
    """Of the error that is added: the weight that items have which, all alike, would be worth the coded ones (Kish)."""
    chosen = _scaled(sample.weights)[sample.predicted == side]
    return float((chosen**2).sum() / chosen.sum()) if chosen.size else 1.0


def _error(errors: Numbers, power: float, sample: Sample) -> float:
    share = sample.predicted_share
    return math.sqrt(float(errors.var()) / errors.size + power**2 * share * (1 - share) / sample.corpus)
