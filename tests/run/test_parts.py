"""Sources of many pages: progress and journal count them; a run that was stopped continues at its page."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mediasift.run import pipeline, reading
from mediasift.run.job import Job
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
from tests.pictures import save, solid
from tests.run.planted import ABORT, Planted, Red

PAGES = 40


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "PYTHONPATH", str(Path(__file__).resolve().parents[2])
    )  # where the worker finds the planted task
    for module, name in ((pipeline, "PART_S"), (pipeline, "HAND_OUT_S"), (reading, "PIECE_S")):
        monkeypatch.setattr(module, name, 0.0)


@pytest.fixture(params=["scan.tif", "scan.pdf"])
def scan(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A scan of many pages between two pictures."""
    pages = [Image.fromarray(solid((page + 50, 0, 0), 8, 8)) for page in range(PAGES)]
    folder = tmp_path / "in"
    folder.mkdir()
    pages[0].save(folder / request.param, save_all=True, append_images=pages[1:])
    save(folder / "a.png", solid((7, 0, 0), 4, 4))
    save(folder / "z.png", solid((8, 0, 0), 4, 4))
    return folder


def table(folder: Path, log: Path | None = None, **options) -> Table[Red]:
    task = Planted(log="" if log is None else str(log), **{"evil": False, "batch_size": 1, "jobs": 1, **options})
    return Table(Stream(Job(task=task, inputs=Inputs(named=[str(folder)]))))


def stopped(folder: Path, out: Path, after: int, log: Path) -> int:
    """Stop a run after so many parts; how many pages the journal has of the scan."""
    run, count = table(folder, log), iter(range(10**6))
    rows: Any = run._rows
    given = rows._runner.run_together

    def short(sources):
        with closing(given(sources)) as all_of_them:
            for together in all_of_them:
                yield together
                parts = [one for one in together if not one.ended and "/scan." in one.source.path]
                if any(next(count) == after for _ in parts):
                    raise KeyboardInterrupt

    rows._runner.run_together = short
    with pytest.raises(KeyboardInterrupt):
        run.write(out)
    lines = map(json.loads, out.with_name(f"{out.name}.journal.jsonl").read_text().splitlines())
    return sum(line.get("items", 0) for line in lines if "/scan." in line.get("path", ""))


@pytest.mark.parametrize("after", [0, 7, 30])
def test_a_stopped_scan_continues_at_its_page(scan: Path, tmp_path: Path, after: int):
    table(scan, tmp_path / "log").write(tmp_path / "whole.csv")
    (tmp_path / "log").unlink()
    done = stopped(scan, tmp_path / "out.csv", after, tmp_path / "log")
    assert done > after
    (tmp_path / "log").unlink()
    table(scan, tmp_path / "log").write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    pages = [line for line in (tmp_path / "log").read_text().splitlines() if "/scan." in line]
    assert len(pages) == PAGES - done
    assert pages[0].endswith(f" {done + 1}")


def test_a_scan_that_changed_begins_again(scan: Path, tmp_path: Path):
    stopped(scan, tmp_path / "out.csv", 5, tmp_path / "log")
    (tmp_path / "log").unlink()
    (file,) = scan.glob("scan.*")
    file.write_bytes(file.read_bytes() + b"\n")
    table(scan, tmp_path / "log").write(tmp_path / "out.csv")
    assert (tmp_path / "log").read_text().count("/scan.") == PAGES


def test_a_page_that_kills_the_worker_costs_its_row_alone(scan: Path, tmp_path: Path):
    """What was done before it is not done again."""
    (file,) = scan.glob("scan.*")
    pages = [Image.fromarray(solid((ABORT if page == 30 else page + 50, 0, 0), 8, 8)) for page in range(PAGES)]
    pages[0].save(file, save_all=True, append_images=pages[1:])
    log = tmp_path / "log"
    run = table(scan, log, evil=True, where="infer", isolate=True, slow_s=0.04)
    rows = list(run)
    assert [row.page for row in rows if row.error] == [31]
    assert len(rows) == PAGES + 2
    assert run.summary.worker_restarts >= 1
    read = [line for line in log.read_text().splitlines() if line.endswith(" 1") and "/scan." in line]
    assert len(read) == 1, "the first page was read again"


def test_progress_counts_pages(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mediasift.system.progress._EVERY_S", 0.0)
    stream = io.StringIO()
    table(scan).write(tmp_path / "out.csv", progress=stream)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "3 files"
    assert any("1 of 3 files and 20 pages or frames of the next" in line for line in lines)
