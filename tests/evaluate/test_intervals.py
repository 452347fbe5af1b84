"""Intervals of shares, against SciPy and published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.evaluate.intervals import Interval, effective_size, incomplete_beta, share_interval, summed
from tests.conftest import skip


@given(st.floats(0.01, 3000), st.floats(0.01, 3000), st.floats(0, 1, allow_subnormal=False))  # SciPy is off there
@settings(max_examples=300)
def test_the_incomplete_beta_function_is_scipys(a: float, b: float, x: float):
    try:
        from scipy.special import betainc
    except ImportError:
        skip("SciPy is not installed: pip install 'mediasift[training]'")
    assert incomplete_beta(a, b, x) == pytest.approx(betainc(a, b, x), abs=1e-8)


def test_for_whole_numbers_it_is_a_binomial_tail():
    tail = sum(math.comb(20, hits) * 0.3**hits * 0.7 ** (20 - hits) for hits in range(8, 21))
    assert incomplete_beta(8, 13, 0.3) == pytest.approx(tail, abs=1e-12)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (1, 30), (5, 20), (20, 20), (3, 1000)])
def test_limits_leave_the_mid_p_value_beyond_them(hits: int, count: int):
    """P(X > hits) + P(X = hits) / 2 is 2.5 % at the lower limit, the other tail at the upper one."""
    one = share_interval(hits / count, count)

    def chance(of: int, share: float) -> float:
        return math.comb(count, of) * share**of * (1 - share) ** (count - of)

    if hits:
        above = 1 - sum(chance(of, one.low) for of in range(hits + 1))
        assert above + chance(hits, one.low) / 2 == pytest.approx(0.025, abs=1e-9)
    else:
        assert one.low == 0
    if hits < count:
        below = sum(chance(of, one.high) for of in range(hits))
        assert below + chance(hits, one.high) / 2 == pytest.approx(0.025, abs=1e-9)
    else:
        assert one.high == 1


@pytest.mark.parametrize("count", [15, 100])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2, 0.5])
def test_the_interval_covers_what_it_says(share: float, count: int):
    """Over all outcomes of a binomial, not simulated; Wilson's falls to 0.86 and Wald's to 0.2 for small shares."""
    outcomes = range(count + 1)
    chances = [math.comb(count, hits) * share**hits * (1 - share) ** (count - hits) for hits in outcomes]
    intervals = [share_interval(hits / count, count) for hits in outcomes]
    assert sum(chance for chance, one in zip(chances, intervals, strict=True) if one.low <= share <= one.high) >= 0.93


def test_no_items_say_nothing_and_all_items_everything():
    assert share_interval(0.5, 0) == Interval(value=0.5, low=0, high=1)
    whole = share_interval(0.25, 100, left=0)
    assert (whole.low, whole.high) == (0.25, 0.25)


def test_a_sum_of_one_is_itself_and_of_two_equal_ones_narrower():
    one = share_interval(0.3, 50)
    assert summed([(1.0, one)]).low == pytest.approx(one.low)
    both = summed([(0.5, one), (0.5, one)])
    assert (both.value, both.value - both.low) == pytest.approx((0.3, (0.3 - one.low) / math.sqrt(2)))


@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.floats(0.5, 2))
def test_the_effective_size_is_at_most_the_number_and_knows_no_unit(weights: list, factor: float):
    size = effective_size(np.array(weights))
    assert 1 - 1e-9 <= size <= len(weights) + 1e-9
    assert effective_size(np.array(weights) * factor) == pytest.approx(size)
    assert effective_size(np.full(len(weights), factor)) == pytest.approx(len(weights))


@pytest.mark.parametrize(("a", "b"), [(3.7, 11.3), (0.1, 0.7), (7.3, 4.9), (1 / 3, 2 / 3)])
def test_there_is_an_answer_where_the_two_tails_meet(a: float, b: float):
    middle = (a + 1) / (a + b + 2)
    around = [incomplete_beta(a, b, float(np.nextafter(middle, side))) for side in (0, middle, 1)]
    assert around == pytest.approx([around[1]] * 3, abs=1e-9)
