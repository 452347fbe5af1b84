"""What makes a classifier of one's own doubtful is said; few pictures are no reason to fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mediasift.sources.labelled import Labelled
from mediasift.train.learning import Examples, one_thread
from mediasift.train.lesson import about_pictures, learn

pytest.importorskip("sklearn")


def labelled(*labels: tuple[str, ...] | str) -> Labelled:
    given = tuple((one,) if isinstance(one, str) else one for one in labels)
    files = tuple(Path(f"{number}.png") for number in range(len(given)))
    return Labelled(name="set", files=files, labels=given)


@pytest.mark.parametrize("each", [2, 3, 4, 5])
@pytest.mark.parametrize("classes", [2, 3, 12])
def test_two_pictures_of_each_label_are_enough(each: int, classes: int):
    """Figures are those that so few can give: a fifth is held out only where some label has five."""
    numbers = np.repeat(np.arange(classes), each)
    vectors = np.eye(classes)[numbers] + np.random.default_rng(0).normal(0, 0.01, (len(numbers), classes))
    examples = Examples(
        vectors=vectors[:, None].astype(np.float32), targets=np.eye(classes, dtype=bool)[numbers],
        groups=np.arange(len(numbers)), kind="single" if classes > 2 else "binary",
    )  # fmt: skip
    with one_thread():
        lesson = learn(labelled(*(f"label {number:02}" for number in numbers)), examples, balanced=False, seed=0)
    names = [one.measure for one in lesson.measures if not one.label]
    assert len(names) == len(set(names))
    assert ("held_out_accuracy" in names) == (each >= 5)
    values = {one.measure: one.value for one in lesson.measures if not one.label}
    assert values["cross_validated_accuracy"] == 1


def test_single_slips_in_a_list_of_one_label_each_are_named():
    (sentence,) = about_pictures(labelled(*["cat"] * 20, *["dog"] * 20, ("cat", "dog"), ()), [], [])
    assert sentence.startswith("2 of 42 pictures have several labels or none, such as 40.png (cat|dog)")


def test_a_set_of_several_labels_is_taken_as_meant():
    assert about_pictures(labelled(*["cat"] * 20, *["dog"] * 20, *[("cat", "dog")] * 10), [], []) == []
    assert about_pictures(labelled(*["red"] * 20, *[()] * 20), [], []) == []
    assert about_pictures(labelled(*["cat"] * 20, *["dog"] * 20), [], []) == []


def test_labels_that_are_one_by_eye_are_named():
    (sentence,) = about_pictures(labelled(*["Cat"] * 10, *["cat"] * 10, *["dog"] * 10), [], [])
    assert sentence == "labels differ in capitals or blanks only: 'Cat', 'cat'. If they are one, give them one spelling"


def test_many_labels_of_few_pictures_are_counted_not_listed():
    sentences = about_pictures(labelled(*(f"{number:03}" for number in range(500) for _ in range(2))), [], [])
    assert len(sentences) == 4
    assert sentences[-1] == "497 more labels have fewer than 10 pictures"
