"""Marks are read by another process, at any moment and after any death of the one that writes them."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from mediasift.run.launch import _nameless
from mediasift.run.marks import PREPARES, READS, WAITS, Doing, Marks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fork")


@pytest.fixture
def memory() -> Iterator[int]:
    """An open file in memory."""
    descriptor = _nameless()
    yield descriptor
    os.close(descriptor)


def test_what_one_process_marks_another_reads(memory: int):
    mine, theirs = Marks(2, [4, 1], memory), Marks(2, [4, 1], memory)
    assert theirs.going_on() == []
    mine.read(1, 1_000_000_000, 4_000_000_000)
    mine.call(0, [(7, 0), (7, 1), (8, 0)])
    reader, call = theirs.going_on()
    assert (reader.place, reader.items, reader.doing, reader.reading) == (
        1,
        ((1_000_000_000, 4_000_000_000),),
        READS,
        True,
    )
    assert (call.place, call.items, call.doing) == (2, ((7, 0), (7, 1), (8, 0)), WAITS)
    mine.prepare(1, 1_000_000_000, 4_000_000_000)
    mine.call(0)
    mine.call(1, [(9, 5)])
    assert theirs.going_on() == [
        Doing(1, reader.turn, reader.items, PREPARES), Doing(3, call.turn + 2, ((9, 5),), WAITS)
    ]  # fmt: skip
    mine.wait(1)
    mine.call(1)
    assert theirs.going_on() == []


def test_a_sign_of_life_is_seen_though_the_item_is_the_same():
    marks = Marks(1, [])
    marks.read(0, 3, 4)
    (before,) = marks.going_on()
    marks.read(0, 3, 4)
    (after,) = marks.going_on()
    assert (after.items, after.doing) == (before.items, before.doing)
    assert after.turn != before.turn


def test_what_a_killed_process_worked_on_is_exact(memory: int):
    """Its numbers belong together, so one half of an earlier mark and one of a later would show."""
    marks, chance = Marks(1, [8], memory), random.Random(1)
    for _ in range(20):
        if (child := os.fork()) == 0:
            for number in range(10**9):
                marks.read(0, number, number * 3)
                marks.prepare(0, number, number * 3)
                marks.call(0, [(number, number + one) for one in range(number % 9)])
        time.sleep(chance.uniform(0.01, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        going_on = marks.going_on()
        ((source, item),) = going_on[0].items
        assert item == source * 3
        for one in going_on[1:]:
            number = one.items[0][0]
            assert one.items == tuple((number, number + index) for index in range(number % 9))
            assert number in (source, source - 1)
