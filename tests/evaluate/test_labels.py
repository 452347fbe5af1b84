from __future__ import annotations

import warnings

import numpy as np
import pytest

from mediasift.errors import InputError
from mediasift.evaluate.labels import Said, kappa, measure_labels
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
            path: [Said(label=f"l{one}", score=float(score))]
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
    predicted = {f"{n}": [Said(label="a", score=0.9 if n < 10 else 0.5)] for n in range(20)}
    true = {f"{n}": ["a" if n % 10 < (6 if n < 10 else 5) else "b"] for n in range(20)}
    report = measure_labels(predicted, true)
    assert values(report)["expected_calibration_error"] == pytest.approx(0.15)
    assert report.reliability == ((0.5, 0.5, 10), (pytest.approx(0.9), 0.6, 10))


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
        "a": [Said(label="x", score=0.6)],
        "b": [Said(label="x", score=0.9)],
        "c": [Said(label="y", score=1.0)],
    }
    report = measure_labels(predicted, {"a": ["y"], "b": ["y"], "c": ["y"]})
    assert [(one.path, one.true, one.said) for one in report.mistakes] == [("b", "y", "x"), ("a", "y", "x")]


def test_what_was_not_labelled_is_missing_and_not_wrong():
    report = measure_labels({"a": [Said(label="x")]}, {"a": ["x"], "b": ["x"]})
    assert (values(report)["accuracy"], values(report)["pictures"], report.missing) == (1.0, 1, ("b",))
    assert report.reliability == ()


def test_several_ranks_give_the_accuracy_of_the_first_few():
    predicted = {"a": [Said(label="x"), Said(label="y")], "b": [Said(label="x"), Said(label="z")]}
    measures = values(measure_labels(predicted, {"a": ["y"], "b": ["w"]}))
    assert (measures["accuracy"], measures["top2_accuracy"]) == (0.0, 0.5)


def test_several_labels_per_picture():
    predicted = {
        "a": [Said(label="x", score=0.9), Said(label="y", score=0.8)],
        "b": [Said(label="x", score=0.7), Said(label="y", score=0.1)],
        "c": [Said(label="x", score=0.2), Said(label="y", score=0.1)],
    }
    report = measure_labels(predicted, {"a": ["x", "y"], "b": ["y"], "c": []})
    assert report.confusion is None
    assert values(report)["exact_match"] == pytest.approx(2 / 3)
    assert values(report)["f1_micro"] == pytest.approx(2 * 2 / (3 + 3))
    assert values(report, "x") == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1}
    assert values(report, "y") == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}


def test_tables_without_a_common_path_say_what_they_have():
    with pytest.raises(InputError, match=r"the result has 'photos/a.jpg', the reference 'a.jpg'"):
        measure_labels({"photos/a.jpg": [Said(label="x")]}, {"a.jpg": ["x"]})
