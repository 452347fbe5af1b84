"""`mediasift watch` from end to end: the program, while files arrive in its folder."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mediasift.cli import main
from tests.pictures import encoded, save, solid
from tests.tiny_models import mean_colour, write
from tests.watch_kills import Program, killed, paths, rows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")

WORDS = ("in", "-m", "tiny.onnx", "-o", "out.csv")
QUICK = ("--table-every", "0.2", "--settle", "0.2")
RED, BLUE = solid((200, 0, 0), 8, 8), solid((0, 0, 200), 8, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model and a folder `in`."""
    write(tmp_path, mean_colour())
    (tmp_path / "in").mkdir()
    return tmp_path


def labels(table: Path) -> dict[str, str]:
    """Path → label, or the code of the error."""
    return {row[0]: row[6] or row[-1].partition(":")[0] for row in rows(table)}


def manifest(folder: Path) -> dict:
    return json.loads((folder / "out.csv.run.json").read_text())


@pytest.mark.parametrize("how", [(), ("--poll", "0.3")], ids=["notices", "polling"])
def test_the_table_grows_while_it_runs_and_ends_as_that_of_classify(folder: Path, how: tuple[str, ...]):
    save(folder / "in/old.png", RED)
    out = folder / "out.csv"
    with Program(folder, "watch", *WORDS, *QUICK, *how) as program:
        program.until(lambda: labels(out) == {"in/old.png": "red"})
        save(folder / "in/new.png", BLUE)
        save(folder / "in/.made.png", BLUE).rename(folder / "in/renamed.png")
        (folder / "in/a/b").mkdir(parents=True)
        save(folder / "in/a/b/deep.png", RED)
        save(folder / "in/.hidden.png", RED)
        (folder / "in/notes.txt").write_text("no picture")
        (folder / "in/damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
        program.until(lambda: len(paths(out)) == 5)
        assert labels(out) == {
            "in/a/b/deep.png": "red", "in/damaged.jpg": "damaged", "in/new.png": "blue", "in/old.png": "red",
            "in/renamed.png": "blue",
        }  # fmt: skip
        save(folder / "in/damaged.jpg", RED)  # a file that changes is read again
        save(folder / "in/new.png", RED)
        program.until(lambda: labels(out)["in/damaged.jpg"] == labels(out).get("in/new.png") == "red")
        assert program.end() == 0
    assert ("every 0.3 s (--poll)" if how else "as the system gives notice") in program.printed[0]
    assert not (folder / "out.csv.journal.jsonl").exists()
    assert manifest(folder)["counts"]["sources"] == 5
    assert manifest(folder)["inputs"] == {"sizes": "", "states": ""}  # in the order of coming they would be others'
    done = CliRunner().invoke(main, ["classify", str(folder / "in"), "-m", str(folder / "tiny.onnx"), "-o",
                                     str(folder / "fresh.csv"), "--quiet"])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert out.read_text() == (folder / "fresh.csv").read_text().replace(f"{folder}/", "")


def test_rows_of_what_is_removed_stay_and_those_of_a_former_name_go(folder: Path):
    for name in ("gone.png", "stays.png", "slow-download.part"):
        (folder / "in" / name).write_bytes(encoded(RED))
    out = folder / "out.csv"
    with Program(folder, "watch", *WORDS, *QUICK) as program:
        program.until(lambda: len(paths(out)) == 3)  # the download stood still for so long that it was read
        (folder / "in/gone.png").unlink()
        (folder / "in/slow-download.part").rename(folder / "in/whole.png")
        program.until(lambda: "in/whole.png" in paths(out))
        assert program.end() == 0
    assert paths(out) == {"in/gone.png", "in/stays.png", "in/whole.png"}
    assert manifest(folder)["counts"]["vanished"] == ["in/gone.png"]


def test_asked_to_stop_while_a_file_is_written_it_says_so_and_goes_on_with_the_same_command(folder: Path):
    save(folder / "in/a.png", RED)
    out, data = folder / "out.csv", encoded(BLUE)
    with Program(folder, "watch", *WORDS, *QUICK) as program, (folder / "in/b.png").open("wb") as slow:
        slow.write(data[:40])
        slow.flush()
        program.until(lambda: "in/a.png" in paths(out))
        assert program.end(signal.SIGTERM) == 130
        assert paths(out) == {"in/a.png"}
        assert "has all but 1 file there (in/b.png)" in "".join(program.printed)
        assert (folder / "out.csv.journal.jsonl").exists()
        slow.write(data[40:])
    with Program(folder, "watch", *WORDS, *QUICK) as program:
        program.until(lambda: labels(out).get("in/b.png") == "blue")
        assert program.end() == 0
    assert manifest(folder)["counts"]["taken_over"] == 1


def test_a_finished_table_goes_on_and_only_what_is_new_is_read(folder: Path):
    out = folder / "out.csv"
    with Program(folder, "watch", *WORDS, *QUICK) as program:
        program.until(lambda: program.printed)
        for name in ("a", "b"):  # after it was started: as new as can be
            save(folder / f"in/{name}.png", RED)
        program.until(lambda: len(paths(out)) == 2)
        (folder / "in/c.gif").write_bytes(b"GIF89a no more")
        program.until(lambda: len(paths(out)) == 3)
        time.sleep(2.1)  # times of files are exact to two seconds
        assert program.end() == 1  # as elsewhere: some rows carry an error
    save(folder / "in/d.png", BLUE)
    with Program(folder, "watch", *WORDS, *QUICK) as program:
        program.until(lambda: "in/d.png" in paths(out))
        assert program.end() == 1
    assert manifest(folder)["counts"]["taken_over"] == 3
    assert labels(out) == {"in/a.png": "red", "in/b.png": "red", "in/c.gif": "damaged", "in/d.png": "blue"}
    with Program(folder, "classify", *WORDS, "--update") as program:
        assert program.ended() == 1
    assert labels(out)["in/d.png"] == "blue"


def test_failed_files_are_tried_again_once_on_request(folder: Path):
    out = folder / "out.csv"
    (folder / "in/c.gif").write_bytes(b"GIF89a no more")
    save(folder / "in/a.png", RED)
    for more, taken_over in ((), 0), ((), 2), (("--retry-errors",), 1):
        with Program(folder, "watch", *WORDS, *QUICK, *more) as program:
            program.until(lambda: len(paths(out)) == 2 and (folder / "out.csv.run.json").exists())
            program.until(lambda: manifest(folder)["counts"]["sources"] == 2)
            program.end(signal.SIGKILL)
        assert manifest(folder)["counts"]["taken_over"] == taken_over
        assert sum(rows(out).values()) == 2
        out.unlink()
        (folder / "out.csv.run.json").unlink()


def test_a_table_that_somebody_else_changed_is_not_overwritten(folder: Path):
    save(folder / "in/a.png", RED)
    out = folder / "out.csv"
    with Program(folder, "watch", *WORDS, *QUICK) as program:
        program.until(lambda: paths(out))
        out.write_text("mine")
        save(folder / "in/b.png", RED)
        assert program.ended() == 6
    assert "was changed since mediasift wrote it" in "".join(program.printed)
    assert out.read_text() == "mine"


def test_an_empty_folder_leaves_nothing_behind(folder: Path):
    with Program(folder, "watch", *WORDS) as program:
        program.until(lambda: program.printed)
        assert program.end() == 0
    assert sorted(one.name for one in folder.iterdir()) == ["in", "tiny.onnx"]


def test_a_folder_that_goes_away_and_comes_back(folder: Path):
    save(folder / "in/a.png", RED)
    out = folder / "out.csv"
    with Program(folder, "watch", *WORDS, *QUICK, "--poll", "0.2") as program:
        program.until(lambda: paths(out))
        (folder / "in").rename(folder / "away")
        save(folder / "away/b.png", BLUE)
        program.until(lambda: True)
        (folder / "away").rename(folder / "in")
        program.until(lambda: len(paths(out)) == 2)
        assert program.end() == 0
    assert labels(out) == {"in/a.png": "red", "in/b.png": "blue"}


def test_other_verbs(folder: Path):
    save(folder / "in/a.png", RED)
    with Program(folder, "watch", "embed", "in", "-m", "digits-lenet", "-o", "v.npz", *QUICK) as program:
        program.until((folder / "v.npz").exists)
        save(folder / "in/b.png", BLUE)
        program.until(lambda: len(np.load(folder / "v.npz")["path"]) == 2)
        assert program.end() == 0
    with Program(folder, "watch", "info", "in", "-o", "i.jsonl", *QUICK) as program:
        program.until((folder / "i.jsonl").exists)
        assert program.end() == 0
    assert [json.loads(line)["format"] for line in (folder / "i.jsonl").read_text().splitlines()] == ["png", "png"]


PYTHON = """
import mediasift as ms
if __name__ == "__main__":
    print(ms.watch(ms.classify("in", model="tiny.onnx"), "out.csv", settle_s=0.2, every_s=0.2).sources)
"""


def test_in_python(folder: Path):
    save(folder / "in/a.png", RED)
    with Program(folder, python=("-c", PYTHON)) as program:
        program.until(lambda: paths(folder / "out.csv"))
        save(folder / "in/b.png", RED)
        program.until(lambda: len(paths(folder / "out.csv")) == 2)
        assert program.end() == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["in", "-m", "tiny.onnx"], 2, "'-o' / '--output'"),
        (["-m", "tiny.onnx", "-o", "out.csv"], 2, "FOLDER..."),
        (["tiny.onnx", "-m", "tiny.onnx", "-o", "out.csv"], 2, "name folders to watch"),
        (["nowhere", "-m", "tiny.onnx", "-o", "out.csv"], 3, "no such file or folder"),
        (["in", "-m", "nonsense", "-o", "out.csv"], 4, "no model 'nonsense'"),
        (["in", "-m", "tiny.onnx", "-o", "no/out.csv"], 6, "make it first"),
        (["in", "-m", "tiny.onnx", "-o", "out.csv", "--settle", "0"], 2, "x>0"),
        (["in", "-m", "tiny.onnx", "-o", "out.csv", "--update"], 2, "No such option"),
        (["ocr", "in", "--files", "txt", "-d", "in/texts", "-o", "out.csv"], 2, "lies in the watched folder"),
    ],
)
def test_mistakes_end_at_once_and_leave_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
):
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, ["watch", *words])
    assert (done.exit_code, message in done.output) == (code, True), done.output
    assert not list(folder.glob("out*"))


def test_killed_at_random_moments_while_files_arrive(tmp_path: Path):
    """A sample of `python -m tests.watch_kills`."""
    assert killed(tmp_path, 3, random.Random(3)) == []
