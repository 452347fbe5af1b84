"""The head: logistic regression on embeddings, its strength cross-validated, its scores calibrated.

Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", 2017; targets as in Platt, "Probabilistic
Outputs for Support Vector Machines", 1999, so that a perfect fit does not become an infinite one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import Kind
from mediasift.system.optional import require

STRENGTHS = tuple(float(c) for c in np.logspace(-5, 2, 8))
"""Candidates for C, the inverse strength of the regularisation, of scikit-learn's LogisticRegression."""
FOLDS = 5
TEMPERATURES = np.logspace(-1, 1, 181)
SHARES = (0.25, 0.5, 1.0)
"""Of the pictures to learn from, for the learning curve."""
REPEATS = 3
"""Draws of each smaller share."""
_NEVER = -20.0
"""The sum of a label that no picture to learn from has."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Pictures whose labels are known.

    Attributes:
        vectors: float32 (N, copies, D): of each picture its embedding, then those of its altered copies.
        targets: bool (N, labels).
        groups: int64 (N,): pictures that are nearly the same have one number.
        kind: Whether one label of many is true, one of two, or each on its own.
    """

    vectors: NDArray[np.float32]
    targets: NDArray[np.bool_]
    groups: Rows
    kind: Kind

    @property
    def questions(self) -> list[tuple[Rows, int]]:
        """What is asked of a picture: (answers (N,), how many there are to choose from)."""
        if self.kind == "single":
            return [(self.targets.argmax(axis=1), self.targets.shape[1])]
        columns = self.targets.T[1:] if self.kind == "binary" else self.targets.T
        return [(column.astype(np.int64), 2) for column in columns]

    def taken(self, rows: Rows) -> Examples:
        """Some of them."""
        return Examples(
            vectors=self.vectors[rows], targets=self.targets[rows], groups=self.groups[rows], kind=self.kind
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """sums = embedding · weights + bias; a softmax, or a sigmoid of each, makes scores of them.

    Attributes:
        weights: float64 (D, columns): of a question with two answers one column, else one for each label.
        bias: float64 (columns,).
        strengths: The C of each question.
        temperatures: What calibration divided the sums by, for each question.
    """

    weights: Floats
    bias: Floats
    strengths: tuple[float, ...] = ()
    temperatures: tuple[float, ...] = ()

    def sums(self, vectors: NDArray[np.float32]) -> Floats:
        """float64 (N, columns) of embeddings (N, D)."""
        return vectors.astype(np.float64) @ self.weights + self.bias


def scores(sums: Floats, kind: Kind) -> Floats:
    """Probabilities of each label, float64 (N, labels)."""
    if kind == "single":
        raised = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))
    each = 0.5 * (1 + np.tanh(sums / 2))
    return np.concatenate([1 - each, each], axis=1) if kind == "binary" else each


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra in one thread: the same numbers whatever the cores, and small problems do not wait for others."""
    limits: AbstractContextManager[Any] = require("threadpoolctl", extra="train").threadpool_limits(1)
    return limits


class _Fitter:
    """Pictures to learn from, scaled once for all strengths and questions.

    All numbers of the embedding by one factor: to scale each by its own deviation blows up those that hardly vary. On
    ants and bees that costs 15 points of accuracy with 5 pictures of each, 2 with 20 and 1 with 98.
    """

    def __init__(self, examples: Examples, rows: Rows, *, balanced: bool) -> None:
        vectors = examples.vectors[rows]
        self.copies = vectors.shape[1]
        flat = vectors.reshape(-1, vectors.shape[2]).astype(np.float64)
        self.mean = flat.mean(axis=0)
        self.factor = 1 / max(float(np.sqrt(flat.var(axis=0).mean())), 1e-12)
        self.scaled, self.balanced = (flat - self.mean) * self.factor, balanced

    def fit(self, answers: Rows, count: int, strength: float) -> tuple[Floats, Floats]:
        """Weights (D, columns) and bias of one question, for embeddings as they are."""
        columns = 1 if count == 2 else count
        known = np.unique(answers)
        weights, bias = np.zeros((self.scaled.shape[1], columns)), np.full(columns, _NEVER)
        if len(known) == 1:
            bias[0 if count == 2 else known[0]] = 0.0 if count > 2 else (-_NEVER if known[0] else _NEVER)
            return weights, bias
        model: Any = require("sklearn.linear_model", extra="train").LogisticRegression(
            C=strength, max_iter=5000, class_weight="balanced" if self.balanced else None
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes")  # that labels have one or two pictures
            model.fit(self.scaled, np.repeat(answers, self.copies), np.full(len(self.scaled), 1 / self.copies))
        slopes = model.coef_ * self.factor
        shift = model.intercept_ - slopes @ self.mean
        if count > 2 and len(known) == 2:  # of two labels scikit-learn gives one number
            slopes, shift = np.concatenate([-slopes, slopes]) / 2, np.array([-shift[0], shift[0]]) / 2
        places = [0] if count == 2 else known
        weights[:, places], bias[places] = slopes.T, shift
        return weights, bias


def rarest_labels(examples: Examples) -> Rows:
    """Of each picture the number of its rarest label, -1 where it has none."""
    by_label = examples.targets.sum(axis=0)
    rarest = np.where(examples.targets, by_label, len(examples.targets) + 1).argmin(axis=1)
    return np.where(examples.targets.any(axis=1), rarest, -1)


def can_split(examples: Examples, count: int) -> bool:
    """Whether any label has so many different pictures that each part gets one."""
    labels = rarest_labels(examples)
    return any(len(np.unique(examples.groups[labels == label])) >= count for label in np.unique(labels))


def splits(examples: Examples, count: int, seed: int) -> list[tuple[Rows, Rows]]:
    """(rows to learn from, rows to test on), `count` times; labels are shared out alike, groups are kept together."""
    labels = rarest_labels(examples)
    selection = require("sklearn.model_selection", extra="train")
    alone = len(np.unique(examples.groups)) == len(examples.groups)
    kind = selection.StratifiedKFold if alone else selection.StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a label has fewer pictures than there are parts
        parts = kind(count, shuffle=True, random_state=seed).split(examples.vectors[:, 0], labels, examples.groups)
        return [(np.asarray(train), np.asarray(test)) for train, test in parts if len(train) and len(test)]


def folds_of(examples: Examples) -> int:
    """How many parts the rarest label can be shared out to, at most `FOLDS`."""
    counts = [len(np.unique(examples.groups[column])) for column in examples.targets.T]
    return max(2, min(FOLDS, *counts))


def cross_validate(
    examples: Examples, *, balanced: bool, seed: int
) -> tuple[tuple[float, ...], Floats, tuple[float, ...]]:
    """The strengths that give unseen pictures the best scores; their sums (N, columns), uncalibrated; temperatures."""
    questions = examples.questions
    sums = [np.zeros((len(STRENGTHS), len(a), 1 if count == 2 else count)) for a, count in questions]
    for train, test in splits(examples, folds_of(examples), seed):
        fitter = _Fitter(examples, train, balanced=balanced)
        unseen = examples.vectors[test, 0].astype(np.float64)
        for (answers, count), sums_of in zip(questions, sums, strict=True):
            for number, strength in enumerate(STRENGTHS):
                weights, bias = fitter.fit(answers[train], count, strength)
                sums_of[number, test] = unseen @ weights + bias
    best = [
        int(np.argmin([_loss(one, answers, count).mean() for one in sums_of]))
        for (answers, count), sums_of in zip(questions, sums, strict=True)
    ]
    chosen = [sums_of[number] for sums_of, number in zip(sums, best, strict=True)]
    temperatures = [_temperature(one, answers, count) for (answers, count), one in zip(questions, chosen, strict=True)]
    return tuple(STRENGTHS[number] for number in best), np.concatenate(chosen, axis=1), tuple(temperatures)


def _losses(sums: Floats, count: int) -> Floats:
    """Negative log-likelihood of each answer, (N, count)."""
    if count == 2:
        return np.asarray(np.logaddexp(0, sums * np.array([1.0, -1.0])))
    return np.asarray(np.logaddexp.reduce(sums, axis=1, keepdims=True) - sums)


def _loss(sums: Floats, answers: Rows, count: int) -> Floats:
    """Negative log-likelihood of each picture's answer, (N,)."""
    return np.asarray(_losses(sums, count)[np.arange(len(sums)), answers])


def _temperature(sums: Floats, answers: Rows, count: int) -> float:
    """What the sums must be divided by, so that scores are as often right as they say."""
    counts = np.bincount(answers, minlength=count)
    smoothed = (np.eye(count) * counts[:, None] + 1) / (counts[:, None] + count)  # of each answer: the target's shares
    best, least = 1.0, np.inf
    for temperature in TEMPERATURES:
        loss = float((smoothed[answers] * _losses(sums / temperature, count)).sum())
        if loss < least:
            best, least = float(temperature), loss
    return best


def fit(examples: Examples, rows: Rows, strengths: Sequence[float], *, balanced: bool) -> Head:
    """The head of these pictures, not calibrated."""
    fitter = _Fitter(examples, rows, balanced=balanced)
    parts = [
        fitter.fit(answers[rows], count, strength)
        for (answers, count), strength in zip(examples.questions, strengths, strict=True)
    ]
    return Head(
        weights=np.concatenate([weights for weights, _ in parts], axis=1),
        bias=np.concatenate([bias for _, bias in parts]),
        strengths=tuple(strengths),
    )


def calibrated(head: Head, temperatures: Sequence[float]) -> Head:
    """The head whose sums are divided by the temperature of each question."""
    each = np.repeat(np.array(temperatures), head.weights.shape[1] // len(temperatures))
    return Head(
        weights=head.weights / each, bias=head.bias / each, strengths=head.strengths, temperatures=tuple(temperatures)
    )


def right(sums: Floats, targets: NDArray[np.bool_], kind: Kind) -> Floats:
    """Of each picture 1 if the best label is true, else 0; of several labels the share that is answered rightly."""
    if kind == "multilabel":
        return np.asarray(((sums > 0) == targets).mean(axis=1))
    return np.asarray(targets[np.arange(len(targets)), scores(sums, kind).argmax(axis=1)].astype(np.float64))


def unlearnt(examples: Examples, sums: Floats, temperatures: Sequence[float]) -> Iterator[int]:
    """The questions that unseen pictures answer no better than the labels' frequencies do (two standard errors)."""
    at = 0
    for number, ((answers, count), temperature) in enumerate(zip(examples.questions, temperatures, strict=True)):
        columns = 1 if count == 2 else count
        shares = np.bincount(answers, minlength=count) / len(answers)
        gain = -np.log(shares[answers]) - _loss(sums[:, at : at + columns] / temperature, answers, count)
        at += columns
        if gain.mean() <= 2 * gain.std(ddof=1) / np.sqrt(len(gain)):
            yield number


def learning_curve(
    examples: Examples, strengths: Sequence[float], *, balanced: bool, seed: int
) -> list[tuple[int, float]]:
    """(pictures to learn from, share of right answers on others) for a quarter, a half and all of them."""
    rng = np.random.default_rng(seed)
    answered: dict[float, list[tuple[int, float]]] = {share: [] for share in SHARES}
    for train, test in splits(examples, folds_of(examples), seed):
        for share in SHARES:
            for _ in range(1 if share == 1 else REPEATS):
                rows = train if share == 1 else _drawn(examples, train, share, rng)
                sums = fit(examples, rows, strengths, balanced=balanced).sums(examples.vectors[test, 0])
                answered[share] += [(len(rows), one) for one in right(sums, examples.targets[test], examples.kind)]
    means = [np.mean(answered[share], axis=0) for share in SHARES]
    # Of few pictures a quarter may be as many as a half: one is kept of each at least.
    return list({round(count): float(share) for count, share in means}.items())


def _drawn(examples: Examples, rows: Rows, share: float, rng: np.random.Generator) -> Rows:
    """This share of the rows, of each label alike, one at least."""
    shuffled = rng.permutation(rows)
    keys = examples.targets[shuffled] @ (1 << np.arange(examples.targets.shape[1], dtype=object))
    groups: dict[Any, list[int]] = {}
    for row, key in zip(shuffled.tolist(), keys, strict=True):
        groups.setdefault(key, []).append(row)
    kept = [row for members in groups.values() for row in members[: max(1, round(len(members) * share))]]
    return np.array(sorted(kept))


def expected(curve: Sequence[tuple[int, float]], pictures: int) -> float:
    """Share of right answers with so many pictures: errors fall as a power of the number (a line of logarithms)."""
    counts = np.array([count for count, _ in curve], dtype=np.float64)
    errors = np.maximum(1 - np.array([share for _, share in curve]), 0.5 / counts[-1])
    slope, start = np.polyfit(np.log(counts), np.log(errors), 1) if len(set(counts)) > 1 else (0.0, np.log(errors[-1]))
    error = float(np.exp(start + slope * np.log(pictures)))
    return max(1 - error, curve[-1][1])
