"""Corrected shares: what must hold of every estimate, figures of ppi-python, and coverage in a small simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.bench_coverage import SCENARIOS, WANTED, simulated
from mediasift.evaluate.correction import (
    CORRECTIONS,
    Sample,
    Undefined,
    _error,
    _scaled,
    coded,
    design_based,
    is_small,
    matrix,
    power_tuned,
    prediction_powered,
)
from mediasift.evaluate.intervals import share_interval
from mediasift.evaluate.labels import Z


def sample(predicted: list, true: list, *, share: float, corpus: int = 1000, weights=None, strata=None) -> Sample:
    size = len(true)
    return Sample(
        predicted=np.array(predicted, dtype=np.float64), true=np.array(true, dtype=np.float64),
        weights=np.full(size, corpus / size) if weights is None else np.array(weights, dtype=np.float64),
        strata=np.zeros(size, dtype=np.int64) if strata is None else np.array(strata), predicted_share=share,
        corpus=corpus,
    )  # fmt: skip


PREDICTED = [1] * 30 + [0] * 70
TRUE = [1] * 25 + [0] * 5 + [1] * 4 + [0] * 66


def normal_half_width(one: Sample, power: float) -> float:
    """Half of the normal 95 % interval of PPI++ as published; it is 0 where the sample holds no error."""
    return Z * _error(_scaled(one.weights) * (one.true - power * one.predicted), power, one)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, (0.27537060024499793, 0.2163800762863889, 0.334361124203607)),
        ([2.0] * 30 + [12.0] * 70, (0.16588474231282185, 0.11363732150745814, 0.21813216311818556)),
    ],
)
def test_power_tuned_is_ppi_pythons(weights, expected):
    """`ppi_mean_pointestimate` and `ppi_mean_ci(alpha=0.05)` of ppi-python 0.2.3 of these numbers."""
    one = sample(PREDICTED, TRUE, share=0.28, weights=weights)
    value, power = power_tuned(one)
    half = normal_half_width(one, power)
    assert (value, value - half, value + half) == pytest.approx(expected, abs=1e-8)


def test_by_hand():
    """F = 0.28; 25 of 30 and 4 of 70 have the label; 25 of 29 are found and 66 of 71 left out rightly."""
    one = sample(PREDICTED, TRUE, share=0.28)
    assert coded(one).value == pytest.approx(29 / 100)
    assert design_based(one).value == pytest.approx(0.28 * 25 / 30 + 0.72 * 4 / 70)
    detected, right = 25 / 29, 66 / 71
    assert matrix(one).value == pytest.approx((0.28 + right - 1) / (detected + right - 1))  # Rogan and Gladen's (2)


def test_coded_items_of_equal_weight_are_a_plain_share():
    one, plain = sample(PREDICTED, TRUE, share=0.28), share_interval(0.29, 100, left=0.9)
    for known, expected in zip((coded(one).low, coded(one).high), (plain.low, plain.high), strict=True):
        assert known == pytest.approx(expected)


VERDICTS = st.lists(st.booleans(), min_size=4, max_size=40).filter(lambda verdicts: 0 < sum(verdicts) < len(verdicts))


@given(VERDICTS, st.floats(0.05, 0.95))
@settings(max_examples=50)
def test_a_perfect_classifier_makes_every_correction_the_naive_share(verdicts: list, share: float):
    one = sample(verdicts, verdicts, share=share, corpus=100_000)
    for correction in (design_based, matrix):
        assert correction(one).value == pytest.approx(share)
    assert power_tuned(one)[1] <= 1
    drawn = sample(verdicts, verdicts, share=sum(verdicts) / len(verdicts), corpus=100_000)
    assert prediction_powered(drawn).value == pytest.approx(drawn.predicted_share)


@given(VERDICTS, st.floats(1.5, 50), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_equal_weights_are_no_weights_and_no_estimate_depends_on_the_order(true: list, weight: float, random):
    predicted = [verdict if random.random() < 0.8 else not verdict for verdict in true]
    weights = [weight] * len(true)
    order = random.sample(range(len(true)), len(true))
    plain = sample(predicted, true, share=0.4, weights=weights)
    split = sample(predicted, true, share=0.4, weights=weights, strata=[random.randrange(3) for _ in true])
    mixed = sample([predicted[at] for at in order], [true[at] for at in order], share=0.4, weights=weights)
    for correction in CORRECTIONS.values():
        try:
            before = correction(plain)
        except Undefined:
            continue
        assert 0 <= before.low <= before.value <= before.high <= 1
        for after in (correction(split), correction(mixed)):
            assert (after.value, after.low, after.high) == pytest.approx((before.value, before.low, before.high))


def test_weights_undo_a_sample_that_has_more_of_some():
    """100 of 200 predicted items coded, 100 of 9,800 others: 90 of 100 and 2 of 100 have the label."""
    one = sample([1] * 100 + [0] * 100, [1] * 90 + [0] * 10 + [1] * 2 + [0] * 98, share=0.02, corpus=10_000,
                 weights=[2.0] * 100 + [98.0] * 100, strata=[1] * 100 + [0] * 100)  # fmt: skip
    expected = 0.02 * 0.9 + 0.98 * 0.02
    assert coded(one).value == pytest.approx(expected)
    assert design_based(one).value == pytest.approx(expected)
    assert design_based(one).high - design_based(one).low < coded(one).high - coded(one).low


def test_a_sample_without_any_error_has_no_point_for_an_interval():
    one = sample([1] * 20 + [0] * 80, [1] * 20 + [0] * 80, share=0.2)
    assert normal_half_width(one, 1.0) < 0.03
    for correction in CORRECTIONS.values():
        assert correction(one).high - correction(one).low > 0.02


def test_a_side_that_no_coded_item_is_on_may_be_anything():
    one = sample([0] * 50, [0] * 45 + [1] * 5, share=0.1)
    assert design_based(one).high >= 0.1 + 0.9 * 0.1 - 0.05
    with pytest.raises(Undefined, match="no better than chance"):
        matrix(sample([0, 1] * 20, [1, 0] * 20, share=0.5))
    with pytest.raises(Undefined, match="with and without"):
        matrix(sample([0, 1] * 20, [1] * 40, share=0.5))


@pytest.mark.parametrize(("having", "expected"), [(9, True), (10, False), (90, False), (91, True)])
def test_few_items_with_or_without_the_label_are_flagged(having: int, expected: bool):
    assert is_small(sample([0] * 100, [1] * having + [0] * (100 - having), share=0.1)) is expected


@pytest.mark.parametrize("scenario", [SCENARIOS[0], SCENARIOS[10], SCENARIOS[17]], ids=lambda one: one.name)
def test_a_sample_of_the_simulation_covers(scenario):
    """200 corpora of the 2,000 of benchmarks/results/coverage.json: a share of 0.935 has an error of 0.017."""
    coverage = simulated(scenario, 200, None)["coverage"]
    assert coverage["expected"] >= 10
    for method in CORRECTIONS:
        assert coverage[method] >= WANTED - 3 * 0.017, method
