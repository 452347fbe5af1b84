"""What is reported of speed comes from the results, and misses are reported too."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from benchmarks import harness, loops, report
from benchmarks.harness import Result, Row, Versus, alternate, as_json, equal, together, versus
from benchmarks.peer import Peer
from tests.pictures import scene

MACHINE = {"cpu": "a processor", "cores": 2, "instruction_sets": ["avx2"], "memory_gib": 8.0, "load_before": 0.1,
           "system": "Linux", "versions": {"python": "3.11"}}  # fmt: skip
MODULES = sorted(
    path.stem for path in harness.ROOT.glob("benchmarks/bench_*.py") if "__main__" in path.read_text(encoding="utf-8")
)


def result(*rows: Row, **more: object) -> dict[str, object]:
    return {
        "what": "something", "command": "python -m benchmarks.bench_x", "date": "2026-01-01", "quick": False,
        "took_seconds": 3, "machine": MACHINE, "timings": {}, "facts": {}, "rows": as_json(list(rows)), **more,
    }  # fmt: skip


def lines(*rows: Row) -> list[str]:
    return report.speed_table({"x": result(*rows)}).splitlines()[2:]


def test_the_generated_page_is_up_to_date():
    assert report.REPORT.read_text(encoding="utf-8") == report.report(report.load()), "python -m benchmarks.report"


def test_the_readmes_table_is_up_to_date():
    readme = report.README.read_text(encoding="utf-8")
    assert readme.count(report.BEGIN) == readme.count(report.END) == 1
    assert report.with_table(readme, report.short_table(report.load())) == readme, "python -m benchmarks.report"


@pytest.mark.parametrize("name", sorted(path.stem for path in harness.RESULTS.glob("*.json")))
def test_every_result_has_its_command_machine_and_date(name: str):
    one = report.load()[name]
    command = one["command"].split()
    assert command[:2] == ["python", "-m"]
    assert command[2].removeprefix("benchmarks.") in MODULES
    assert name.startswith(command[2].removeprefix("benchmarks.bench_"))
    assert set(MACHINE) <= set(one["machine"])
    assert one["machine"]["instruction_sets"]
    assert len(one["date"]) == len("2026-01-01")
    assert "quick" in one
    text = report.REPORT.read_text(encoding="utf-8")
    assert f"(results/{name}.json): `{one['command']}`" in text


@pytest.mark.parametrize("name", MODULES)
def test_each_module_runs_alone_and_says_how(name: str):
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=harness.ROOT, check=True)
    assert "--quick" in done.stdout


def test_a_figure_below_its_floor_is_bold_and_called_a_miss():
    (row,) = lines(Row(what="our thing", loop=Versus(0.5, "a loop", 0.55), outputs="all equal"))
    link = "[our thing](benchmarks/results/x.json)"
    assert row == f"| {link} | **0.500 x** (floor 0.550 x: missed)<br>a loop | - | - | all equal |"
    (row,) = lines(Row(what="our thing", loop=Versus(0.55, "a loop", 0.55), limit=Versus(0.9, "the limit", 0.95)))
    assert "| 0.550 x (floor 0.550 x)<br>a loop | - | **90%** (floor 95%: missed)<br>the limit |" in row


def test_what_cannot_be_measured_here_is_a_line_with_its_reason():
    (row,) = lines(Row(what="our thing", not_here="this processor has VNNI"))
    assert "not measurable here: this processor has VNNI" in row


def test_the_short_table_has_the_first_row_of_each_result_misses_too():
    rows = (Row(what="first", loop=Versus(0.5, "a loop", 0.55)), Row(what="second", loop=Versus(2.0, "a loop", 0.55)))
    (row,) = report.short_table({"x": result(*rows)}).splitlines()[2:]
    assert "[first](" in row
    assert "missed" in row


def test_a_bar_in_a_cell_does_not_end_it():
    assert r"a \| b" in lines(Row(what="a | b"))[0]


def test_a_section_has_timings_with_cpu_seconds_and_every_fact():
    timings = {"part": {"ours": {"per_second": 30.0, "seconds": [1.0, 1.5, 1.25], "cpu_seconds": [2.0, 2.5, 2.25]}}}
    facts = {"peak, MiB": 190.04, "1,000 hashes": {"seconds": 0.5, "pairs": 3}, "10,000 hashes": {"seconds": 5.25}}
    page = report.report({"x": result(timings=timings, facts=facts)})
    assert "| ours | 30.0 | 1.00 to 1.50 | 2.25 |" in page
    assert "- peak, MiB: 190" in page
    assert "| 1,000 hashes | 0.500 | 3.00 |" in page
    assert "| 10,000 hashes | 5.25 |  |" in page
    assert "a processor, 2 cores (avx2), 8.0 GiB" in page


def test_contestants_take_turns_and_their_medians_are_compared():
    turns: list[str] = []
    measured = alternate({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, 10, rounds=3)
    assert turns == ["a", "b"] * 4  # one round warms up
    assert [len(one["seconds"]) for one in measured.values()] == [3, 3]
    timings = {"ours": {"per_second": 30.0}, "loop": {"per_second": 20.0}}
    assert versus(timings, "ours", "loop", 1.2) == Versus(1.5, "loop", 1.2)


def test_processor_time_of_programs_counts():
    work = harness.program(sys.executable, "-c", "sum(range(10**7))")
    (timed,) = alternate({"a": work}, 1, rounds=1, warm=False).values()
    assert timed["cpu_seconds"][0] > 0.05


def test_a_program_that_fails_ends_the_benchmark():
    with pytest.raises(SystemExit, match="a reason"):
        harness.program(sys.executable, "-c", "raise ValueError('a reason')")()


def test_stages_one_after_the_other_and_outputs_that_differ():
    assert together(2.0, 2.0) == 1.0
    assert equal(["a", "b"], ["a", "c"], least=0.5) == "1 of 2 labels equal"
    with pytest.raises(SystemExit, match="no ratio"):
        equal(["a", "b"], ["a", "c"])


def test_a_result_is_written_with_four_figures_and_without_what_is_not_set():
    written = as_json(Result(what="x", rows=[Row(what="y", loop=Versus(1.23456, "loop"))]))
    assert written["rows"] == [{"what": "y", "loop": {"ratio": 1.235, "against": "loop"}}]


def test_the_plain_loop_of_duplicates_lists_a_picture_and_its_copy(tmp_path: Path):
    import cv2

    folder = tmp_path / "in"
    folder.mkdir()
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        cv2.imwrite(str(folder / name), scene(64, 48, seed))
    loops.duplicates(str(folder), str(tmp_path / "out.csv"))
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "path,other"
    assert [[Path(name).name for name in row.split(",")] for row in rows[1:]] == [["a.png", "b.png"]]


_STARTS_ANOTHER = """
import json, subprocess, sys
for line in sys.stdin:
    print(json.dumps({"pid": subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid}), flush=True)
"""


def test_nothing_that_a_peer_has_started_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = tmp_path / "mediasift-peer-own"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    (environment / "ready").touch()
    (tmp_path / "peer.py").write_text(_STARTS_ANOTHER)
    peer = Peer("own", (), str(tmp_path / "peer.py"))
    started = Path(f"/proc/{peer.ask()['pid']}/stat")
    peer.close()
    until = time.monotonic() + 60
    while started.exists() and started.read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.05)
    assert not started.exists() or started.read_text().split()[2] == "Z"
