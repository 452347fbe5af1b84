from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from mediasift.system.progress import Progress, Transfer


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
        "2,000 files\n1,010 of 2,000 files, 1.0 per second, 16:30 left, 1 errors\n"
        "1,020 of 2,000 files, 1.0 per second, 16:20 left, 1 errors\n"
    )
    assert (counted.done, counted.errors) == (1020, 1)
    counted.close()


def test_of_an_unknown_number_nothing_is_left(clock: list[float]):
    out = io.StringIO()
    counted = Progress(out)
    clock[0] += 10
    counted.advance(0)
    assert out.getvalue() == "1 files, 0.1 per second, 0 errors\n"


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
