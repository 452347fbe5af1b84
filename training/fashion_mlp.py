"""Pieces of clothing with a small neural network: `python -m training.fashion_mlp --help`.

A multilayer perceptron 784-300-100-10 (266,610 parameters) names about 88 % of the test pictures of Fashion-MNIST
after 25 rounds through the training data.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.system.optional import require
from training.command import (
    TrainingCommand,
    check_output,
    data_option,
    output_option,
    recorded,
    seed_option,
    warn_at_chance,
)
from training.datasets import Dataset, load
from training.export import export, provenance, to_input

if TYPE_CHECKING:
    import keras

INPUT = InputDescription(
    width=28,
    height=28,
    fit="pad",
    colour="gray",
    scale=1 / 255,
    layout="NHW",
    polarity="light-on-dark",
    name="pixels",
)
LEARNING_RATES = {"sgd": 0.01, "adam": 0.001}
"""Keras' own defaults, written down because the accuracy depends on them."""
VALIDATION_SHARE = 0.1
TOLERANCE = 1e-5
PACKAGES = ("numpy", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")


def build() -> keras.Model:
    """The untrained network: float32 (N, 28, 28), 0..1 → probabilities float32 (N, 10)."""
    import keras

    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def train(
    images: np.ndarray, labels: np.ndarray, *, epochs: int = 25, optimizer: str = "sgd", seed: int = 42
) -> keras.Model:
    """A fitted network; prints a line per epoch. The last tenth of the data is for validation.

    Args:
        images: uint8 (N, 28, 28), light on dark.
        labels: uint8 (N,), 0..9.
        epochs: Rounds through the data.
        optimizer: A key of `LEARNING_RATES`.
        seed: Of the first weights and the order of the pictures.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model = build()
    algorithm = keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": LEARNING_RATES[optimizer]}})
    model.compile(loss="sparse_categorical_crossentropy", optimizer=algorithm, metrics=["accuracy"])
    model.fit(to_input(images, INPUT), labels, epochs=epochs, validation_split=VALIDATION_SHARE, verbose=2)
    return model


def describe(dataset: Dataset, *, accuracy: float, command: str, seed: int) -> ModelDescription:
    """What the file says of itself."""
    return ModelDescription(
        task="classify",
        labels=dataset.labels,
        input=INPUT,
        output=OutputDescription(values="probabilities", name="probabilities"),
        provenance=provenance(dataset, command=command, seed=seed, packages=PACKAGES),
        metrics={"test_accuracy": accuracy},
        tolerance=TOLERANCE,
    )


@click.command("python -m training.fashion_mlp", cls=TrainingCommand)
@data_option
@click.option("--epochs", default=25, show_default=True, type=click.IntRange(1), help="Rounds through the data.")
@click.option("--optimizer", default="sgd", show_default=True, type=click.Choice(list(LEARNING_RATES)))
@seed_option
@output_option
@click.pass_context
def main(ctx: click.Context, data: Path | None, epochs: int, optimizer: str, seed: int, output: Path) -> None:
    """Train a multilayer perceptron on Fashion-MNIST and write it as an ONNX file."""
    check_output(output)
    dataset = load("fashion-mnist", folder=data)
    # TensorFlow greets with a page of hints about its build; it reads this when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for package in ("tensorflow", "tf2onnx"):
        require(package, extra="training")
    from training.keras_onnx import keras_to_onnx

    model = train(dataset.train_images, dataset.train_labels, epochs=epochs, optimizer=optimizer, seed=seed)
    print(f"{model.count_params()} parameters")

    inputs = to_input(dataset.test_images, INPUT)
    expected = model.predict(inputs, batch_size=1000, verbose=0)
    accuracy = float((expected.argmax(axis=1) == dataset.test_labels).mean())
    print(f"test accuracy {accuracy:.4f} on {len(inputs)} pictures")
    warn_at_chance(expected.argmax(axis=1), dataset.test_labels.astype(np.int64), len(dataset.labels))

    agreement = export(
        keras_to_onnx(model, input_name="pixels"),
        description=describe(dataset, accuracy=accuracy, command=recorded(ctx), seed=seed),
        output=output,
        inputs=inputs,
        expected=expected,
    )
    print(f"ONNX Runtime: all {agreement.rows} labels equal, scores within {agreement.max_difference:.1e}")
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
