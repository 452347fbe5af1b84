"""Hostile files through the whole of it: every input is a row, no run ends, nothing takes long or much memory."""

from __future__ import annotations

import csv
import os
import socket
import sys
from pathlib import Path

import pytest

import mediasift as ms
from mediasift.items import FailedItem
from mediasift.media.pictures import images
from mediasift.media.pictures.images import decode
from mediasift.tasks.classify import Classification
from tests.conftest import WHOLE
from tests.mutants import PER_FOLDER, bombs, mutant, seeds, write_mutants
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write

MUTANTS = 5000 if WHOLE else 2000
TIMEOUT_S = 20
MOST_BYTES = 1e9
MOST_S = 25


def sift(tmp_path: Path, *named: Path | str, **options) -> list[Classification]:
    """Rows of a run in a worker, within the limits of this file."""
    model = write(tmp_path, mean_colour(), "hostile.onnx")
    table = ms.classify(
        [str(name) for name in named], model=model, isolate=True, timeout_s=TIMEOUT_S, max_memory_gb=1, **options
    )
    rows = list(table)
    assert 0 < table.summary.worker_peak_bytes < MOST_BYTES
    assert table.summary.seconds["longest_item"] < MOST_S
    return rows


@pytest.mark.parametrize("folder", range(MUTANTS // PER_FOLDER))
def test_mutants_are_rows(tmp_path: Path, folder: int):
    place = tmp_path / "mutants"
    place.mkdir()
    write_mutants(place, PER_FOLDER, seed=7, first=folder * PER_FOLDER)
    rows = sift(tmp_path, *sorted(place.iterdir()), every_frame=True)
    named = [str(path) for path in sorted(place.iterdir())]
    assert list(dict.fromkeys(row.path for row in rows)) == named
    codes = {row.error.partition(":")[0] for row in rows}
    assert codes <= {"", "damaged", "unsupported", "too-large", "not-media", "empty", "crashed", "timeout"}
    assert sum(1 for row in rows if not row.error) > PER_FOLDER / 10


def test_mutants_are_the_same_every_time():
    assert [mutant(number, 1) for number in range(50)] == [mutant(number, 1) for number in range(50)]
    assert len({suffix for suffix, _ in seeds()}) >= 15


def test_seeds_are_valid_pictures(tmp_path: Path):
    for number, (suffix, data) in enumerate(seeds()):
        if suffix != ".xbm":
            (tmp_path / f"{number}{suffix}").write_bytes(data)
    rows = sift(tmp_path, tmp_path)
    assert [row.path for row in rows if row.error] == []


def test_bombs_are_refused_quickly_with_little_memory(tmp_path: Path):
    place = tmp_path / "bombs"
    place.mkdir()
    for name, data in bombs():
        (place / name).write_bytes(data)
    rows = {Path(row.path).name: row for row in sift(tmp_path, place)}
    assert sorted(rows) == sorted(path.name for path in place.iterdir())
    for name in (
        "claims-4-terapixels.png",
        "truly-400-megapixels.png",
        "65535.jpg",
        "huge.tif",
        "16383.webp",
        "poster.svg",
    ):
        assert rows[name].error.startswith("too-large"), rows[name].error
    assert rows["99-megapixels.png"].error == ""
    assert rows["million-frames.gif"].error == ""


def test_a_million_frames_end_at_a_limit(monkeypatch: pytest.MonkeyPatch):
    assert images.MAX_FRAMES == 100_000
    monkeypatch.setattr(images, "MAX_FRAMES", 2000)  # which takes a fiftieth of the time
    *frames, last = decode(dict(bombs())["million-frames.gif"], every_frame=True)
    assert len(frames) == 2000
    assert isinstance(last, FailedItem)
    assert "more than 2,000" in str(last.error)


def test_everything_malformed_is_a_row(tmp_path: Path, test_data: Path):
    named = sorted(str(path) for path in (test_data / "malformed").rglob("*") if path.is_file())
    rows = sift(tmp_path, *named, every_frame=True)
    lists = [name for name in named if name.endswith((".txt", ".csv"))]
    assert {row.path for row in rows} >= set(named) - set(lists)


@pytest.mark.skipif(sys.platform == "win32", reason="special files of POSIX systems")
def test_pipes_sockets_devices_and_folders_by_name(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket.jpg"))
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    names = ["pipe.jpg", "socket.jpg", "device.png", "loop.jpg", "gone.jpg"]
    rows = sift(tmp_path, *(tmp_path / name for name in names))
    listener.close()
    assert [row.error.partition(":")[0] for row in rows] == [*["unreadable"] * 4, "not-found"]


def test_files_that_change_or_vanish_while_the_run_goes_on(tmp_path: Path):
    place = tmp_path / "photos"
    place.mkdir()
    for number in range(200):
        save(place / f"{number:03}.png", scene(200, 150, seed=number % 5))
    table = ms.classify(place, model=write(tmp_path, mean_colour()), isolate=True)
    rows = []
    for row in table:
        rows.append(row)
        if len(rows) == 1:
            (place / "150.png").unlink()
            (place / "160.png").write_bytes(b"")
            (place / "170.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert len(rows) == 200
    errors = {Path(row.path).name: row.error.partition(":")[0] for row in rows if row.error}
    assert errors == {"150.png": "not-found", "160.png": "empty", "170.png": "damaged"}


def test_names_that_inject_are_cells_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "photos"
    place.mkdir()
    names = ["=HYPERLINK(1).png", "a\x1b]0;owned\x07.png", 'a\nb,"c".png', "-rf.png", "@x.png", "x\\..\\..\\y.png"]
    for name in names:
        save(place / name, scene(8, 8))
    out = tmp_path / "out.csv"
    ms.classify(place, model=write(tmp_path, mean_colour()), isolate=True).write(out)
    with out.open(newline="") as file:
        assert sorted(Path(row["path"]).name for row in csv.DictReader(file)) == sorted(names)
    save(tmp_path / "=x.png", scene(8, 8))
    ms.classify("=x.png", model=write(tmp_path, mean_colour())).write(tmp_path / "safe.csv", spreadsheet_safe=True)
    assert "\n'=x.png," in (tmp_path / "safe.csv").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        "=x.png", "out.csv", "out.csv.run.json", "photos", "safe.csv", "safe.csv.run.json", "tiny.onnx"
    }  # fmt: skip
