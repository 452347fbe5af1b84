from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.errors import UsageError
from mediasift.sources.naming import Source
from mediasift.sources.shards import Listing, Shard

SLURM = {"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_COUNT": "4"}


@given(st.lists(st.text(st.characters(codec=None), max_size=12)), st.integers(1, 9))
def test_each_source_is_in_one_part_in_its_order(paths: list[str], parts: int):
    sources = [Source(path=path) for path in paths]
    listings = [Listing(Shard(part, parts)) for part in range(1, parts + 1)]
    own = [list(listing.own(sources)) for listing in listings]
    placed = [
        pair for listing, mine in zip(listings, own, strict=True) for pair in zip(listing.places, mine, strict=True)
    ]
    assert sorted(placed, key=lambda pair: pair[0]) == list(enumerate(sources))
    assert len({listing.to_json()["listing"] for listing in listings}) == 1


def test_an_input_more_moves_no_other():
    sources = [Source(path=f"{number}.jpg") for number in range(500)]
    before = [list(Listing(Shard(part, 7)).own(sources)) for part in range(1, 8)]
    after = [list(Listing(Shard(part, 7)).own([Source(path="new.jpg"), *sources])) for part in range(1, 8)]
    assert sum(len(mine) for mine in after) == 501
    assert all(set(old) <= set(new) for old, new in zip(before, after, strict=True))
    assert max(Counter(map(len, before))) < 2 * 500 / 7  # about equal


def test_listings_differ_by_names_order_and_columns():
    def listing(*sources: Source) -> str:
        one = Listing(Shard(1, 2))
        list(one.own(sources))
        return str(one.to_json()["listing"])

    a, b = Source(path="a"), Source(path="b")
    kinds = [
        listing(a, b),
        listing(b, a),
        listing(a),
        listing(a, b, b),
        listing(Source(path="a", kept=(("x", "1"),)), b),
    ]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (SLURM, "3/4"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "5"}, "1/5"),
        ({"SGE_TASK_ID": "2", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "9", "SGE_TASK_STEPSIZE": "1"}, "2/9"),
        ({"SGE_TASK_ID": "undefined", **SLURM}, "3/4"),  # as Grid Engine sets it outside of arrays
        ({"LSB_JOBINDEX": "7", "LSB_JOBINDEX_END": "7", "LSB_JOBINDEX_STEP": "1"}, "7/7"),
    ],
)
def test_auto_is_what_the_scheduler_says(environment: dict[str, str], expected: str):
    assert str(Shard.of("auto", environment)) == expected


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("0/3", {}, "I from 1 to N"),
        ("4/3", {}, "I from 1 to N"),
        ("1/0", {}, "I from 1 to N"),
        ("half", {}, "must be I/N"),
        ("²/3", {}, "must be I/N"),
        ("auto", {}, "give it as I/N"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "3"}, "give it as I/N"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_STEP": "2"}, "in steps"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_ID": "14"}, "I from 1 to N"),  # 10, 12, 20, 30: numbers with gaps
        ("auto", {"SGE_TASK_ID": "5", "SGE_TASK_FIRST": "5", "SGE_TASK_LAST": "9"}, "number them 1 to N"),
    ],
)
def test_what_is_no_part_is_refused(text: str, environment: dict[str, str], message: str):
    with pytest.raises(UsageError, match=message):
        Shard.of(text, environment)
