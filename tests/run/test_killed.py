"""Runs that end at any moment: by SIGKILL, and by Ctrl-C or SIGTERM through the command line."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests import kills
from tests.conftest import WHOLE
from tests.pictures import encoded, save, scene, solid
from tests.tiny_models import mean_colour, write
from tests.videos import make_video, numbered

ROOT = Path(__file__).resolve().parents[2]
KILLS, COUNT = (40, 420) if WHOLE else (8, 210)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")

CODE = """
import sys
from pathlib import Path
from mediasift.sources.naming import Inputs
from mediasift.run.job import Job
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from tests.run.planted import Planted
photos, out, log = sys.argv[1:]
task = Planted(evil=False, log=log, slow_s=0.005, batch_size=4, jobs=2, isolate=True)
job = Job(task=task, inputs=Inputs(named=[photos]))
Table(Stream(job)).write(out)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'inference'}"}


def pictures(folder: Path, count: int) -> Path:
    """Pictures, some of several pages, a video, a PDF, one broken, one with a name that needs care."""
    folder.mkdir()
    for number in range(count):
        save(folder / f"{number:04}.png", solid((number % 256, 0, 0), 4, 4))
    pages = [Image.fromarray(solid((page, 0, 0), 4, 4)) for page in range(10)]
    for number in (50, 110, 190):
        pages[0].save(folder / f"{number:04}-pages.tif", save_all=True, append_images=pages[1:])
    make_video(folder / "0120-clip.mp4", numbered(50), range(0, 5000, 100))
    pages[0].save(folder / "0180-pages.pdf", save_all=True, append_images=pages[1:4])
    (folder / "0100-broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    save(folder / "0200 😀, \u202e;\n.png", scene(4, 4))
    return folder


def finished(journal: Path) -> set[str]:
    """Paths of the whole lines in a journal."""
    if not journal.exists():
        return set()
    lines = journal.read_bytes().split(b"\n")[:-1]
    return {data["path"] for data in map(json.loads, lines) if "path" in data and "items" not in data}


def test_killed_at_random_moments_it_gives_the_same_bytes(tmp_path: Path):
    photos, log = pictures(tmp_path / "photos", COUNT), tmp_path / "log"
    out, expected = tmp_path / "out.csv", tmp_path / "expected.csv"
    command = [sys.executable, "-c", CODE, str(photos)]
    subprocess.run([*command, str(expected), str(log)], check=True, env=environment(), cwd=ROOT)
    log.unlink()
    whole = expected.read_text()
    assert whole.count("0120-clip.mp4") > 1
    assert whole.count("0180-pages.pdf") == 4

    chance, journal, kills = random.Random(1), tmp_path / "out.csv.journal.jsonl", 0
    while kills < KILLS:
        before = finished(journal)
        log.write_text("")
        child = subprocess.Popen([*command, str(out), str(log)], env=environment(), cwd=ROOT)
        _wait(child, journal, chance)
        child.kill()
        killed = child.wait() == -signal.SIGKILL
        kills += killed
        assert not set(_read(log)) & before, "a finished source was read again"
        assert finished(journal) >= before or out.exists()  # or it was killed behind its last step
        if not killed:  # it was done before: once more, with the rest of the kills
            assert out.read_bytes() == expected.read_bytes()
            for path in (out, tmp_path / "out.csv.run.json"):
                path.unlink()
    subprocess.run([*command, str(out), str(log)], check=True, env=environment(), cwd=ROOT)
    assert out.read_bytes() == expected.read_bytes()
    assert not journal.exists()
    assert not list(tmp_path.glob(".mediasift*"))


def _wait(child: subprocess.Popen[bytes], journal: Path, chance: random.Random) -> None:
    """Until a random moment: of the start, or when some more sources are finished."""
    if chance.random() < 0.2:
        time.sleep(chance.uniform(0, 0.8))
        return
    size = journal.stat().st_size if journal.exists() else 0
    wanted = size + chance.randrange(1, 900)
    until = time.monotonic() + 20
    while child.poll() is None and time.monotonic() < until:
        try:
            if journal.stat().st_size >= wanted:
                break
        except OSError:
            pass
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.02))


def _read(log: Path) -> list[str]:
    return [line.rsplit(" ", 1)[0] for line in log.read_text().splitlines()]


@pytest.mark.parametrize("moment", ["finish", "replace", "manifest", "remove"])
def test_killed_while_the_table_appears(tmp_path: Path, moment: str):
    """At each step between the last source and the end, the same command completes it."""
    photos, log = pictures(tmp_path / "photos", 5), tmp_path / "log"
    out, expected = tmp_path / "out.csv", tmp_path / "expected.csv"
    command = [sys.executable, "-c", CODE, str(photos)]
    subprocess.run([*command, str(expected), str(log)], check=True, env=environment(), cwd=ROOT)
    die = "os.kill(os.getpid(), 9)"
    spoil = {
        "finish": f"from mediasift.run import journal\njournal.Journal.finish = lambda *_: {die}",
        "replace": f"from mediasift.system import files\nfiles._sync_folder = lambda *_: {die}",
        "manifest": f"from mediasift.run import table\ntable.manifest = lambda *_, **__: {die}",
        "remove": f"from mediasift.run import journal\njournal.Journal.remove = lambda *_: {die}",
    }[moment]
    code = f"import os\n{spoil}\n{CODE}"
    killed = subprocess.run([sys.executable, "-c", code, str(photos), str(out), str(log)], env=environment(), cwd=ROOT,
                            check=False)  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    log.write_text("")
    subprocess.run([*command, str(out), str(log)], check=True, env=environment(), cwd=ROOT)
    assert _read(log) == []
    assert out.read_bytes() == expected.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))) == [
        "out.csv", "out.csv.run.json"
    ]  # fmt: skip


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    data = encoded(scene(300, 200))
    for number in range(3000):
        (folder / f"{number:05}.png").write_bytes(data)
    return folder


def classify(tmp_path: Path, many: Path) -> subprocess.Popen[str]:
    model = write(tmp_path, mean_colour())
    return subprocess.Popen(
        [sys.executable, "-m", "mediasift", "classify", str(many), "-m", str(model), "-o", str(tmp_path / "out.csv")],
        stderr=subprocess.PIPE, text=True, env=environment(), cwd=ROOT,
    )  # fmt: skip


def _until_some_are_done(child: subprocess.Popen[str], journal: Path) -> None:
    until = time.monotonic() + 30
    while len(finished(journal)) < 20 and time.monotonic() < until and child.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_says_how_to_go_on_and_exits_130_within_two_seconds(tmp_path: Path, many: Path, number: int):
    child, journal = classify(tmp_path, many), tmp_path / "out.csv.journal.jsonl"
    _until_some_are_done(child, journal)
    asked = time.monotonic()
    child.send_signal(number)
    _, printed = child.communicate(timeout=30)
    assert time.monotonic() - asked < 2
    assert child.returncode == 130
    assert "type the same command again" in printed
    done = finished(journal)
    assert 20 <= len(done) < 3000
    assert f"{len(done):,} inputs are done and kept" in printed
    again = classify(tmp_path, many)
    assert again.wait(timeout=60) == 0
    again.stderr.close()
    assert json.loads((tmp_path / "out.csv.run.json").read_text())["counts"]["taken_over"] == len(done)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3001


def test_asked_twice_it_stops_at_once(tmp_path: Path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(20):
        save(folder / f"{number}.png", solid((20, 0, 0), 4, 4))  # on which the planted codec stands still
    code = CODE.replace("evil=False, ", "").replace("slow_s=0.005", "slow_s=0")
    child = subprocess.Popen([sys.executable, "-c", code, str(folder), str(tmp_path / "out.csv"), ""], cwd=ROOT,
                             env=environment(), stderr=subprocess.PIPE, text=True)  # fmt: skip
    until = time.monotonic() + 60
    while not (tmp_path / "out.csv.journal.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    asked = time.monotonic()
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert time.monotonic() - asked < 1
    assert child.returncode != 0


@pytest.mark.parametrize("verb", ["convert", "keyframes", "duplicates"])
def test_other_verbs_killed_at_random_moments(tmp_path: Path, verb: str):
    """A sample of `make kills`."""
    assert kills.killed(verb, tmp_path, 2, random.Random(3)) == []
