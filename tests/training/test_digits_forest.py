from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner, Result

import mediasift as ms
from mediasift.engines.onnx.registry import entries, exported_models, find_model
from tests.conftest import WHOLE
from training.datasets import Dataset
from training.digits_forest import INPUT, describe, main, train
from training.export import Agreement, export, to_input

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

pytestmark = pytest.mark.usefixtures("scikit_learn")

TREES, ACCURACY = (100, 0.9705) if WHOLE else (10, 0.9492)
"""Its first trees are the same trees, as each takes its seed from the forest's in turn."""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def as_pictures(images: np.ndarray) -> list[np.ndarray]:
    """Grey (N, 28, 28) as uint8 (28, 28, 3) each."""
    return [np.stack([image] * 3, axis=-1) for image in images]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The forest, what it says to the test digits, and its ONNX file."""

    forest: RandomForestClassifier
    inputs: np.ndarray
    expected: np.ndarray
    path: Path
    agreement: Agreement


@pytest.fixture(scope="session")
def trained(scikit_learn: None, mnist: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Trained once, as the command does it, but the forest can be asked afterwards."""
    from training.forest_onnx import forest_to_onnx

    forest = train(mnist.train_images, mnist.train_labels, trees=TREES, seed=42)
    inputs = to_input(mnist.test_images, INPUT)
    expected = forest.predict_proba(inputs)
    path = tmp_path_factory.mktemp("forest") / "digits-forest.onnx"
    agreement = export(
        forest_to_onnx(forest, input_name="pixels"),
        description=describe(mnist, positive=None, accuracy=ACCURACY, command="test", seed=42),
        output=path,
        inputs=inputs,
        expected=expected,
    )
    return Trained(forest=forest, inputs=inputs, expected=expected, path=path, agreement=agreement)


def test_so_many_trees_name_so_many_of_the_test_digits(trained: Trained, mnist: Dataset):
    assert round(float((trained.expected.argmax(axis=1) == mnist.test_labels).mean()), 4) == ACCURACY


def test_the_file_is_small(trained: Trained):
    assert trained.path.stat().st_size < 150_000 * TREES


def test_the_file_says_what_scikit_learn_says_to_all_10000_test_digits(trained: Trained):
    scores = ms.load_model(trained.path).run(trained.inputs)
    assert (scores.argmax(axis=1) == trained.expected.argmax(axis=1)).all()
    assert np.abs(scores - trained.expected).max() <= 1e-6
    assert trained.agreement.rows == 10_000
    assert trained.agreement.max_difference <= 1e-6


def test_the_shipped_file_says_the_same(trained: Trained, mnist: Dataset):
    """Its first trees, which it averages."""
    import onnx

    graph = onnx.load(find_model("digits-forest"))
    (roots,) = (attribute for attribute in graph.graph.node[0].attribute if attribute.name == "tree_roots")
    assert len(roots.ints) == 100
    del roots.ints[TREES:]
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"pixels": trained.inputs})
    assert (scores.argmax(axis=1) == trained.expected.argmax(axis=1)).all()
    assert np.abs(scores - trained.expected).max() <= 1e-6


def test_the_shipped_file_has_the_accuracy_that_it_states(mnist: Dataset):
    model = ms.load_model("digits-forest")
    accuracy = (model.run(to_input(mnist.test_images, INPUT)).argmax(axis=1) == mnist.test_labels).mean()
    assert accuracy == pytest.approx(model.description.metrics["test_accuracy"], abs=1e-9)


def test_the_shipped_file_says_where_it_comes_from(mnist: Dataset):
    description = ms.load_model("digits-forest").description
    origin = description.provenance
    assert description.labels == tuple("0123456789")
    assert origin["data"] == "MNIST"
    assert origin["data_sha256"] == mnist.sha256
    assert (origin["train_rows"], origin["test_rows"], origin["seed"]) == (60_000, 10_000, 42)
    assert (
        origin["command"] == "python -m training.digits_forest --data DIR --trees 100 --seed 42 -o digits-forest.onnx"
    )
    assert {"python", "numpy", "scikit-learn", "onnx", "onnxruntime"} <= set(origin["versions"])
    assert description.tolerance == 1e-6
    assert description.metrics == {"test_accuracy": 0.9705}


@pytest.mark.parametrize("name", ["digits-forest", "fashion-mlp"])
def test_the_registry_knows_the_shipped_file(name: str):
    entry = entries()[name]
    data = (exported_models() / entry.file).read_bytes()
    assert (entry.bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_pictures_of_digits_take_the_same_way_in_training_and_in_use(mnist: Dataset):
    rows = list(ms.classify(as_pictures(mnist.test_images[:200]), model="digits-forest"))
    scores = ms.load_model("digits-forest").run(to_input(mnist.test_images[:200], INPUT))
    assert [row.label for row in rows] == [str(label) for label in scores.argmax(axis=1)]
    assert [row.score for row in rows] == pytest.approx(scores.max(axis=1).tolist(), abs=1e-6)


def test_is_it_a_3_from_the_command_line(test_data: Path, mnist: Dataset, tmp_path: Path):
    output = tmp_path / "is-it-a-3.onnx"
    done = call("--data", test_data / "mnist", "--trees", "5", "--positive", "3", "-o", output)
    assert done.exit_code == 0, done.stderr
    assert "ONNX Runtime: all 10000 labels equal" in done.stdout
    assert list(tmp_path.iterdir()) == [output]

    model = ms.load_model(output)
    assert model.description.labels == ("not 3", "3")
    assert model.description.output.kind == "binary"
    assert model.run(to_input(mnist.test_images[:7], INPUT)).shape == (7, 1)
    assert model.description.provenance["command"].endswith("--trees 5 --positive 3 --seed 42 -o is-it-a-3.onnx")

    rows = list(ms.classify(as_pictures(mnist.test_images[:500]), model=model))
    right = [row.label == ("3" if label == 3 else "not 3") for row, label in zip(rows, mnist.test_labels, strict=False)]
    assert np.mean(right) >= 0.96
    assert {"3", "not 3"} == {row.label for row in rows}
    (both,) = (list(ms.classify(as_pictures(mnist.test_images[:1]), model=model, top=0)),)
    assert sum(row.score for row in both) == pytest.approx(1, abs=1e-6)


def test_the_accuracy_that_is_printed_is_the_files(tiny_folder: Path, tmp_path: Path):
    output = tmp_path / "out" / "tiny.onnx"
    done = call("--data", tiny_folder, "--trees", "20", "-o", output)
    assert done.exit_code == 0, done.stderr
    metrics = ms.load_model(output).description.metrics
    assert f"test accuracy {metrics['test_accuracy']:.4f} on 50 pictures" in done.stdout
    assert metrics["test_accuracy"] >= 0.9


def test_the_same_seed_and_date_give_the_same_bytes(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "946684800")
    files = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert call("--data", tiny_folder, "--trees", "10", "--seed", str(seed), "-o", folder / "a.onnx").exit_code == 0
        files.append((folder / "a.onnx").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_data_with_fewer_than_ten_digits_is_refused_and_nothing_is_written(tmp_path: Path):
    from tests.training import idx

    few = idx.tiny()
    for half in ("train", "test"):
        few[f"{half}_labels"] = few[f"{half}_labels"] % 3
    folder = idx.write(tmp_path / "few", few)
    (tmp_path / "out").mkdir()
    done = call("--data", folder, "--trees", "3", "-o", tmp_path / "out" / "a.onnx")
    assert done.exit_code == 4
    assert "not written" in done.stderr
    done = call("--data", folder, "--trees", "3", "--positive", "7", "-o", tmp_path / "out" / "a.onnx")
    assert done.exit_code == 2
    assert "binary needs two classes" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
