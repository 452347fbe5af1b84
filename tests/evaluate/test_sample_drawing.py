"""Drawing: every unit has the probability that the design says, and nothing but the seed decides."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mediasift.errors import InputError, UsageError
from mediasift.evaluate.sample_drawing import (
    Population,
    allocate,
    assign,
    draw,
    read_population,
    shuffled,
)


@pytest.fixture
def table(tmp_path: Path):
    def write(text: str, name: str = "labels.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def of_sizes(sizes: dict[str, int]) -> Population:
    units = {(f"{name}/{at}.jpg", "", "", ""): (name,) for name, size in sizes.items() for at in range(size)}
    return Population(columns=("path", "page", "frame", "time_s"), by=("label",), units=units, errors=0, without_part=0)


SIZES = st.lists(st.integers(1, 200), min_size=1, max_size=12)


@given(SIZES, st.integers(1, 400), st.sampled_from(["proportional", "equal"]))
def test_every_stratum_gives_two_or_all_and_the_sum_is_what_was_asked_for(sizes, count, allocation):
    assume(count >= sum(min(2, size) for size in sizes))
    drawn = allocate(sizes, count, allocation)
    assert sum(drawn) == min(count, sum(sizes))
    assert all(min(2, size) <= one <= size for one, size in zip(drawn, sizes, strict=True))


@given(SIZES, st.integers(1, 400))
def test_proportional_is_webster_s_method(sizes, count):
    """Its defining property: no unit moved from one stratum to another brings both nearer to their shares.

    For strata that do not stand at a bound: size / (2 drawn - 1) of each is at least size / (2 drawn + 1) of any other.
    """
    assume(sum(min(2, size) for size in sizes) <= count < sum(sizes))
    drawn = allocate(sizes, count)
    above = [Fraction(size, 2 * one - 1) for one, size in zip(drawn, sizes, strict=True) if one > min(2, size)]
    below = [Fraction(size, 2 * one + 1) for one, size in zip(drawn, sizes, strict=True) if one < size]
    assert not above or not below or min(above) >= max(below)


def test_allocations_by_hand():
    """The second is the example of Webster's method in Wikipedia's article on highest averages."""
    assert allocate([10_000, 3_000, 1_000], 14) == [9, 3, 2]  # 10, 3, 1 without the least of two
    assert allocate([53_000, 24_000, 23_000], 7) == [3, 2, 2]
    assert allocate([100, 100, 4], 30, "equal") == [13, 13, 4]
    assert allocate([5, 1], 50) == [5, 1]


def test_too_many_strata_are_refused_with_what_they_need():
    with pytest.raises(UsageError, match=r"200 strata need 400 units, 2 of each .* only 300 are to be drawn"):
        allocate([50] * 200, 300)
    assert allocate([1] * 200, 300) == [1] * 200


@pytest.mark.parametrize("allocation", ["proportional", "equal"])
def test_over_many_seeds_every_unit_is_drawn_as_often_as_the_design_says(allocation):
    population, seeds = of_sizes({"a": 40, "b": 12, "c": 5, "d": 1}), 2000
    counts: Counter[tuple[str, ...]] = Counter()
    probabilities = {}
    for seed in range(seeds):
        sample = draw(population, 15, seed=seed, allocation=allocation)
        counts.update(one.unit for one in sample)
        probabilities.update({one.unit: one.probability for one in sample})
    assert set(probabilities) == set(population.units)  # in 2,000 samples each unit is drawn once at least
    assert math.isclose(sum(probabilities.values()), 15)
    for unit, p in probabilities.items():
        spread = math.sqrt(seeds * p * (1 - p))
        assert abs(counts[unit] - seeds * p) <= 4.5 * spread, (unit, counts[unit], p)


def test_pairs_of_a_stratum_are_drawn_together_as_often_as_chance_says():
    """Without replacement: n (n - 1) / (N (N - 1))."""
    population, seeds = of_sizes({"a": 8}), 3000
    pairs: Counter[frozenset] = Counter()
    for seed in range(seeds):
        units = [one.unit for one in draw(population, 3, seed=seed)]
        pairs.update(frozenset((a, b)) for a in units for b in units if a < b)
    p = 3 * 2 / (8 * 7)
    assert len(pairs) == 28
    assert max(abs(count - seeds * p) for count in pairs.values()) <= 4.5 * math.sqrt(seeds * p * (1 - p))


@given(st.permutations(range(30)), st.integers(0, 2**40))
def test_the_order_of_the_rows_decides_nothing(order, seed):
    population = of_sizes({"a": 20, "b": 10})
    items = list(population.units.items())
    other = Population(
        columns=population.columns, by=population.by, units=dict(items[at] for at in order), errors=0, without_part=0
    )
    assert draw(population, 9, seed=seed) == draw(other, 9, seed=seed)


def test_the_sample_of_a_seed_is_the_same_for_ever():
    """SHA-256 of `[1, "draw", ...]`, as `sha256sum` gives it: a published study can be drawn again."""
    units = [(f"{name}.jpg", "", "", "") for name in "abcdef"]
    # printf '[1, "draw", "a.jpg", "", "", ""]' | sha256sum, and so on, sorted
    assert [unit[0][0] for unit in shuffled(units, 1, "draw")] == ["e", "a", "d", "b", "f", "c"]


def test_a_larger_sample_of_one_stratum_holds_the_smaller_one():
    population = of_sizes({"a": 50})
    small, large = ({one.unit for one in draw(population, count, seed=7)} for count in (10, 20))
    assert small < large


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 40), st.integers(0, 1000))
def test_every_unit_is_coded_and_the_overlap_by_all(count, coders, overlap, seed):
    overlap = min(overlap, count)
    units = [(f"{at}.jpg", "", "", "") for at in range(count)]
    lists = dict(assign(units, coders, overlap, seed=seed))
    assert list(lists) == list(range(1, coders + 1))
    times = Counter(unit for one in lists.values() for unit in one)
    assert set(times) == set(units)
    assert sum(1 for unit in units if times[unit] == coders) >= overlap
    if coders > 1:
        assert sum(1 for unit in units if times[unit] > 1) == overlap
    assert max(map(len, lists.values())) - min(map(len, lists.values())) <= 1


def test_the_order_of_coding_is_not_that_of_the_strata():
    """Over many seeds, the mean place of a stratum's units is the middle."""
    population, seeds = of_sizes({"a": 30, "b": 10}), 400
    places = []
    for seed in range(seeds):
        ((_, order),) = assign([one.unit for one in draw(population, 20, seed=seed)], 1, 20, seed=seed)
        places += [at for at, unit in enumerate(order) if unit[0].startswith("b/")]
    deviation = math.sqrt((20**2 - 1) / 12 / len(places))
    assert abs(sum(places) / len(places) - 9.5) <= 4.5 * deviation


HEADER = "path,page,frame,time_s,rank,label,score,found,error\n"


def test_the_unit_is_the_item_and_rank_one_says_its_stratum(table):
    rows = (
        "a.jpg,,,,2,cat,.2,2,\na.jpg,,,,1,dog,.7,2,\nb.pdf,1,,,1,cat,.9,1,\nb.pdf,2,,,,,,0,\nc.jpg,,,,,,,,damaged: x\n"
    )
    population = read_population(table(HEADER + rows), by=["label"])
    assert population.units == {
        ("a.jpg", "", "", ""): ("dog",), ("b.pdf", "1", "", ""): ("cat",), ("b.pdf", "2", "", ""): ("",),
    }  # fmt: skip
    assert (population.errors, population.without_part) == (1, 0)


def test_an_item_with_one_row_in_error_is_left_out(table):
    population = read_population(table(HEADER + "a.jpg,,,,1,dog,.7,2,\na.jpg,,,,,,,,inference: x\nb.jpg,,,,1,a,1,1,\n"))
    assert list(population.units) == [("b.jpg", "", "", "")]
    assert population.errors == 1


BOXES = "path,page,frame,time_s,label,left,top,right,bottom,found,error\n"
BOXED = "a.jpg,,,,dog,.1,.1,.5,.5,2,\na.jpg,,,,cat,.5,.5,.9,.9,2,\nb.jpg,,,,,,,,,0,\nc.jpg,,,,,,,,,,damaged: x\n"


def test_parts_are_drawn_where_there_are_any(table):
    population = read_population(table(BOXES + BOXED), by=["label"])
    assert population.units == {
        ("a.jpg", "", "", "", "0.1", "0.1", "0.5", "0.5"): ("dog",),
        ("a.jpg", "", "", "", "0.5", "0.5", "0.9", "0.9"): ("cat",),
    }
    assert (population.errors, population.without_part) == (1, 1)


def test_items_of_a_table_with_parts_have_all_their_labels_as_stratum(table):
    population = read_population(table(BOXES + BOXED), by=["label"], per="item")
    assert population.units == {("a.jpg", "", "", ""): ("cat|dog",), ("b.jpg", "", "", ""): ("",)}


def test_what_cannot_be_drawn_is_refused(table):
    with pytest.raises(UsageError, match="no column 'account' to make strata of; it has path"):
        read_population(table(HEADER + "a.jpg,,,,1,x,1,1,\n"), by=["account"])
    with pytest.raises(UsageError, match="has a column 'population' of its own"):
        read_population(table("path,population\na.jpg,1\n"), by=["population"])
    with pytest.raises(UsageError, match="has no columns of parts"):
        read_population(table(HEADER + "a.jpg,,,,1,x,1,1,\n"), per="part")
    with pytest.raises(InputError, match="nothing to draw; 1 carry an error"):
        read_population(table(HEADER + "a.jpg,,,,,,,,damaged: x\n"))
    with pytest.raises(InputError, match="row 1: some of left, top, right, bottom are empty"):
        read_population(table(BOXES + "a.jpg,,,,dog,.1,,.5,.5,2,\n"))
    with pytest.raises(InputError, match="no column 'path'"):
        read_population(table("file,label\na.jpg,x\n"))
    with pytest.raises(InputError, match="row 1: has no path"):
        read_population(table(HEADER + ",,,,1,x,1,1,\n"))


def test_formats_and_spellings_of_numbers_give_one_sample(table, tmp_path: Path):
    lines = [f"film.mp4,,{at}.0,{at / 25:.6f},1,{'ab'[at % 2]},.5,1,\n" for at in range(40)]
    text = read_population(table(HEADER + "".join(lines)), by=["label"])
    rows = [
        {"path": "film.mp4", "frame": at, "time_s": at / 25, "rank": 1, "label": "ab"[at % 2], "error": None}
        for at in reversed(range(40))
    ]
    frame = pd.DataFrame(rows)
    frame.insert(1, "page", None)
    frame.to_parquet(tmp_path / "t.parquet")
    assert draw(text, 10, seed=3) == draw(read_population(tmp_path / "t.parquet", by=["label"]), 10, seed=3)
