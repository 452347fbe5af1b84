"""Predicted and true labels → measures. Pure: no files, no models.

Formulas: accuracy, precision, recall, F1 and Cohen's kappa as in scikit-learn (the tests compare); expected
calibration error with 15 equal bins, open below and closed above, as in Guo et al., "On Calibration of Modern Neural
Networks", 2017. Intervals are Wilson's (1927) for shares of pictures, else percentiles of a bootstrap over pictures
(Efron and Tibshirani, 1993).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError
from mediasift.evaluate.confusion import Counts, Weights, confusion_of, summaries
from mediasift.rows import Row

BINS = 15
Z = 1.959963984540054
"""A 95 % interval of a normal distribution."""
THRESHOLD = 0.5
"""Where pictures may have several labels, those of at least this score are predicted."""
NO_LABEL = "(no label)"
"""What is predicted for a picture in which no label reached the minimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One label that a model gave a picture; of a table without scores, `score` is None."""

    label: str
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Row):
    """One number of an evaluation; about no file.

    Attributes:
        measure: Its name.
        label: Of which label; empty for all together.
        value: The number; None where it is undefined.
        low, high: A 95 % interval; None where there is none, or all samples agree, so that it would be a point.
        undefined: Samples of the bootstrap, of 1,000, in which it is undefined; they are left out of the interval.
        group: Of which group; empty for all together.
        note: Why there is no value, or what to know of it.
    """

    shared: ClassVar[tuple[str, ...]] = ()

    measure: str | None = None
    label: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    undefined: int | None = None
    group: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake(Row):
    """A picture with another label than the true one, and how sure the model was."""

    shared: ClassVar[tuple[str, ...]] = ("path",)

    true: str | None = None
    predicted: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came out.

    Attributes:
        measures: All numbers: of all labels together, then of each label, those that no picture has at the end.
        labels: Sorted; rows and columns of `confusion`.
        confusion: int64 (labels, labels), rows are true, columns predicted; None with several labels per picture.
        reliability: (mean score, share that is right, pictures) of each bin that is not empty.
        mistakes: The surest first.
        missing: Paths of the reference of which the result says nothing.
    """

    measures: tuple[Measure, ...]
    labels: tuple[str, ...]
    confusion: Counts | None = None
    reliability: tuple[tuple[float, float, int], ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    missing: tuple[str, ...]


def measure_labels(
    predicted: Mapping[str, Sequence[Prediction]],
    true: Mapping[str, Sequence[str]],
    *,
    several: bool = False,
    seed: int = 0,
    weights: Mapping[str, float] | None = None,
) -> Evaluation:
    """How well predictions agree with what is true.

    Args:
        predicted: Path → the labels that the model gave it, best first; none where no label reached its minimum.
        true: Path → its true label; several, or none, where pictures may have several.
        several: Every label counts on its own, even if no picture happens to have several.
        seed: Of the bootstrap.
        weights: Path → how many pictures it stands for, where a sample was not drawn with equal probabilities; shares
            are then of what the sample was drawn from, and their intervals those of Kish's effective size.

    Raises:
        InputError: No path is in both; or a picture has no true label, though none has several.
    """
    several = several or any(len(labels) > 1 for labels in true.values())
    if not several and (bare := [path for path in true if not true[path]]):
        raise InputError(f"{bare[0]} has no label in the reference; fill it in, or take its row out")
    judged = [path for path in true if path in predicted]
    if not judged:
        raise InputError(
            f"no path is in both tables: the result has {next(iter(predicted), 'nothing')!r}, the reference "
            f"{next(iter(true), 'nothing')!r}; they must be written alike"
        )
    missing = tuple(path for path in true if path not in predicted)
    each = np.array([1.0 if weights is None else weights[path] for path in judged])
    if several:
        return _several(predicted, true, judged, missing, each)
    single = {path: true[path][0] for path in judged}
    return _single(predicted, single, missing, np.random.default_rng(seed), each)


def _single(
    predicted: Mapping[str, Sequence[Prediction]], true: Mapping[str, str], missing: tuple[str, ...],
    rng: np.random.Generator, weights: Weights,
) -> Evaluation:  # fmt: skip
    best = {path: predicted[path][0] if predicted[path] else Prediction(label=NO_LABEL) for path in true}
    labels = tuple(sorted({*true.values(), *(one.label for one in best.values())}))
    place = {label: number for number, label in enumerate(labels)}
    pairs = np.array([(place[label], place[best[path].label]) for path, label in true.items()])
    confusion = confusion_of(pairs, len(labels))
    reliability = _reliability(best, true, weights)
    measures = [
        *_counted(len(true), missing),
        Measure(measure="no_label", value=sum(not predicted[path] for path in true)),
        weighted_share("accuracy", weights, pairs[:, 0] == pairs[:, 1]),
        *(Measure(measure=name, **one) for name, one in summaries(pairs, len(labels), rng, weights).items()),
        *_top_k(predicted, true, len(labels), weights),
    ]
    if reliability:
        total = sum(weight for *_, weight in reliability)
        off = sum(abs(score - right) * weight for score, right, _, weight in reliability) / total
        measures.append(Measure(measure="expected_calibration_error", value=off))
    sums = label_sums([[label] for label in true.values()], [[best[path].label] for path in true], weights)
    mistakes = [
        Mistake(path=path, true=label, predicted=best[path].label, score=best[path].score)
        for path, label in true.items()
        if best[path].label != label
    ]
    mistakes.sort(key=lambda mistake: -(mistake.score or 0.0))
    return Evaluation(
        measures=(*measures, *_by_label(sums)), labels=labels, confusion=confusion,
        reliability=tuple((score, right, count) for score, right, count, _ in reliability),
        mistakes=tuple(mistakes), missing=missing,
    )  # fmt: skip


def _counted(pictures: int, missing: Sequence[str]) -> list[Measure]:
    return [Measure(measure="pictures", value=pictures), Measure(measure="missing", value=len(missing))]


def weighted_share(name: str, weights: Weights, hits: NDArray[np.bool_], label: str = "") -> Measure:
    """The weighted share of hits, with the interval that a sample of Kish's effective size has."""
    return part(name, float(weights[hits].sum()), float(weights.sum()), float((weights**2).sum()), label)


def part(name: str, hits: float, total: float, squares: float, label: str = "") -> Measure:
    """A share of sums of weights, whose squares make up the last."""
    size = total**2 / squares if squares else 0.0
    return share(name, hits * size / total if total else 0.0, size, label)


def share(name: str, hits: float, count: float, label: str = "") -> Measure:
    """A share with Wilson's interval, which is none too narrow where all are right; 0 of 0 is 0, without interval."""
    if not count:
        return Measure(measure=name, label=label, value=0.0)
    rate, spread = hits / count, Z**2 / count
    middle, half = rate + spread / 2, Z * np.sqrt(rate * (1 - rate) / count + spread / (4 * count))
    low, high = ((middle + sign * half) / (1 + spread) for sign in (-1, 1))
    return Measure(measure=name, label=label, value=rate, low=max(0.0, float(low)), high=min(1.0, float(high)))


def _top_k(
    predicted: Mapping[str, Sequence[Prediction]], true: Mapping[str, str], labels: int, weights: Weights
) -> list[Measure]:
    """Share of pictures whose label is among the first k, for the k that the result goes down to."""
    depth = min((len(predicted[path]) for path in true if predicted[path]), default=0)
    if not 2 <= depth < labels:
        return []
    right = [label in {one.label for one in predicted[path][:depth]} for path, label in true.items()]
    return [weighted_share(f"top{depth}_accuracy", weights, np.array(right))]


class LabelSums(NamedTuple):
    """Weights, and their squares, of the pictures of which a label is true or predicted or both."""

    true: float = 0.0
    true_squares: float = 0.0
    predicted: float = 0.0
    predicted_squares: float = 0.0
    both: float = 0.0
    support: int = 0


def chosen_labels(predictions: Sequence[Prediction], *, several: bool) -> set[str]:
    """What counts as predicted: the best label; where several may be true, all that reach the threshold."""
    if several:
        return {one.label for one in predictions if one.score is None or one.score >= THRESHOLD}
    return {predictions[0].label if predictions else NO_LABEL}


def label_sums(
    known: Sequence[Collection[str]], chosen: Sequence[Collection[str]], weights: Weights
) -> dict[str, LabelSums]:
    """Label → its sums, from the labels of each picture that are true, and those that are predicted."""
    sums: dict[str, LabelSums] = {}
    for true, predicted, weight in zip(known, chosen, weights.tolist(), strict=True):
        for label in {*true, *predicted}:
            is_true, is_predicted = label in true, label in predicted
            added = LabelSums(weight * is_true, weight**2 * is_true, weight * is_predicted, weight**2 * is_predicted,
                          weight * (is_true and is_predicted), int(is_true))  # fmt: skip
            before = sums.get(label, LabelSums())
            sums[label] = LabelSums._make(one + other for one, other in zip(before, added, strict=True))
    return dict(sorted(sums.items()))


def _by_label(sums: Mapping[str, LabelSums]) -> list[Measure]:
    """Of each label precision, recall, F1 and how often it is true; 0 where there is nothing to divide by."""
    measures = []
    for label, one in sorted(sums.items(), key=lambda one: not one[1].support):
        either = one.true + one.predicted
        measures += [
            part("precision", one.both, one.predicted, one.predicted_squares, label),
            part("recall", one.both, one.true, one.true_squares, label),
            Measure(measure="f1", label=label, value=2 * one.both / either if either else 0.0),
            Measure(measure="support", label=label, value=float(one.support)),
        ]
    return measures


def _reliability(
    best: Mapping[str, Prediction], true: Mapping[str, str], weights: Weights
) -> tuple[tuple[float, float, int, float], ...]:
    """Of each bin of scores: their mean, the share that is right, how many pictures, for how many they stand.

    Empty where a label has no score.
    """
    if any(best[path].score is None and best[path].label != NO_LABEL for path in true):
        return ()
    has_score = np.array([best[path].score is not None for path in true])
    scores = np.array([best[path].score for path in true if best[path].score is not None], dtype=np.float64)
    right = np.array([best[path].label == true[path] for path in true])[has_score]
    weights, bins = weights[has_score], np.searchsorted(np.linspace(0, 1, BINS + 1)[1:], scores, side="left")
    inside = [bins == number for number in range(BINS) if (bins == number).any()]
    return tuple(
        (float(np.average(scores[one], weights=weights[one])), float(np.average(right[one], weights=weights[one])),
         int(one.sum()), float(weights[one].sum()))
        for one in inside
    )  # fmt: skip


def _several(
    predicted: Mapping[str, Sequence[Prediction]], true: Mapping[str, Sequence[str]], judged: Sequence[str],
    missing: tuple[str, ...], weights: Weights,
) -> Evaluation:  # fmt: skip
    """Every label on its own: predicted where its score reaches the threshold."""
    chosen = [chosen_labels(predicted[path], several=True) for path in judged]
    known = [set(true[path]) for path in judged]
    sums = {one.label: LabelSums() for path in judged for one in predicted[path]} | label_sums(known, chosen, weights)
    both = sum(one.both for one in sums.values())
    either = sum(one.true + one.predicted for one in sums.values())
    f1 = [2 * one.both / (one.true + one.predicted) for one in sums.values() if one.true + one.predicted]
    same = np.array([one == other for one, other in zip(known, chosen, strict=True)])
    measures = (
        *_counted(len(judged), missing),
        weighted_share("exact_match", weights, same),
        Measure(measure="f1_micro", value=2 * both / either if either else 0.0),
        Measure(measure="f1_macro", value=float(np.mean(f1)) if f1 else 0.0),
        *_by_label(dict(sorted(sums.items()))),
    )
    return Evaluation(measures=measures, labels=tuple(sorted(sums)), missing=missing)
