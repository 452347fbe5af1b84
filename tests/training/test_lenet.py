"""The small network, on tiny sets in the true formats."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.engines.onnx.recipe import arrange
from mediasift.engines.onnx.registry import find_model
from mediasift.errors import InputError
from tests.networks import colours
from tests.training import idx
from training.cifar import CIFAR, load_cifar
from training.datasets import Dataset
from training.lenet import main

RNG = np.random.default_rng(0)


def binary(folder: Path, name: str, count: int = 4) -> dict[str, np.ndarray]:
    """A tiny set in the binary form, and the records of each file: labels, then planes."""
    given = CIFAR[name]
    written = {}
    for file in (*given.binary[0], given.binary[1]):
        records = RNG.integers(0, given.classes, (count, given.label_bytes + 3072), dtype=np.uint8)
        records[:, given.label_bytes :] = RNG.integers(0, 256, (count, 3072), dtype=np.uint8)
        (folder / file).write_bytes(records.tobytes())
        written[file] = records
    (folder / given.binary[2]).write_text("\n".join(f"label {n}" for n in range(given.classes)) + "\n\n")
    return written


def python(folder: Path, name: str, count: int = 4) -> dict[str, dict]:
    """The same in the python form, pickled by the protocol of Python 2, with its keys as bytes."""
    given = CIFAR[name]
    written = {}
    for file in (*given.python[0], given.python[1]):
        batch = {
            b"batch_label": b"a batch",
            b"data": RNG.integers(0, 256, (count, 3072), dtype=np.uint8),
            given.key.encode(): RNG.integers(0, given.classes, count).tolist(),
            b"filenames": [b"x.png"] * count,
        }
        (folder / file).write_bytes(pickle.dumps(batch, protocol=2))
        written[file] = batch
    names = {given.names_key: [f"label {n}" for n in range(given.classes)]}
    (folder / given.python[2]).write_bytes(pickle.dumps(names, protocol=2))
    return written


@pytest.mark.parametrize("name", list(CIFAR))
def test_binary_batches(tmp_path: Path, name: str):
    records = binary(tmp_path, name)
    loaded, given = load_cifar(name, tmp_path), CIFAR[name]
    train = np.concatenate([records[file] for file in given.binary[0]])
    assert loaded.train_images.shape == (len(train), 32, 32, 3)
    assert (loaded.train_labels == train[:, given.label_bytes - 1]).all()
    row, column, colour = 3, 5, 2
    planes = train[:, given.label_bytes :]
    assert (loaded.train_images[:, row, column, colour] == planes[:, colour * 1024 + row * 32 + column]).all()
    assert len(loaded.test_images) == 4
    assert (loaded.labels[1], len(loaded.labels)) == ("label 1", given.classes)


@pytest.mark.parametrize("name", list(CIFAR))
def test_python_batches(tmp_path: Path, name: str):
    batches = python(tmp_path, name)
    loaded, given = load_cifar(name, tmp_path), CIFAR[name]
    first = batches[given.python[0][0]]
    assert loaded.train_labels[:4].tolist() == first[given.key.encode()]
    assert (loaded.train_images[:4, 7, 9, 1] == first[b"data"][:, 1024 + 7 * 32 + 9]).all()
    assert len(loaded.sha256) == len(given.python[0]) + 1


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path("hostile"),))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    python(tmp_path, "cifar10")
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps({b"data": Hostile()}, protocol=2))
    with pytest.raises(InputError, match=r"data_batch_3: no python batch .*it would run"):
        load_cifar("cifar10", tmp_path)
    assert not (tmp_path / "hostile").exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("data_batch_2.bin", b"\0" * 3072, "no whole number of records of 3073"),
        ("test_batch.bin", b"", "no whole number"),
        ("data_batch_1.bin", b"\x0b" * 3073, "labels must be 0 to 9"),
        ("batches.meta.txt", b"one\ntwo\n", "2 names for 10 labels"),
        ("data_batch_5.bin", None, "cannot be read"),
    ],
)
def test_damaged_binary_batches(tmp_path: Path, file: str, content: bytes | None, message: str):
    binary(tmp_path, "cifar10")
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_cifar("cifar10", tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", pickle.dumps([1]), pickle.dumps({b"labels": [1]}), pickle.dumps({b"data": [1], b"labels": [1]})],
)
def test_damaged_python_batches(tmp_path: Path, content: bytes):
    python(tmp_path, "cifar10")
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(InputError, match="data_batch_1"):
        load_cifar("cifar10", tmp_path)


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("dataset", ["mnist", "cifar10", "folder"])
def test_a_trained_network_is_one_file_that_classifies(tmp_path: Path, dataset: str):
    data, output = tmp_path / "data", tmp_path / "net.onnx"
    if dataset == "mnist":
        idx.write(data, idx.tiny())
    elif dataset == "cifar10":
        data.mkdir()
        binary(data, "cifar10", count=20)
    else:
        colours(data, count=20)
    done = call("--dataset", dataset, "--data", data, "--epochs", "4", "-o", output)
    assert done.exit_code == 0, done.output
    model = ms.load_model(output)
    assert model.description.metrics["test_accuracy"] >= 0
    wanted = (28, 28, "gray") if dataset == "mnist" else (32, 32, "rgb")
    assert (model.description.input.width, model.description.input.height, model.description.input.colour) == wanted
    if dataset == "folder":
        rows = list(ms.classify(str(data), model=model))
        assert {row.label for row in rows} <= {"red", "blue"}


def test_a_folder_must_be_named(tmp_path: Path):
    done = call("--dataset", "folder", "-o", tmp_path / "net.onnx")
    assert done.exit_code == 2
    assert "needs --data FOLDER" in done.output


def test_the_shipped_network_is_better_than_the_forest(mnist: Dataset):
    """Of the whole test set: at least 0.985, where the forest has 0.9705."""
    model = ms.load_model("digits-lenet")
    inputs = np.stack([arrange(image, model.description.input) for image in mnist.test_images])
    right = (model.run(inputs).argmax(axis=1) == mnist.test_labels).mean()
    assert right >= 0.985
    assert right == pytest.approx(model.description.metrics["test_accuracy"], abs=1e-9)
    assert model.path.stat().st_size < 0.03 * find_model("digits-forest").stat().st_size


def test_the_shipped_network_is_better_than_the_perceptron(fashion_mnist: Dataset):
    """Of the whole test set: at least 0.89, where the perceptron has 0.88."""
    model = ms.load_model("fashion-lenet")
    inputs = np.stack([arrange(image, model.description.input) for image in fashion_mnist.test_images])
    right = (model.run(inputs).argmax(axis=1) == fashion_mnist.test_labels).mean()
    assert right >= 0.89
    assert right == pytest.approx(model.description.metrics["test_accuracy"], abs=1e-9)
    assert model.path.stat().st_size < 0.25 * find_model("fashion-mlp").stat().st_size
