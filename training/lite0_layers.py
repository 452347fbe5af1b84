"""The layers of EfficientNet-Lite0, with their weights: what its ONNX graph and its Keras model are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from training.lite0_weights import Weights

SIZE = 224
"""Width and height of the picture it was trained on, pixels."""
EPSILON = 1e-3
"""Of the batch normalisation."""


class Stage(NamedTuple):
    """Blocks of one form: `repeats` of them; only the first has the stride and the other number of channels."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    inputs: int
    outputs: int


STEM = 32
STAGES = (
    Stage(1, 3, 1, 1, 32, 16),
    Stage(2, 3, 2, 6, 16, 24),
    Stage(2, 5, 2, 6, 24, 40),
    Stage(3, 3, 2, 6, 40, 80),
    Stage(3, 5, 1, 6, 80, 112),
    Stage(4, 5, 2, 6, 112, 192),
    Stage(1, 3, 1, 6, 192, 320),
)
"""Tan and Le, EfficientNet, 2019, table 1; Lite has a fixed stem and head, ReLU6, and no squeeze and excitation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One operation of the network, its normalisation folded in.

    Attributes:
        name: Of its output.
        inputs: One layer's name, or two of a sum.
        weights: float64 (outputs, inputs, kernel, kernel), or (outputs, inputs) of the last layer; None of a sum.
        bias: float64 (outputs,).
        stride, pads, groups: Of a convolution.
        clipped: Whether ReLU6 follows.
    """

    name: str
    inputs: tuple[str, ...]
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    stride: int = 1
    pads: tuple[int, int] = (0, 0)
    groups: int = 1
    clipped: bool = False


class _Builder:
    """Goes through the network from the picture to the last convolution."""

    def __init__(self, weights: Weights) -> None:
        self.layers: list[Layer] = []
        self.weights, self.side, self.last = weights, SIZE, "input"

    def convolution(self, name: str, norm: str, *, stride: int = 1, depthwise: bool = False, clipped: bool) -> None:
        """Add a convolution with TensorFlow's "same" padding, of which the odd pixel lies right and below."""
        gain, shift = self._folded(norm)
        kernels = self.weights[f"{name}.weight"].astype(np.float64)
        out = -(-self.side // stride)
        padding = max((out - 1) * stride + kernels.shape[2] - self.side, 0)
        self.side = out
        self._add(
            Layer(
                name=name.removeprefix("_").replace("._", "."), inputs=(self.last,), bias=shift,
                weights=kernels * gain[:, None, None, None], stride=stride,
                pads=(padding // 2, padding - padding // 2),
                groups=len(kernels) if depthwise else 1, clipped=clipped,
            )
        )  # fmt: skip

    def block(self, prefix: str, *, stride: int, expand: bool, skips: bool) -> None:
        """Add an inverted residual block (Sandler et al., MobileNetV2, 2018)."""
        before = self.last
        if expand:
            self.convolution(f"{prefix}._expand_conv", f"{prefix}._bn0", clipped=True)
        self.convolution(f"{prefix}._depthwise_conv", f"{prefix}._bn1", stride=stride, depthwise=True, clipped=True)
        self.convolution(f"{prefix}._project_conv", f"{prefix}._bn2", clipped=False)
        if skips:
            self._add(Layer(name=f"{prefix[1:]}.sum", inputs=(self.last, before)))

    def _add(self, layer: Layer) -> None:
        self.layers.append(layer)
        self.last = layer.name

    def _folded(self, norm: str) -> tuple[np.ndarray, np.ndarray]:
        """Batch normalisation as a factor and a summand per channel, float64."""
        gain, shift, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gain / np.sqrt(variance + EPSILON)
        return factor, shift - mean * factor


def layers(weights: Weights) -> list[Layer]:
    """The network's convolutions and sums, from the picture `input` to `conv_head`."""
    builder = _Builder(weights)
    builder.convolution("_conv_stem", "_bn0", stride=2, clipped=True)
    number = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            stride = 1 if repeat else stage.stride
            skips = stride == 1 and (repeat > 0 or stage.inputs == stage.outputs)
            builder.block(f"_blocks.{number}", stride=stride, expand=stage.expand > 1, skips=skips)
            number += 1
    builder.convolution("_conv_head", "_bn1", clipped=True)
    return builder.layers
