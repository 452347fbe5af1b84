"""Models that nobody prepared for: what they say of themselves is read, and the usual inputs and outputs run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.foreign import read_hints
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.errors import ModelError
from tests.pictures import save, solid
from tests.tiny_models import integer, integers, model, node, value_info, write

FLOAT32, UINT8, FLOAT16 = 1, 2, 10
COLOURS = {"red": (250, 20, 10), "green": (30, 240, 20), "blue": (10, 20, 250)}


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def brightest_channel(
    folder: Path, *, layout: str = "NCHW", kind: int = FLOAT32, batch: int | str = "N", tail: str = "", **metadata: str
) -> Path:
    """A classifier that answers with the means of the channels, as another exporter might have written it."""
    shape = (batch, 3, 8, 8) if layout == "NCHW" else (batch, 8, 8, 3)
    places = (2, 3) if layout == "NCHW" else (1, 2)
    nodes, given = [], "x"
    if kind == UINT8:
        nodes.append(node("Cast", ("x",), ("f",), attributes=integer("to", FLOAT32)))
        given = "f"
    keep = 1 if tail == "N,C,1,1" else 0
    nodes.append(node("ReduceMean", (given,), ("m",), attributes=integers("axes", places) + integer("keepdims", keep)))
    nodes.append(node("Softmax" if tail == "softmax" else "Identity", ("m",), ("y",)))
    output = value_info("y", (batch, 3, 1, 1) if keep else (batch, 3), FLOAT16 if kind == FLOAT16 else FLOAT32)
    return write(folder, model(nodes, [value_info("x", shape, kind)], [output], metadata=metadata))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            save(tmp_path / "photos" / name / f"{number}.png", solid(colour))
    (tmp_path / "labels.txt").write_text("0: red\n1: green\n2: blue\n")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ({}, []),
        ({"layout": "NHWC", "kind": UINT8}, ["--dtype", "uint8"]),
        ({"kind": FLOAT16}, ["--dtype", "float16", "--scale", "1/255"]),
        ({"batch": 1}, ["--mean", "123.68,116.779,103.939"]),
        ({"tail": "N,C,1,1"}, []),
        ({"tail": "softmax"}, ["--output-values", "probabilities", "--scale", "1/255"]),
    ],
    ids=["plain", "uint8-nhwc", "float16", "batch-1-means-without-std", "N,C,1,1", "probabilities"],
)
def test_the_usual_forms_are_described_and_run_without_python(tmp_path: Path, photos: Path, form, options):
    path = brightest_channel(tmp_path, **form)
    done = call("models", "describe", path, "--labels", tmp_path / "labels.txt", *options, "--check", photos)
    assert done.exit_code == 0, done.output
    assert "check: 1.000 of 12 pictures are right" in done.stderr
    assert "Warning" not in done.stderr
    rows = list(ms.classify(str(photos), model=path))
    assert [row.label for row in rows] == [Path(row.path).parent.name for row in rows]


@pytest.mark.parametrize("option", [("--scale", "1/255"), ("--mean", "127"), ("--std", "2")])
def test_whole_numbers_are_not_scaled(tmp_path: Path, photos: Path, option: tuple[str, str]):
    path = brightest_channel(tmp_path, kind=UINT8)
    done = call("models", "describe", path, "--labels", tmp_path / "labels.txt", *option)
    assert (done.exit_code, f"from 0 to 255; leave out {option[0]}" in done.stderr) == (2, True)
    assert call("models", "describe", path, "--labels", tmp_path / "labels.txt", "--scale", "1").exit_code == 0


def test_grey_figures_of_one_channel(tmp_path: Path):
    """1x1x28x28, as MNIST models of the ONNX Model Zoo: is the upper or the lower half brighter?"""
    halves = node("Split", ("x",), ("a", "b"), attributes=integer("axis", 2))
    means = [
        node("ReduceMean", (n,), (f"m{n}",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0)) for n in "ab"
    ]
    joined = node("Concat", ("ma", "mb"), ("y",), attributes=integer("axis", 1))
    data = model([halves, *means, joined], [value_info("x", (1, 1, 28, 28))], [value_info("y", (1, 2))], opset=12)
    path = write(tmp_path, data)
    (tmp_path / "l.txt").write_text("up\ndown\n")
    done = call("models", "describe", path, "--labels", tmp_path / "l.txt")
    assert done.exit_code == 0, done.output
    assert "taken from the file: --size 28x28, --color gray" in done.stderr
    assert "assumed, as neither you nor the file says it: --fit stretch, --resample area, --scale 1" in done.stderr
    picture = np.zeros((60, 40, 3), np.uint8)
    picture[40:] = 255
    assert next(iter(ms.classify(picture, model=path))).label == "down"


@pytest.mark.parametrize(
    ("metadata", "labels"),
    [
        (
            {"names": "{0: 'red', 1: 'green', 2: 'blue'}", "imgsz": "[8, 8]", "task": "classify"},
            ("red", "green", "blue"),
        ),
        ({"labels": '["red", "green", "blue"]'}, ("red", "green", "blue")),
        ({"classes": "red, green, blue"}, ("red", "green", "blue")),
        ({"class_names": "red\ngreen\nblue\n"}, ("red", "green", "blue")),
        ({"id2label": '{"0": "red", "1": "green", "2": "blue"}'}, ("red", "green", "blue")),
        ({"names": "__import__('os').remove('x')" * 3 + "(", "classes": "red,green,blue"}, None),
        ({"names": "[1, 2, 3]"}, ()),
        ({}, ()),
    ],
)
def test_labels_that_another_exporter_wrote(tmp_path: Path, metadata: dict[str, str], labels):
    hints = read_hints(brightest_channel(tmp_path, **metadata))
    assert labels is None or hints.labels == labels
    assert (hints.size, hints.layout) == ((8, 8), "NCHW")


def test_a_file_that_says_it_all_needs_no_options(tmp_path: Path, photos: Path):
    path = brightest_channel(
        tmp_path, names="{0: 'blue', 1: 'green', 2: 'red'}",
        **{"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "Normalized_0_1"},
    )  # fmt: skip
    done = call("models", "describe", path, "--check", photos)
    assert done.exit_code == 0, done.output
    assert "taken from the file: 3 labels, --size 8x8, --color bgr, --scale 1/255" in done.stderr
    assert "check: 1.000" in done.stderr


def test_what_is_given_wins_over_what_the_file_says(tmp_path: Path):
    path = brightest_channel(tmp_path, names="['a', 'b', 'c']", **{"Image.NominalPixelRange": "Normalized_1_1"})
    (tmp_path / "labels.txt").write_text("x\ny\nz\n")
    call("models", "describe", path, "--labels", tmp_path / "labels.txt", "--scale", "1/255")
    description = ms.load_model(path).description
    assert description.labels == ("x", "y", "z")
    assert (description.input.scale, description.input.mean) == (pytest.approx(1 / 255), (0.0,))


@pytest.mark.parametrize("sides", [("H", "W"), (-1, -1)], ids=["names", "minus one"])
def test_a_size_that_is_nowhere_must_be_given(tmp_path: Path, sides: tuple[int | str, ...]):
    reduce = node("ReduceMean", ("x",), ("y",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0))
    path = write(tmp_path, model([reduce], [value_info("x", ("N", 3, *sides))], [value_info("y", ("N", 3))]))
    assert read_facts(path).shapes["x"] == (None, 3, None, None)
    done = call("models", "describe", path)
    assert (done.exit_code, "--size is needed" in done.stderr) == (2, True)


@pytest.mark.parametrize("data", [b"nonsense", b"", b"\x3a\x05\x5a\xff"])
def test_a_file_that_is_no_model_has_no_hints(tmp_path: Path, data: bytes):
    with pytest.raises(ModelError):
        read_hints(write(tmp_path, data))
