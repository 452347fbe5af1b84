"""A network cut in front of its last layer, and a head in that layer's place, as one ONNX file.

Nodes and weights of the network are copied byte for byte; only what the embedding needs comes along.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import METADATA_KEY, ModelDescription
from mediasift.engines.onnx.embedder import load_embedder
from mediasift.engines.onnx.graphs import IR_VERSION, graph, model, node, tensor, value_info
from mediasift.engines.onnx.inner import InnerTensor
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.protobuf import Value, collected, integer, text, texts
from mediasift.engines.onnx.recipe import input_shape
from mediasift.errors import ModelError

_OLDEST_IR = 4
"""The first in which weights need not be listed among the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A described network, and where its embedding is.

    Attributes:
        path: The file.
        description: What it says of itself.
        facts: Of the loaded model, for the manifest.
        tensor: What becomes the embedding.
        input_name: Of the graph.
        dimensions: Of that tensor; places of a picture and steps of a transformer are averaged.
        is_half: Whether its numbers are float16.
        size: Numbers of the embedding.
        batch: Size of a batch that is built into the graph; None where it is free.
        prefix: What begins no name in the graph: the backbone may have been made here as well.
    """

    path: Path
    description: ModelDescription
    facts: dict[str, Any]
    tensor: InnerTensor
    input_name: str
    dimensions: int
    is_half: bool
    size: int
    batch: int | None
    prefix: str

    @property
    def embedding(self) -> str:
        """The new graph's output with the embedding, float32 (N, size)."""
        return f"{self.prefix}embedding"

    @property
    def scores(self) -> str:
        """The new graph's output with the scores."""
        return f"{self.prefix}scores"


def open_backbone(name: str, *, layer: str | None = None) -> Backbone:
    """The network that a model's name or path means, once it has given an embedding.

    Raises:
        ModelError: It is not here, not described, has no such layer, or keeps its weights in other files.
    """
    loaded = load_embedder(name, layer=layer)
    facts = read_facts(loaded.path)
    if facts.external:
        raise ModelError(
            f"{loaded.path}: keeps its weights in other files, and what train writes is one file; take a model in one "
            "file as the backbone"
        )
    given = loaded.description.input
    grey = np.full((loaded.fixed_batch or 1, *input_shape(given)), 0.5, dtype=np.float32).astype(given.dtype)
    raw = loaded.run_all(grey)[0]
    return Backbone(
        path=loaded.path, description=loaded.description, facts=dict(loaded.facts),
        tensor=loaded.inner or InnerTensor(name=loaded.output_name), input_name=loaded.input_name, dimensions=raw.ndim,
        is_half=raw.dtype == np.float16, size=loaded.run(grey).shape[1], batch=loaded.fixed_batch,
        prefix=_prefix({name for node in facts.nodes for name in (node.name, *node.outputs)}),
    )  # fmt: skip


def grafted(
    backbone: Backbone,
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
    *,
    activation: Literal["Softmax", "Sigmoid"],
    description: ModelDescription,
) -> bytes:
    """The network, followed by activation(embedding · weights + bias).

    Args:
        backbone: Its file stays as it is.
        weights: float64 (D, columns).
        bias: float64 (columns,).
        activation: What makes scores of the sums.
        description: What the new file says of itself.
    """
    data = memoryview(backbone.path.read_bytes())
    versions, graphs, opsets, functions = collected(data, 1, 7, 8, 25)
    nodes, tensors, inputs = _needed(graphs[-1], backbone)
    names = [f"{backbone.prefix}{part}" for part in ("weights", "bias", "sums")]
    tensors += [tensor(names[0], weights.astype(np.float32)), tensor(names[1], bias.astype(np.float32))]
    own = [
        *_pooled(backbone),
        node("Gemm", [backbone.embedding, *names[:2]], [names[2]]),
        node(activation, [names[2]], [backbone.scores], **({"axis": 1} if activation == "Softmax" else {})),
    ]
    rows: int | str = backbone.batch or "N"
    outputs = [
        value_info(backbone.scores, (rows, weights.shape[1])),
        value_info(backbone.embedding, (rows, backbone.size)),
    ]
    whole = graph([*nodes, *own], tensors, inputs, outputs)
    return model(
        whole, metadata={METADATA_KEY: description.to_json()}, producer="mediasift train",
        ir_version=max(integer(versions) or IR_VERSION, _OLDEST_IR),
        opsets=[_bytes(one) for one in opsets], functions=[_bytes(one) for one in functions],
    )  # fmt: skip


def _needed(whole: Value, backbone: Backbone) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Nodes, stored tensors and inputs of a graph that the embedding depends on, as they stand in the file.

    Nodes stand in the order in which they compute, so one pass from the last to the first finds them all.
    """
    nodes, stored, inputs, sparse = collected(whole, 1, 5, 11, 15)
    wanted = {name for name in (backbone.tensor.name, backbone.tensor.scale, backbone.tensor.zero_point) if name}
    kept = []
    for one in reversed(nodes):
        read, made = collected(one, 1, 2)
        if wanted.intersection(texts(made)):
            wanted.update(texts(read), _inner_names(one))
            kept.append(_bytes(one))
    tensors = [_bytes(one) for one in stored if text(collected(one, 8)[0]) in wanted]
    if any(text(collected(values, 8)[0]) in wanted for one in sparse for values in collected(one, 1)[0]):
        raise ModelError(f"{backbone.path}: has sparse weights, which train cannot copy; take another backbone")
    given = [_bytes(one) for one in inputs if text(collected(one, 1)[0]) in {*wanted, backbone.input_name}]
    return kept[::-1], tensors, given


def _inner_names(one: Value) -> Iterator[str]:
    """What the graphs inside a node (If, Loop) read; names of their own among them do no harm."""
    for attribute in collected(one, 5)[0]:
        single, several = collected(attribute, 6, 11)
        for inner in (*single, *several):
            for child in collected(inner, 1)[0]:
                yield from texts(collected(child, 1)[0])
                yield from _inner_names(child)
            yield from (text(collected(output, 1)[0]) for output in collected(inner, 12)[0])


def _prefix(names: set[str]) -> str:
    return next(
        prefix
        for prefix in (f"mediasift{number}." for number in itertools.count(1))
        if not any(name.startswith(prefix) for name in names)
    )


def _pooled(backbone: Backbone) -> list[bytes]:
    """The operations from the network's tensor to float32 (N, D), as in `Embedder.run`."""
    made, last = [], backbone.tensor.name

    def then(kind: str, name: str, *more: str, **attributes: Any) -> None:
        nonlocal last
        made.append(node(kind, [last, *more], [f"{backbone.prefix}{name}"], **attributes))
        last = f"{backbone.prefix}{name}"

    if backbone.tensor.scale:
        zero = (backbone.tensor.zero_point,) if backbone.tensor.zero_point else ()
        then("DequantizeLinear", "float", backbone.tensor.scale, *zero)
    elif backbone.is_half:
        then("Cast", "float", to=1)
    if backbone.dimensions == 3:  # (N, steps, width) of a transformer
        then("Transpose", "steps", perm=(0, 2, 1))
    if backbone.dimensions > 2:
        then("GlobalAveragePool", "mean")
    then("Flatten", "embedding", axis=1)
    return made


def _bytes(value: Value) -> bytes:
    return b"" if isinstance(value, int) else bytes(value)
