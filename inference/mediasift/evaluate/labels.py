"""Labels said and labels true → measures. Pure: no files, no models.

Formulas: accuracy, precision, recall, F1 and Cohen's kappa as in scikit-learn (the tests compare); expected
calibration error with 15 equal bins as in Guo et al., "On Calibration of Modern Neural Networks", 2017; intervals are
percentiles of a bootstrap over pictures (Efron and Tibshirani, 1993).
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
THRESHOLD = 0.5
"""Where pictures may have several labels, those of at least this score are said."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One label that a model gave a picture; of a table without scores, `score` is None."""

    label: str
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Row):
    """One number of an evaluation; about no file.

    Attributes:
        measure: Its name.
        label: Of which label; empty for all together.
        value: The number.
        low, high: A 95 % interval where there is one.
    """

    shared: ClassVar[tuple[str, ...]] = ()

    measure: str | None = None
    label: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake(Row):
    """A picture with another label than the true one, and how sure the model was."""

    shared: ClassVar[tuple[str, ...]] = ("path",)

    true: str | None = None
    said: str | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came out.

    Attributes:
        measures: All numbers, in the order in which they are shown.
        labels: Sorted; rows and columns of `confusion`.
        confusion: int64 (labels, labels), rows are true, columns said; None with several labels per picture.
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
    said: Mapping[str, Sequence[Said]], true: Mapping[str, Sequence[str]], *, seed: int = 0
) -> Evaluation:
    """How well what was said agrees with what is true.

    Args:
        said: Path → the labels that the model gave it, best first.
        true: Path → its true label; several, or none, where pictures may have several.
        seed: Of the bootstrap.

    Raises:
        InputError: No path is in both; or a picture has no true label, though none has several.
    """
    if all(len(labels) <= 1 for labels in true.values()) and (bare := [path for path in true if not true[path]]):
        raise InputError(f"{bare[0]} has no label in the reference; fill it in, or take its row out")
    judged = [path for path in true if said.get(path)]
    if not judged:
        raise InputError(
            f"no path is in both tables: the result has {next(iter(said), 'nothing')!r}, the reference "
            f"{next(iter(true), 'nothing')!r}; they must be written alike"
        )
    missing = tuple(path for path in true if not said.get(path))
    if any(len(labels) != 1 for labels in true.values()):
        return _several(said, true, judged, missing)
    return _single(said, {path: true[path][0] for path in judged}, missing, np.random.default_rng(seed))


def _single(
    said: Mapping[str, Sequence[Said]], true: Mapping[str, str], missing: tuple[str, ...], rng: np.random.Generator
) -> Evaluation:
    best = {path: said[path][0] for path in true}
    labels = tuple(sorted({*true.values(), *(one.label for one in best.values())}))
    place = {label: number for number, label in enumerate(labels)}
    pairs = np.array([(place[label], place[best[path].label]) for path, label in true.items()])
    confusion = _confusion(pairs, len(labels))
    reliability = _reliability(best, true)
    measures = [
        Measure(measure="pictures", value=len(true)),
        Measure(measure="missing", value=len(missing)),
        *_with_intervals(pairs, len(labels), rng),
        *_top_k(said, true, len(labels)),
    ]
    if reliability:
        off = sum(abs(score - right) * count for score, right, count in reliability) / len(true)
        measures.append(Measure(measure="expected_calibration_error", value=off))
    for label, *counts in zip(labels, np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0), strict=True):
        measures += _four(label, *map(int, counts))
    mistakes = [
        Mistake(path=path, true=label, said=best[path].label, score=best[path].score)
        for path, label in true.items()
        if best[path].label != label
    ]
    mistakes.sort(key=lambda mistake: -(mistake.score or 0.0))
    return Evaluation(
        measures=tuple(measures), labels=labels, confusion=confusion, reliability=reliability,
        mistakes=tuple(mistakes), missing=missing,
    )  # fmt: skip


def _confusion(pairs: Counts, size: int) -> Counts:
    """int64 (size, size): how often each (true, said) occurs."""
    return np.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size * size).reshape(size, size)


def accuracy(confusion: Counts) -> float:
    """Share of the diagonal."""
    return float(np.trace(confusion) / confusion.sum())


def f1_macro(confusion: Counts) -> float:
    """Mean F1 of the labels that occur, true or said."""
    hits, both = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def kappa(confusion: Counts) -> float:
    """Cohen's kappa: agreement beyond what the labels' frequencies give by chance; 0 is chance, 1 is all."""
    total = confusion.sum()
    chance = float((confusion.sum(axis=0) * confusion.sum(axis=1)).sum() / total**2)
    return 1.0 if chance == 1 else (accuracy(confusion) - chance) / (1 - chance)


_SUMMARIES: dict[str, Callable[[Counts], float]] = {"accuracy": accuracy, "f1_macro": f1_macro, "kappa": kappa}


def _with_intervals(pairs: Counts, size: int, rng: np.random.Generator) -> list[Measure]:
    drawn = [_confusion(pairs[rng.integers(0, len(pairs), len(pairs))], size) for _ in range(RESAMPLES)]
    measures = []
    for name, summary in _SUMMARIES.items():
        low, high = np.percentile([summary(confusion) for confusion in drawn], INTERVAL)
        value = summary(_confusion(pairs, size))
        measures.append(Measure(measure=name, value=value, low=float(low), high=float(high)))
    return measures


def _top_k(said: Mapping[str, Sequence[Said]], true: Mapping[str, str], labels: int) -> list[Measure]:
    """Share of pictures whose label is among the first k, for the k that the result goes down to."""
    depth = min(len(said[path]) for path in true)
    if not 2 <= depth < labels:
        return []
    right = [label in {one.label for one in said[path][:depth]} for path, label in true.items()]
    return [Measure(measure=f"top{depth}_accuracy", value=float(np.mean(right)))]


def _four(label: str, hits: int, was: int, said: int) -> list[Measure]:
    """Precision, recall, F1 and how often it is true; 0 where there is nothing to divide by."""
    values = {
        "precision": hits / said if said else 0.0,
        "recall": hits / was if was else 0.0,
        "f1": 2 * hits / (was + said) if was + said else 0.0,
        "support": float(was),
    }
    return [Measure(measure=name, label=label, value=value) for name, value in values.items()]


def _reliability(best: Mapping[str, Said], true: Mapping[str, str]) -> tuple[tuple[float, float, int], ...]:
    """Of each bin of scores: their mean, the share that is right, how many; empty where a score is missing."""
    scores = [best[path].score for path in true]
    if any(score is None for score in scores):
        return ()
    sure = np.array(scores, dtype=np.float64)
    right = np.array([best[path].label == label for path, label in true.items()])
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    return tuple(
        (float(sure[bins == number].mean()), float(right[bins == number].mean()), int((bins == number).sum()))
        for number in range(BINS)
        if (bins == number).any()
    )


def _several(
    said: Mapping[str, Sequence[Said]],
    true: Mapping[str, Sequence[str]],
    judged: Sequence[str],
    missing: tuple[str, ...],
) -> Evaluation:
    """Every label on its own: said where its score reaches the threshold."""
    chosen = {path: {s.label for s in said[path] if s.score is None or s.score >= THRESHOLD} for path in judged}
    was = Counter(label for path in judged for label in set(true[path]))
    predicted = Counter(label for path in judged for label in chosen[path])
    hits = Counter(label for path in judged for label in chosen[path].intersection(true[path]))
    labels = tuple(sorted(was.keys() | {one.label for path in judged for one in said[path]}))
    f1 = [2 * hits[label] / (was[label] + predicted[label]) for label in labels if was[label] + predicted[label]]
    both = was.total() + predicted.total()
    summary = {
        "pictures": len(judged),
        "missing": len(missing),
        "exact_match": float(np.mean([chosen[path] == set(true[path]) for path in judged])),
        "f1_micro": 2 * hits.total() / both if both else 0.0,
        "f1_macro": float(np.mean(f1)) if f1 else 0.0,
    }
    measures = [Measure(measure=name, value=value) for name, value in summary.items()]
    measures += [one for label in labels for one in _four(label, hits[label], was[label], predicted[label])]
    return Evaluation(measures=tuple(measures), labels=labels, missing=missing)
