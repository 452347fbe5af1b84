"""What labelled pictures teach, how good that is on pictures it has not seen, and what makes that doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    can_split,
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
ENOUGH = 40
"""Pictures from which on a classifier that is right nine times of ten stands out from guessing: of 10 pictures of ants
and bees, some draws do not show what 234 others then do."""
ODD_SHARE = 0.1
"""Of pictures with several labels or none, up to which they may be mistakes in a list of one label each."""
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
    strengths, unseen, temperatures = cross_validate(examples, balanced=balanced, seed=seed)
    every = np.arange(len(examples.vectors))
    head = calibrated(fit(examples, every, strengths, balanced=balanced), temperatures)
    widths = [1 if count == 2 else count for _, count in examples.questions]
    validated = _measured(labelled, examples, every, unseen / np.repeat(temperatures, widths), seed)
    curve = learning_curve(examples, strengths, balanced=balanced, seed=seed)
    twice = expected(curve, 2 * len(every))
    measures = [
        *_held_out(labelled, examples, balanced=balanced, seed=seed),
        *(replace(one, measure=f"cross_validated_{one.measure}") for one in measure_rows(validated)),
        *(Measure(measure=f"accuracy_with_{count}_pictures", value=round(share, 4)) for count, share in curve),
        Measure(measure=f"accuracy_expected_with_{2 * len(every)}_pictures", value=round(twice, 4)),
    ]
    return Lesson(
        head=head, measures=tuple(measures), mistakes=validated.mistakes,
        warnings=tuple(_about_chance(labelled, examples, unseen, temperatures)),
    )  # fmt: skip


def _held_out(labelled: Labelled, examples: Examples, *, balanced: bool, seed: int) -> list[Measure]:
    """Figures of a model that has not seen a fifth of the pictures; none where no label has five to share out."""
    if not can_split(examples, PARTS):
        return []
    known, held_out = splits(examples, PARTS, seed)[0]
    part = examples.taken(known)
    strengths, _, temperatures = cross_validate(part, balanced=balanced, seed=seed)
    head = calibrated(fit(part, np.arange(len(known)), strengths, balanced=balanced), temperatures)
    tested = _measured(labelled, examples, held_out, head.sums(examples.vectors[held_out, 0]), seed)
    return [replace(one, measure=f"held_out_{one.measure}") for one in measure_rows(tested)]


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
    sentences = []
    if left_out:
        listed = "; ".join(left_out[:_NAMED]) + ("; ..." if len(left_out) > _NAMED else "")
        sentences.append(f"pictures that cannot be read were left out, {len(left_out)} of them: {listed}")
    sentences += [*_about_labels(labelled), *_about_numbers_of_labels(labelled)]
    if same:
        first = " and ".join(str(labelled.files[position]) for position in same[0][:2])
        sentences.append(
            f"{sum(map(len, same))} pictures are near duplicates of others (such as {first}). Near duplicates on both "
            "sides of a split make figures too good: each group was kept on one side. mediasift duplicates lists them"
        )
    for members in same:
        answers = {tuple(sorted(labelled.labels[position])) for position in members}
        if len(answers) > 1:
            listed = ", ".join(_with_labels(labelled, position) for position in members[:_NAMED])
            sentences.append(f"pictures that are nearly the same have different labels: {listed}")
    return sentences


def _about_labels(labelled: Labelled) -> Iterator[str]:
    counts = label_counts(labelled)
    few = [label for label, count in counts.items() if count < FEW]
    for label in few[:_NAMED]:
        yield f"only {counts[label]} pictures of {label!r}: its figures are rough; {FEW} or more are better"
    if len(few) > _NAMED:
        yield f"{len(few) - _NAMED} more labels have fewer than {FEW} pictures"
    spellings: dict[str, list[str]] = {}
    for label in labelled.classes:
        spellings.setdefault(" ".join(label.casefold().split()), []).append(label)
    for alike in spellings.values():
        if len(alike) > 1:
            yield (
                f"labels differ in capitals or blanks only: {', '.join(map(repr, alike))}. If they are one, give them "
                "one spelling"
            )


def _about_numbers_of_labels(labelled: Labelled) -> Iterator[str]:
    """Whether single pictures turn a set with one label a picture into one with several: often a slip of the hand."""
    odd = [position for position, labels in enumerate(labelled.labels) if len(labels) != 1]
    if 0 < len(odd) <= ODD_SHARE * len(labelled.files):
        yield (
            f"{len(odd)} of {len(labelled.files)} pictures have several labels or none, such as "
            f"{_with_labels(labelled, odd[0])}. So each label is answered on its own, and a picture may get several or "
            "none. If each picture should have one, mend the list"
        )


def _with_labels(labelled: Labelled, position: int) -> str:
    return f"{labelled.files[position]} ({'|'.join(labelled.labels[position]) or 'no label'})"


def _about_chance(labelled: Labelled, examples: Examples, sums: Floats, temperatures: Sequence[float]) -> list[str]:
    numbers = list(unlearnt(examples, sums, temperatures))
    if not numbers:
        return []
    names = [labelled.classes[number] for number in numbers] if examples.kind == "multilabel" else labelled.classes
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    pictures = len(examples.targets)
    doubt = f". Of {pictures} pictures that may be chance: label more" if pictures < ENOUGH else ""
    text = (
        f"unseen pictures get no better answers than guessing by how frequent the labels are: {listed}{doubt}. Look "
        "whether the labels can be seen in the pictures, and whether paths and labels belong together"
    )
    return [text]
