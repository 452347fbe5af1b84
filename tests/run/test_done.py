"""Finished sources in arrays: what a dictionary of them would say, for any lines in any order."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.run.done import DIGEST_BYTES, STATE_BYTES, Done


@dataclass
class Plain:
    state: bytes
    place: int
    failed: bool
    passing: bool
    rows: int


keys = st.integers(0, 5).map(lambda number: number.to_bytes(DIGEST_BYTES, "little"))  # end in NULs, which numpy drops
states = st.binary(min_size=STATE_BYTES, max_size=STATE_BYTES)
lines = st.tuples(keys, states, st.booleans(), st.booleans(), st.integers(0, 2))


def model(read: list) -> dict[bytes, Plain]:
    known: dict[bytes, Plain] = {}
    for place, (key, state, failed, passing, rows) in enumerate(read):
        old = known.get(key)
        if old is not None and old.rows and rows:
            old.rows, old.failed, old.passing = old.rows + rows, old.failed or failed, old.passing or passing
        else:
            known[key] = Plain(state, place, failed, passing, rows)
    return known


def shown(done: Done, number: int) -> Plain:
    return Plain(done.state(number), done.places[number], done.failed(number), done.passing(number), done.rows[number])


@settings(deadline=None)
@given(st.lists(lines, max_size=30), st.lists(keys, max_size=30), st.lists(st.tuples(keys, states, st.booleans())))
def test_lines_in_any_order_are_found_as_a_dictionary_finds_them(read: list, asked: list[bytes], written: list):
    done, known = Done(), model(read)
    for place, (key, state, failed, passing, rows) in enumerate(read):
        done.add(key, state, place, failed=failed, passing=passing, rows=rows)
    assert len(done) == len(known)
    assert [shown(done, number) for number in done.numbers()] == list(known.values())
    for place, (key, state, failed) in enumerate(written, 100):
        done.finish(key, state, place, failed=failed)
        known[key] = Plain(state, place, failed, False, 0)
    for key in [*asked, *(key for key, *_ in read), *known]:
        number = done.find(key)
        assert (None if number is None else shown(done, number)) == known.get(key)
    assert len(done) == len(known)


def test_a_source_costs_some_fifty_bytes():
    count = 20_000
    tracemalloc.start()
    try:
        done = Done()
        for number in range(count):
            key = number.to_bytes(DIGEST_BYTES, "big")
            done.add(key, key[:STATE_BYTES], number, failed=False, passing=False, rows=0)
        assert done.find((count - 1).to_bytes(DIGEST_BYTES, "big")) == count - 1
        assert tracemalloc.get_traced_memory()[0] < 80 * count  # of which growing lists hold some in reserve
    finally:
        tracemalloc.stop()
