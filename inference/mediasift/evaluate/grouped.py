"""Whether a classifier is as good in every group: on each newspaper, in each year."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mediasift.evaluate.labels import Measure, Prediction, chosen_labels, label_sums, part, weighted_share

EMPTY = "(empty)"
"""The group of pictures whose cell is empty."""

FEW = 10
"""Pictures below which a group says next to nothing."""


def group_measures(
    predicted: Mapping[str, Sequence[Prediction]], true: Mapping[str, Sequence[str]], groups: Mapping[str, str], *,
    several: bool, weights: Mapping[str, float] | None = None,
) -> list[Measure]:  # fmt: skip
    """Of each group how many are right, how far that is from all other groups, and precision and recall of each label.

    What has nothing to divide by is empty, with a note.

    Args:
        predicted, true, several, weights: As for `labels.measure_labels`.
        groups: Path → its group.
    """
    judged = [path for path in true if path in predicted]
    of = np.array([groups.get(path) or EMPTY for path in judged])
    each = np.array([1.0 if weights is None else weights[path] for path in judged])
    known = [set(true[path]) for path in judged]
    chosen = [chosen_labels(predicted[path], several=several) for path in judged]
    right = np.array([one == other for one, other in zip(known, chosen, strict=True)])
    name = "exact_match" if several else "accuracy"
    measures: list[Measure] = []
    for group in sorted(set(of.tolist())):
        inside = of == group
        own = [number for number, is_inside in enumerate(inside.tolist()) if is_inside]
        here = weighted_share(name, each[inside], right[inside])
        rows = [Measure(measure="pictures", value=len(own)), here]
        if len(own) < len(judged):
            rows.append(_difference(here, weighted_share(name, each[~inside], right[~inside])))
        rows += _labels([known[at] for at in own], [chosen[at] for at in own], each[inside])
        note = f"{len(own)} pictures: too few to compare" if len(own) < FEW else ""
        measures += [replace(row, group=group, note="; ".join(filter(None, (row.note, note)))) for row in rows]
    return measures


def _difference(here: Measure, elsewhere: Measure) -> Measure:
    """Of two independent shares, with Newcombe's interval (1998, method 10), made of theirs."""
    numbers = [one or 0.0 for one in (here.value, here.low, here.high, elsewhere.value, elsewhere.low, elsewhere.high)]
    value, low, high, other, other_low, other_high = numbers
    off = value - other
    return Measure(
        measure=f"{here.measure}_difference", value=off,
        low=off - math.hypot(value - low, other_high - other), high=off + math.hypot(high - value, other - other_low),
        note="to all other groups together",
    )  # fmt: skip


def _labels(
    known: Sequence[set[str]], chosen: Sequence[set[str]], weights: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Iterator[Measure]:
    for label, one in label_sums(known, chosen, weights).items():
        for name, total, squares, without in (
            ("precision", one.predicted, one.predicted_squares, "never predicted in this group"),
            ("recall", one.true, one.true_squares, "never true in this group"),
        ):
            if total:
                yield part(name, one.both, total, squares, label)
            else:
                yield Measure(measure=name, label=label, note=without)
        yield Measure(measure="support", label=label, value=float(one.support))
