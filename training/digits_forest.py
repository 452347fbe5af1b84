"""Handwritten digits with a random forest: `python -m training.digits_forest --help`.

100 trees on the 784 pixels of MNIST name 97.05 % of the test digits. With `--positive 3` the question is the
simpler "is it a 3?", and the model answers with one probability.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.system.optional import require
from training.command import TrainingCommand, check_output, data_option, output_option, recorded, seed_option
from training.datasets import Dataset, load
from training.export import export, provenance, to_input

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

INPUT = InputDescription(
    width=28, height=28, fit="pad", colour="gray", layout="flat", polarity="light-on-dark", name="pixels"
)
TOLERANCE = 1e-6
PACKAGES = ("numpy", "scikit-learn", "onnx", "onnxruntime")


def train(images: np.ndarray, labels: np.ndarray, *, trees: int = 100, seed: int = 42) -> RandomForestClassifier:
    """A fitted forest.

    Args:
        images: uint8 (N, 28, 28), light on dark.
        labels: (N,), what to learn.
        trees: How many.
        seed: The same seed grows the same trees.
    """
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, random_state=seed, n_jobs=-1).fit(to_input(images, INPUT), labels)


def describe(dataset: Dataset, *, positive: int | None, accuracy: float, command: str, seed: int) -> ModelDescription:
    """What the file says of itself."""
    binary = positive is not None
    return ModelDescription(
        task="classify",
        labels=(f"not {positive}", str(positive)) if binary else dataset.labels,
        input=INPUT,
        output=OutputDescription(values="probabilities", kind="binary" if binary else "single", name="probabilities"),
        provenance=provenance(dataset, command=command, seed=seed, packages=PACKAGES),
        metrics={"test_accuracy": accuracy},
        tolerance=TOLERANCE,
    )


@click.command("python -m training.digits_forest", cls=TrainingCommand)
@data_option
@click.option("--trees", default=100, show_default=True, type=click.IntRange(1), help="Size of the forest.")
@click.option("--positive", type=click.IntRange(0, 9), help="Learn only whether it is this digit.")
@seed_option
@output_option
@click.pass_context
def main(ctx: click.Context, data: Path | None, trees: int, positive: int | None, seed: int, output: Path) -> None:
    """Train a random forest on MNIST and write it as an ONNX file."""
    check_output(output)
    for package in ("sklearn", "onnx"):
        require(package, extra="training")
    from training.forest_onnx import forest_to_onnx

    dataset = load("mnist", folder=data)
    binary = positive is not None
    train_labels, test_labels = (
        labels == positive if binary else labels for labels in (dataset.train_labels, dataset.test_labels)
    )
    print(f"training {trees} trees on {len(train_labels)} pictures ...", flush=True)
    forest = train(dataset.train_images, train_labels, trees=trees, seed=seed)

    inputs = to_input(dataset.test_images, INPUT)
    expected = forest.predict_proba(inputs)
    accuracy = float((forest.classes_[expected.argmax(axis=1)] == test_labels).mean())
    print(f"test accuracy {accuracy:.4f} on {len(test_labels)} pictures")

    agreement = export(
        forest_to_onnx(forest, binary=binary, input_name="pixels"),
        description=describe(dataset, positive=positive, accuracy=accuracy, command=recorded(ctx), seed=seed),
        output=output,
        inputs=inputs,
        expected=expected[:, 1:] if binary else expected,
    )
    print(f"ONNX Runtime: all {agreement.rows} labels equal, scores within {agreement.max_difference:.1e}")
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
