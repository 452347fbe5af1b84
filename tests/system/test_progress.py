from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mediasift.system.progress import Progress, Transfer
from tests.conftest import ROOT
from tests.pictures import save, scene


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test moves."""
    now = [1000.0]
    monkeypatch.setattr("mediasift.system.progress.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_elsewhere_than_on_a_terminal_a_line_at_once_and_every_ten_seconds(clock: list[float]):
    out = io.StringIO()
    counted = Progress(out, 2000)
    for _ in range(1000):
        counted.take_over()
    for step in range(20):
        clock[0] += 1
        counted.advance(errors=step == 3)
    assert out.getvalue() == (
        "2,000 files\n1,010 of 2,000 files, 1 per second, 16:30 left, 1 error\n"
        "1,020 of 2,000 files, 1 per second, 16:20 left, 1 error\n"
    )
    assert (counted.done, counted.errors) == (1020, 1)
    counted.close()


def test_of_an_unknown_number_nothing_is_left(clock: list[float]):
    out = io.StringIO()
    counted = Progress(out)
    clock[0] += 10
    counted.advance(0)
    assert out.getvalue() == "1 file, 0.1 per second, 0 errors\n"


def test_hours_are_shown_where_there_are_some(clock: list[float]):
    out = io.StringIO()
    counted = Progress(out, 1001)
    clock[0] += 10
    counted.advance(0)
    assert "2:46:40 left" in out.getvalue()


def test_a_download_in_megabytes(clock: list[float]):
    out = io.StringIO()
    transfer = Transfer(out, "model.onnx")
    transfer(1_000_000, 4_000_000)
    clock[0] += 11
    transfer(2_500_000, 4_000_000)
    assert out.getvalue() == "model.onnx: 2.5 of 4.0 MB\n"


def test_without_a_stream_nothing_is_shown(clock: list[float]):
    counted = Progress(None, 3)
    clock[0] += 100
    counted.advance(1)
    assert (counted.done, counted.errors) == (1, 1)
    counted.close()


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX systems")
def test_a_terminal_has_a_bar_with_rate_and_time_left_and_a_command_leaves_it_clean(tmp_path: Path):
    import termios  # only POSIX has it

    for number in range(40):
        save(tmp_path / f"{number}.png", scene(8, 8, seed=number))
    leader, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    shown = bytearray()
    reader = threading.Thread(target=lambda: shown.extend(_all_of(leader)))
    reader.start()
    with os.fdopen(terminal, "w") as stream:
        bar = Progress(stream, 3)
        for _ in range(2):
            time.sleep(0.2)  # a bar is drawn ten times a second at most
            bar.advance(1)
        bar.close()
        done = subprocess.run([sys.executable, "-m", "mediasift", "info", str(tmp_path), "-o", str(tmp_path / "a.csv")],
                              stdout=subprocess.PIPE, stderr=stream, text=True, check=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT / "inference")})  # fmt: skip
    reader.join()
    os.close(leader)
    own, _, command = shown.decode().partition("0/40")
    assert re.search(r"2/3 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+(file/s|s/file), errors=2\]", own), own
    assert re.search(r"a\.csv: 40 rows from 40 files\r?\n$", command), command
    assert done.stdout == ""


def _all_of(leader: int) -> Iterator[int]:
    """The bytes of a terminal, until all that write to it have closed it."""
    while True:
        try:
            data = os.read(leader, 4096)
        except OSError:  # Linux says so at the end
            return
        if not data:
            return
        yield from data
