"""Tables over everything at once: what is done when they are there already, or were begun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import InputError, OutputError, UsageError
from mediasift.sources.content import LocalFile
from mediasift.sources.naming import Source
from tests.pictures import encoded, save, scene
from tests.stand_ins import cut_short

ROOT = Path(__file__).resolve().parents[2]

MAKERS: dict[str, Any] = {
    "compare": ms.compare,
    "duplicates": ms.duplicates,
    "pixels": lambda photos, **options: ms.duplicates(photos, match="pixels", **options),
    "bytes": lambda photos, **options: ms.duplicates(photos, match="bytes", **options),
    "search": lambda photos, **options: ms.search(photos / "0.png", photos, method="phash", **options),
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        save(folder / f"{number}.png", scene(seed=number % 6))
    return folder


def test_what_stops_a_run_midway_leaves_what_was_done(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(8, 300):
        save(photos / f"{number}.png", scene(seed=number % 6))
    head = LocalFile.head

    def spoiled(file: LocalFile, size: int) -> bytes:
        if file.path.name == "299.png":
            raise InputError("too many open files")
        return head(file, size)

    with monkeypatch.context() as patched:
        patched.setattr(LocalFile, "head", spoiled)
        with pytest.raises(InputError):
            ms.duplicates(photos, jobs=0).write(tmp_path / "out.csv")
    again = ms.duplicates(photos, jobs=0)
    again.write(tmp_path / "out.csv")
    assert again.summary.taken_over > 150


@pytest.mark.parametrize("maker", MAKERS)
def test_a_finished_table_is_left_alone_until_it_is_asked_for_anew(photos: Path, tmp_path: Path, maker: str):
    make, out = MAKERS[maker], tmp_path / "out.csv"
    make(photos).write(out)
    first = out.read_bytes()
    save(photos / "9.png", scene(seed=3))
    again = make(photos)
    again.write(out)
    assert again.left_alone
    assert again.summary.rows == len(first.splitlines()) - 1
    assert out.read_bytes() == first
    make(photos).write(out, update=True)
    updated = out.read_bytes()
    assert updated != first
    make(photos).write(tmp_path / "fresh.csv")
    assert updated == (tmp_path / "fresh.csv").read_bytes()
    (photos / "9.png").unlink()
    make(photos).write(out, restart=True)
    assert out.read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))) == [
        "out.csv", "out.csv.run.json"
    ]  # fmt: skip


@pytest.mark.parametrize("maker", MAKERS)
def test_a_table_that_somebody_changed_or_wrote_is_never_overwritten(photos: Path, tmp_path: Path, maker: str):
    make, out, other = MAKERS[maker], tmp_path / "out.csv", tmp_path / "notes.csv"
    make(photos).write(out)
    out.write_text(out.read_text() + "mine\n")
    other.write_text("mine\n")
    for path in (out, other):
        before = path.read_bytes()
        for options in ({}, {"restart": True}, {"update": True}):
            with pytest.raises(OutputError, match="never overwritten"):
                make(photos).write(path, **options)
        assert path.read_bytes() == before


def test_other_settings_are_refused_with_the_difference(photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    ms.duplicates(photos).write(out)
    for options in ({"min_similarity": 0.9}, {"prefer": "first"}, {"against": photos / "0.png"}, {"method": "dhash"},
                    {"match": "pixels"}, {"turns": True}, {"max_megapixels": 1}):  # fmt: skip
        with pytest.raises(UsageError, match=rf"{next(iter(options))} was .*--restart"):
            ms.duplicates(photos, **options).write(out)
    with pytest.raises(UsageError, match="task was"):
        ms.compare(photos).write(out)


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("maker", ["compare", "duplicates", "search"])
def test_a_run_that_was_cut_off_goes_on(photos: Path, tmp_path: Path, maker: str, indexed: bool):
    make, out, whole = MAKERS[maker], tmp_path / "out.csv", tmp_path / "whole.csv"
    options = {"index": tmp_path / "index"} if indexed else {}
    make(photos).write(whole)
    cut_short(make(photos, **options), out, 5)
    assert not out.exists()
    again = make(photos, **options)
    engine = again._rows.stream._runner
    original, read = engine.run_together, list[Source]()

    def noted(sources):
        for together in original(sources):
            read.extend(finished.source for finished in together)
            yield together

    engine.run_together = noted
    again.write(out)
    assert len(read) == again.summary.sources - 5
    assert again.summary.taken_over == 5
    assert out.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "out.csv.journal.jsonl").exists()


def test_a_file_that_changes_after_it_was_read_is_read_again(photos: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    cut_short(ms.duplicates(photos), out, 7)
    save(photos / "0.png", scene(seed=77))
    ms.duplicates(photos).write(out)
    ms.duplicates(photos).write(tmp_path / "fresh.csv")
    assert out.read_bytes() == (tmp_path / "fresh.csv").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_asked_to_stop_it_says_how_to_go_on(tmp_path: Path):
    folder = tmp_path / "many"
    folder.mkdir()
    data = encoded(scene(300, 200))
    for number in range(1500):
        (folder / f"{number:05}.png").write_bytes(data)
    command = [sys.executable, "-m", "mediasift", "search", str(folder / "00000.png"), "--in", str(folder), "-o",
               str(tmp_path / "out.csv"), "--method", "phash"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "inference"), str(ROOT)])}
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
    journal = tmp_path / "out.csv.journal.jsonl"
    until = time.monotonic() + 30
    while (not journal.exists() or journal.read_bytes().count(b"\n") < 20) and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, printed = child.communicate(timeout=30)
    assert child.returncode == 130
    done = journal.read_bytes().count(b"\n") - 2  # the header, and that it is begun
    assert f"{done:,} inputs are done and kept in out.csv.journal.jsonl" in printed
    assert "type the same command again" in printed
    subprocess.run(command, check=True, env=environment, cwd=ROOT)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 11
    assert not journal.exists()


def test_on_the_command_line(photos: Path, tmp_path: Path):
    def call(*more: str):
        arguments = ["duplicates", str(photos), "-o", str(tmp_path / "out.csv"), *more]
        return CliRunner().invoke(main, arguments, catch_exceptions=False)

    assert "8 rows from 8 files" in call().stderr
    assert "is finished (8 rows from 8 files); nothing was done" in call().stderr
    save(photos / "9.png", scene(seed=3))
    assert "9 rows from 9 files" in call("--update").stderr
    assert call("--match", "bytes").exit_code == 2
    assert call("--match", "bytes", "--restart").exit_code == 0
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    assert (manifest["settings"]["task"], manifest["settings"]["match"]) == ("duplicates", "bytes")
    (tmp_path / "out.csv").write_text("mine")
    assert call("--restart").exit_code == 6
