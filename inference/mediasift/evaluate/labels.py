"""Predicted and true labels → measures. Pure: no files, no models.

Formulas: accuracy, precision, recall, F1 and Cohen's kappa as in scikit-learn (the tests compare); expected
calibration error with 15 equal bins, open below and closed above, as in Guo et al., "On Calibration of Modern Neural
Networks", 2017. Intervals are Wilson's (1927) for shares of pictures, else percentiles of a bootstrap over pictures
(Efron and Tibshirani, 1993).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError
from mediasift.rows import Row

BINS = 15
RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
"""Percentiles: a 95 % interval."""
Z = 1.959963984540054
"""The same of a normal distribution."""
THRESHOLD = 0.5
"""Where pictures may have several labels, those of at least this score are predicted."""
NO_LABEL = "(no label)"
"""What is predicted for a picture in which no label reached the minimum."""

Counts = NDArray[np.int64]


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
    """

    shared: ClassVar[tuple[str, ...]] = ()

    measure: str | None = None
    label: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    undefined: int | None = None


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
) -> Evaluation:
    """How well predictions agree with what is true.

    Args:
        predicted: Path → the labels that the model gave it, best first; none where no label reached its minimum.
        true: Path → its true label; several, or none, where pictures may have several.
        several: Every label counts on its own, even if no picture happens to have several.
        seed: Of the bootstrap.

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
    if several:
        return _several(predicted, true, judged, missing)
    return _single(predicted, {path: true[path][0] for path in judged}, missing, np.random.default_rng(seed))


def _single(
    predicted: Mapping[str, Sequence[Prediction]], true: Mapping[str, str], missing: tuple[str, ...],
    rng: np.random.Generator,
) -> Evaluation:  # fmt: skip
    best = {path: predicted[path][0] if predicted[path] else Prediction(label=NO_LABEL) for path in true}
    labels = tuple(sorted({*true.values(), *(one.label for one in best.values())}))
    place = {label: number for number, label in enumerate(labels)}
    pairs = np.array([(place[label], place[best[path].label]) for path, label in true.items()])
    confusion = _confusion(pairs, len(labels))
    reliability = _reliability(best, true)
    measures = [
        *_counted(len(true), missing),
        Measure(measure="no_label", value=sum(not predicted[path] for path in true)),
        share("accuracy", int(np.trace(confusion)), len(true)),
        *_bootstrapped(pairs, len(labels), rng),
        *_top_k(predicted, true, len(labels)),
    ]
    if reliability:
        total = sum(count for *_, count in reliability)
        off = sum(abs(score - right) * count for score, right, count in reliability) / total
        measures.append(Measure(measure="expected_calibration_error", value=off))
    counts = zip(np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0), strict=True)
    mistakes = [
        Mistake(path=path, true=label, predicted=best[path].label, score=best[path].score)
        for path, label in true.items()
        if best[path].label != label
    ]
    mistakes.sort(key=lambda mistake: -(mistake.score or 0.0))
    return Evaluation(
        measures=(*measures, *_by_label(dict(zip(labels, counts, strict=True)))), labels=labels, confusion=confusion,
        reliability=reliability, mistakes=tuple(mistakes), missing=missing,
    )  # fmt: skip


def _counted(pictures: int, missing: Sequence[str]) -> list[Measure]:
    return [Measure(measure="pictures", value=pictures), Measure(measure="missing", value=len(missing))]


def _confusion(pairs: Counts, size: int) -> Counts:
    """int64 (size, size): how often each (true, predicted) occurs."""
    return np.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size * size).reshape(size, size)


def share(name: str, hits: int, count: int, label: str = "") -> Measure:
    """A share with Wilson's interval, which is none too narrow where all are right; 0 of 0 is 0, without interval."""
    if not count:
        return Measure(measure=name, label=label, value=0.0)
    rate, spread = hits / count, Z**2 / count
    middle, half = rate + spread / 2, Z * np.sqrt(rate * (1 - rate) / count + spread / (4 * count))
    low, high = ((middle + sign * half) / (1 + spread) for sign in (-1, 1))
    return Measure(measure=name, label=label, value=rate, low=max(0.0, float(low)), high=min(1.0, float(high)))


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
    return float("nan") if chance == 1 else (float(np.trace(confusion) / total) - chance) / (1 - chance)


_SUMMARIES: dict[str, Callable[[Counts], float]] = {"f1_macro": f1_macro, "kappa": kappa}


def _bootstrapped(pairs: Counts, size: int, rng: np.random.Generator) -> list[Measure]:
    drawn = [_confusion(pairs[rng.integers(0, len(pairs), len(pairs))], size) for _ in range(RESAMPLES)]
    measures = []
    for name, summary in _SUMMARIES.items():
        value = summary(_confusion(pairs, size))
        samples = np.array([summary(confusion) for confusion in drawn])
        defined = samples[np.isfinite(samples)]
        is_interval = np.isfinite(value) and defined.size and np.ptp(defined) > 0
        low, high = map(float, np.percentile(defined, INTERVAL)) if is_interval else (None, None)
        measures.append(Measure(measure=name, value=value if np.isfinite(value) else None, low=low, high=high,
                                undefined=RESAMPLES - defined.size))  # fmt: skip
    return measures


def _top_k(predicted: Mapping[str, Sequence[Prediction]], true: Mapping[str, str], labels: int) -> list[Measure]:
    """Share of pictures whose label is among the first k, for the k that the result goes down to."""
    depth = min((len(predicted[path]) for path in true if predicted[path]), default=0)
    if not 2 <= depth < labels:
        return []
    right = sum(label in {one.label for one in predicted[path][:depth]} for path, label in true.items())
    return [share(f"top{depth}_accuracy", right, len(true))]


def _by_label(counts: Mapping[str, tuple[int, int, int]]) -> list[Measure]:
    """Of each label precision, recall, F1 and how often it is true; 0 where there is nothing to divide by.

    Args:
        counts: Label → how often it is predicted rightly, is true, is predicted.
    """
    measures = []
    for label, (hits, true, predicted) in sorted(counts.items(), key=lambda one: not one[1][1]):
        f1 = 2 * int(hits) / int(true + predicted) if true + predicted else 0.0
        measures += [
            share("precision", int(hits), int(predicted), label),
            share("recall", int(hits), int(true), label),
            Measure(measure="f1", label=label, value=f1),
            Measure(measure="support", label=label, value=float(true)),
        ]
    return measures


def _reliability(best: Mapping[str, Prediction], true: Mapping[str, str]) -> tuple[tuple[float, float, int], ...]:
    """Of each bin of scores: their mean, the share that is right, how many; empty where a label has no score."""
    if any(best[path].score is None and best[path].label != NO_LABEL for path in true):
        return ()
    scored = [path for path in true if best[path].score is not None]
    scores = np.array([best[path].score for path in scored], dtype=np.float64)
    right = np.array([best[path].label == true[path] for path in scored])
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:], scores, side="left")
    return tuple(
        (float(scores[bins == number].mean()), float(right[bins == number].mean()), int((bins == number).sum()))
        for number in range(BINS)
        if (bins == number).any()
    )


def _several(
    predicted: Mapping[str, Sequence[Prediction]],
    true: Mapping[str, Sequence[str]],
    judged: Sequence[str],
    missing: tuple[str, ...],
) -> Evaluation:
    """Every label on its own: predicted where its score reaches the threshold."""
    chosen = {path: {s.label for s in predicted[path] if s.score is None or s.score >= THRESHOLD} for path in judged}
    was = Counter(label for path in judged for label in set(true[path]))
    given = Counter(label for path in judged for label in chosen[path])
    hits = Counter(label for path in judged for label in chosen[path].intersection(true[path]))
    labels = tuple(sorted(was.keys() | {one.label for path in judged for one in predicted[path]}))
    f1 = [2 * hits[label] / (was[label] + given[label]) for label in labels if was[label] + given[label]]
    both = was.total() + given.total()
    measures = (
        *_counted(len(judged), missing),
        share("exact_match", sum(chosen[path] == set(true[path]) for path in judged), len(judged)),
        Measure(measure="f1_micro", value=2 * hits.total() / both if both else 0.0),
        Measure(measure="f1_macro", value=float(np.mean(f1)) if f1 else 0.0),
        *_by_label({label: (hits[label], was[label], given[label]) for label in labels}),
    )
    return Evaluation(measures=measures, labels=labels, missing=missing)
