"""Thresholds for a wanted precision or recall, against scikit-learn's curve and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mediasift.errors import UsageError
from mediasift.evaluate.labels import Prediction
from mediasift.evaluate.thresholds import CHOSEN, threshold_measures
from tests.conftest import skip


def case(scores, is_true):
    predicted = {str(n): [Prediction(label="x", score=float(score))] for n, score in enumerate(scores)}
    return predicted, {str(n): ["x" if one else "y"] for n, one in enumerate(is_true)}


def rows(predicted, true, label: str = "x", **options) -> dict:
    return {one.measure: one for one in threshold_measures(predicted, true, **options) if one.label == label}


SCORES = [0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4]
TRUE = [1, 1, 0, 1, 1, 0, 1]


def test_by_hand():
    """From .9 on 1 of 1 is right, from .8 on 2 of 3, from .7 on 3 of 4, from .6 on 4 of 5, .5: 4 of 6, .4: 5 of 7."""
    one = rows(*case(SCORES, TRUE), wanted={"precision": 0.75})
    assert one["precision_0.75_threshold"].value == 0.6
    assert one["precision_0.75_precision"].value == pytest.approx(4 / 5)
    assert one["precision_0.75_recall"].value == pytest.approx(4 / 5)
    assert one["precision_0.75_kept"].value == pytest.approx(5 / 7)
    assert one["precision_0.75_threshold"].note == CHOSEN
    other = rows(*case(SCORES, TRUE), wanted={"recall": 0.6})
    assert other["recall_0.6_threshold"].value == 0.7  # 3 of 5
    assert other["recall_0.6_precision"].value == pytest.approx(3 / 4)


@pytest.mark.parametrize("seed", range(3))
def test_the_threshold_is_the_one_of_scikit_learns_curve(seed: int):
    try:
        from sklearn.metrics import precision_recall_curve
    except ImportError:
        skip("scikit-learn is not installed: pip install 'mediasift[training]'")
    rng = np.random.default_rng(seed)
    is_true = rng.random(300) < 0.4
    scores = np.round(np.clip(rng.normal(0.4 + 0.3 * is_true, 0.2), 0, 1), 2)  # with ties
    precision, recall, thresholds = precision_recall_curve(is_true, scores)
    reached = thresholds[precision[:-1] >= 0.8].min(), thresholds[recall[:-1] >= 0.8].max()
    one = rows(*case(scores, is_true), wanted={"precision": 0.8, "recall": 0.8})
    assert (one["precision_0.8_threshold"].value, one["recall_0.8_threshold"].value) == pytest.approx(reached)
    for name in ("precision_0.8_threshold", "recall_0.8_threshold"):
        assert one[name].low <= one[name].value <= one[name].high


def test_what_no_score_reaches_is_empty_with_a_note():
    one = rows(*case([0.9, 0.8], [0, 1]), wanted={"precision": 0.9})
    assert list(one) == ["precision_0.9_threshold"]
    assert (one["precision_0.9_threshold"].value, one["precision_0.9_threshold"].note) == (
        None, "no score reaches a precision of 0.9",
    )  # fmt: skip
    predicted, true = case([0.9, 0.8], [0, 1])
    never = rows(predicted, true, label="y", wanted={"recall": 0.5})  # it was never predicted
    assert never["recall_0.5_threshold"].value is None


def test_weights_count_and_equal_ones_change_nothing():
    plain = threshold_measures(*case(SCORES, TRUE), wanted={"precision": 0.75})
    assert (
        threshold_measures(*case(SCORES, TRUE), wanted={"precision": 0.75}, weights=dict.fromkeys("0123456", 2.0))
        == plain
    )
    weights = {**dict.fromkeys("0123456", 1.0), "5": 0.1}  # the mistake at 0.5 stands for little: 4 of 5.1
    assert (
        rows(*case(SCORES, TRUE), wanted={"precision": 0.75}, weights=weights)["precision_0.75_threshold"].value == 0.4
    )


def test_kept_counts_all_that_is_predicted_and_not_what_is_coded_alone():
    predicted, true = case(SCORES, TRUE)
    more = predicted | {f"more{n}": [Prediction(label="x", score=0.95)] for n in range(7)}
    assert rows(more, true, wanted={"precision": 0.75})["precision_0.75_kept"].value == pytest.approx(12 / 14)


def test_without_scores_there_is_no_threshold():
    with pytest.raises(UsageError, match="a threshold needs scores, and 0 has none"):
        threshold_measures({"0": [Prediction(label="x")]}, {"0": ["x"]}, wanted={"precision": 0.9})
