"""Coefficients of agreement, against published examples and the package `krippendorff`."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.evaluate.agreement import (
    CERTAIN,
    FEW_VALUES,
    NO_PAIRS,
    ONE_VALUE,
    cohen_kappa,
    counts_of,
    estimated,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent,
)

LEVELS = ("nominal", "ordinal", "interval")

KRIPPENDORFF_2011 = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Coders x units of "Computing Krippendorff's Alpha-Reliability", 2011, section C."""

GWET_2014 = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . .
. 3 3 3 2 3 4 2 2 5 1 3
1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Coders x units of "Handbook of Inter-Rater Reliability", 4th edition; `cac.raw4raters` of his R package irrCAC."""

FLEISS_1971 = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
"""Subjects x categories of Table 1 in "Measuring nominal scale agreement among many raters": six psychiatrists."""


def table(text: str) -> np.ndarray:
    """Items x coders, from 0, -1 where a coding is missing."""
    return np.array(
        [[-1 if cell == "." else int(cell) - 1 for cell in line.split()] for line in text.split("\n")[1:-1]]
    ).T


def value(measured, items: int) -> float:
    return float(measured(np.ones((1, items)))[0])


def interval(measured, items: int, reason: str):
    (one,) = estimated([(measured, reason)], items, np.random.default_rng(0))
    return one


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_krippendorffs_of_his_own_example(level: str, expected: float):
    numbers = np.arange(5.0) if level == "interval" else None
    alpha = value(krippendorff_alpha(counts_of(table(KRIPPENDORFF_2011), 5), level, numbers), 12)
    assert alpha == pytest.approx(expected, abs=0.0005)


def test_alpha_of_his_two_coders():
    """Sections A and B of the same: two values, ten units; five values, twelve units."""
    two = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]).T
    assert value(krippendorff_alpha(counts_of(two, 2), "nominal"), 10) == pytest.approx(0.095, abs=0.0005)
    letters = np.array([[ord(one) - ord("a") for one in line] for line in ("aabbdcccedda", "babbbccceddd")]).T
    assert value(krippendorff_alpha(counts_of(letters, 5), "nominal"), 12) == pytest.approx(0.692, abs=0.0005)


def test_gwets_example():
    """AC1, Fleiss' kappa with missing codings and agreement as his irrCAC reports them (README: 0.77544, 0.76117)."""
    counts = counts_of(table(GWET_2014), 5)
    assert value(gwet_ac1(counts), 12) == pytest.approx(0.77544, abs=0.00001)
    assert value(fleiss_kappa(counts), 12) == pytest.approx(0.76117, abs=0.00001)
    assert value(percent(counts), 12) == pytest.approx(0.81818, abs=0.00001)
    assert value(krippendorff_alpha(counts, "nominal"), 12) == pytest.approx(0.74342, abs=0.00001)


def test_fleiss_example():
    """Overall 0.430, and of the five categories 0.245, 0.245, 0.520, 0.471, 0.566."""
    counts = np.array([[float(digit) for digit in line] for line in FLEISS_1971.split()])
    assert counts.shape == (30, 5)
    assert value(percent(counts), 30) == pytest.approx(0.556, abs=0.0005)
    assert value(fleiss_kappa(counts), 30) == pytest.approx(0.430, abs=0.0005)
    for category, expected in enumerate((0.245, 0.245, 0.520, 0.471, 0.566)):
        binary = np.stack([counts[:, category], 6 - counts[:, category]], axis=1)
        assert value(fleiss_kappa(binary), 30) == pytest.approx(expected, abs=0.0005)


def test_cohens_example():
    """Table 2 of "A coefficient of agreement for nominal scales", 1960, 200 patients: 0.492."""
    cells = 2 * np.array([[44, 7, 9], [5, 20, 5], [1, 3, 6]])
    pairs = np.array([(one, other) for one, other in np.ndindex(3, 3) for _ in range(cells[one, other])])
    assert value(cohen_kappa(pairs, 3), 200) == pytest.approx(0.492, abs=0.0005)


def test_kappa_falls_where_one_value_prevails_and_ac1_does_not():
    """118, 5, 2 and 0 of 125 in Gwet 2008: agreement of 94 % is a kappa below 0 and an AC1 of 0.94."""
    pairs = np.array([[0, 0]] * 118 + [[0, 1]] * 5 + [[1, 0]] * 2)
    assert value(cohen_kappa(pairs, 2), 125) == pytest.approx(-0.023, abs=0.0005)
    assert value(gwet_ac1(counts_of(pairs, 2)), 125) == pytest.approx(0.941, abs=0.0005)


CODINGS = st.integers(2, 4).flatmap(
    lambda coders: st.lists(st.lists(st.integers(-1, 3), min_size=coders, max_size=coders), min_size=2, max_size=12)
)


@given(CODINGS, st.sampled_from(LEVELS))
@settings(max_examples=200)
def test_alpha_is_that_of_the_package_krippendorff(codings: list, level: str):
    """Its default level is interval: here it is always named."""
    given_codings = np.array(codings)
    numbers = np.arange(4.0) if level == "interval" else None
    ours = value(krippendorff_alpha(counts_of(given_codings, 4), level, numbers), len(codings))
    pairable = given_codings[(given_codings >= 0).sum(axis=1) >= 2]
    if len(np.unique(pairable[pairable >= 0])) < 2:
        assert math.isnan(ours)
        return
    reliability = np.where(given_codings < 0, np.nan, given_codings).T
    expected = krippendorff.alpha(reliability, level_of_measurement=level, value_domain=np.arange(4.0))
    assert ours == pytest.approx(expected, abs=1e-9)


@given(CODINGS, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_no_coefficient_depends_on_the_order_of_coders_or_items(codings: list, random):
    mixed = [random.sample(line, len(line)) for line in random.sample(codings, len(codings))]
    for measure in (percent, fleiss_kappa, gwet_ac1, lambda counts: krippendorff_alpha(counts, "ordinal")):
        before, after = (value(measure(counts_of(np.array(one), 4)), len(one)) for one in (codings, mixed))
        assert before == pytest.approx(after, nan_ok=True)


def test_perfect_agreement_is_1_and_one_value_alone_undefined():
    perfect, alike = np.array([[0, 0], [1, 1], [1, 1]]), np.zeros((3, 2), dtype=np.int64)
    for measure in (percent, fleiss_kappa, gwet_ac1, lambda counts: krippendorff_alpha(counts, "nominal")):
        assert value(measure(counts_of(perfect, 2)), 3) == pytest.approx(1)
    for measure in (fleiss_kappa, lambda counts: krippendorff_alpha(counts, "nominal"),
                    lambda counts: krippendorff_alpha(counts, "ordinal")):  # fmt: skip
        assert math.isnan(value(measure(counts_of(alike, 2)), 3))
    assert math.isnan(value(cohen_kappa(alike, 2), 3))
    assert math.isnan(value(gwet_ac1(counts_of(alike, 1)), 3))
    assert value(gwet_ac1(counts_of(alike, 2)), 3) == 1  # a value that coders could have chosen, and did not


def test_intervals_are_those_of_a_bootstrap_over_items():
    """Percent agreement of two coders is a share of items: its interval is close to the binomial one."""
    pairs = np.array([[0, 0]] * 150 + [[0, 1]] * 50)
    one = interval(percent(counts_of(pairs, 2)), 200, NO_PAIRS)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 200)
    assert (one.value, one.low, one.high) == pytest.approx((0.75, 0.75 - half, 0.75 + half), abs=0.01)
    again = interval(percent(counts_of(pairs, 2)), 200, NO_PAIRS)
    assert one == again


def test_a_large_bootstrap_goes_in_parts_and_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    counts = counts_of(table(KRIPPENDORFF_2011), 5)
    whole = interval(krippendorff_alpha(counts, "ordinal"), 12, ONE_VALUE)
    monkeypatch.setattr("mediasift.evaluate.agreement._CELLS", 100)
    in_parts = interval(krippendorff_alpha(counts, "ordinal"), 12, ONE_VALUE)
    assert (in_parts.low, in_parts.high) == pytest.approx((whole.low, whole.high))


def test_what_is_undefined_is_empty_with_its_reason():
    alone = counts_of(np.array([[0, -1], [-1, 1]]), 2)
    one = interval(percent(alone), 2, NO_PAIRS)
    assert (one.value, one.low, one.high, one.reason) == (None, None, None, NO_PAIRS)
    single = interval(gwet_ac1(np.full((3, 1), 2.0)), 3, FEW_VALUES)
    assert (single.value, single.reason) == (None, FEW_VALUES)
    nothing = interval(percent(np.zeros((0, 2))), 0, NO_PAIRS)
    assert (nothing.value, nothing.reason) == (None, NO_PAIRS)
    certain = interval(percent(np.full((3, 1), 2.0)), 3, NO_PAIRS)
    assert (certain.value, certain.low, certain.reason) == (1, None, CERTAIN)
