"""Transfer learning with Keras: a new last layer first, then the last block; seeded, stopped by the validation loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.architectures import preprocessed
from training.pictures import Part

if TYPE_CHECKING:
    import keras

DROPOUT = 0.2
LEARNING_RATE, TOP_LEARNING_RATE = 1e-3, 1e-5
"""Keras' own guide to fine-tuning uses these: https://keras.io/guides/transfer_learning/."""

Examples = tuple[np.ndarray, np.ndarray]
"""uint8 (N, H, W, 3) and answers: label numbers (N,), or 0 and 1 as float32 (N, outputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How pictures are altered while they are learnt from, each by a random amount up to this.

    Attributes:
        rotate: Degrees, either way.
        flip: Left and right, every other picture.
        crop: Moved by this share of width and height.
        zoom: Share by which they grow or shrink.
        brightness: Share of 255 by which they get lighter or darker.
    """

    rotate: float = 20
    flip: bool = True
    crop: float = 0.1
    zoom: float = 0.1
    brightness: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long and how carefully.

    Attributes:
        epochs: At most, with the network frozen.
        top_epochs: At most, with its last block as well.
        patience: Epochs without a better validation loss before it stops; the best state is taken.
        batch_size: Pictures per step.
        class_weights: Count rare labels more, so that all weigh the same.
        seed: Of everything random.
    """

    epochs: int = 10
    top_epochs: int = 5
    patience: int = 3
    batch_size: int = 16
    class_weights: bool = True
    seed: int = 42


def answer(half: Part, *, multilabel: bool) -> np.ndarray:
    """What the network should say: numbers (N,); with two labels, whether it is the second, float32 (N, 1)."""
    if multilabel:
        return half.targets.astype(np.float32)
    if half.targets.shape[1] == 2:
        return half.targets[:, 1:].astype(np.float32)
    return half.numbers


def build(
    architecture: str, base: keras.Model, *, outputs: int, single: bool, augmentation: Augmentation, seed: int
) -> keras.Model:
    """Augmentation, preprocessing, the network and a new layer: float32 (N, H, W, 3), RGB 0..255 → probabilities.

    Args:
        architecture: Whose preprocessing it is.
        base: The network without its last layer.
        outputs: Numbers at the end.
        single: One of them is true (softmax), or each on its own (sigmoid).
        augmentation: Only active in training.
        seed: Of augmentation and first weights.
    """
    import keras

    keras.utils.set_random_seed(seed)
    pixels = keras.Input(base.input_shape[1:], name="pixels")
    altered = pixels
    for layer in _layers(augmentation, seed):
        altered = layer(altered)
    features = keras.layers.GlobalAveragePooling2D()(base(preprocessed(architecture, altered), training=False))
    features = keras.layers.Dropout(DROPOUT, seed=seed)(features)
    activation = "softmax" if single else "sigmoid"
    return keras.Model(pixels, keras.layers.Dense(outputs, activation=activation)(features))


def _layers(augmentation: Augmentation, seed: int) -> list[keras.Layer]:
    from keras import layers

    made: list[keras.Layer] = []
    if augmentation.flip:
        made.append(layers.RandomFlip("horizontal", seed=seed))
    if augmentation.rotate:
        made.append(layers.RandomRotation(augmentation.rotate / 360, fill_mode="reflect", seed=seed))
    if augmentation.crop:
        made.append(layers.RandomTranslation(augmentation.crop, augmentation.crop, fill_mode="reflect", seed=seed))
    if augmentation.zoom:
        made.append(layers.RandomZoom(augmentation.zoom, fill_mode="reflect", seed=seed))
    if augmentation.brightness:
        made.append(layers.RandomBrightness(augmentation.brightness, value_range=(0, 255), seed=seed))
    return made


def fit(
    model: keras.Model, base: keras.Model, top_block: str, train: Examples, validation: Examples, *, plan: Plan
) -> None:
    """Train the new layer with the network frozen, then both it and the network's last block.

    Args:
        model: What `build` gave.
        base: The network in it.
        top_block: What the names of the layers of the last block begin with.
        train: To learn from.
        validation: To stop by.
        plan: How long.
    """
    base.trainable = False
    _fit(model, train, validation, plan, epochs=plan.epochs, rate=LEARNING_RATE)
    if plan.top_epochs:
        import keras

        base.trainable = True
        reached = False
        for layer in base.layers:
            reached = reached or layer.name.startswith(top_block)
            # Statistics of normalisation learnt from a million pictures are better than those of a batch of 16.
            layer.trainable = reached and not isinstance(layer, keras.layers.BatchNormalization)
        _fit(model, train, validation, plan, epochs=plan.top_epochs, rate=TOP_LEARNING_RATE)


def _fit(model: keras.Model, train: Examples, validation: Examples, plan: Plan, *, epochs: int, rate: float) -> None:
    import keras

    single = train[1].ndim == 1
    loss = "sparse_categorical_crossentropy" if single else "binary_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss=loss, metrics=["accuracy" if single else "binary_accuracy"])
    model.fit(
        *train,
        validation_data=validation,
        epochs=epochs,
        batch_size=plan.batch_size,
        class_weight=class_weights(train[1]) if plan.class_weights else None,
        callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=plan.patience, restore_best_weights=True)],
        verbose=2,
    )


def class_weights(answers: np.ndarray) -> dict[int, float] | None:
    """Label number → weight, so that all labels weigh the same and the mean is 1; None for independent labels."""
    if answers.ndim == 2 and answers.shape[1] > 1:
        return None
    numbers, counts = np.unique(answers.reshape(-1).astype(int), return_counts=True)
    return {int(n): float(answers.size / (len(counts) * count)) for n, count in zip(numbers, counts, strict=True)}
