"""What a worker may do and suffer, with real processes."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mediasift.serve import pool
from tests.pictures import save, scene
from tests.serve.service import LONG_S, Service, form

assert pool.Pool


def label(row: dict) -> tuple:
    return row["label"], round(row["score"], 4)


@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_of_a_worker_under_load_costs_an_error_row_at_most(workers: int, tmp_path: Path):
    bodies = [save(tmp_path / f"{seed}.png", scene(60, 40, seed=seed)).read_bytes() for seed in range(8)]
    with Service("-m", "digits-lenet", "--workers", str(workers)) as own, ThreadPoolExecutor(8) as clients:
        path = "/v1/classify?model=digits-lenet"
        expected = [label(own.post(path, body).rows[0]) for body in bodies]
        first = own.workers()
        assert len(first) == workers
        asked = [clients.submit(own.post, path, bodies[number % 8]) for number in range(400)]
        while sum(one.done() for one in asked) < 50:
            time.sleep(0.01)
        os.kill(first[0], signal.SIGKILL)
        rows = [one.result(LONG_S).rows[0] for one in asked]
        wrong = [row for row in rows if row["error"]]
        assert all(row["error"].startswith("crashed: ") for row in wrong)
        assert len(wrong) <= 8
        for number, row in enumerate(rows):
            assert row["error"] or label(row) == expected[number % 8]
        assert own.metrics()["mediasift_worker_restarts_total"] == 1
        assert first[0] not in own.workers()


def test_a_worker_that_is_stopped_for_a_while_is_no_worker_that_stands_still(tmp_path: Path):
    good = save(tmp_path / "good.png", scene(60, 40, seed=1)).read_bytes()
    with Service("-m", "digits-lenet", "--timeout", "1.5") as own, ThreadPoolExecutor(8) as clients:
        path = "/v1/classify?model=digits-lenet"
        expected = label(own.post(path, good).rows[0])
        (process,) = own.workers()
        os.kill(process, signal.SIGSTOP)
        asked = [clients.submit(own.post, path, good) for _ in range(8)]
        time.sleep(2.5)  # longer than the time limit, which counts the worker's own time
        assert not any(one.done() for one in asked)
        os.kill(process, signal.SIGCONT)
        assert [label(one.result(LONG_S).rows[0]) for one in asked] == [expected] * 8
        assert own.workers() == [process]


def test_a_picture_that_takes_too_long_ends_as_a_row_and_the_others_are_answered(tmp_path: Path):
    from PIL import Image

    Image.new("RGB", (9900, 9900)).save(tmp_path / "large.webp", lossless=True, method=0)
    large = (tmp_path / "large.webp").read_bytes()
    good = save(tmp_path / "good.png", scene(60, 40, seed=1)).read_bytes()
    with Service("-m", "digits-lenet", "--timeout", "0.2") as own, ThreadPoolExecutor(8) as clients:
        path = "/v1/classify?model=digits-lenet"
        slow = clients.submit(own.post, path, large)
        asked = [clients.submit(own.post, path, good) for _ in range(20)]
        (row,) = slow.result(LONG_S).rows
        assert row["error"] == "timeout: takes longer than 0.2 s (--timeout)"
        assert [one.result(LONG_S).rows[0]["error"] for one in asked] == [""] * 20


def test_a_worker_that_needs_too_much_memory_is_replaced(tmp_path: Path):
    from PIL import Image

    Image.new("RGB", (9000, 9000)).save(tmp_path / "large.png")
    large, good = (tmp_path / "large.png").read_bytes(), save(tmp_path / "good.png", scene(60, 40, seed=1)).read_bytes()
    with Service("-m", "digits-lenet", "--max-memory", "0.25") as own:
        path = "/v1/classify?model=digits-lenet"
        body, kind = form(("good.png", good), ("large.png", large), ("good.png", good))
        rows = own.post(path, body, kind).rows
        codes = [row["error"].partition(":")[0] for row in rows]
        assert codes[0] == codes[2] == ""
        assert codes[1] in ("crashed", "")  # it may be over between two looks
        assert own.post(path, good).rows[0]["error"] == ""


def test_a_service_whose_parent_is_killed_leaves_no_worker(tmp_path: Path):
    own = Service("-m", "digits-lenet")
    (process,) = own.workers()
    own.process.kill()
    own.process.wait(LONG_S)
    until = time.monotonic() + LONG_S
    while time.monotonic() < until and Path(f"/proc/{process}").exists() and "Z" not in _state(process):
        time.sleep(0.05)
    assert not Path(f"/proc/{process}").exists() or "Z" in _state(process)
    own.process.stderr.close()
    own.process.stdout.close()


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
