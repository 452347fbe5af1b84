from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mediasift.cli import COMMANDS, main
from mediasift.settings import GROUPS
from mediasift.verbs import SECTIONS, VERBS
from tests.pictures import save, scene, solid
from tests.tiny_models import mean_colour, write


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(write(tmp_path, mean_colour()))


@pytest.fixture
def photos(tmp_path: Path) -> str:
    folder = tmp_path / "photos"
    folder.mkdir()
    save(folder / "red.png", solid((250, 0, 0)))
    save(folder / "blue.png", solid((0, 0, 250)))
    return str(folder)


def call(*arguments: str, stdin: str | bytes | None = None):
    return CliRunner().invoke(main, list(arguments), input=stdin, catch_exceptions=False)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_on_stdout_and_nothing_else(photos: str, model: str):
    done = call("classify", photos, "-m", model)
    assert done.exit_code == 0
    assert [(Path(row["path"]).name, row["label"]) for row in table(done.stdout)] == [
        ("blue.png", "blue"),
        ("red.png", "red"),
    ]


def test_exit_code_1_when_rows_carry_errors(photos: str, model: str):
    done = call("classify", photos, "missing.png", "-m", model)
    assert done.exit_code == 1
    assert table(done.stdout)[-1]["error"] == "not-found: no such file or folder"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["classify"], 2, "Missing argument"),
        (["classify", "PHOTOS", "--top", "-1"], 2, "--top"),
        (["classify", "PHOTOS", "-m", "MODEL", "--crop", "0,0,1"], 2, "four fractions"),
        (["classify", "PHOTOS", "-m", "MODEL", "--crop", "1,0,0,1"], 2, "crop box 1,0,0,1"),
        (["classify", "PHOTOS", "-m", "MODEL", "-o", "out.xlsx"], 2, "no table format"),
        (["classify", "EMPTY", "-m", "MODEL"], 3, "nothing to read"),
        (["classify", "PHOTOS", "-m", "nonsense"], 4, "no model 'nonsense'"),
        (["classify", "PHOTOS", "-m", "resnet50-v1-12"], 4, "102.6 MB, Apache-2.0"),
        (["classify", "PHOTOS", "-m", "MODEL", "--device", "coreml"], 4, "device coreml is not installed"),
        (["classify", "PHOTOS", "-m", "MODEL", "-o", "no/such/out.csv"], 6, "does not exist"),
        (["nonsense"], 2, "no command 'nonsense'"),
    ],
)
def test_exit_codes_and_messages(arguments, code, message, photos, model, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    places = {"PHOTOS": photos, "MODEL": model, "EMPTY": str(tmp_path / "empty")}
    if sys.platform == "darwin" and "coreml" in arguments:
        pytest.skip("coreml is there on macOS")
    done = call(*(places.get(argument, argument) for argument in arguments))
    assert done.exit_code == code
    assert message in done.stderr
    assert done.stdout == ""


def test_an_output_with_its_manifest_and_one_line_of_summary(photos: str, model: str, tmp_path: Path):
    out = tmp_path / "labels.csv"
    done = call("classify", photos, "gone.png", "-m", model, "-o", str(out))
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "3 rows from 3 files, 1 not-found" in done.stderr
    assert len(table(out.read_text())) == 3
    assert json.loads((tmp_path / "labels.csv.run.json").read_text())["counts"]["rows"] == 3


def test_quiet(photos: str, model: str, tmp_path: Path):
    assert call("classify", photos, "-m", model, "-o", str(tmp_path / "o.csv"), "--quiet").stderr == ""


def test_paths_on_stdin_and_lists(photos: str, model: str, tmp_path: Path):
    done = call("classify", "-", "-m", model, stdin=f"{photos}/red.png\n{photos}/blue.png\n")
    assert [row["label"] for row in table(done.stdout)] == ["red", "blue"]
    (tmp_path / "posts.csv").write_text(f"post,image\n7,{photos}/red.png\n")
    done = call("classify", str(tmp_path / "posts.csv"), "--column", "image", "--keep", "post", "-m", model)
    assert [(row["post"], row["label"]) for row in table(done.stdout)] == [("7", "red")]


def test_formats(photos: str, model: str):
    lines = call("classify", photos, "-m", model, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["blue", "red"]
    assert "label" in call("classify", photos, "-m", model, "--format", "aligned").stdout.splitlines()[0]


def test_options_that_the_table_shows(photos: str, model: str):
    done = call("classify", photos, "-m", model, "--top", "0", "--crop", "0,0,.5,1", "--crop", ".5,0,1,1")
    rows = table(done.stdout)
    assert len(rows) == 2 * 2 * 3
    assert {row["crop"] for row in rows} == {"0,0,0.5,1", "0.5,0,1,1"}


def test_it_mounts_into_any_click_program(photos: str, model: str):
    @click.group()
    def tool() -> None:
        """Somebody's own tool."""

    tool.add_command(main, "media")
    done = CliRunner().invoke(tool, ["media", "classify", photos, "-m", model])
    assert done.exit_code == 0
    assert len(table(done.stdout)) == 2
    done = CliRunner().invoke(tool, ["media", "classify", photos, "-m", "nonsense"])
    assert done.exit_code == 4


def test_help_of_every_command():
    for name in COMMANDS:
        assert call(name, "--help").exit_code == 0
    assert all(name in call("--help").stdout for name in COMMANDS)
    assert call("--version").stdout.startswith("mediasift, version")


def program(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mediasift", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_as_a_program_from_a_folder_of_its_own(photos: str, model: str, tmp_path: Path):
    done = program("classify", "photos", "-m", model, cwd=tmp_path, env=environment())
    assert done.returncode == 0
    assert [row["path"] for row in table(done.stdout)] == ["photos/blue.png", "photos/red.png"]


def test_a_reader_that_has_read_enough_is_no_error(model: str, tmp_path: Path):
    (tmp_path / "many").mkdir()
    for number in range(300):
        save(tmp_path / "many" / f"{number}{'x' * 200}.png", scene(4, 4))
    command = f"{sys.executable} -m mediasift classify {tmp_path}/many -m {model} --quiet | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment(), check=False)
    assert done.stdout.startswith("path,")
    assert done.stderr == ""


def environment() -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root / "inference")}


def test_an_option_without_a_default_must_be_given():
    done = CliRunner().invoke(main, ["convert", "a.png"])
    assert done.exit_code == 2
    assert "Missing option '-d' / '--directory'" in done.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["info", "a.png", "--quiet"], ["models", "list"], ["evaluate", "t.csv", "t.csv"]])
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_an_error(tmp_path: Path, words: list[str], where: str):
    save(tmp_path / "a.png", scene())
    (tmp_path / "t.csv").write_text("path,label\na.png,x\n")
    command = f"{sys.executable} -m mediasift {' '.join(words)} {where}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path,
        env=environment(),
    )  # fmt: skip
    assert done.returncode == 6
    assert done.stderr.startswith("Error: the standard output cannot be written (")
    assert done.stderr.count("\n") == 1


def test_a_closed_output_does_not_matter_where_a_file_is_named(tmp_path: Path):
    save(tmp_path / "a.png", scene())
    command = f"{sys.executable} -m mediasift info a.png -o t.csv --quiet >&-"
    assert subprocess.run(["bash", "-c", command], check=False, cwd=tmp_path, env=environment()).returncode == 0
    assert (tmp_path / "t.csv").read_text().count("\n") == 2


def sections(text: str) -> dict[str, str]:
    """Heading of `--help` → the text below it."""
    parts = re.split(r"^([A-Z][a-z ]+):$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_help_of_all_groups_verbs_and_names_each_once():
    shown = sections(CliRunner().invoke(main, ["--help"]).stdout)
    assert list(shown) == ["Options", *SECTIONS]
    names = {section: re.findall(r"^  ([a-z]+) ", shown[section], re.MULTILINE) for section in SECTIONS}
    assert sorted(name for group in names.values() for name in group) == sorted(COMMANDS)
    for section, name in (("Before the table", "demo"), ("Tables", "ocr"), ("After the table", "agree"),
                          ("Models and machine", "doctor")):  # fmt: skip
        assert name in names[section]


@pytest.mark.parametrize("name", [name for name, one in VERBS.items() if one.help])
def test_the_help_of_a_verb_groups_its_options_by_the_class_that_declares_them(name: str):
    shown = sections(CliRunner().invoke(main, [name, "--help"]).stdout)
    assert list(shown) == [group for group in GROUPS if group in shown]
    flags = {group: set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", text, re.MULTILINE)) for group, text in shown.items()}
    for group, some in (("Inputs", {"--column", "--keep", "--shard"}), ("Output", {"--output", "--format", "--quiet"}),
                        ("Machine", {"--jobs", "--timeout", "--offline", "--help"})):  # fmt: skip
        assert some <= flags[group], group
    command = main.get_command(click.Context(main), name)
    seen = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    long = {one for option in seen for one in option.opts if one.startswith("--")}
    assert long | {"--help"} == set().union(*flags.values())


def test_an_option_that_writes_is_about_the_output_whoever_declares_it():
    shown = sections(CliRunner().invoke(main, ["detect", "--help"]).stdout)
    assert "--draw" in shown["Output"]
    assert "--labels" in shown["What"]
    assert "--dpi" in shown["Inputs"]


def test_a_command_with_one_group_has_plain_options():
    assert list(sections(CliRunner().invoke(main, ["models", "show", "--help"]).stdout)) == ["Options"]
