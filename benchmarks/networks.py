"""The ResNet50 that benchmarks classify with: random weights, but a label for each photograph.

Trained weights cost the same time. Random ones as they come give every photograph nearly the same scores, so that equal
labels would prove nothing; therefore the statistics of batch normalisation are taken from photographs, and the last
layer says which photograph a picture is most like, photograph by photograph, in what the layers below it see.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mediasift.engines.onnx.description import ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.recipe import fitted
from training.architectures import base_network, plain_input, with_preprocessing
from training.keras_onnx import keras_to_onnx

RECIPE = replace(plain_input(224), shorter_side=None)
"""Plain RGB pictures as uint8 (N, 224, 224, 3), the largest square in the middle, as Keras' `crop_to_aspect_ratio`; the
network's own preprocessing is inside the graph."""
CALM_WITH = 24
"""Photographs that batch normalisation is calmed with; all of them at once need memory."""
MULTIPLY_ADDS = 3.86e9
"""Of one picture, in convolutions and matrix products (He et al., "Deep residual learning", 2016, table 1: 3.8e9)."""
SHARPNESS = 16.0
"""By how much the logit of the right photograph stands out, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The same network for every contestant.

    Attributes:
        keras: Without the preprocessing, which the ONNX file has inside.
        path: As a described ONNX file, uint8 NHWC.
    """

    keras: Any
    path: Path


def pixels(folder: Path) -> np.ndarray:
    """What the graph takes, uint8 (N, 224, 224, 3), from the folder's photographs."""
    return np.stack([fitted(np.asarray(Image.open(file).convert("RGB")), RECIPE) for file in sorted(folder.iterdir())])


def resnet50(folder: Path, photos: Path) -> Network:
    """Keras' ResNet50 and its ONNX file, written into the folder."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(0)
    base = base_network("resnet50", weights="none")
    _fit(base, pixels(photos)[:1000].astype(np.float32))
    network = with_preprocessing("resnet50", base)
    path = folder / "resnet50.onnx"
    path.write_bytes(keras_to_onnx(network, dtype="uint8").SerializeToString())
    labels = tuple(f"class {number}" for number in range(1000))
    output = OutputDescription(values="probabilities", name="probabilities")
    describe_model(path, ModelDescription(task="classify", input=RECIPE, output=output, labels=labels))
    return Network(keras=base, path=path)


def _fit(base: Any, pictures: np.ndarray) -> None:
    """Statistics and last layer as the module says.

    Args:
        base: Without preprocessing.
        pictures: float32 (N, 224, 224, 3) RGB, 0..255; N <= 1000.
    """
    import keras

    given = keras.applications.resnet.preprocess_input(pictures.copy())
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    base(given[:CALM_WITH], training=True)
    seen = keras.Model(base.input, base.get_layer("avg_pool").output).predict(given, batch_size=8, verbose=0)
    mean, spread = seen.mean(axis=0), np.maximum(seen.std(axis=0), 1e-6)
    # The nearest of the prototypes z is the one with the largest x.z - |z|^2 / 2; what is left of 1,000 is drawn.
    prototypes = np.random.default_rng(0).normal(size=(1000, seen.shape[1]))
    prototypes[: len(seen)] = (seen - mean) / spread
    weights, factor = (prototypes / spread).T, SHARPNESS / seen.shape[1]
    bias = -(mean @ weights) - (prototypes**2).sum(axis=1) / 2
    base.get_layer("predictions").set_weights([(one * factor).astype(np.float32) for one in (weights, bias)])


def quantized(network: Network, photos: Path) -> Path:
    """The same in 8 bits, made by `training/quantize.py`."""
    output = network.path.with_name("resnet50-int8.onnx")
    count = str(min(32, len(list(photos.iterdir())) // 2))
    command = [sys.executable, "-m", "training.quantize", str(network.path), "--calibrate", str(photos),
               "--count", count, "--min-agreement", "0", "-o", str(output)]  # fmt: skip
    subprocess.run(command, check=True)
    return output
