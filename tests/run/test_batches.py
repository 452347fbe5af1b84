from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.errors import InferenceFailed, ItemError
from mediasift.run.batches import Batcher, answered


class Doubler:
    """Doubles numbers, and refuses every batch that holds a culprit; it notes what it was called with."""

    def __init__(self, culprits: set[int]) -> None:
        self.culprits = culprits
        self.calls: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.calls.append(list(batch))
        if bad := self.culprits & set(batch):
            raise InferenceFailed(f"cannot take {min(bad)}")
        return [2 * number for number in batch]


@given(st.integers(0, 70).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, max(0, n - 1))))))
def test_every_item_is_answered_once_and_in_order_whoever_is_to_blame(case: tuple[int, set[int]]):
    count, culprits = case
    doubler = Doubler(culprits)
    answers = answered(range(count), doubler)
    assert len(answers) == count
    for number, answer in enumerate(answers):
        if number in culprits:
            assert isinstance(answer, ItemError)
            assert str(answer) == f"cannot take {number}"
        else:
            assert answer == 2 * number
    good = [number for call in doubler.calls if not culprits & set(call) for number in call]
    assert sorted(good) == [number for number in range(count) if number not in culprits], "computed once"
    assert len(doubler.calls) <= 3 * count + 1


@pytest.mark.parametrize("count", [2, 8, 32, 100])
def test_one_culprit_costs_about_log2_calls(count: int):
    calls = []
    for culprit in range(count):
        doubler = Doubler({culprit})
        answered(range(count), doubler)
        calls.append(len(doubler.calls))
    assert max(calls) <= math.ceil(math.log2(count)) + 3


def test_a_call_that_answers_for_too_few_is_a_bug():
    with pytest.raises(ValueError, match="zip"):
        answered([1, 2], lambda batch: batch[:1])


def test_batches_are_full_or_the_rest():
    batcher: Batcher[int] = Batcher(3)
    assert [batcher.add(number) for number in range(4)] == [[], [], [0, 1, 2], []]
    assert batcher.wait_s() is None
    assert (batcher.rest(), batcher.rest()) == ([3], [])


def test_a_batch_waits_no_longer_than_it_may():
    batcher: Batcher[int] = Batcher(3, max_wait_s=0.05)
    assert batcher.wait_s() is None
    batcher.add(1)
    assert 0 < (batcher.wait_s() or 0) <= 0.05
    time.sleep(0.06)
    batcher.add(2)
    assert batcher.wait_s() == 0
    assert batcher.rest() == [1, 2]
