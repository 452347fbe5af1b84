"""A small convolutional network from scratch: `python -m training.lenet --help`.

Of the size and shape of LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", 1998): two
convolutions of 5 x 5 with pooling and a hidden layer of 84; rectified units, normalisation and dropout are of today.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.recipe import arrange
from mediasift.errors import UsageError
from mediasift.sources.labelled import read_labelled
from mediasift.train.pictures import set_sha256
from training.architectures import start_keras
from training.cifar import CIFAR, load_cifar
from training.command import TrainingCommand, check_output, output_option, recorded, seed_option, warn_at_chance
from training.datasets import SOURCES, Dataset
from training.datasets import load as load_idx
from training.export import export, provenance
from training.pictures import load, split

if TYPE_CHECKING:
    import keras

FILTERS = (12, 24)
HIDDEN = 84
RATE = 2e-3
BATCH = 128
VALIDATION_SHARE = 0.1
TOLERANCE = 1e-5
GATE_ROWS = 10_000
PACKAGES = ("numpy", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime")


def recipe(dataset: Dataset) -> InputDescription:
    """Light on dark and padded for figures of one channel; stretched for small photographs."""
    height, width = dataset.train_images.shape[1:3]
    gray = dataset.train_images.ndim == 3
    return InputDescription(
        width=width,
        height=height,
        fit="pad" if gray else "stretch",
        colour="gray" if gray else "rgb",
        scale=1 / 255,
        layout="NHWC",
        polarity="light-on-dark" if gray else "any",
        name="pixels",
    )


def build(shape: tuple[int, int, int], labels: int, *, flip: bool) -> keras.Model:
    """The untrained network: float32 (N, H, W, C), 0..1 → probabilities float32 (N, labels).

    Args:
        shape: (H, W, C).
        labels: How many.
        flip: Mirror pictures while training; right for photographs, wrong for digits.
    """
    import keras
    from keras import layers

    stack: list[keras.Layer] = [layers.RandomFlip("horizontal")] if flip else []
    stack.append(layers.RandomTranslation(0.07, 0.07, fill_mode="constant"))
    for filters, padding in zip(FILTERS, ("same", "valid"), strict=True):
        stack += [
            layers.Conv2D(filters, 5, padding=padding, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
        ]
    stack += [layers.Flatten(), layers.Dropout(0.2), layers.Dense(HIDDEN, activation="relu"), layers.Dropout(0.2)]
    return keras.Sequential([keras.Input(shape), *stack, layers.Dense(labels, activation="softmax")])


def to_rows(images: np.ndarray, wanted: InputDescription) -> np.ndarray:
    """The network's input, float32 (N, H, W, C), from pictures of its size, uint8."""
    return np.stack([arrange(image, wanted) for image in images])


def train(images: np.ndarray, labels: np.ndarray, *, classes: int, flip: bool, epochs: int, seed: int) -> keras.Model:
    """A fitted network; prints a line per epoch, stops early, and takes the best state.

    Args:
        images: float32 (N, H, W, C), 0..1.
        labels: (N,), label numbers.
        classes: How many labels there are.
        flip: See `build`.
        epochs: At most.
        seed: Of weights, order and alterations.
    """
    import keras

    keras.utils.set_random_seed(seed)
    model = build(images.shape[1:], classes, flip=flip)
    order = np.random.default_rng(seed).permutation(len(images))
    held_out = max(1, round(len(images) * VALIDATION_SHARE))
    validation, rest = order[:held_out], order[held_out:]
    rate = keras.optimizers.schedules.CosineDecay(RATE, epochs * -(-len(rest) // BATCH))
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        images[rest],
        labels[rest],
        validation_data=(images[validation], labels[validation]),
        epochs=epochs,
        batch_size=BATCH,
        callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)],
        verbose=2,
    )
    return model


def load_any(name: str, data: Path | None, *, size: int, seed: int) -> Dataset:
    """The data set: one of those that have a name, or a folder per label, a fifth of which is held out.

    Raises:
        UsageError: `folder` without --data, or a table with several labels per picture.
    """
    if name in SOURCES:
        return load_idx(name, folder=data)
    if data is None:
        raise UsageError(f"--dataset {name} needs --data FOLDER")
    if name in CIFAR:
        return load_cifar(name, data)
    labelled = read_labelled(data)
    if labelled.multilabel:
        raise UsageError(f"{data}: one label per picture is needed; for several: mediasift train")
    pictures, positions = load(labelled, InputDescription(width=size, height=size, fit="stretch"))
    place = {labelled.files[position]: row for row, position in enumerate(positions)}
    halves = split(labelled, positions, test_share=0.2, seed=seed)
    (train_rows, train_numbers), (test_rows, test_numbers) = (
        (pictures[[place[file] for file in half.files]], half.numbers) for half in halves
    )
    return Dataset(
        name=labelled.name,
        labels=labelled.classes,
        train_images=train_rows,
        train_labels=train_numbers,
        test_images=test_rows,
        test_labels=test_numbers,
        sha256={"pictures": set_sha256(labelled)},
    )


@click.command("python -m training.lenet", cls=TrainingCommand)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder with the data set's files, or a folder per label."
)
@click.option(
    "--dataset", required=True, type=click.Choice([*SOURCES, *CIFAR, "folder"]), help="folder: a folder per label."
)
@click.option(
    "--size", default=32, show_default=True, type=click.IntRange(16, 256), help="Side of a folder's pictures."
)
@click.option(
    "--epochs", default=15, show_default=True, type=click.IntRange(1), help="Rounds through the data at most."
)
@seed_option
@output_option
@click.pass_context
def main(ctx: click.Context, data: Path | None, dataset: str, size: int, epochs: int, seed: int, output: Path) -> None:
    """Train a small convolutional network and write it as an ONNX file."""
    check_output(output)
    loaded = load_any(dataset, data, size=size, seed=seed)
    start_keras()
    from training.keras_onnx import keras_to_onnx

    wanted = recipe(loaded)
    model = train(
        to_rows(loaded.train_images, wanted),
        loaded.train_labels,
        classes=len(loaded.labels),
        flip=dataset != "mnist",
        epochs=epochs,
        seed=seed,
    )
    print(f"{model.count_params()} parameters")
    inputs = to_rows(loaded.test_images, wanted)
    expected = model.predict(inputs, batch_size=1000, verbose=0)
    accuracy = float((expected.argmax(axis=1) == loaded.test_labels).mean())
    print(f"test accuracy {accuracy:.4f} on {len(inputs)} pictures")
    warn_at_chance(expected.argmax(axis=1), loaded.test_labels.astype(np.int64), len(loaded.labels))
    description = ModelDescription(
        task="classify",
        labels=loaded.labels,
        input=wanted,
        output=OutputDescription(values="probabilities", name="probabilities"),
        provenance=provenance(loaded, command=recorded(ctx), seed=seed, packages=PACKAGES),
        metrics={"test_accuracy": accuracy},
        tolerance=TOLERANCE,
    )
    agreement = export(
        keras_to_onnx(model),
        description=description,
        output=output,
        inputs=inputs[:GATE_ROWS],
        expected=expected[:GATE_ROWS],
    )
    print(f"ONNX Runtime: all {agreement.rows} labels equal, scores within {agreement.max_difference:.1e}")
    print(f"wrote {output} ({output.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
