from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.registry import find_model
from training.datasets import Dataset
from training.export import to_input
from training.fashion_mlp import INPUT, main

PARAMETERS = 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def accuracy(model: ms.Model, dataset: Dataset) -> float:
    scores = model.run(to_input(dataset.test_images, INPUT))
    return float((scores.argmax(axis=1) == dataset.test_labels).mean())


def test_the_shipped_network_names_the_garments(fashion_mnist: Dataset):
    model = ms.load_model("fashion-mlp")
    reached = accuracy(model, fashion_mnist)
    assert reached >= 0.875
    assert reached == pytest.approx(model.description.metrics["test_accuracy"], abs=2e-4)


def test_the_shipped_network_names_the_first_six_garments(fashion_mnist: Dataset):
    pictures = [np.stack([image] * 3, axis=-1) for image in fashion_mnist.test_images[:6]]
    labels = [row.label for row in ms.classify(pictures, model="fashion-mlp")]
    assert labels == ["Ankle boot", "Pullover", "Trouser", "Trouser", "Shirt", "Trouser"]


def test_the_shipped_network_takes_one_picture_or_three_and_names_its_input(fashion_mnist: Dataset):
    import onnxruntime

    path = find_model("fashion-mlp")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,), (result,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("pixels", ["N", 28, 28])
    assert (result.name, result.shape) == ("probabilities", ["N", 10])
    rows = to_input(fashion_mnist.test_images[:3], INPUT)
    three = session.run(None, {"pixels": rows})[0]
    one = session.run(None, {"pixels": rows[:1]})[0]
    assert (three.shape, one.shape) == ((3, 10), (1, 10))
    assert np.abs(three[:1] - one).max() <= 1e-6
    assert three.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)


def test_the_shipped_network_has_the_parameters_of_784_300_100_10():
    assert PARAMETERS == 266_610
    assert read_facts(find_model("fashion-mlp")).parameters == PARAMETERS


def test_the_shipped_network_says_where_it_comes_from(fashion_mnist: Dataset):
    description = ms.load_model("fashion-mlp").description
    origin = description.provenance
    assert description.labels == fashion_mnist.labels
    assert (origin["data"], origin["data_sha256"]) == ("Fashion-MNIST", fashion_mnist.sha256)
    assert origin["command"] == (
        "python -m training.fashion_mlp --data DIR --epochs 25 --optimizer sgd --seed 42 -o fashion-mlp.onnx"
    )
    assert {"tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime"} <= set(origin["versions"])
    assert description.tolerance == 1e-5


@pytest.mark.usefixtures("tensorflow")
def test_two_epochs_reach_78_percent(test_data: Path, fashion_mnist: Dataset, tmp_path: Path):
    output = tmp_path / "two.onnx"
    done = call("--data", test_data / "fashion-mnist", "--epochs", "2", "--optimizer", "sgd", "-o", output)
    assert done.exit_code == 0, done.stderr
    assert "266610 parameters" in done.stdout
    difference = re.search(r"all 10000 labels equal, scores within (\S+)", done.stdout)
    assert difference
    assert float(difference[1]) <= 1e-5
    assert list(tmp_path.iterdir()) == [output]
    model = ms.load_model(output)
    assert read_facts(output).parameters == PARAMETERS
    assert accuracy(model, fashion_mnist) >= 0.78
    assert model.description.metrics["test_accuracy"] == pytest.approx(accuracy(model, fashion_mnist), abs=2e-4)


@pytest.mark.usefixtures("tensorflow")
def test_adam_learns_too(tiny_folder: Path, tmp_path: Path):
    output = tmp_path / "out" / "adam.onnx"
    done = call("--data", tiny_folder, "--epochs", "5", "--optimizer", "adam", "-o", output)
    assert done.exit_code == 0, done.stderr
    assert ms.load_model(output).description.metrics["test_accuracy"] >= 0.9
    assert " --epochs 5 --optimizer adam " in ms.load_model(output).description.provenance["command"]


@pytest.mark.usefixtures("tensorflow")
def test_the_same_seed_trains_the_same_network(tiny_folder: Path, tmp_path: Path):
    scores = []
    rows = np.random.default_rng(0).random((10, 28, 28)).astype(np.float32)
    for number, seed in enumerate((1, 1, 2)):
        output = tmp_path / "out" / f"{number}.onnx"
        assert call("--data", tiny_folder, "--epochs", "1", "--seed", str(seed), "-o", output).exit_code == 0
        scores.append(ms.load_model(output).run(rows))
    assert np.abs(scores[0] - scores[1]).max() <= 1e-6
    assert np.abs(scores[0] - scores[2]).max() > 1e-3
