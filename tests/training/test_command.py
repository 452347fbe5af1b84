from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from mediasift.errors import InputError, MediasiftError, ModelError, OutputError, UsageError
from tests.training.conftest import needs
from training import digits_forest, fashion_mlp
from training.command import (
    TrainingCommand,
    check_output,
    data_option,
    output_option,
    recorded,
    seed_option,
    warn_at_chance,
)
from training.export import ParityError

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {"digits_forest": digits_forest.main, "fashion_mlp": fashion_mlp.main}


def call(command: click.Command, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@click.command("python -m training.example", cls=TrainingCommand)
@data_option
@click.option("--rounds", default=3)
@click.option("--only", type=int)
@seed_option
@output_option
@click.pass_context
def example(ctx: click.Context, data: Path | None, rounds: int, only: int | None, seed: int, output: Path) -> None:
    """Print what would be recorded."""
    click.echo(recorded(ctx))


def test_the_recorded_command_has_all_options_and_no_place_of_this_machine(tmp_path: Path):
    done = call(example, "--data", tmp_path / "secret", "--seed", "5", "-o", tmp_path / "model.onnx")
    assert done.stdout == "python -m training.example --data DIR --rounds 3 --seed 5 -o model.onnx\n"


def test_options_that_were_not_given_and_have_no_default_are_left_out(tmp_path: Path):
    done = call(example, "-o", "here/model.onnx", "--only", "8")
    assert done.stdout == "python -m training.example --rounds 3 --only 8 --seed 42 -o model.onnx\n"


@pytest.mark.parametrize("error", [UsageError, InputError, ModelError, ParityError, OutputError])
def test_an_error_ends_in_one_line_and_its_exit_code(error: type[MediasiftError]):
    @click.command(cls=TrainingCommand)
    def fails() -> None:
        raise error("what happened, and what to type")

    done = call(fails)
    assert done.exit_code == error.exit_code
    assert done.stderr == "error: what happened, and what to type\n"
    assert done.stdout == ""


def test_a_bug_is_not_hidden():
    @click.command(cls=TrainingCommand)
    def fails() -> None:
        raise KeyError("bug")

    assert isinstance(call(fails).exception, KeyError)


def test_outputs_that_could_not_be_written_are_found_before_the_training(tmp_path: Path):
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"must end in \.onnx"):
        check_output(tmp_path / "model.bin")
    with pytest.raises(OutputError, match=r"no such folder; type: mkdir -p .*new"):
        check_output(tmp_path / "new" / "model.onnx")
    with pytest.raises(OutputError, match="no such folder"):
        check_output(tmp_path / "file" / "model.onnx")
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "folder.onnx")
    check_output(tmp_path / "model.onnx")
    check_output(Path("model.onnx"))


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        ("out/model.h5", 2, "the output's name must end in .onnx"),
        ("out/model", 2, "the output's name must end in .onnx"),
        ("nowhere/model.onnx", 6, "no such folder; type: mkdir -p"),
        ("tiny", 2, "the output's name must end in .onnx"),
    ],
)
def test_every_script_refuses_an_output_that_cannot_be(
    tiny_folder: Path, tmp_path: Path, name: str, output: str, code: int, message: str
):
    done = call(SCRIPTS[name], "--data", tiny_folder, "-o", tmp_path / output)
    assert done.exit_code == code
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stdout == ""
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("scikit_learn")
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_names_a_missing_data_file(tmp_path: Path, name: str):
    done = call(SCRIPTS[name], "--data", tmp_path / "none", "-o", tmp_path / "model.onnx")
    assert done.exit_code == 3
    assert done.stderr.startswith(f"error: {tmp_path / 'none' / 'train-images-idx3-ubyte.gz'}: no such file")


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_needs_an_output(name: str):
    done = call(SCRIPTS[name])
    assert done.exit_code == 2
    assert "--output" in done.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("digits_forest", ("--trees", "0")),
        ("digits_forest", ("--positive", "10")),
        ("fashion_mlp", ("--epochs", "0")),
        ("fashion_mlp", ("--optimizer", "rmsprop")),
    ],
)
def test_values_out_of_range_are_refused(tmp_path: Path, name: str, arguments: tuple[str, ...]):
    done = call(SCRIPTS[name], *arguments, "-o", tmp_path / "model.onnx")
    assert done.exit_code == 2
    assert arguments[0] in done.stderr


@pytest.mark.parametrize(
    ("name", "package"), [("digits_forest", "sklearn"), ("digits_forest", "onnx"), ("fashion_mlp", "tensorflow")]
)
def test_a_missing_library_is_named_with_the_line_to_type(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
):
    if package == "onnx":
        needs("sklearn")
    monkeypatch.setitem(sys.modules, package, None)
    done = call(SCRIPTS[name], "--data", tiny_folder, "-o", tmp_path / "out" / "model.onnx")
    assert done.exit_code == 5
    line = rf"error: the package {package} is not installed; type: pip install .*\[training\].*\n"
    assert re.fullmatch(line, done.stderr)


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_the_script_trains_and_imports_no_training_library(name: str):
    check = (
        "import sys\n"
        f"from training.{name} import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([n for n in ('sklearn', 'tensorflow', 'keras', 'onnx', 'onnxruntime', 'tf2onnx') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = ['inference']\n{check}"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert "and write it as an ONNX file" in done.stdout
    assert "[default: 42]" in done.stdout
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(("right", "warned"), [(500, False), (230, False), (100, True), (55, True)])
def test_a_model_that_has_learned_nothing_is_reported(capsys: pytest.CaptureFixture[str], right: int, warned: bool):
    """Ten labels, evenly spread over 1,000 pictures: by chance a hundred are right."""
    labels = np.arange(1000) % 10
    answers = np.where(np.arange(1000) < right * 10 / 10, labels, (labels + 1 + np.arange(1000) // 10 % 9) % 10)
    warn_at_chance(answers, labels, 10)
    assert ("looks like chance" in capsys.readouterr().err) == warned
