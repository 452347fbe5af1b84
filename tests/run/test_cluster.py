from __future__ import annotations

import json
import logging
import os
import random
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import mediasift as ms
from mediasift.errors import EngineError, UsageError
from mediasift.run import crew
from mediasift.run.job import Job, job_to_json
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
from tests import cluster_kills
from tests.pictures import save, scene, solid
from tests.run.planted import ABORT, Planted

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(60):
        save(folder / f"{number:02}.png", solid((60 + number, 0, 0), 4, 4))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return folder


def rows(photos: Path, **options) -> list[tuple[str, int | None, str]]:
    """A run with the planted codec, whose processes import it from the tests."""
    task = Planted(isolate=True, batch_size=4, **options)
    stream: Stream[Any] = Stream(Job(task=task, inputs=Inputs(named=[str(photos)])))
    with Table(stream) as table:
        return [(Path(row.path).name, row.red, row.error) for row in table]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'inference'}")


@pytest.mark.usefixtures("planted")
def test_a_picture_that_kills_what_computes_costs_one_row(photos: Path):
    save(photos / "25.png", solid((ABORT, 0, 0), 4, 4))
    here, there = rows(photos), rows(photos, cluster="local:2")
    assert there == here
    assert [(name, error.partition(":")[0]) for name, _, error in there if error] == [
        ("25.png", "crashed"), ("broken.jpg", "damaged"),
    ]  # fmt: skip


def test_the_bytes_of_one_machine_and_the_run_goes_on_either_way(tmp_path: Path):
    pages = [scene(40, 30, seed=seed) for seed in range(40)]
    for number, page in enumerate(pages):
        save(tmp_path / f"{number:02}.png", page)
    (tmp_path / "list.csv").write_text("path,post\n" + "".join(f"{n:02}.png,p{n % 3}\n" for n in (*range(40), 3, 3)))
    command = [sys.executable, "-P", "-m", "mediasift", "classify", "list.csv", "--keep", "post", "--quiet"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run("-o", "one.csv").returncode == 0
    with socket.socket() as other:  # dask's usual port may be another's
        with suppress(OSError):
            other.bind(("127.0.0.1", 8787))
            other.listen()
        done = run("-o", "two.csv", "--cluster", "local:2")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    before = (tmp_path / "two.csv.run.json").read_bytes()
    assert run("-o", "two.csv").returncode == 0  # finished, wherever it was computed
    assert (tmp_path / "two.csv.run.json").read_bytes() == before


def test_five_kills_at_random(tmp_path: Path):
    """`python -m tests.cluster_kills` does fifty."""
    assert cluster_kills.killed(tmp_path, 5, random.Random(3)) == []


def test_what_ends_inside_dask_prints_no_traceback(photos: Path, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(EngineError):
        ms.info(photos, cluster="tcp://127.0.0.1:9", timeout_s=2)
    for name in ("distributed.client", "distributed.scheduler", "tornado.application"):
        logging.getLogger(name).error("CancelledError")  # as its `log_errors` does where a close is cut off
    assert "Error" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("local:0", UsageError, "takes a number"),
        ("local:many", UsageError, "takes a number"),
        ("127.0.0.1", UsageError, "must be tls://HOST:PORT"),
        ("http://127.0.0.1:8786", UsageError, "must be tls://HOST:PORT"),
        ("tcp://10.0.0.7:8786", UsageError, "start it with TLS"),
        ("none.json", EngineError, "no such file"),
        ("broken.json", UsageError, "no file that dask's scheduler writes"),
        ("open.json", UsageError, "start it with TLS"),
        ("tcp://127.0.0.1:9", EngineError, "no scheduler answers"),
    ],
)
def test_what_is_no_cluster_is_refused(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, error: type[Exception], message: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open.json").write_text('{"address": "tcp://192.168.1.2:8786"}')
    (tmp_path / "broken.json").write_text('{"address')
    with pytest.raises(error, match=message):
        ms.info(photos, cluster=address, timeout_s=2)


def test_offline_no_connection_is_opened(photos: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_OFFLINE", "1")
    with pytest.raises(EngineError, match="--offline"):
        ms.info(photos, cluster="tls://example.org:8786")


def test_a_cluster_without_workers_is_waited_for_and_then_given_up(photos: Path, tmp_path: Path):
    small = cluster_kills.Small(tmp_path, workers=False)
    try:
        with pytest.raises(EngineError, match=r"no workers for 1 s \(--timeout\)"):
            ms.info(photos, cluster=str(small.file), timeout_s=1)
    finally:
        small.close()


@pytest.mark.usefixtures("planted")
def test_a_machine_with_other_versions_is_refused():
    job = Job(task=Planted(evil=False), inputs=Inputs(named=()))
    text = json.dumps(job_to_json(job))
    versions, facts, size = crew.begin("first", text, None)
    try:
        assert size == 4
        crew.begin("second", text, json.dumps([versions, facts]))
        with pytest.raises(EngineError, match=r"numpy is .* instead of '0.1'"):
            crew.begin("third", text, json.dumps([{**versions, "numpy": "0.1"}, facts]))
    finally:
        for key in ("first", "second", "third"):
            crew.forget(key)
    assert not crew._held
