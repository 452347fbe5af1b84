"""What a file costs and what a call costs: a sample of `make mutants`, and the memory of many calls."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from tests.memory import MOST_BYTES, costs, narrow, over
from tests.mutants import seeds
from tests.tiny_models import mean_colour, write

MUTANTS = 100

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a peak of a moment")


def test_mutants_and_bombs_take_no_more_than_their_size_allows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2] / "inference"))
    assert over(first=0, count=MUTANTS, seed=11) == {}


def test_the_check_sees_what_a_file_takes(tmp_path: Path):
    """A limit that is passed is seen: pictures of a line, with a bound of nothing."""
    model = write(tmp_path, mean_colour())
    took = {name: taken for name, taken, _ in costs(list(narrow()), model)}
    assert max(took.values()) > 100_000
    assert max(took.values()) < MOST_BYTES
    assert {most for _, _, most in costs([("a.png", seeds()[5][1])], model)} == {MOST_BYTES + 8 * 64 * 48}


@pytest.mark.parametrize("jobs", [0, 2])
def test_the_memory_of_many_calls_is_flat(tmp_path: Path, jobs: int):
    """Of 20,000 calls, each would leave less than a tenth of an object."""
    model, picture = str(write(tmp_path, mean_colour())), np.zeros((8, 8, 3), np.uint8)

    def held(calls: int) -> int:
        for _ in range(calls):
            assert len(list(ms.classify(picture, model=model, jobs=jobs, threads=1))) == 1
        gc.collect()
        return len(gc.get_objects())

    held(30)
    before = held(5)
    assert held(100) - before < 50
