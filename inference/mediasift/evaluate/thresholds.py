"""From which score on a label reaches a wanted precision or recall, and how much is then kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import UsageError
from mediasift.evaluate.agreement import INTERVAL, RESAMPLES, resamples
from mediasift.evaluate.labels import Measure, Prediction, weighted_share

Numbers = NDArray[np.float64]
Aim = Literal["precision", "recall"]

CHOSEN = "chosen on the same pictures, and therefore flattering: confirm it on others"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """The judged pictures, the highest score first.

    Attributes:
        scores: float64 (N,); those that the label was not given have minus infinity.
        is_true: bool (N,).
        weights: float64 (N,).
        ends: int64: the last picture of each score, as those of one score are kept together.
    """

    scores: Numbers
    is_true: NDArray[np.bool_]
    weights: Numbers
    ends: NDArray[np.int64]


def threshold_measures(
    predicted: Mapping[str, Sequence[Prediction]], true: Mapping[str, Sequence[str]], *,
    wanted: Mapping[Aim, float], weights: Mapping[str, float] | None = None, seed: int = 0,
) -> list[Measure]:  # fmt: skip
    """Of each true label, for each aim: the threshold, precision and recall from it on, and the share that is kept.

    The threshold for a precision is the lowest score from which on it is reached, that for a recall the highest. Its
    interval is by percentiles of a bootstrap over pictures. Kept is counted over all that is predicted, coded or not.

    Args:
        predicted, true, weights, seed: As for `labels.measure_labels`.
        wanted: Aim → what is wanted, above 0 and at most 1.

    Raises:
        UsageError: A prediction has no score.
    """
    if bare := [path for path, given in predicted.items() if any(one.score is None for one in given)]:
        raise UsageError(f"a threshold needs scores, and {bare[0]} has none; use a table with the column score")
    by_path = {path: {one.label: one.score or 0.0 for one in reversed(given)} for path, given in predicted.items()}
    judged = [path for path in true if path in predicted]
    each = np.array([1.0 if weights is None else weights[path] for path in judged])
    measures: list[Measure] = []
    for label in sorted({label for path in judged for label in true[path]}):
        scores = np.array([by_path[path].get(label, -np.inf) for path in judged])
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(order) - 1)
        scored = _Scored(
            scores=ordered, is_true=np.array([label in true[path] for path in judged])[order],
            weights=each[order], ends=ends[np.isfinite(ordered[ends])],
        )  # fmt: skip
        every = np.array([given.get(label, -np.inf) for given in by_path.values()])
        for aim, share in wanted.items():
            measures += [replace(one, label=label) for one in _of_aim(scored, aim, share, every, seed)]
    return measures


def _of_aim(scored: _Scored, aim: Aim, wanted: float, every: Numbers, seed: int) -> Iterator[Measure]:
    name = f"{aim}_{wanted:g}"
    (value,) = _thresholds(scored, aim, wanted, np.ones((1, len(scored.scores))))
    if not np.isfinite(value):
        yield Measure(measure=f"{name}_threshold", note=f"no score reaches a {aim} of {wanted:g}")
        return
    draws = resamples(len(scored.scores), np.random.default_rng(seed))
    drawn = np.concatenate([_thresholds(scored, aim, wanted, counts) for counts in draws])
    defined = drawn[np.isfinite(drawn)]
    low, high = map(float, np.percentile(defined, INTERVAL)) if np.ptp(defined) else (None, None)
    yield Measure(measure=f"{name}_threshold", value=float(value), low=low, high=high,
                  undefined=RESAMPLES - defined.size, note=CHOSEN)  # fmt: skip
    kept = scored.scores >= value
    yield weighted_share(f"{name}_precision", scored.weights[kept], scored.is_true[kept])
    yield weighted_share(f"{name}_recall", scored.weights[scored.is_true], kept[scored.is_true])
    yield Measure(measure=f"{name}_kept", value=float((every >= value).mean()))


def _thresholds(scored: _Scored, aim: Aim, wanted: float, counts: Numbers) -> Numbers:
    """The threshold, float64 (B,), for each line of how often pictures are drawn, (B, N); not a number without one."""
    weights = counts * scored.weights
    kept = np.cumsum(weights, axis=1)[:, scored.ends]
    hits = np.cumsum(weights * scored.is_true, axis=1)
    below = kept if aim == "precision" else np.broadcast_to(hits[:, -1:], kept.shape)
    shares = np.divide(hits[:, scored.ends], below, out=np.full(kept.shape, -1.0), where=below > 0)
    reached = shares >= wanted - 1e-12
    if not reached.size:
        return np.full(len(counts), np.nan)
    first = (
        np.argmax(reached, axis=1) if aim == "recall" else reached.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1)
    )
    return np.where(reached.any(axis=1), scored.scores[scored.ends][first], np.nan)
