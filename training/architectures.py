"""Pretrained networks as Keras models, each with its own preprocessing inside: plain RGB, 0..255, goes in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mediasift.engines.onnx.description import InputDescription
from mediasift.errors import ModelError
from mediasift.media.pictures.transforms import Resample
from mediasift.system.optional import require

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A network of `keras.applications`, or of a module like those.

    Attributes:
        module: Of `keras.applications` or, with a dot, any module; has the function `preprocess_input`.
        function: In that module; builds the network.
        size: Side of its usual input, pixels.
        top_block: What the names of its last block's layers begin with.
        resample: How pictures are brought to that size.
    """

    module: str
    function: str
    size: int
    top_block: str
    resample: Resample = "bilinear"

    def loaded(self) -> ModuleType:
        """The module."""
        return import_module(self.module if "." in self.module else f"keras.applications.{self.module}")


ARCHITECTURES = {
    "resnet50": Architecture(module="resnet", function="ResNet50", size=224, top_block="conv5"),
    "resnet101": Architecture(module="resnet", function="ResNet101", size=224, top_block="conv5"),
    "resnet152": Architecture(module="resnet", function="ResNet152", size=224, top_block="conv5"),
    "resnet50v2": Architecture(module="resnet_v2", function="ResNet50V2", size=224, top_block="conv5"),
    "vgg16": Architecture(module="vgg16", function="VGG16", size=224, top_block="block5"),
    "vgg19": Architecture(module="vgg19", function="VGG19", size=224, top_block="block5"),
    "xception": Architecture(module="xception", function="Xception", size=299, top_block="block14"),
    "inceptionv3": Architecture(module="inception_v3", function="InceptionV3", size=299, top_block="mixed10"),
    "mobilenetv2": Architecture(module="mobilenet_v2", function="MobileNetV2", size=224, top_block="block_16"),
    "densenet121": Architecture(module="densenet", function="DenseNet121", size=224, top_block="conv5"),
    "efficientnetb0": Architecture(module="efficientnet", function="EfficientNetB0", size=224, top_block="block7"),
    "efficientnet-lite0": Architecture(
        module="training.lite0_keras", function="EfficientNetLite0", size=224, top_block="blocks.15", resample="bicubic"
    ),
}
"""Name → network. The three ways of preprocessing, "caffe", "tf" and "torch", and networks with none, are all here."""

CENTRE_SHARE = 0.875
"""The middle 224 of a shorter side of 256: how ImageNet accuracies are usually measured."""


def start_keras() -> None:
    """Import TensorFlow without its page of hints, or say what to install."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for package in ("tensorflow", "tf2onnx"):
        require(package, extra="training")


def base_network(name: str, *, weights: str, size: int | None = None, top: bool = True) -> keras.Model:
    """The bare network, whose input is preprocessed already.

    Args:
        name: A key of `ARCHITECTURES`.
        weights: `imagenet` (Keras downloads them once; EfficientNet-Lite0's come in a package), `none` (random) or a
            file: Keras' own `.h5`, or the package's `.pth`.
        size: Side of its input where it is not the usual one; only without `top`.
        top: With the layer of 1,000 ImageNet labels.

    Raises:
        ModelError: The weights cannot be fetched or do not fit; the message says what to put where.
    """
    chosen = ARCHITECTURES[name]
    build = getattr(chosen.loaded(), chosen.function)
    side = size or chosen.size
    kept = {} if top else {"include_top": False}
    given = None if weights == "none" else weights
    try:
        return _with_traced_constants(build(weights=given, input_shape=(side, side, 3), **kept))
    except (ValueError, OSError, KeyError) as error:
        raise ModelError(f"{weights}: these weights do not fit {chosen.function}: {_line(error)}") from error
    except Exception as error:
        # Keras raises a bare Exception when a download fails; the text has the address.
        if "URL fetch failure" not in str(error):
            raise
        address = next((word for word in str(error).split() if word.startswith("https://")), "")
        raise ModelError(
            f"the ImageNet weights of {chosen.function} cannot be downloaded. Fetch {address.rstrip(':')} elsewhere "
            f"and name the file: --weights FILE.h5, or put it into {_cache()}; without weights: --weights none"
        ) from error


def _with_traced_constants(network: keras.Model) -> keras.Model:
    """EfficientNetB0 normalises with tensors that were made outside the graph, which would become inputs of it."""
    import keras
    import numpy as np

    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    return network


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _cache() -> str:
    return os.path.join(os.environ.get("KERAS_HOME") or "~/.keras", "models")  # noqa: PTH118  (shown, not used)


def preprocessed(name: str, pixels: Any) -> Any:
    """What the network was trained on, from RGB 0..255: its module's own function, as a part of the graph.

    A layer, so that its constants are made where the graph is traced; outside they would become inputs of it.
    """
    import keras

    class Preprocessing(keras.layers.Layer):  # type: ignore[misc]
        """The function `preprocess_input` of one architecture."""

        def call(self, inputs: Any) -> Any:
            """Of plain pictures."""
            return ARCHITECTURES[name].loaded().preprocess_input(inputs)

    return Preprocessing()(pixels)


def with_preprocessing(name: str, base: keras.Model) -> keras.Model:
    """The network from plain RGB, float32 (N, H, W, 3), 0..255."""
    import keras

    pixels = keras.Input(base.input_shape[1:], name="pixels")
    return keras.Model(pixels, base(preprocessed(name, pixels), training=False))


FORMS = {
    "uint8-nhwc": {"dtype": "uint8", "layout": "NHWC"},
    "float32-nhwc": {"dtype": "float32", "layout": "NHWC"},
    "float32-nchw": {"dtype": "float32", "layout": "NCHW"},
}
"""How the graph takes pictures; see training/README.md for which is fastest."""


def plain_input(size: int, form: str = "uint8-nhwc", resample: Resample = "bilinear") -> InputDescription:
    """The recipe of a network that preprocesses by itself."""
    return InputDescription(
        width=size,
        height=size,
        fit="crop",
        shorter_side=round(size / CENTRE_SHARE),
        resample=resample,
        name="pixels",
        **FORMS[form],  # type: ignore[arg-type]
    )
