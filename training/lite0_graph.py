"""The graph of a network of layers, in float32, in float16, or in 8 bits; see `training.lite0`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mediasift.engines.onnx.graphs import DATA_TYPES, node, tensor
from training.lite0_layers import Layer

Ranges = Mapping[str, tuple[float, float]]
"""Smallest and largest value of each activation that ReLU6 does not bound."""


class Graph:
    """Nodes and tensors of a graph in float32, or in float16 between a float32 input and float32 outputs."""

    def __init__(self, dtype: str) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []
        self.readers_take: dict[str, str] = {}
        self.dtype, self.is_half = dtype, dtype == "float16"
        if self.is_half:
            self.nodes.append(node("Cast", ["input"], ["input.half"], to=DATA_TYPES["float16"]))
            self.readers_take["input"] = "input.half"

    def store(self, name: str, values: np.ndarray) -> str:
        """Keep a constant; its name."""
        self.tensors.append(tensor(name, values))
        return name

    def taken(self, name: str) -> str:
        """The tensor that those take who read a layer's output."""
        return self.readers_take.get(name, name)

    def constants(self, layer: Layer) -> list[str]:
        """A layer's weights and bias."""
        parts = (("weights", layer.weights), ("bias", layer.bias))
        return [
            self.store(f"{layer.name}.{part}", values.astype(self.dtype))
            for part, values in parts
            if values is not None
        ]

    def add(self, layer: Layer) -> None:
        """The nodes of a layer."""
        casts = self.is_half and layer.name == "logits"
        raw = f"{layer.name}.raw" if layer.clipped or casts else layer.name
        inputs = [self.taken(name) for name in layer.inputs]
        if layer.weights is None:
            self.nodes.append(node("Add", inputs, [raw]))
        elif layer.weights.ndim == 2:
            self.nodes.append(node("Gemm", [*inputs, *self.constants(layer)], [raw], transB=1))
        else:
            (before, after), kernel = layer.pads, layer.weights.shape[2]
            self.nodes.append(
                node("Conv", [*inputs, *self.constants(layer)], [raw], kernel_shape=(kernel, kernel),
                     strides=(layer.stride,) * 2, pads=(before, before, after, after), group=layer.groups)
            )  # fmt: skip
        if casts:
            self.nodes.append(node("Cast", [raw], [layer.name], to=DATA_TYPES["float32"]))
        self.finish(layer, raw)

    def finish(self, layer: Layer, raw: str) -> None:
        """ReLU6, where it follows."""
        if layer.clipped:
            bounds = [self.store(f"{layer.name}.{side}", np.array(value, self.dtype))
                      for side, value in (("least", 0), ("most", 6))]  # fmt: skip
            self.nodes.append(node("Clip", [raw, *bounds], [layer.name]))

    def pool(self, last: str) -> None:
        """The embedding: the mean over all places of the last convolution."""
        flat = "embedding.half" if self.is_half else "embedding"
        self.nodes.append(node("GlobalAveragePool", [self.taken(last)], ["pooled"]))
        self.nodes.append(node("Flatten", ["pooled"], [flat]))
        if self.is_half:
            self.nodes.append(node("Cast", [flat], ["embedding"], to=DATA_TYPES["float32"]))
            self.readers_take["embedding"] = flat


class QuantisedGraph(Graph):
    """The same in 8 bits: QuantizeLinear and DequantizeLinear around every operation, which ONNX Runtime makes one of.

    Activations uint8 with a scale per tensor, weights int8 with a scale per channel, biases int32. ReLU6 is what
    quantising does at the ends of its range. The mean stays float32, so the embedding is as fine as it can be.
    """

    def __init__(self, ranges: Ranges) -> None:
        super().__init__("float32")
        self.scales: dict[str, np.ndarray] = {}
        self.ranges = ranges
        self.quantise("input", "input", (-127 / 128, 1.0))

    def quantise(self, name: str, raw: str, between: tuple[float, float]) -> None:
        """The tensor `raw` through 8 bits."""
        low, high = between
        scale = np.array((high - low) / 255, np.float32)
        zero = np.uint8(np.clip(np.rint(-low / np.float64(scale)), 0, 255))
        self.scales[name] = scale
        given = [self.store(f"{name}.scale", scale), self.store(f"{name}.zero", np.array(zero))]
        self.nodes.append(node("QuantizeLinear", [raw, *given], [f"{name}.quantised"]))
        self.nodes.append(node("DequantizeLinear", [f"{name}.quantised", *given], [f"{name}.float"]))
        self.readers_take[name] = f"{name}.float"

    def constants(self, layer: Layer) -> list[str]:
        """Weights as int8 and bias as int32, each read through a DequantizeLinear."""
        assert layer.weights is not None and layer.bias is not None  # noqa: S101, PT018  (only sums have none)
        largest = np.abs(layer.weights).reshape(len(layer.weights), -1).max(axis=1)
        before = self.scales[layer.inputs[0]]
        # a channel whose weights are nothing still has its bias, which must fit into 32 bits at this scale
        scale = np.maximum(largest / 127, np.abs(layer.bias) / (2.0**30 * before.astype(np.float64))).astype(np.float32)
        exact = scale.astype(np.float64).reshape(-1, *[1] * (layer.weights.ndim - 1))
        weights = rounded(layer.weights / exact)
        bias_scale = before * scale
        bias = np.rint(layer.bias / bias_scale.astype(np.float64)).astype(np.int32)
        return [
            self._constant(f"{layer.name}.weights", weights, scale, np.zeros(len(scale), np.int8)),
            self._constant(f"{layer.name}.bias", bias, bias_scale, np.zeros(len(scale), np.int32)),
        ]

    def _constant(self, name: str, values: np.ndarray, scale: np.ndarray, zero: np.ndarray) -> str:
        given = [self.store(name, values), self.store(f"{name}.scale", scale), self.store(f"{name}.zero", zero)]
        self.nodes.append(node("DequantizeLinear", given, [f"{name}.float"], axis=0))
        return f"{name}.float"

    def finish(self, layer: Layer, raw: str) -> None:
        """Every activation but the last one goes through 8 bits."""
        if layer.name != "logits":
            self.quantise(layer.name, raw, (0.0, 6.0) if layer.clipped else self.ranges[layer.name])

    def pool(self, last: str) -> None:
        """The embedding; the last layer reads it in 8 bits."""
        super().pool(last)
        self.quantise("embedding", "embedding", self.ranges["embedding"])


def rounded(scaled: np.ndarray) -> np.ndarray:
    """Weights -127..127 as int8 of the same shape, so that those of each output sum up to what they did.

    Rounding one by one shifts an output's mean by the sum of its errors times the mean of the inputs, which ReLU6 makes
    positive: the numbers that lie nearest to the other neighbour are rounded there until the sum is right. On
    photographs this takes the mean squared error of the logits from .0126 to .0043. `math.fsum` is exact, so the result
    does not depend on the order of summation, as numpy's sums do.
    """
    exact = scaled.reshape(len(scaled), -1)
    nearest = np.rint(exact)
    for errors, row in zip(exact - nearest, nearest, strict=True):
        excess = round(math.fsum(errors))
        sign = 1 if excess > 0 else -1
        row[np.argsort(-sign * errors, kind="stable")[: abs(excess)]] += sign
    whole: np.ndarray = np.clip(nearest, -127, 127).astype(np.int8)
    return whole.reshape(scaled.shape)
