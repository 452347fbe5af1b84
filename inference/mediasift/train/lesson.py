"""What labelled pictures teach, how good that is on pictures it has not seen, and what makes that doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mediasift.evaluate.labels import Evaluation, Measure, Mistake, Prediction, measure_labels
from mediasift.evaluate.report import measure_rows
from mediasift.sources.labelled import Labelled
from mediasift.train.learning import (
    Examples,
    Floats,
    Head,
    calibrated,
    cross_validate,
    expected,
    fit,
    learning_curve,
    scores,
    splits,
    unlearnt,
)
from mediasift.train.pictures import label_counts

PARTS = 5
"""One of so many is held out."""
FEW = 10
"""Pictures of a label below which its figures are not to be trusted."""
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What was learnt.

    Attributes:
        head: Of all pictures, calibrated.
        measures: How good such heads are on pictures that they had not seen.
        warnings: What makes that doubtful, a sentence each.
        mistakes: Of cross-validation, the surest first; none with several labels a picture.
    """

    head: Head
    measures: tuple[Measure, ...]
    warnings: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def learn(labelled: Labelled, examples: Examples, *, balanced: bool, seed: int) -> Lesson:
    """The head that all pictures teach, and how good such heads are on pictures that they have not seen."""
    known, held_out = splits(examples, PARTS, seed)[0]
    part = examples.taken(known)
    strengths, _, temperatures = cross_validate(part, balanced=balanced, seed=seed)
    first = calibrated(fit(part, np.arange(len(known)), strengths, balanced=balanced), temperatures)
    tested = _measured(labelled, examples, held_out, first.sums(examples.vectors[held_out, 0]), seed)

    strengths, unseen, temperatures = cross_validate(examples, balanced=balanced, seed=seed)
    every = np.arange(len(examples.vectors))
    head = calibrated(fit(examples, every, strengths, balanced=balanced), temperatures)
    widths = [1 if count == 2 else count for _, count in examples.questions]
    validated = _measured(labelled, examples, every, unseen / np.repeat(temperatures, widths), seed)
    curve = learning_curve(examples, strengths, balanced=balanced, seed=seed)
    twice = expected(curve, 2 * len(every))
    measures = [
        *(replace(one, measure=f"held_out_{one.measure}") for one in measure_rows(tested)),
        *(replace(one, measure=f"cross_validated_{one.measure}") for one in measure_rows(validated)),
        *(Measure(measure=f"accuracy_with_{count}_pictures", value=round(share, 4)) for count, share in curve),
        Measure(measure=f"accuracy_expected_with_{2 * len(every)}_pictures", value=round(twice, 4)),
    ]
    return Lesson(
        head=head, measures=tuple(measures), mistakes=validated.mistakes,
        warnings=tuple(_about_chance(labelled, examples, unseen, temperatures)),
    )  # fmt: skip


def _measured(labelled: Labelled, examples: Examples, rows: NDArray[np.int64], sums: Floats, seed: int) -> Evaluation:
    """As `mediasift evaluate` measures a table of these scores."""
    predictions, true = {}, {}
    for row, each in zip(rows.tolist(), scores(sums, examples.kind), strict=True):
        path = str(labelled.files[row])
        order = np.argsort(-each, kind="stable")
        predictions[path] = [Prediction(label=labelled.classes[at], score=float(each[at])) for at in order]
        true[path] = labelled.labels[row]
    return measure_labels(predictions, true, several=examples.kind == "multilabel", seed=seed)


def about_pictures(labelled: Labelled, left_out: Sequence[str], same: Sequence[Sequence[int]]) -> list[str]:
    """What is doubtful about the pictures, a sentence each."""
    found = []
    if left_out:
        listed = "; ".join(left_out[:_NAMED]) + ("; ..." if len(left_out) > _NAMED else "")
        found.append(f"pictures that cannot be read were left out, {len(left_out)} of them: {listed}")
    for label, count in label_counts(labelled).items():
        if count < FEW:
            found.append(f"only {count} pictures of {label!r}: its figures are rough; {FEW} or more are better")
    if same:
        first = " and ".join(str(labelled.files[position]) for position in same[0][:2])
        found.append(
            f"{sum(map(len, same))} pictures are near duplicates of others (such as {first}). Near duplicates on both "
            "sides of a split make figures too good: each group was kept on one side. mediasift duplicates lists them"
        )
    for members in same:
        answers = {tuple(sorted(labelled.labels[position])) for position in members}
        if len(answers) > 1:
            listed = ", ".join(
                f"{labelled.files[position]} ({'|'.join(labelled.labels[position]) or 'no label'})"
                for position in members[:_NAMED]
            )
            found.append(f"pictures that are nearly the same have different labels: {listed}")
    return found


def _about_chance(labelled: Labelled, examples: Examples, sums: Floats, temperatures: Sequence[float]) -> list[str]:
    numbers = list(unlearnt(examples, sums, temperatures))
    if not numbers:
        return []
    names = [labelled.classes[number] for number in numbers] if examples.kind == "multilabel" else labelled.classes
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    text = (
        f"unseen pictures get no better answers than guessing by how frequent the labels are: {listed}. Look whether "
        "the labels can be seen in the pictures, and whether paths and labels belong together"
    )
    return [text]
