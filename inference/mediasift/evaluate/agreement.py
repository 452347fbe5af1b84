"""How far coders agree, as coefficients of counts. Pure: no files.

What items x values counts is enough for all but Cohen's kappa, which knows its two coders. Every sum over items takes
weights, so that a bootstrap over items is one multiplication of matrices:

- percent agreement of several coders: pairs of codings of an item that are equal (Fleiss 1971, his P);
- Cohen's kappa (1960), Fleiss' kappa (1971) and Gwet's AC1 (2008), the last two with missing codings as in Gwet,
  "Handbook of Inter-Rater Reliability", 4th edition, 2014: items with at least two codings say how much coders agree,
  all items how frequent each value is;
- Krippendorff's alpha ("Computing Krippendorff's Alpha-Reliability", 2011), of items with at least two codings. His
  ordinal distance is the interval distance of mid-ranks, which change with the codings that are drawn.

Intervals are percentiles of a bootstrap over items (Efron and Tibshirani 1993), not over codings: the codings of one
item depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval"]
Numbers = NDArray[np.float64]

RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
"""Percentiles: a 95 % interval."""
_CELLS = 2_000_000
"""Numbers that a part of the bootstrap holds at once."""

NO_PAIRS = "no item has two codings"
ONE_VALUE = "all codings have the same value: nothing varies that coders could agree on"
FEW_VALUES = "there is one value only"
CERTAIN = "no interval: it is the same in all bootstrap samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """A measure of agreement.

    Attributes:
        value: None where it is undefined.
        low, high: A 95 % interval; None where there is none.
        undefined: Bootstrap samples, of 1,000, in which it is undefined; they are left out of the interval.
        reason: Why there is no value, or no interval; else empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: int | None = None
    reason: str = ""


Measured = Callable[[Numbers], Numbers]
"""Weights of items, float64 (B, N) → a coefficient for each line, (B,); not a number where it is undefined."""


def percent(counts: Numbers) -> Measured:
    """Share of pairs of codings of the same item that are equal.

    Args:
        counts: float64 (N, V): how many coders gave item n the value v.
    """
    agreed, paired = _agreed(counts)
    return lambda weights: _ratio(weights @ agreed, weights @ paired)


def fleiss_kappa(counts: Numbers) -> Measured:
    """Fleiss' kappa; arguments as for `percent`."""
    return _corrected(counts, lambda shares: (shares**2).sum(axis=1))


def gwet_ac1(counts: Numbers) -> Measured:
    """Gwet's AC1; arguments as for `percent`. It depends on V: values that coders could choose and did not count."""
    values = counts.shape[1]
    return _corrected(counts, lambda shares: _ratio((shares * (1 - shares)).sum(axis=1), np.array(values - 1.0)))


def krippendorff_alpha(counts: Numbers, level: Level, numbers: Numbers | None = None) -> Measured:
    """Krippendorff's alpha.

    Args:
        counts: As for `percent`; at the ordinal level values stand in their order.
        level: nominal, ordinal or interval.
        numbers: float64 (V,): what the values are at the interval level.
    """
    counts = counts * (counts.sum(axis=1, keepdims=True) >= 2)
    codings = counts.sum(axis=1)
    others = np.maximum(codings - 1, 1)

    def nominal(weights: Numbers) -> Numbers:
        frequencies = weights @ counts
        total = frequencies.sum(axis=1)
        observed = weights @ ((codings**2 - (counts**2).sum(axis=1)) / others)
        return 1 - _ratio(observed * (total - 1), total**2 - (frequencies**2).sum(axis=1))

    def distant(weights: Numbers) -> Numbers:
        frequencies = weights @ counts
        total = frequencies.sum(axis=1)
        places = np.cumsum(frequencies, axis=1) - frequencies / 2 if numbers is None else numbers[None]
        places = places - places.mean(axis=1, keepdims=True)  # so that squares lose no digits
        inside = 2 * (codings[:, None] * (counts @ (places**2).T) - (counts @ places.T) ** 2) / others[:, None]
        observed = np.einsum("bn,nb->b", weights, np.broadcast_to(inside, (len(codings), len(weights))))
        expected = 2 * (total * (frequencies * places**2).sum(axis=1) - (frequencies * places).sum(axis=1) ** 2)
        tiny = 1e-12 * total**2 * (places**2).max(axis=1, initial=0)
        return 1 - _ratio(observed * (total - 1), np.where(expected > tiny, expected, 0))

    return nominal if level == "nominal" else distant


def cohen_kappa(codings: NDArray[np.int64], values: int) -> Measured:
    """Cohen's kappa of two coders, over the items that both coded.

    Args:
        codings: int64 (N, 2): numbers of values, -1 where a coding is missing.
        values: How many there are.
    """
    both: Numbers = np.asarray((codings >= 0).all(axis=1), dtype=np.float64)
    equal = both * (codings[:, 0] == codings[:, 1])
    first, second = (np.eye(values)[np.maximum(coder, 0)] * both[:, None] for coder in codings.T)

    def measured(weights: Numbers) -> Numbers:
        total = weights @ both
        chance = _ratio(((weights @ first) * (weights @ second)).sum(axis=1), total**2)
        return _beyond(_ratio(weights @ equal, total), chance)

    return measured


def counts_of(codings: NDArray[np.int64], values: int) -> Numbers:
    """Items x values, float64 (N, V), of items x coders, int64 (N, C) with -1 where a coding is missing."""
    return np.stack([(codings == value).sum(axis=1) for value in range(values)], axis=1).astype(np.float64)


def estimated(measures: Sequence[tuple[Measured, str]], items: int, rng: np.random.Generator) -> list[Coefficient]:
    """The coefficients of all items, with their intervals, from the same bootstrap samples.

    Args:
        measures: (what computes one; why it is undefined, if it is) of each.
        items: How many there are.
        rng: Of the bootstrap.
    """
    if not items:
        return [Coefficient(value=None, reason=reason) for _, reason in measures]
    values = [float(measured(np.ones((1, items)))[0]) for measured, _ in measures]
    drawn: list[list[Numbers]] = [[] for _ in measures]
    for weights in resamples(items, rng):
        for place, (measured, _) in zip(drawn, measures, strict=True):
            place.append(measured(weights))
    return [
        _with_interval(value, np.concatenate(samples), reason)
        for value, samples, (_, reason) in zip(values, drawn, measures, strict=True)
    ]


def _with_interval(value: float, drawn: Numbers, reason: str) -> Coefficient:
    if not np.isfinite(value):
        return Coefficient(value=None, reason=reason)
    defined = drawn[np.isfinite(drawn)]
    undefined = RESAMPLES - defined.size
    if not defined.size or np.ptp(defined) < 1e-12:
        return Coefficient(value=value, undefined=undefined, reason=CERTAIN)
    low, high = map(float, np.percentile(defined, INTERVAL))
    return Coefficient(value=value, low=low, high=high, undefined=undefined)


def resamples(items: int, rng: np.random.Generator) -> Iterator[Numbers]:
    """How often each item is drawn, float64 (B, N), in parts that fit into memory."""
    size = max(1, _CELLS // items)
    for start in range(0, RESAMPLES, size):
        lines = min(size, RESAMPLES - start)
        yield rng.multinomial(items, np.full(items, 1 / items), size=lines).astype(np.float64)


def _agreed(counts: Numbers) -> tuple[Numbers, Numbers]:
    """Of each item the share of equal pairs, and whether it has pairs: both float64 (N,)."""
    codings = counts.sum(axis=1)
    pairs = codings * (codings - 1)
    return (counts * (counts - 1)).sum(axis=1) / np.maximum(pairs, 1), (pairs > 0).astype(np.float64)


def _corrected(counts: Numbers, chance: Callable[[Numbers], Numbers]) -> Measured:
    """Agreement beyond chance, which follows from how frequent the values are."""
    agreement = percent(counts)
    codings = counts.sum(axis=1)
    shares, coded = counts / np.maximum(codings, 1)[:, None], np.asarray(codings > 0, dtype=np.float64)
    return lambda weights: _beyond(
        agreement(weights), chance(_ratio(weights @ shares, (weights @ coded).reshape(-1, 1)))
    )


def _beyond(agreement: Numbers, chance: Numbers) -> Numbers:
    return _ratio(agreement - chance, np.where(1 - chance > 1e-12, 1 - chance, 0))


def _ratio(above: Numbers, below: Numbers) -> Numbers:
    """Not a number where there is nothing to divide by."""
    is_defined = np.broadcast_to(below != 0, np.broadcast_shapes(above.shape, below.shape))
    ratio: Numbers = np.divide(above, below, out=np.full(is_defined.shape, np.nan), where=is_defined)
    return ratio
