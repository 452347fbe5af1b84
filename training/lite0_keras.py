"""EfficientNet-Lite0 as a Keras model, with the surface of a module of `keras.applications`.

Its batch normalisation is folded into the convolutions, so fine-tuning has no statistics to freeze or to adapt.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mediasift.errors import ModelError
from training.lite0_layers import Layer, layers
from training.lite0_weights import LiteError, Weights, find_weights, read_weights

if TYPE_CHECKING:
    import keras

MEAN, DEVIATION = 127.0, 128.0
"""As in the description of `training.lite0`."""


def preprocess_input(pixels: Any) -> Any:
    """What the network was trained on, from RGB 0..255."""
    return (pixels - MEAN) / DEVIATION


def EfficientNetLite0(  # noqa: N802  (as the functions of keras.applications are named)
    *, weights: str | None, input_shape: tuple[int, int, int], include_top: bool = True
) -> keras.Model:
    """The network from preprocessed pictures: to probabilities (N, 1000), or to places (N, H / 32, W / 32, 1280).

    Args:
        weights: `imagenet` takes those of the installed package; else its .pth file.
        input_shape: Height and width in pixels, and 3.
        include_top: With the layer of 1,000 ImageNet labels.

    Raises:
        ModelError: The weights are not here, or are others.
    """
    import keras

    known = _weights(weights)
    pixels = keras.Input(input_shape, name="input")
    made = {"input": pixels}
    for layer in layers(known):
        made[layer.name] = _added(layer, [made[name] for name in layer.inputs])
    last = made["conv_head"]
    if include_top:
        dense = keras.layers.Dense(len(known["_fc.bias"]), activation="softmax", name="probabilities")
        last = dense(keras.layers.GlobalAveragePooling2D(name="embedding")(last))
        dense.set_weights([known["_fc.weight"].T, known["_fc.bias"]])
    return keras.Model(pixels, last, name="efficientnet-lite0")


def _weights(named: str | None) -> Weights:
    if named is None:
        raise ModelError(
            "efficientnet-lite0 has its weights in a package and is not built without them; leave out --weights none"
        )
    try:
        return read_weights(find_weights() if named == "imagenet" else Path(named))
    except LiteError as error:
        raise ModelError(str(error)) from error


def _added(layer: Layer, inputs: list[Any]) -> Any:
    """What the layer makes of its inputs. "same" is TensorFlow's own padding, at any size."""
    import keras

    if layer.weights is None:
        return keras.layers.Add(name=layer.name)(inputs)
    outputs, _, kernel, _ = layer.weights.shape
    how = {
        "kernel_size": kernel, "strides": layer.stride, "padding": "same", "name": layer.name,
        "activation": "relu6" if layer.clipped else None,
    }  # fmt: skip
    depthwise = layer.groups > 1
    made = keras.layers.DepthwiseConv2D(**how) if depthwise else keras.layers.Conv2D(outputs, **how)
    result = made(inputs[0])
    # Stored as (outputs, inputs of a group, kernel, kernel); Keras has the places first, and of depthwise ones the
    # channel before the number of its outputs.
    order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    made.set_weights([layer.weights.transpose(order).astype(np.float32), np.asarray(layer.bias, np.float32)])
    return result
