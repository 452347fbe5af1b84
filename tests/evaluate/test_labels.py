from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from mediasift.errors import InputError
from mediasift.evaluate.confusion import kappa
from mediasift.evaluate.labels import NO_LABEL, Prediction, measure_labels, share
from tests.conftest import skip


def values(evaluation, label: str = "") -> dict[str, float]:
    return {one.measure: one.value for one in evaluation.measures if one.label == label}


def case(size: int, labels: int, seed: int, right: float = 0.7):
    """Random truths, and answers of which a share is right; not every label need occur on both sides."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, labels, size)
    predicted = np.where(rng.random(size) < right, true, rng.integers(0, labels + 1, size))
    scores = rng.random(size)
    paths = [f"{number}.jpg" for number in range(size)]
    return (
        {
            path: [Prediction(label=f"l{one}", score=float(score))]
            for path, one, score in zip(paths, predicted, scores, strict=True)
        },
        {path: [f"l{one}"] for path, one in zip(paths, true, strict=True)},
    )


@pytest.mark.parametrize(("size", "labels", "seed"), [(200, 2, 0), (500, 7, 1), (60, 30, 2)])
def test_the_numbers_are_scikit_learns(size: int, labels: int, seed: int):
    try:
        from sklearn import metrics
    except ImportError:
        skip("scikit-learn is not installed: pip install 'mediasift[training]'")
    predicted, true = case(size, labels, seed)
    report = measure_labels(predicted, true)
    answers, truths = [predicted[path][0].label for path in true], [labels[0] for labels in true.values()]
    assert values(report)["accuracy"] == pytest.approx(metrics.accuracy_score(truths, answers))
    assert values(report)["f1_macro"] == pytest.approx(metrics.f1_score(truths, answers, average="macro"))
    assert values(report)["kappa"] == pytest.approx(metrics.cohen_kappa_score(truths, answers))
    assert (report.confusion == metrics.confusion_matrix(truths, answers, labels=list(report.labels))).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = metrics.precision_recall_fscore_support(truths, answers, labels=list(report.labels))
    for number, label in enumerate(report.labels):
        own = values(report, label)
        for name, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            assert own[name] == pytest.approx(column[number]), (label, name)


def test_kappa_of_a_textbook():
    """Cohen 1960's form on the example of https://en.wikipedia.org/wiki/Cohen%27s_kappa: 20, 5, 10, 15 give 0.4."""
    assert kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)


def test_calibration():
    """Ten answers of score 0.9 of which six are right: off by 0.3; ten of score 0.5 of which five are right: by 0."""
    predicted = {f"{n}": [Prediction(label="a", score=0.9 if n < 10 else 0.5)] for n in range(20)}
    true = {f"{n}": ["a" if n % 10 < (6 if n < 10 else 5) else "b"] for n in range(20)}
    report = measure_labels(predicted, true)
    assert values(report)["expected_calibration_error"] == pytest.approx(0.15)
    assert report.reliability == ((0.5, 0.5, 10), (pytest.approx(0.9), 0.6, 10))


@pytest.mark.parametrize("score", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, np.nextafter(0.2, 1), 1 / 15, 0.5])
def test_bins_are_those_of_guo(score: float):
    """Their code: a bin holds what is above its lower edge and not above its upper one, of linspace(0, 1, 16)."""
    others = [0.1 * n for n in range(1, 11)]
    predicted = {str(n): [Prediction(label="a", score=s)] for n, s in enumerate([score, *others])}
    report = measure_labels(predicted, {str(n): ["a" if n % 2 else "b"] for n in range(11)})
    edges = np.linspace(0, 1, 16)
    scores, right = np.array([score, *others]), np.arange(11) % 2 == 1
    expected = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (scores > low) & (scores <= high) | ((scores == 0) & (low == 0))  # a score of 0 is in no bin of theirs
        if inside.any():
            expected += inside.mean() * abs(scores[inside].mean() - right[inside].mean())
    assert values(report)["expected_calibration_error"] == pytest.approx(expected)


@pytest.mark.parametrize(("hits", "count"), [(10, 10), (0, 10), (7, 10), (1, 1), (4999, 5000)])
def test_intervals_of_shares_are_scipys_wilson(hits: int, count: int):
    try:
        from scipy.stats import binomtest
    except ImportError:
        skip("SciPy is not installed: pip install 'mediasift[training]'")
    expected = binomtest(hits, count).proportion_ci(0.95, method="wilson")
    one = share("accuracy", hits, count)
    assert (one.value, one.low, one.high) == pytest.approx((hits / count, *expected), abs=1e-12)


def test_no_interval_is_a_point():
    right = {str(n): [Prediction(label="ab"[n % 2])] for n in range(20)}
    measures = {one.measure: one for one in measure_labels(right, {p: [s[0].label] for p, s in right.items()}).measures}
    accuracy, agreement, f1 = measures["accuracy"], measures["kappa"], measures["f1_macro"]
    assert (accuracy.value, accuracy.high) == (1.0, 1.0)
    assert accuracy.low == pytest.approx(0.838875, abs=1e-6)  # Wilson's, of 20 of 20
    assert (agreement.value, agreement.low, agreement.high) == (1.0, None, None)
    assert (f1.value, f1.low, f1.high) == (1.0, None, None)


def test_samples_in_which_kappa_is_undefined_are_left_out_and_counted():
    """One picture of eight is another: a sample without it, (7/8)^8 = 34 % of all, has but one label."""
    predicted = {str(n): [Prediction(label="a" if n else "b")] for n in range(8)}
    report = measure_labels(predicted, {str(n): ["a" if n else "b"] for n in range(8)})
    (one,) = [one for one in report.measures if one.measure == "kappa"]
    assert one.undefined == pytest.approx(1000 * (7 / 8) ** 8, abs=60)
    assert (one.value, one.low) == (1.0, None)  # 1 in every other sample
    alike = measure_labels({"a": [Prediction(label="x")]}, {"a": ["x"]})
    (one,) = [one for one in alike.measures if one.measure == "kappa"]
    assert (one.value, one.low, one.high, one.undefined) == (None, None, None, 1000)  # scikit-learn: not a number


def test_labels_that_no_picture_has_come_last():
    predicted = {"1": [Prediction(label="a")], "2": [Prediction(label="z")]}
    report = measure_labels(predicted, {"1": ["b"], "2": ["z"]})
    named = [one.label for one in report.measures]
    assert named[: named.index("b")] == [""] * named.index("b")  # the summary first
    assert list(dict.fromkeys(named[named.index("b") :])) == ["b", "z", "a"]


def test_a_picture_without_a_label_is_wrong_and_not_missing():
    report = measure_labels({"1": [Prediction(label="a")], "2": []}, {"1": ["a"], "2": ["a"], "3": ["a"]})
    assert (values(report)["accuracy"], values(report)["no_label"], values(report)["missing"]) == (0.5, 1, 1)
    assert report.labels == (NO_LABEL, "a")
    several = measure_labels({"1": [Prediction(label="a")], "2": []}, {"1": ["a", "b"], "2": ["a"]})
    assert values(several, "a")["recall"] == 0.5


def test_intervals_hold_the_value_and_shrink_with_the_pictures():
    widths = []
    for size in (100, 10_000):
        report = measure_labels(*case(size, 3, 0))
        (accuracy,) = [one for one in report.measures if one.measure == "accuracy"]
        assert accuracy.low < accuracy.value < accuracy.high
        widths.append(accuracy.high - accuracy.low)
        expected = 2 * 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / size)  # the normal approximation
        assert widths[-1] == pytest.approx(expected, rel=0.2)
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.3)


def test_the_same_seed_gives_the_same_intervals():
    predicted, true = case(50, 3, 0)
    assert measure_labels(predicted, true, seed=1).measures == measure_labels(predicted, true, seed=1).measures
    assert measure_labels(predicted, true, seed=1).measures != measure_labels(predicted, true, seed=2).measures


def test_mistakes_come_with_the_surest_first():
    predicted = {
        "a": [Prediction(label="x", score=0.6)],
        "b": [Prediction(label="x", score=0.9)],
        "c": [Prediction(label="y", score=1.0)],
    }
    report = measure_labels(predicted, {"a": ["y"], "b": ["y"], "c": ["y"]})
    assert [(one.path, one.true, one.predicted) for one in report.mistakes] == [("b", "y", "x"), ("a", "y", "x")]


def test_what_was_not_labelled_is_missing_and_not_wrong():
    report = measure_labels({"a": [Prediction(label="x")]}, {"a": ["x"], "b": ["x"]})
    assert (values(report)["accuracy"], values(report)["pictures"], report.missing) == (1.0, 1, ("b",))
    assert report.reliability == ()


def test_several_ranks_give_the_accuracy_of_the_first_few():
    predicted = {
        "a": [Prediction(label="x"), Prediction(label="y")],
        "b": [Prediction(label="x"), Prediction(label="z")],
    }
    measures = values(measure_labels(predicted, {"a": ["y"], "b": ["w"]}))
    assert (measures["accuracy"], measures["top2_accuracy"]) == (0.0, 0.5)


def test_several_labels_per_picture():
    predicted = {
        "a": [Prediction(label="x", score=0.9), Prediction(label="y", score=0.8)],
        "b": [Prediction(label="x", score=0.7), Prediction(label="y", score=0.1)],
        "c": [Prediction(label="x", score=0.2), Prediction(label="y", score=0.1)],
    }
    report = measure_labels(predicted, {"a": ["x", "y"], "b": ["y"], "c": []})
    assert report.confusion is None
    assert values(report)["exact_match"] == pytest.approx(2 / 3)
    assert values(report)["f1_micro"] == pytest.approx(2 * 2 / (3 + 3))
    assert values(report, "x") == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert values(report, "y") == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}


def test_tables_without_a_common_path_say_what_they_have():
    with pytest.raises(InputError, match=r"the result has 'photos/a.jpg', the reference 'a.jpg'"):
        measure_labels({"photos/a.jpg": [Prediction(label="x")]}, {"a.jpg": ["x"]})
