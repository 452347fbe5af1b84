from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import mediasift as ms
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.errors import ModelError, OutputError
from tests.training import idx
from training.datasets import Dataset, load
from training.export import Agreement, ParityError, compare, export, provenance, to_input

if TYPE_CHECKING:
    import onnx

pytestmark = pytest.mark.usefixtures("scikit_learn")

ROWS = np.random.default_rng(0).random((2500, 4)).astype(np.float32)
DESCRIPTION = ModelDescription(
    task="classify",
    labels=("a", "b", "c", "d"),
    input=InputDescription(width=2, height=2, fit="pad", colour="gray", layout="flat", name="pixels"),
    output=OutputDescription(values="probabilities", name="probabilities"),
    tolerance=1e-6,
)


def graph(
    *operators: str,
    batch: int | str = "N",
    source: str = "pixels",
    result: str = "probabilities",
    opset: int = 18,
    columns: int = 4,
) -> onnx.ModelProto:
    """A model that applies one operator after another, unchecked: it may be nonsense."""
    from onnx import TensorProto, helper

    names = [source, *(f"step{number}" for number in range(len(operators) - 1)), result]
    nodes = [
        helper.make_node(kind, [given], [made])
        for kind, given, made in zip(operators, names[:-1], names[1:], strict=True)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, size])
        for name, size in (("pixels", 4), (result, columns))
    ]
    made = helper.make_graph(nodes, "test", ends[:1], ends[1:])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


@pytest.fixture(params=[False, True], ids=["new", "older"])
def output(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where to export to: a new name, or one that an older file has."""
    path = tmp_path / "model.onnx"
    if request.param:
        path.write_bytes(b"older")
    return path


def assert_untouched(output: Path, *, existed: bool) -> None:
    """No new file, no temporary file, and the older file as it was."""
    assert list(output.parent.iterdir()) == ([output] if existed else [])
    if existed:
        assert output.read_bytes() == b"older"


def changed(row: int, column: int, value: float) -> np.ndarray:
    array = ROWS.copy()
    array[row, column] = value
    return array


def test_a_file_that_agrees_is_written_and_can_be_used(output: Path):
    agreement = export(graph("Identity"), description=DESCRIPTION, output=output, inputs=ROWS, expected=ROWS)
    assert agreement == Agreement(rows=2500, max_difference=0)
    assert list(output.parent.iterdir()) == [output]
    model = ms.load_model(output)
    assert model.description == DESCRIPTION
    assert (model.run(ROWS) == ROWS).all()
    assert compare(output, inputs=ROWS, expected=ROWS + np.float32(5e-7)).max_difference == pytest.approx(
        5e-7, abs=6e-8
    )


SHUFFLED = ROWS[:, ::-1]


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (np.random.default_rng(1).random((2500, 4)), r"\d+ of 2500 labels differ"),
        (SHUFFLED, r"2500 of 2500 labels differ"),
        (changed(2499, int(ROWS[2499].argmin()), 2.0), "1 of 2500 labels differ"),
        (ROWS + 2e-6, r"scores differ by up to 2\.\de-06, allowed is 1e-06"),
        (changed(1700, int(ROWS[1700].argmax()), 2.0), r"scores differ by up to 1\.\de\+00"),
        (changed(3, int(ROWS[3].argmax()), np.nan), "scores differ by up to nan"),
        (np.full_like(ROWS, np.nan), "labels differ|scores differ by up to nan"),
        (ROWS[:-1], r"2500 inputs need scores \(2500, 4\), found \(2499, 4\)"),
        (ROWS[:, :3], r"found \(2500, 3\)"),
        (ROWS[:, 0], r"found \(2500,\)"),
        (ROWS[:, :, None], r"found \(2500, 4, 1\)"),
    ],
)
def test_what_differs_from_the_trained_model_is_not_written(output: Path, expected: np.ndarray, message: str):
    existed = output.exists()
    with pytest.raises(ParityError, match=message) as caught:
        export(graph("Identity"), description=DESCRIPTION, output=output, inputs=ROWS, expected=expected)
    assert str(caught.value).startswith(f"{output}: not written: ")
    assert_untouched(output, existed=existed)


def test_nan_from_the_graph_is_not_written(output: Path):
    """The logarithm of a negative number, where the trained model had a number."""
    existed = output.exists()
    with pytest.raises(ParityError, match=r"scores differ by up to nan|labels differ"):
        export(graph("Neg", "Log"), description=DESCRIPTION, output=output, inputs=ROWS, expected=ROWS)
    assert_untouched(output, existed=existed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 2500}, r"the graph cannot take input float32 \(1000, 4\)"),
        ({"batch": 1000}, "the graph cannot take input float32"),
        ({"batch": 1}, r"the graph cannot take input float32 \(1000, 4\)"),
        ({"result": "scores"}, "Invalid output name:probabilities"),
        ({"source": "nothing"}, "ONNX Runtime refuses the graph"),
        ({"opset": 999}, "ONNX Runtime refuses the graph"),
    ],
)
def test_a_graph_that_would_fail_in_use_is_not_written(output: Path, options: dict, message: str):
    existed = output.exists()
    model = graph("Identity", **options)
    with pytest.raises(ParityError, match=message):
        export(model, description=DESCRIPTION, output=output, inputs=ROWS, expected=ROWS)
    assert_untouched(output, existed=existed)


def test_a_batch_axis_fixed_to_the_held_out_datas_size_is_found_by_one_row_alone(output: Path):
    """Exactly one batch of held-out data fits such a graph; a single picture does not."""
    existed = output.exists()
    with pytest.raises(ParityError, match=r"the graph cannot take input float32 \(1, 4\)"):
        export(
            graph("Identity", batch=1000),
            description=DESCRIPTION, output=output, inputs=ROWS[:1000], expected=ROWS[:1000],
        )  # fmt: skip
    assert_untouched(output, existed=existed)


def test_an_unknown_operator_is_not_written(output: Path):
    existed = output.exists()
    with pytest.raises(ParityError, match=r"ONNX Runtime refuses the graph.*NoSuchOperator"):
        export(graph("NoSuchOperator"), description=DESCRIPTION, output=output, inputs=ROWS, expected=ROWS)
    assert_untouched(output, existed=existed)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (ROWS.astype(np.float64), "the graph cannot take input float64"),
        (ROWS[:, :3], r"the graph cannot take input float32 \(1000, 3\)"),
    ],
)
def test_inputs_that_do_not_fit_the_graph(output: Path, inputs: np.ndarray, message: str):
    existed = output.exists()
    with pytest.raises(ParityError, match=message):
        export(graph("Identity"), description=DESCRIPTION, output=output, inputs=inputs, expected=ROWS)
    assert_untouched(output, existed=existed)


def test_nothing_to_compare_is_no_agreement(output: Path):
    existed = output.exists()
    with pytest.raises(ParityError, match="0 inputs need scores"):
        export(graph("Identity"), description=DESCRIPTION, output=output, inputs=ROWS[:0], expected=ROWS[:0])
    assert_untouched(output, existed=existed)


def test_a_description_without_tolerance_allows_nothing(output: Path):
    existed = output.exists()
    with pytest.raises(ParityError, match="allowed is None"):
        export(
            graph("Identity"),
            description=replace(DESCRIPTION, tolerance=None), output=output, inputs=ROWS, expected=ROWS,
        )  # fmt: skip
    assert_untouched(output, existed=existed)


def test_a_binary_model_is_compared_by_its_one_number(tmp_path: Path):
    """Yes or no turns at one half, even where the numbers are within the tolerance."""
    output = tmp_path / "model.onnx"
    description = replace(
        DESCRIPTION,
        labels=("no", "yes"),
        output=OutputDescription(values="probabilities", kind="binary", name="probabilities"),
        input=replace(DESCRIPTION.input, width=1, height=1),
        tolerance=0.1,
    )
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in ("pixels", "probabilities")]
    made = helper.make_graph([helper.make_node("Identity", ["pixels"], ["probabilities"])], "test", ends[:1], ends[1:])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    numbers = np.array([[0.2], [0.49], [0.9]], np.float32)
    with pytest.raises(ParityError, match="1 of 3 labels differ"):
        export(model, description=description, output=output, inputs=numbers, expected=numbers + 0.02)
    assert list(tmp_path.iterdir()) == []
    agreement = compare_after_export(model, description, output, numbers, numbers - 0.02)
    assert agreement.max_difference == pytest.approx(0.02, abs=1e-6)


def compare_after_export(
    model: onnx.ModelProto, description: ModelDescription, output: Path, inputs: np.ndarray, expected: np.ndarray
) -> Agreement:
    written = export(model, description=description, output=output, inputs=inputs, expected=expected)
    assert compare(output, inputs=inputs, expected=expected) == written
    return written


@pytest.mark.parametrize("name", ["missing/model.onnx", "file/model.onnx", "folder.onnx", "a" * 250 + ".onnx"])
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.onnx").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="cannot be written") as caught:
        export(graph("Identity"), description=DESCRIPTION, output=tmp_path / name, inputs=ROWS, expected=ROWS)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("layout", "shape"), [("flat", (3, 6)), ("NHW", (3, 2, 3)), ("NCHW", (3, 1, 2, 3)), ("NHWC", (3, 2, 3, 1))]
)
def test_input_has_the_described_layout_and_scale(layout: str, shape: tuple[int, ...]):
    images = np.arange(18, dtype=np.uint8).reshape(3, 2, 3)
    given = InputDescription(
        width=3, height=2, fit="pad", colour="gray", layout=layout, scale=1 / 255, mean=(0.5,), std=(0.25,)
    )
    made = to_input(images, given)
    assert (made.shape, made.dtype) == (shape, np.float32)
    assert made.ravel() == pytest.approx((np.arange(18) / 255 - 0.5) / 0.25, abs=1e-6)


@pytest.mark.parametrize("given", [{"width": 2}, {"colour": "rgb"}])
def test_pictures_of_another_size_or_colour_are_refused(given: dict):
    recipe = InputDescription(**{"width": 3, "height": 2, "fit": "pad", "colour": "gray"} | given)
    with pytest.raises(ModelError, match=r"are not \(N, 2"):
        to_input(np.zeros((3, 2, 3), np.uint8), recipe)


def test_training_input_is_what_mediasift_prepares(mnist: Dataset):
    """A picture takes the same way into a model in training and in use."""
    from mediasift.engines.onnx.recipe import prepare
    from training.digits_forest import INPUT

    for image in mnist.test_images[:20]:
        used = prepare(np.stack([image] * 3, axis=-1), INPUT)
        assert (np.asarray(used).ravel() == to_input(image[None], INPUT).ravel()).all()


def origin() -> dict:
    dataset = load("mnist", download=lambda _: idx.tiny())
    return provenance(dataset, command="python -m something", seed=7, packages=("numpy", "onnxruntime"))


def test_provenance_names_data_command_seed_and_versions():
    import onnxruntime

    provenance = origin()
    assert (provenance["data"], provenance["train_rows"], provenance["test_rows"]) == ("MNIST", 200, 50)
    assert (provenance["command"], provenance["seed"]) == ("python -m something", 7)
    assert provenance["versions"]["numpy"] == np.__version__
    assert provenance["versions"]["onnxruntime"] == onnxruntime.__version__
    assert set(provenance["versions"]) == {"python", "numpy", "onnxruntime"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", provenance["date"])


def test_the_date_can_be_given(monkeypatch: pytest.MonkeyPatch):
    """946684800 seconds after 1970 the year 2000 began."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "946684800")
    assert origin()["date"] == "2000-01-01T00:00:00Z"
