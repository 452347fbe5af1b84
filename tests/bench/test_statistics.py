"""Numbers from samples: known distributions, published intervals, and what too few samples must not tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.bench.statistics import is_steady, percentiles, speed_ratio, spread, wilson


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (19, []),
        (20, ["p50"]),
        (100, ["p50", "p90"]),
        (300, ["p50", "p90", "p95"]),
        (999, ["p50", "p90", "p95"]),
        (1000, ["p50", "p90", "p95", "p99"]),
        (10_000, ["p50", "p90", "p95", "p99", "p99.9"]),
    ],
)
def test_a_percentile_needs_ten_samples_beyond_it(count: int, told: list[str]):
    assert list(percentiles(list(range(count)))) == told


def test_percentiles_are_samples_of_which_so_many_are_not_larger():
    found = percentiles(list(range(1, 1001)))
    assert found == {"p50": 500, "p90": 900, "p95": 950, "p99": 990}


def test_what_was_never_answered_is_no_number():
    samples = [0.1] * 900 + [float("inf")] * 100
    assert percentiles(samples) == {"p50": 0.1, "p90": 0.1, "p95": None, "p99": None}


@given(st.lists(st.floats(0, 1e3), min_size=20, max_size=300))
def test_a_percentile_is_the_first_sample_that_so_many_do_not_exceed(samples: list[float]):
    for name, value in percentiles(samples).items():
        wanted = float(name[1:]) / 100 * len(samples)
        assert value in samples
        assert sum(sample <= value for sample in samples) >= wanted - 1e-6
        assert sum(sample < value for sample in samples) < wanted + 1e-6


def test_steady_is_three_rounds_within_5_percent():
    assert not is_steady([1.0, 1.0])
    assert is_steady([1.0, 1.0, 1.0])
    assert is_steady([9.0, 3.0, 1.0, 1.04, 1.02])
    assert not is_steady([1.0, 1.0, 1.0, 1.2])
    assert not is_steady([3.0, 2.0, 1.0])


def test_spread_of_even_numbers():
    assert spread([1, 2, 3, 4, 5]) == pytest.approx(1 / 3)
    assert spread([0.0, 0.0]) == 0.0


def test_wilsons_interval_as_published():
    """R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3."""
    for hits, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
                                   (1, 29, 0.0061, 0.1718)):  # fmt: skip
        assert wilson(hits, count) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def normal_rounds(median: float, *, rounds: int = 10, mood: float = 0.0, seed: int = 0) -> list[list[float]]:
    """Rounds of 100 samples around a median; in each round the machine is in another mood."""
    rng = np.random.default_rng(seed)
    return [(median * rng.normal(1, 0.01, 100) * rng.normal(1, mood)).tolist() for _ in range(rounds)]


def test_half_the_time_is_twice_the_speed():
    found = speed_ratio(normal_rounds(0.02), normal_rounds(0.01, seed=1))
    assert found.ratio == pytest.approx(2, rel=0.01)
    assert found.low < found.ratio < found.high
    assert (found.low, found.high) == pytest.approx((2, 2), rel=0.01)


def test_the_same_seed_gives_the_same_interval():
    before, after = normal_rounds(1.0), normal_rounds(1.1, seed=1)
    assert speed_ratio(before, after, seed=3) == speed_ratio(before, after, seed=3)
    assert speed_ratio(before, after, seed=3) != speed_ratio(before, after, seed=4)


def test_moods_of_the_machine_widen_the_interval_and_it_holds():
    """Of 100 pairs that are equally fast, with rounds that differ by 5 %, nearly all intervals contain 1. An interval
    that took the 1,000 samples of each for independent would miss it in most."""
    pairs = [
        speed_ratio(normal_rounds(1, mood=0.05, seed=n), normal_rounds(1, mood=0.05, seed=n + 1000)) for n in range(100)
    ]
    assert sum(found.low <= 1 <= found.high for found in pairs) >= 85
    quiet = speed_ratio(normal_rounds(1), normal_rounds(1, seed=1))
    assert np.median([found.high - found.low for found in pairs]) > 5 * (quiet.high - quiet.low)


def test_one_sample_a_round_and_uneven_rounds_are_fine():
    assert speed_ratio([[2.0]] * 5, [[1.0]] * 3).ratio == 2
    assert speed_ratio([[2.0], [2.0, 2.0, 2.0]], [[1.0], []]).ratio == 2
    with pytest.raises(ValueError, match="no samples"):
        speed_ratio([[]], [[1.0]])
