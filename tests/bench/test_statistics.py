"""Numbers from samples: known distributions, intervals that hold, and what too few samples must not report."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.bench.comparison import Ratio, speed_ratio
from mediasift.bench.scenarios import is_steady, percentiles, spread


@pytest.mark.parametrize(
    ("count", "names"),
    [(19, []), (20, ["p50"]), (100, ["p50", "p90"]), (300, ["p50", "p90", "p95"]), (999, ["p50", "p90", "p95"]),
     (1000, ["p50", "p90", "p95", "p99"]), (10_000, ["p50", "p90", "p95", "p99", "p99.9"])],
)  # fmt: skip
def test_a_percentile_needs_ten_samples_beyond_it(count: int, names: list[str]):
    assert list(percentiles(list(range(count)))) == names


def test_percentiles_are_samples_of_which_so_many_are_not_larger():
    assert percentiles(list(range(1, 1001))) == {"p50": 500, "p90": 900, "p95": 950, "p99": 990}


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


def normal_rounds(median: float, *, mood: float = 0.0, seed: int = 0, mood_seed: int = 1000) -> list[list[float]]:
    """Ten rounds of 100 samples around a median; in each round the machine is in another mood."""
    rng, moods = np.random.default_rng(seed), np.random.default_rng(mood_seed)
    return [(median * rng.normal(1, 0.01, 100) * moods.normal(1, mood)).tolist() for _ in range(10)]


def test_half_the_time_is_twice_the_speed():
    speed = speed_ratio(normal_rounds(0.02), normal_rounds(0.01, seed=1))
    assert speed.ratio == pytest.approx(2, rel=0.01)
    assert speed.low < speed.ratio < speed.high
    assert (speed.low, speed.high) == pytest.approx((2, 2), rel=0.01)
    assert speed == speed_ratio(normal_rounds(0.02), normal_rounds(0.01, seed=1))


def test_moods_of_the_machine_widen_the_interval_and_it_holds():
    """Of 100 pairs that are equally fast, with rounds that differ by 5 %, nearly all intervals contain 1. An interval
    that took the 1,000 samples of each for independent would miss it in most."""
    pairs = [
        speed_ratio(*(normal_rounds(1, mood=0.05, seed=n, mood_seed=n) for n in (seed, seed + 1000)))
        for seed in range(100)
    ]
    assert sum(speed.low <= 1 <= speed.high for speed in pairs) >= 85
    quiet = speed_ratio(normal_rounds(1), normal_rounds(1, seed=1))
    assert np.median([speed.high - speed.low for speed in pairs]) > 5 * (quiet.high - quiet.low)


def test_rounds_in_turn_share_the_moods_which_then_do_not_blur_the_ratio():
    before, after = normal_rounds(1, mood=0.3), normal_rounds(0.9, mood=0.3, seed=1)
    apart, paired = speed_ratio(before, after), speed_ratio(before, after, paired=True)
    assert paired.high - paired.low < (apart.high - apart.low) / 3
    assert paired.low < 1 / 0.9 < paired.high


def test_one_sample_a_round_and_uneven_rounds_are_fine():
    assert speed_ratio([[2.0]] * 5, [[1.0]] * 3).ratio == 2
    assert speed_ratio([[2.0], [2.0, 2.0, 2.0]], [[1.0], []]).ratio == 2
    with pytest.raises(ValueError, match="no samples"):
        speed_ratio([[]], [[1.0]])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.8, 0.94, "slower"), (1.06, 1.2, "faster"), (0.96, 1.04, "same"), (0.47, 1.31, "undecided"),
     (0.8, 0.96, "undecided"), (1.0, 1.2, "undecided"), (0.9, 1.0, "undecided"), (1.04, 1.06, "undecided")],
)  # fmt: skip
def test_a_verdict_needs_the_whole_interval(low: float, high: float, expected: str):
    assert Ratio(ratio=(low + high) / 2, low=low, high=high).verdict(0.05) == expected
