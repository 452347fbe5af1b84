"""What a file costs and what a call costs: a sample of `make mutants`, and the memory of many calls."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import mediasift as ms
from mediasift.media.pictures.images import MAX_FRAMES
from tests.conftest import WHOLE
from tests.memory import MOST_BYTES, costs, narrow, over
from tests.mutants import seeds
from tests.tiny_models import mean_colour, write

MUTANTS, FRAMES = (100, MAX_FRAMES) if WHOLE else (20, 2000)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a peak of a moment")


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """What earlier tests left, such as TensorFlow, is not looked through again by each collection of garbage."""
    gc.freeze()
    yield
    gc.unfreeze()


def test_mutants_and_bombs_take_no_more_than_their_size_allows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2] / "inference"))
    assert over(first=0, count=MUTANTS, seed=11, frames=FRAMES) == {}


def took(folder: str) -> None:
    """Print what a large picture took, and at most one that is a line."""
    model = write(Path(folder), mean_colour())
    large = cv2.imencode(".png", np.zeros((4_000, 5_000, 3), np.uint8))[1].tobytes()
    each = {name: taken for name, taken, _ in costs([("large.png", large), *narrow()], model)}
    print(each.pop("large.png"), max(each.values()))


def test_the_check_sees_what_a_file_takes(tmp_path: Path):
    """In a process of its own, as there is memory in this one that an earlier test gave back."""
    code = f"from tests.run.test_memory import took; took({str(tmp_path)!r})"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    large, line = map(int, done.stdout.split())
    assert large >= 4_000 * 5_000 * 3
    assert line < MOST_BYTES
    model = write(tmp_path, mean_colour())
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
