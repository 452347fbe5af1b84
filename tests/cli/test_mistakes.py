"""A mistake leaves nothing behind, and no environment gives a traceback."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mediasift.cli import main
from tests.pictures import save, scene
from tests.tiny_models import mean_colour, write

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="special files and closed descriptors of POSIX systems")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two pictures, a list of them, and a model."""
    for number in range(2):
        save(tmp_path / f"{number}.png", scene(8, 8, seed=number))
    (tmp_path / "list.csv").write_text("path,post\n0.png,p1\n1.png,p2\n")
    (tmp_path / "other.csv").write_text("file,post\n0.png,p1\n1.png,p2\n")
    write(tmp_path, mean_colour())
    return tmp_path


def info(place: Path, *words: str, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """`mediasift info` in the folder; `before` is what a shell does first, redirections stand in `words`."""
    command = f"{before} exec {sys.executable} -m mediasift info --quiet {' '.join(words)}"
    clean = {**os.environ, "PYTHONPATH": str(ROOT / "inference"), **environment}
    return subprocess.run(["sh", "-c", command], cwd=place, capture_output=True, text=True, check=False,
                          env={name: value for name, value in clean.items() if value != "UNSET"})  # fmt: skip


MISTAKES = {
    "an option": (["0.png", "--pages", "x"], 2),
    "a name": (["nope.png"], 3),
    "all names": (["nope.png", "neither.png"], 3),
    "a pattern": (["*.nope"], 3),
    "a column that is not there": (["list.csv", "--column", "file"], 2),
    "another column": (["list.csv", "--column", "post"], 3),
    "a column of the second list": (["list.csv", "other.csv", "--column", "path"], 2),
    "a column to keep": (["list.csv", "--keep", "nope"], 2),
    "an empty folder": (["empty"], 3),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_after_a_mistake_the_corrected_command_runs(place: Path, mistake: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)
    (place / "empty").mkdir()
    words, code = MISTAKES[mistake]
    before = sorted(path.name for path in place.iterdir())
    command = ["info", "--quiet", "-o", "out.csv"]
    done = CliRunner().invoke(main, [*command, *words], catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert sorted(path.name for path in place.iterdir()) == before
    assert CliRunner().invoke(main, [*command, "0.png", "1.png"], catch_exceptions=False).exit_code == 0
    assert (place / "out.csv").read_text().count("\n") == 3


@pytest.mark.parametrize("words", [
    ["convert", "nope.png", "-d", "made"], ["convert", "list.csv", "--keep", "nope", "-d", "made"],
    ["convert", "0.png", "-d", "made", "-o", "missing/out.csv"], ["keyframes", "nope.mp4", "-d", "made"],
    ["timeline", "nope.mp4", "--with", "keyframes", "--vtt", "made"],
])  # fmt: skip
def test_a_mistake_leaves_no_folder_for_files(place: Path, words: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)
    before = sorted(place.iterdir())
    assert CliRunner().invoke(main, [*words, "--quiet"]).exit_code in (2, 3, 6)
    assert sorted(place.iterdir()) == before


ENVIRONMENTS = {
    "no home": ("", ["0.png"], {"HOME": "UNSET"}, 0),
    "a home that is not there": ("", ["0.png"], {"HOME": "/nowhere", "XDG_CACHE_HOME": "UNSET"}, 0),
    "language C": ("", ["0.png"], {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, 0),
    "no folder for temporary files": ("", ["0.png"], {"TMPDIR": "/nowhere"}, 0),
    "the folder was deleted": ("mkdir gone; cd gone; rmdir ../gone;", ["{place}/0.png"], {}, 0),
    "the folder was deleted, and is to be written": (
        "mkdir gone; cd gone; rmdir ../gone;", ["{place}/0.png", "-o", "out.csv"], {}, 6
    ),
    "no standard input": ("", ["0.png", "<&-"], {}, 0),
    "no standard input to read": ("", ["-", "<&-"], {}, 3),
    "no standard error": ("", ["0.png", "2>&-"], {}, 0),
    "a full standard output": ("", ["0.png", ">/dev/full"], {}, 6),
    "a pipe to write": ("mkfifo out.csv;", ["0.png", "-o", "out.csv"], {}, 6),
    "a device to write": ("", ["0.png", "--format", "csv", "-o", "/dev/null"], {}, 6),
    "a folder to write": ("mkdir out.csv;", ["0.png", "-o", "out.csv"], {}, 6),
    "a pipe for a journal": ("mkfifo out.csv.journal.jsonl;", ["0.png", "-o", "out.csv"], {}, 6),
    "another's journal": ("echo notes > out.csv.journal.jsonl;", ["0.png", "-o", "out.csv"], {}, 6),
    "another's manifest": ("echo '{{}}' > out.csv.run.json;", ["0.png", "-o", "out.csv"], {}, 6),
    "another's table": ("echo a,b > out.csv;", ["0.png", "-o", "out.csv", "--restart"], {}, 6),
}  # fmt: skip


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_environment_gives_a_traceback(place: Path, name: str):
    before, words, environment, code = ENVIRONMENTS[name]
    done = info(place, *(word.format(place=place) for word in words), before=before.format(), **environment)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (code != 0 and "2>&-" not in words)
    assert Path("/dev/null").is_char_device()


def test_after_a_restart_the_message_names_what_continues(place: Path):
    """Interrupted with --restart, the same command would begin again."""
    shutil.copy(place / "0.png", place / "2.png")
    code = (
        "import sys\nfrom mediasift.errors import Interrupted\nimport mediasift as ms\n"
        "table = ms.info(['0.png', '1.png', '2.png'], jobs=0)\nrun = table._rows._runner.run_together\n"
        "def stopped(sources):\n    yield next(filter(None, run(sources)))\n    raise Interrupted('interrupted')\n"
        "table._rows._runner.run_together = stopped\n"
        "try:\n    table.write('out.csv', restart=True)\nexcept Interrupted as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "inference")})  # fmt: skip
    assert "1 input is done and kept" in done.stdout
    assert "without --restart" in done.stdout
    again = info(place, "0.png", "1.png", "2.png", "-o", "out.csv")
    assert again.returncode == 0
    assert '"taken_over": 1' in (place / "out.csv.run.json").read_text()


MISTYPED = {
    "a command": (["clasify", "0.png"], 2, "classify"),
    "a command of a group": (["models", "lst"], 2, "list"),
    "an option": (["info", "0.png", "--recursve"], 2, "--recursive"),
    "a choice": (["convert", "0.png", "-d", "d", "--to", "jgp"], 2, "jpg"),
    "one of several choices": (["timeline", "0.png", "--with", "shots,keyframs"], 2, "keyframes"),
    "a format": (["info", "0.png", "--format", "jsnl"], 2, "jsonl"),
    "the end of a table's name": (["info", "0.png", "-o", "a.cvs"], 2, "csv"),
    "a device": (["classify", "0.png", "--device", "cdua"], 2, "cuda"),
    "a model": (["classify", "0.png", "-m", "digit-forest"], 4, "digits-forest"),
    "a model to compare with": (["compare", "0.png", "1.png", "--method", "fashion-lennet"], 4, "fashion-lenet"),
    "a model to fetch": (["models", "pull", "digitsforest"], 4, "digits-forest"),
    "a layer": (["embed", "0.png", "-m", "digits-lenet", "--layer", "probabilties"], 4, "probabilities"),
    "a column of a list": (["info", "list.csv", "--column", "paht"], 2, "path"),
    "a column to keep": (["info", "list.csv", "--keep", "Post"], 2, "post"),
    "a column to group by": (["evaluate", "labels.csv", "labels.csv", "--by", "acount"], 2, "account"),
    "a column to draw by": (["sample", "labels.csv", "-n", "1", "-d", "d", "--by", "lable"], 2, "label"),
    "a variable": (["prevalence", "labels.csv", "labels.csv", "--variable", "acount"], 2, "account"),
    "a column of labels": (["train", "labels.csv", "-o", "a.onnx", "--label-column", "lable"], 3, "label"),
    "a setting to sweep": (["bench", "-m", "digits-lenet", "--sweep", "bach"], 2, "batch"),
}


@pytest.mark.parametrize("mistake", MISTYPED)
def test_a_mistyped_name_is_answered_with_the_name_that_was_meant(
    place: Path, mistake: str, monkeypatch: pytest.MonkeyPatch
):
    (place / "labels.csv").write_text("path,label,account,score\n0.png,a,x,1\n1.png,b,y,1\n")
    monkeypatch.chdir(place)
    words, code, meant = MISTYPED[mistake]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == code, done.stderr
    assert re.search(rf"(?i)did you mean .*{meant}", done.stderr.replace("\n", " ")), done.stderr


NEWCOMERS = {
    "an input where the command belongs": (["photos/"], 2, "comes first, e.g. mediasift classify photos/"),
    "another word for a command": (["label", "0.png"], 2, "did you mean classify?"),
    "several words": (["dedupe", "0.png"], 2, "did you mean duplicates?"),
    "an option before the command": (["--top", "3", "classify", "0.png"], 2, "type it behind: mediasift COMMAND"),
    "no input": (["classify"], 2, "Name files, folders or a list, e.g. photos/"),
    "a folder next to the right one": (["classify", "phtos"], 3, "phtos: no such file or folder; did you mean photos?"),
    "a file in a folder": (["classify", "photos/o.png"], 3, "did you mean 0.png?"),
    "another folder": (["classify", "gone/0.png"], 3, "gone/0.png: no such file or folder; there is no folder gone"),
    "a name like none here": (["classify", "holiday"], 3, "holiday: no such file or folder; it was looked for in /"),
    "a pattern that matches nothing": (["classify", "*.jpg"], 3, "no file matches this pattern in /"),
    "a pattern in another case": (["classify", "*.PNG"], 3, "did you mean *.png?"),
    "quotes around several names": (["classify", "0.png 1.png"], 3, "these are 2 names: leave out the quotes"),
    "quotes of a text program": (["classify", "\u201c0.png\u201d"], 3, "type \" or ' instead"),
    "a text that is no list": (
        ["classify", "notes.txt"],
        3,
        "nothing that it names is there, e.g. Dear reader; a .txt",
    ),
    "a device by its kind": (["classify", "0.png", "--device", "gpu"], 2, "'directml'; did you mean cuda?"),
    "a format by its program": (["classify", "0.png", "--format", "excel"], 2, "'aligned'; did you mean csv?"),
    "a table for a spreadsheet": (["classify", "0.png", "-o", "a.xlsx"], 2, "did you mean csv?"),
    "a table without suffix": (["classify", "0.png", "-o", "table"], 2, "end the name in .csv"),
    "a folder as the table": (["classify", "0.png", "-o", "photos"], 6, "photos: is a folder; name a file in it"),
    "no folder for a sample": (["sample", "list.csv", "-n", "1"], 2, "Missing option '-d' / '--directory'. The folder"),
    "words without --text": (["search", "shoe", "--in", "photos"], 3, "QUERY is a picture, words need --text"),
    "a document": (["info", "a.docx"], 1, "save it as PDF"),
    "a spreadsheet": (["info", "a.xlsx"], 1, "save it as CSV"),
    "an empty folder": (["info", "empty"], 3, "nothing to read in empty"),
}


@pytest.mark.parametrize("mistake", NEWCOMERS)
def test_a_newcomers_mistake_is_answered_with_what_to_type(place: Path, mistake: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(place)
    for folder in ("photos", "empty"):
        (place / folder).mkdir()
    shutil.copy("0.png", "photos")
    for name in ("a.docx", "a.xlsx"):
        (place / name).write_bytes(b"PK\3\4")
    (place / "notes.txt").write_text("Dear reader\n")
    words, code, answer = NEWCOMERS[mistake]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == code, done.output
    assert answer in " ".join(done.output.split()), done.output
