"""Eight bits: a real float model, calibrated with pictures that classify would read the same way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.engines.onnx.registry import find_model
from tests.pictures import save
from training.datasets import Dataset
from training.export import to_input
from training.quantize import has_vnni, main

pytestmark = pytest.mark.usefixtures("scikit_learn")


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def garments(fashion_mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 pictures of the training part, as files."""
    folder = tmp_path_factory.mktemp("garments")
    for number in range(300):
        save(folder / f"{number}.png", fashion_mnist.train_images[number])
    return folder


@pytest.mark.parametrize("reduce_range", [False, True])
def test_a_quarter_of_the_size_and_the_same_labels(
    tmp_path: Path, garments: Path, fashion_mnist: Dataset, reduce_range: bool
):
    output = tmp_path / "int8.onnx"
    how = ["--reduce-range"] if reduce_range else []
    done = call("fashion-mlp", "--calibrate", garments, "-o", output, *how)
    assert done.exit_code == 0, done.output
    assert output.stat().st_size < 0.35 * find_model("fashion-mlp").stat().st_size
    model = ms.load_model(output)
    metrics, origin = model.description.metrics, model.description.provenance["quantized"]
    assert metrics["int8_pictures"] == 200
    assert metrics["int8_label_agreement"] >= 0.97
    assert (origin["calibrated_with"], metrics["int8_vnni"]) == (100, has_vnni())
    assert ("--reduce-range" in origin["command"]) == reduce_range
    inputs = to_input(fashion_mnist.test_images, model.description.input)
    accuracy = (model.run(inputs).argmax(axis=1) == fashion_mnist.test_labels).mean()
    assert accuracy >= model.description.metrics["test_accuracy"] - 0.01
    assert model.description.labels == fashion_mnist.labels


def test_too_little_agreement_is_refused_and_nothing_written(tmp_path: Path, garments: Path):
    """Calibrated with black pictures, every activation of a garment is out of range."""
    black = tmp_path / "black"
    black.mkdir()
    for number in range(4):
        save(black / f"{number}.png", np.zeros((28, 28), np.uint8))
    for number in range(60):
        (black / f"g{number}.png").write_bytes((garments / f"{number}.png").read_bytes())
    output = tmp_path / "int8.onnx"
    done = call("fashion-mlp", "--calibrate", black, "--count", "1", "--min-agreement", "1", "-o", output)
    assert done.exit_code == 4, done.output
    assert "not written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["black"]


@pytest.mark.parametrize(
    ("model", "message"), [("digits-forest", "has no Conv, Gemm, MatMul"), ("mobilenet", "is 8-bit already")]
)
def test_models_that_have_nothing_to_quantise(
    tmp_path: Path, garments: Path, mobilenet: Path, model: str, message: str
):
    given = mobilenet if model == "mobilenet" else model
    done = call(given, "--calibrate", garments, "--count", "5", "-o", tmp_path / "int8.onnx")
    assert done.exit_code == 4
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_too_few_pictures(tmp_path: Path, garments: Path):
    done = call("fashion-mlp", "--calibrate", garments, "--count", "300", "-o", tmp_path / "int8.onnx")
    assert done.exit_code == 3
    assert "leaves none to compare on" in done.stderr
