from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.session import load_model
from tests.pictures import save, solid
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


def test_layers_are_shown_on_request_and_any_file_can_be_inspected(tmp_path: Path):
    assert "784x300" not in call("show", "fashion-mlp").stdout
    assert "784x300" in call("show", "fashion-mlp", "--layers").stdout
    done = call("inspect", str(write(tmp_path, mean_colour(None))))
    assert done.exit_code == 0
    assert "ends in     ReduceMean" in done.stdout
    assert call("inspect", str(tmp_path / "nothing.onnx")).exit_code == 4


@pytest.mark.parametrize(
    ("right", "code"), [(("red", "green", "blue"), 0), (("green", "blue", "red"), 4)], ids=["all three", "none"]
)
def test_three_of_three_right_are_no_chance_and_none_is(tmp_path: Path, right: tuple[str, ...], code: int):
    colours = ((250, 0, 0), (0, 250, 0), (0, 0, 250))
    for name, colour in zip(right, colours, strict=True):
        (tmp_path / "photos" / name).mkdir(parents=True)
        save(tmp_path / "photos" / name / "a.png", solid(colour))
    (tmp_path / "l.txt").write_text("red\ngreen\nblue\n")
    path = write(tmp_path, mean_colour(None))
    done = call("describe", str(path), "--labels", str(tmp_path / "l.txt"), "--check", str(tmp_path / "photos"))
    assert done.exit_code == code, done.output
    assert ("looks like chance" in done.stderr) == (code == 4)


def test_paddles_labels_are_read(tmp_path: Path):
    data = mean_colour(None) + encode(14, encode(1, b"character") + encode(2, b"text\ntitle, large\nfigure"))
    done = call("describe", str(write(tmp_path, data)))
    assert done.exit_code == 0, done.output
    assert load_model(tmp_path / "tiny.onnx").description.labels == ("text", "title, large", "figure")
