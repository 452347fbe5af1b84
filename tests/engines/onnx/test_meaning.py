"""What a model's numbers are: shown by its graph and a run, and a description that says otherwise is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.inner import score_outputs
from mediasift.engines.onnx.meaning import ending_of
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.registry import sidecar
from mediasift.engines.onnx.session import load_model
from mediasift.errors import DescriptionError
from tests.pictures import save, solid
from tests.tiny_models import integer, integers, model, node, stored, value_info, write

RED, GREEN = solid((255, 0, 0)), solid((0, 255, 0))
MEANS = node("ReduceMean", ("x",), ("m",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0))


def ends_in(folder: Path, *nodes: bytes, kind: int = 1, columns: int = 3, **constants: np.ndarray) -> Path:
    """A classifier whose last operations, from the means `m` of the channels to `y`, are these."""
    data = model(
        [MEANS, *nodes],
        [value_info("x", ("N", 3, 8, 8))],
        [value_info("y", ("N", columns), kind)],
        initializers=tuple(stored(name, array) for name, array in constants.items()),
    )
    return write(folder, data)


def describe(path: Path, *options: str, labels: str = "red\ngreen\nblue\n") -> Result:
    (path.parent / "l.txt").write_text(labels)
    words = ["models", "describe", str(path), "--labels", str(path.parent / "l.txt"), "--scale", "1/255", *options]
    return CliRunner().invoke(main, words, catch_exceptions=False)


SOFTMAX = (node("Softmax", ("m",), ("y",)),)
SIGMOID = (node("Sigmoid", ("m",), ("y",)),)
EXPONENTIALS = (
    node("Exp", ("m",), ("e",)), node("ReduceSum", ("e", "last"), ("s",), attributes=integer("keepdims", 1)),
    node("Div", ("e", "s"), ("y",)),
)  # fmt: skip
RECIPROCAL = (
    node("Neg", ("m",), ("n",)), node("Exp", ("n",), ("e",)), node("Add", ("e", "one"), ("a",)),
    node("Reciprocal", ("a",), ("y",)),
)  # fmt: skip
TANH = (
    node("Tanh", ("m",), ("t",)), node("Add", ("t", "one"), ("a",)), node("Mul", ("a", "half"), ("y",)),
)  # fmt: skip
TAIL = (
    node("Softmax", ("m",), ("p",)), node("Reshape", ("p", "shape"), ("r",)), node("Identity", ("r",), ("i",)),
    node("Cast", ("i",), ("y",), attributes=integer("to", 10)),
)  # fmt: skip
LAST, ONE = np.array([1], np.int64), np.array([1], np.float32)


@pytest.mark.parametrize(
    ("nodes", "kind", "constants", "wanted"),
    [
        (SOFTMAX, 1, {}, "single"),
        (SIGMOID, 1, {}, "multilabel"),
        (EXPONENTIALS, 1, {"last": LAST}, "single"),
        (RECIPROCAL, 1, {"one": ONE}, "multilabel"),
        (TANH, 1, {"one": ONE, "half": ONE / 2}, "multilabel"),
        (TAIL, 10, {"shape": np.array([-1, 3], np.int64)}, "single"),
    ],
    ids=["softmax", "sigmoid", "softmax by hand", "sigmoid by hand", "by tanh, shown by a run", "reshape, cast"],
)
def test_a_second_softmax_or_sigmoid_is_refused_and_never_happens_by_default(
    tmp_path: Path, nodes: tuple[bytes, ...], kind: int, constants: dict[str, np.ndarray], wanted: str
):
    path = ends_in(tmp_path, *nodes, kind=kind, **constants)
    refused = describe(path, "--output-values", "logits")
    assert refused.exit_code == 4
    assert "--output-values probabilities" in refused.stderr
    assert not sidecar(path).exists()
    done = describe(path)
    assert done.exit_code == 0, done.output
    assert "--output-values probabilities" in done.stderr
    output = load_model(path).description.output
    assert (output.values, output.kind) == ("probabilities", wanted)
    (row,) = ms.classify(RED, model=path)
    raw = load_model(path).run(np.stack([np.full((8, 8), level, np.float32) for level in (1, 0, 0)])[None])
    assert row.score == pytest.approx(float(raw.max()), abs=1e-3)


def test_a_sidecar_that_says_otherwise_is_refused_when_it_is_used(tmp_path: Path):
    path = ends_in(tmp_path, *SOFTMAX)
    picture = InputDescription(width=8, height=8, fit="stretch", scale=1 / 255)
    output = OutputDescription(values="logits")
    wrong = ModelDescription(task="classify", input=picture, output=output, labels=("a", "b", "c"))
    sidecar(path).write_text(wrong.to_json())
    with pytest.raises(DescriptionError, match="--output-values probabilities"):
        list(ms.classify(RED, model=path))


def test_logits_are_no_probabilities(tmp_path: Path):
    path = ends_in(tmp_path, node("MatMul", ("m", "w"), ("y",)), w=np.eye(3, dtype=np.float32) * 9)
    assert "--output-values logits" in describe(path, "--output-values", "probabilities").stderr
    assert describe(path).exit_code == 0
    (row,) = ms.classify(RED, model=path)
    assert row.score == pytest.approx(np.exp(9) / (np.exp(9) + 2), abs=1e-5)


def test_numbers_that_leave_0_to_1_later_are_an_error_row(tmp_path: Path):
    """Means of pixels are within 0..1 in the trial; taken as probabilities, a picture scaled otherwise is not."""
    path = ends_in(tmp_path, node("Identity", ("m",), ("y",)))
    assert describe(path, "--output-values", "probabilities").exit_code == 0
    loaded = load_model(path)
    list(ms.classify(RED, model=loaded))
    loaded.description = ModelDescription.from_json(loaded.description.to_json().replace(str(1 / 255), "1.0"))
    (row,) = ms.classify(RED, model=loaded)
    assert (row.label, "no probabilities" in row.error) == (None, True)


def test_logarithms_of_a_softmax_get_their_softmax_back(tmp_path: Path):
    path = ends_in(tmp_path, node("LogSoftmax", ("m",), ("y",)))
    assert "--output-values logits" in describe(path, "--output-values", "probabilities").stderr
    assert "--kind single" in describe(path, "--kind", "multilabel").stderr
    assert describe(path).exit_code == 0
    (row,) = ms.classify(RED, model=path)
    assert row.score == pytest.approx(np.exp(1) / (np.exp(1) + 2), abs=1e-5)


@pytest.mark.parametrize("tail", [node("Log", ("p",), ("y",)), None], ids=["Log", "Softplus"])
def test_logarithms_of_a_sigmoid_are_refused(tmp_path: Path, tail: bytes | None):
    softplus = (node("Neg", ("m",), ("n",)), node("Softplus", ("n",), ("s",)), node("Neg", ("s",), ("y",)))
    nodes = softplus if tail is None else (node("Sigmoid", ("m",), ("p",)), tail)
    done = describe(ends_in(tmp_path, *nodes), "--kind", "multilabel")
    assert (done.exit_code, "logarithms of a sigmoid" in done.stderr) == (4, True)


def one_number(*nodes: bytes) -> bytes:
    """A graph whose only number, before these operations, is 8 times how much redder than green a picture is."""
    weights = stored("w", np.array([[8], [-8], [0]], np.float32))
    product = node("MatMul", ("m", "w"), ("z",))
    return model([MEANS, product, *nodes], [value_info("x", ("N", 3, 8, 8))], [value_info("y", ("N", 1))],
                 initializers=(weights,))  # fmt: skip


def test_a_binary_model_with_a_sigmoid_of_its_own_can_say_no(tmp_path: Path):
    path = write(tmp_path, one_number(node("Sigmoid", ("z",), ("y",))))
    assert describe(path, "--output-values", "logits", "--kind", "binary", labels="no\nyes\n").exit_code == 4
    assert describe(path, "--kind", "binary", labels="no\nyes\n").exit_code == 0
    rows = list(ms.classify([RED, GREEN], model=path))
    assert [row.label for row in rows] == ["yes", "no"]
    assert [row.score for row in rows] == pytest.approx([1 / (1 + np.exp(-8))] * 2, abs=1e-5)


def test_a_softmax_over_one_number_is_refused(tmp_path: Path):
    for index, graph in enumerate((node("Softmax", ("z",), ("y",)), node("Identity", ("z",), ("y",)))):
        path = write(tmp_path, one_number(graph), f"{index}.onnx")
        done = describe(path, labels="yes\n")
        assert (done.exit_code, "--kind binary" in done.stderr) == (4, True), done.output


def test_the_labels_and_scores_of_a_dictionary_are_read(tmp_path: Path, test_data: Path):
    path = shutil.copyfile(test_data / "reports" / "pictures" / "onnx" / "skl-zipmap.onnx", tmp_path / "z.onnx")
    done = CliRunner().invoke(main, ["models", "describe", str(path), "--size", "4x4", "--scale", "1/255"])
    assert done.exit_code == 0, done.output
    assert "2 labels" in done.stderr
    (row,) = ms.classify(RED, model=path, top=1)
    assert row.label in {"cat", "dog"}
    assert 0.5 <= row.score <= 1
    assert score_outputs(read_facts(path)) == ["output_probability"]


def test_texts_are_no_scores_and_a_row_of_pixels_needs_a_size(tmp_path: Path, test_data: Path):
    path = shutil.copyfile(test_data / "reports" / "pictures" / "onnx" / "skl-nozipmap.onnx", tmp_path / "z.onnx")
    sized = ["models", "describe", str(path), "--size", "4x4"]
    done = CliRunner().invoke(main, [*sized, "--output-name", "label"])
    assert (done.exit_code, "gives texts, no scores; name another output: --output-name prob" in done.stderr) == (
        4,
        True,
    )
    done = CliRunner().invoke(main, sized[:3])
    assert (done.exit_code, "(?, 48) has no fixed width and height; a row of pixels" in done.stderr) == (2, True)
    assert CliRunner().invoke(main, sized).exit_code == 0
    assert {row.label for row in ms.classify([RED, GREEN], model=path)} <= {"cat", "dog"}


def test_whole_numbers_need_a_scale(tmp_path: Path):
    """Shares of 255 without a word of it in the graph; with a QuantizeLinear the scale stands there."""
    scaled = (node("Softmax", ("m",), ("p",)), node("Mul", ("p", "c"), ("q",)))
    to_uint8 = node("Cast", ("q",), ("y",), attributes=integer("to", 2))
    path = ends_in(tmp_path, *scaled, to_uint8, kind=2, c=np.array([255], np.float32))
    refused = describe(path)
    assert (refused.exit_code, "--output-scale 1/255" in refused.stderr) == (4, True)
    assert describe(path, "--output-scale", "1/255").exit_code == 0
    (row,) = ms.classify(RED, model=path)
    assert row.score == pytest.approx(np.exp(1) / (np.exp(1) + 2), abs=1 / 255)
    numbers = node("ArgMax", ("m",), ("y",), attributes=integer("axis", 1))
    chosen = describe(ends_in(tmp_path, numbers, kind=7, columns=1), "--force")
    assert (chosen.exit_code, "label numbers" in chosen.stderr) == (4, True)


def test_percentages_are_found(tmp_path: Path):
    scaled = (node("Softmax", ("m",), ("p",)), node("Mul", ("p", "c"), ("y",)))
    path = ends_in(tmp_path, *scaled, c=np.array([100], np.float32))
    assert "--output-scale 1/100" in describe(path).stderr
    assert describe(path, "--output-scale", "1/100", "--output-values", "probabilities").exit_code == 0
    (row,) = ms.classify(RED, model=path)
    assert row.score == pytest.approx(np.exp(1) / (np.exp(1) + 2), abs=1e-5)


def bad_for_red(folder: Path, number: float) -> Path:
    """A classifier that gives a number that is none for a picture that is wholly red, and only there."""
    limit = np.array([[0.999, 9, 9]], np.float32)
    nodes = (node("Greater", ("m", "limit"), ("g",)), node("Where", ("g", "bad", "m"), ("y",)))
    return ends_in(folder, *nodes, limit=limit, bad=np.full((1, 3), number, np.float32))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_error_rows_of_the_picture_alone(tmp_path: Path, number: float):
    path = ends_in(tmp_path, *(node("Identity", ("m",), ("y",)),))
    description = describe(path)
    assert description.exit_code == 0
    text = sidecar(path).read_text()
    shutil.copyfile(bad_for_red(tmp_path, number), tmp_path / "n.onnx")
    (tmp_path / "n.json").write_text(text)
    loaded = load_model(tmp_path / "n.onnx")
    loaded.is_proven = True  # white is red, too: only what happens later is tried here
    rows = list(ms.classify([GREEN, RED, GREEN], model=loaded))
    assert [row.label for row in rows] == ["green", None, "green"]
    assert "NaN or infinite" in rows[1].error
    vectors = list(ms.embed([GREEN, RED], model=tmp_path / "n.onnx", layer="y"))
    assert [bool(row.error) for row in vectors] == [False, True]


@pytest.mark.parametrize(
    ("field", "value"),
    [("scale", "NaN"), ("scale", "Infinity"), ("scale", "1e999"), ("scale", "0"), ("mean", "[NaN]"),
     ("std", "[-Infinity]")],
)  # fmt: skip
def test_a_sidecar_with_numbers_that_are_none_is_refused(tmp_path: Path, field: str, value: str):
    path = ends_in(tmp_path, *SOFTMAX)
    describe(path)
    text = re.sub(rf'"{field}": (\[[^]]*\]|[^,]*)', f'"{field}": {value}', sidecar(path).read_text(), count=1)
    sidecar(path).write_text(text)
    with pytest.raises(DescriptionError):
        load_model(path)


def test_a_description_is_never_replaced_unless_forced(tmp_path: Path):
    path = ends_in(tmp_path, *SOFTMAX)
    sidecar(path).write_text("mine")
    refused = describe(path)
    assert (refused.exit_code, "--force" in refused.stderr) == (2, True)
    assert sidecar(path).read_text() == "mine"
    assert describe(path, "--force").exit_code == 0
    assert load_model(path).description.labels == ("red", "green", "blue")


def test_inspect_shows_any_file(tmp_path: Path):
    path = ends_in(tmp_path, *SOFTMAX)
    lines = list(ms.inspect_model(path))
    assert "input       x: float32 (?, 3, 8, 8)" in lines
    assert "output      y: float32 (?, 3)" in lines
    assert "ends in     Softmax <- ReduceMean" in lines
    assert any("described   no" in line and "--labels FILE_OF_3_LABELS --size 8x8" in line for line in lines)
    describe(path)
    assert "described   yes, as a model to classify" in list(ms.inspect_model(path))


REPORTED = {
    "softmax": ("--labels", "--scale", "1/255"),
    "sigmoid": ("--labels", "--scale", "1/255"),
    "plain": ("--labels", "--scale", "1/255"),
    "logsoftmax": ("--labels", "--scale", "1/255"),
    "rank4": ("--labels", "--scale", "1/255"),
    "fp16": ("--labels", "--scale", "1/255"),
    "fixed-batch4": ("--labels", "--scale", "1/255"),
    "ir3-inputs": ("--labels", "--scale", "1/255"),
    "uint8-in-out": ("--labels",),
    "ext/ext": ("--labels", "--scale", "1/255"),
    "aux": ("--labels", "--scale", "1/255", "--output-name", "logits"),
}


@pytest.mark.parametrize("name", REPORTED)
def test_models_that_were_reported_about_label_a_red_and_a_black_picture(tmp_path: Path, test_data: Path, name: str):
    folder = test_data / "reports" / "pictures" / "onnx"
    shutil.copytree(folder, tmp_path / "onnx", copy_function=shutil.copyfile)
    (tmp_path / "onnx").chmod(0o755)
    (tmp_path / "onnx" / "ext").chmod(0o755)
    path = tmp_path / "onnx" / f"{name}.onnx"
    options = [str(folder / "labels5.txt") if before == "--labels" else "" for before in REPORTED[name]]
    words = [word for option, file in zip(REPORTED[name], options, strict=True) for word in (option, file) if word]
    done = CliRunner().invoke(main, ["models", "describe", str(path), *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = list(ms.classify([RED, solid((0, 0, 0))], model=path))
    assert [row.label for row in rows] == ["red", "black"]
    assert all(0.9 < row.score < 1 for row in rows)


@pytest.mark.parametrize(
    ("name", "words"), [("custom-op", "not a registered function"), ("double", "float64"), ("future-ir", "version"),
                        ("future-opset", "pset")],
)  # fmt: skip
def test_models_that_cannot_run_are_refused_with_the_reason(tmp_path: Path, test_data: Path, name: str, words: str):
    folder = test_data / "reports" / "pictures" / "onnx"
    path = shutil.copyfile(folder / f"{name}.onnx", tmp_path / "m.onnx")
    done = CliRunner().invoke(main, ["models", "describe", str(path), "--labels", str(folder / "labels5.txt")])
    assert done.exit_code == 4
    assert words in done.stderr


BALLS = [("ball", 0.9, 100.0, 50.0, 200.0, 150.0), ("ball", 0.6, 400.0, 250.0, 200.0, 150.0)]


@pytest.mark.parametrize(
    ("name", "label", "count"),
    [("end2end-1class", "ball", 2), ("raw-1class", "ball", 1), ("raw-half", "b", 1), ("raw-grey", "b", 1),
     ("raw-480x640", "c", 1), ("raw-640x384", "b", 1)],
)  # fmt: skip
def test_files_of_ultralytics_run_undescribed(tmp_path: Path, test_data: Path, name: str, label: str, count: int):
    picture = save(tmp_path / "p.png", solid((90, 90, 90), 640, 480))
    path = test_data / "reports" / "pictures" / "detect" / f"{name}.onnx"
    rows = list(ms.detect(picture, model=path))
    assert [row.label for row in rows] == [label] * count
    for row, (_, score, *box) in zip(rows, BALLS, strict=False):
        assert row.score == pytest.approx(score, abs=1e-3)
        assert [row.left_px, row.top_px, row.width_px, row.height_px] == pytest.approx(box, abs=0.2)
    done = CliRunner().invoke(main, ["detect", str(picture), "-m", str(path)])
    assert "assumed of" in done.stderr
    assert "prepared as Ultralytics does" in done.stderr


def test_an_rt_detr_of_ultralytics_runs_on_a_stretched_picture(tmp_path: Path, test_data: Path):
    """The model's box lies at 130 of 640 rows, which is 97.5 of 480."""
    path = test_data / "reports" / "pictures" / "detect" / "rtdetr-3class.onnx"
    (row,) = ms.detect(solid((90, 90, 90), 640, 480), model=path)
    assert (row.label, row.score) == ("b", pytest.approx(0.9))
    assert (row.left_px, row.top_px, row.width_px, row.height_px) == pytest.approx((100, 97.5, 200, 112.5), abs=0.1)


def test_the_end_of_every_model_that_comes_with_mediasift_is_known():
    for name, ending in (("digits-lenet", "softmax"), ("fashion-mlp", "softmax"), ("digits-forest", "unknown")):
        loaded = load_model(name)
        assert ending_of(read_facts(loaded.path), loaded.output_name) == ending
