from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.engines.onnx.session import load_model
from tests.tiny_models import mean_colour, write


def call(*arguments: str):
    return CliRunner().invoke(main, ["models", *arguments], catch_exceptions=False)


def test_list():
    lines = call("list").stdout.splitlines()
    assert lines[0].startswith("digits-forest")
    assert " here " in lines[0]
    assert any(line.startswith("resnet50-v1-12 ") for line in lines)


def test_show():
    assert "parameters  266,610" in call("show", "fashion-mlp").stdout
    done = call("show", "nothing")
    assert done.exit_code == 4


def test_verify():
    done = call("verify")
    assert done.exit_code == 0
    assert "ok     digits-forest" in done.stdout


def test_verify_finds_a_wrong_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    (tmp_path / "squeezenet1.1-7.onnx").write_bytes(b"nonsense")
    done = call("verify")
    assert done.exit_code == 4
    assert "wrong  squeezenet1.1-7" in done.stdout


def test_describe_writes_what_the_options_say(tmp_path: Path):
    path = write(tmp_path, mean_colour(None))
    (tmp_path / "labels.txt").write_text("rot\ngrün\nblau\n", encoding="utf-8")
    done = call("describe", str(path), "--labels", str(tmp_path / "labels.txt"), "--size", "8x8", "--fit", "pad",
                "--pad-value", "114", "--anchor", "top-left", "--scale", "1/255", "--mean", ".5", "--std", ".1,.2,.3",
                "--licence", "MIT")  # fmt: skip
    assert done.stdout.strip() == str(tmp_path / "tiny.json")
    description = load_model(path).description
    assert description.labels == ("rot", "grün", "blau")
    assert description.input.scale == pytest.approx(1 / 255)
    assert (description.input.fit, description.input.pad_value, description.input.anchor) == ("pad", 114, "top-left")
    assert (description.input.mean, description.input.std) == ((0.5,), (0.1, 0.2, 0.3))
    assert description.provenance == {"licence": "MIT"}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 4, "field labels: missing"),
        (["--size", "8"], 2, "WIDTHxHEIGHT"),
        (["--size", "8x8"], 4, "field labels: missing"),
        (["--size", "8x8", "--labels", "LABELS"], 4, "field labels: 2 of them, but the model gives 3"),
        (["--size", "9x9", "--labels", "LABELS"], 4, "the graph wants"),
        (["--size", "8x8", "--labels", "LABELS", "--scale", "x"], 2, "must be a number"),
        (["--size", "8x8", "--labels", "missing.txt"], 4, "cannot be read"),
    ],
)
def test_describe_refuses_what_does_not_fit(tmp_path: Path, options, code, message):
    path = write(tmp_path, mean_colour(None))
    (tmp_path / "l.txt").write_text("a\nb\n")
    done = call("describe", str(path), *(str(tmp_path / "l.txt") if o == "LABELS" else o for o in options))
    assert done.exit_code == code
    assert message in done.stderr
    assert not (tmp_path / "tiny.json").exists()
