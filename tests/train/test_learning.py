"""The head is scikit-learn's own model; calibration and learning curve against what they must be by construction."""

from __future__ import annotations

import numpy as np
import pytest

from mediasift.train.learning import (
    Examples,
    calibrated,
    cross_validate,
    expected,
    fit,
    learning_curve,
    one_thread,
    right,
    scores,
    splits,
    unlearnt,
)

pytest.importorskip("sklearn")


@pytest.fixture(autouse=True)
def alone():
    with one_thread():
        yield


def examples(count: int = 90, classes: int = 3, *, kind="single", copies: int = 1, noise: float = 1.0) -> Examples:
    rng = np.random.default_rng(3)
    numbers = np.arange(count) % classes
    centres = np.eye(classes, 7) * 3
    rows = centres[numbers][:, None] + rng.standard_normal((count, copies, 7)) * noise
    targets = np.eye(classes, dtype=bool)[numbers]
    return Examples(vectors=rows.astype(np.float32) * 5 + 3, targets=targets, groups=np.arange(count), kind=kind)


@pytest.mark.parametrize(("kind", "classes"), [("binary", 2), ("single", 3)])
def test_the_head_is_scikit_learns_model_on_plain_embeddings(kind: str, classes: int):
    """Mean and scale are folded in: the scores are those of the same model on centred numbers of variance 1."""
    from sklearn.linear_model import LogisticRegression

    given = examples(classes=classes, kind=kind)
    rows, numbers = given.vectors[:, 0].astype(np.float64), given.targets.argmax(axis=1)
    for balanced in (False, True):
        weights = "balanced" if balanced else None
        model = LogisticRegression(C=0.1, max_iter=5000, class_weight=weights)
        scaled = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0).mean())
        known = model.fit(scaled, numbers).predict_proba(scaled)
        head = fit(given, np.arange(len(rows)), [0.1], balanced=balanced)
        np.testing.assert_allclose(scores(head.sums(given.vectors[:, 0]), kind), known, atol=1e-4)


def test_copies_of_a_picture_weigh_together_as_much_as_one():
    once = examples()
    thrice = Examples(
        vectors=np.repeat(once.vectors, 3, axis=1), targets=once.targets, groups=once.groups, kind="single"
    )
    heads = [fit(one, np.arange(90), [0.1], balanced=False) for one in (once, thrice)]
    np.testing.assert_allclose(heads[0].weights, heads[1].weights, atol=1e-3)


@pytest.mark.parametrize(("kind", "classes"), [("binary", 2), ("single", 4), ("multilabel", 3)])
def test_calibrated_scores_are_as_often_right_as_they_say(kind: str, classes: int):
    """Labels drawn with known probabilities: on other pictures, sums that are calibrated give those probabilities."""
    rng = np.random.default_rng(11)
    vectors = rng.standard_normal((3000, 1, 6)).astype(np.float32)
    sums = vectors[:, 0] @ rng.standard_normal((6, classes))
    if kind == "multilabel":
        known = 1 / (1 + np.exp(-sums))
        targets = rng.random(known.shape) < known
    else:
        known = scores(sums, "single")
        picks = (rng.random((len(sums), 1)) > known.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
        targets = np.eye(classes, dtype=bool)[picks]
    whole = Examples(vectors=vectors, targets=targets, groups=np.arange(len(vectors)), kind=kind)
    few = whole.taken(np.arange(300))
    strengths, _, temperatures = cross_validate(few, balanced=False, seed=0)
    head = calibrated(fit(few, np.arange(300), strengths, balanced=False), temperatures)
    shares = scores(head.sums(vectors[300:, 0]), kind)
    assert shares.shape == known[300:].shape
    assert np.abs(shares - known[300:]).mean() < 0.07


def test_a_perfect_fit_does_not_become_certainty():
    given = examples(30, noise=0.01)
    strengths, _, temperatures = cross_validate(given, balanced=False, seed=0)
    head = calibrated(fit(given, np.arange(30), strengths, balanced=False), temperatures)
    surest = scores(head.sums(given.vectors[:, 0]), "single").max(axis=1)
    assert 0.85 < surest.mean() < 0.99  # by Laplace's rule, of ten of ten right answers (10 + 1) / (10 + 3)


def test_groups_are_never_on_both_sides():
    given = examples(60)
    grouped = Examples(vectors=given.vectors, targets=given.targets, groups=np.arange(60) // 3 * 3, kind="single")
    for train, test in splits(grouped, 5, seed=1):
        assert not set(grouped.groups[train]) & set(grouped.groups[test])
        assert len(train) + len(test) == 60


def test_labels_that_cannot_be_told_apart_are_noticed_and_those_that_can_are_not():
    rng = np.random.default_rng(0)
    given = examples(120)
    shuffled = Examples(
        vectors=given.vectors, targets=given.targets[rng.permutation(120)], groups=given.groups, kind="single"
    )
    for one, verdict in ((given, []), (shuffled, [0])):
        _, sums, temperatures = cross_validate(one, balanced=False, seed=0)
        assert list(unlearnt(one, sums, temperatures)) == verdict


def test_a_label_that_a_part_lacks_is_never_the_answer_there():
    given = examples(20)
    head = fit(given, np.flatnonzero(~given.targets[:, 2]), [1.0], balanced=False)
    assert (scores(head.sums(given.vectors[:, 0]), "single").argmax(axis=1) != 2).all()


def test_the_learning_curve_rises_and_is_drawn_on():
    curve = learning_curve(examples(120, noise=3.5), [0.01], balanced=False, seed=0)
    assert [count for count, _ in curve] == [24, 48, 96]
    assert curve[0][1] < curve[2][1]


def test_errors_that_fall_as_a_power_go_on_doing_so():
    curve = [(count, 1 - 2 * count**-0.5) for count in (25, 50, 100)]
    assert expected(curve, 200) == pytest.approx(1 - 2 * 200**-0.5)
    assert expected([(10, 0.7), (20, 0.7), (40, 0.6)], 80) == 0.6  # fewer right answers are not promised


def test_of_several_labels_each_answer_counts():
    sums = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]])
    targets = np.array([[True, False, False], [False, False, False]])
    np.testing.assert_allclose(right(sums, targets, "multilabel"), [2 / 3, 1])
