"""Measures of each group."""

from __future__ import annotations

import pytest

from mediasift.evaluate.grouped import group_measures
from mediasift.evaluate.labels import Prediction, measure_labels


def case(groups: dict[str, tuple[int, int]], label: str = "x"):
    """Group → (pictures that are right, pictures): predicted, true, groups."""
    predicted, true, of = {}, {}, {}
    for group, (right, count) in groups.items():
        for number in range(count):
            path = f"{group}{number}"
            predicted[path], true[path], of[path] = [Prediction(label=label)], [label if number < right else "y"], group
    return predicted, true, of


def by_name(measures) -> dict:
    return {(one.group, one.measure, one.label): one for one in measures}


def test_the_difference_of_two_groups_is_newcombes():
    """His example (a) of 1998, Table II, method 10: 56 of 70 against 48 of 80 is 0.2000, 0.0524 to 0.3339."""
    rows = by_name(group_measures(*case({"a": (56, 70), "b": (48, 80)}), several=False))
    one = rows["a", "accuracy_difference", ""]
    assert (one.value, one.low, one.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=0.00005)
    other = rows["b", "accuracy_difference", ""]
    assert (other.value, other.low, other.high) == pytest.approx((-0.2, -0.3339, -0.0524), abs=0.00005)


def test_a_group_has_the_measures_of_its_pictures_alone():
    predicted, true, groups = case({"a": (7, 12), "b": (11, 20)})
    rows = by_name(group_measures(predicted, true, groups, several=False))
    alone = {path: labels for path, labels in true.items() if groups[path] == "a"}
    expected = {(one.measure, one.label): one for one in measure_labels(predicted, alone).measures}
    for name, label in (("accuracy", ""), ("precision", "x"), ("recall", "x"), ("support", "y")):
        one, other = rows["a", name, label], expected[name, label]
        assert (one.value, one.low, one.high) == (other.value, other.low, other.high)


def test_what_has_nothing_to_divide_by_is_empty_and_small_groups_say_so():
    rows = by_name(group_measures(*case({"a": (2, 4), "b": (5, 20)}), several=False))
    assert rows["a", "precision", "y"].value is None
    assert rows["a", "precision", "y"].note == "never predicted in this group; 4 pictures: too few to compare"
    assert rows["b", "precision", "y"].note == "never predicted in this group"
    alone = group_measures(*case({"a": (3, 20)}), several=False)
    assert not [one for one in alone if one.measure == "accuracy_difference"]  # there are no others


def test_weights_count_and_equal_ones_change_nothing():
    predicted, true, groups = case({"a": (7, 12), "b": (11, 20)})
    plain = group_measures(predicted, true, groups, several=False)
    same = group_measures(predicted, true, groups, several=False, weights=dict.fromkeys(true, 3.0))
    for one, other in zip(plain, same, strict=True):
        assert (one.measure, one.value, one.low, one.high) == (
            other.measure, pytest.approx(other.value), pytest.approx(other.low), pytest.approx(other.high),
        )  # fmt: skip
    double = {path: 2.0 if labels == ["x"] else 1.0 for path, labels in true.items()}
    rows = by_name(group_measures(predicted, true, groups, several=False, weights=double))
    assert rows["a", "accuracy", ""].value == pytest.approx(14 / (14 + 5))


def test_several_labels_of_a_picture():
    predicted = {"1": [Prediction(label="a"), Prediction(label="b")], "2": [Prediction(label="a", score=0.4)]}
    rows = by_name(group_measures(predicted, {"1": ["a", "b"], "2": ["a"]}, {"1": "g", "2": "g"}, several=True))
    assert rows["g", "exact_match", ""].value == 0.5
    assert (rows["g", "precision", "a"].value, rows["g", "recall", "a"].value) == (1, 0.5)
