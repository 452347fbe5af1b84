"""The part of any ONNX classifier below its last layer: pictures in, one embedding each out.

The graph is cut in front of the last layer that has weights, whatever follows it (bias, softmax, quantisation,
pooling), and a linear head can be put in its place.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mediasift.engines.onnx.description import METADATA_KEY, InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.meaning import prove
from mediasift.engines.onnx.recipe import arrange
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import InferenceFailed, ModelError

WEIGHTED = {
    "MatMul": 0,
    "Gemm": 0,
    "Conv": 0,
    "QLinearMatMul": 0,
    "QLinearConv": 0,
    "QGemm": 0,
    "MatMulInteger": 0,
    "ConvInteger": 0,
    "FusedMatMul": 0,
    "FusedGemm": 0,
}
"""Operators with weights → which of their inputs is the data."""

QUANTIZED = {"QLinearMatMul", "QLinearConv", "QGemm"}
"""Those whose data are 8-bit integers, with scale and zero point as the two inputs that follow."""

EMBEDDING, HEAD = "mediasift_embedding", "mediasift_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A cut network.

    Attributes:
        graph: Its output is `EMBEDDING`, float32 (N, D).
        input: How a picture becomes its input.
        size: D.
        batch: Batch size built into the graph; None when it is free.
    """

    graph: onnx.ModelProto
    input: InputDescription
    size: int
    batch: int | None


def cut(model: str | Path, *, layer: str | None = None) -> Backbone:
    """The network below the last weighted layer of a described model.

    Args:
        model: Name or path, as for `load_model`; of a classifier, or of a model that gives embeddings anyway.
        layer: The tensor to take instead, by its name in the graph.

    Raises:
        ModelError: It is not here, not described, has no such layer, or the cut graph does not run.
    """
    whole = load_model(model)  # every check of a foreign file: size, depth, external data, description
    prove(whole)
    description = whole.description
    graph = onnx.load(whole.path)
    output = description.output.name or graph.graph.output[0].name
    scaling: tuple[str, ...] = ()
    if layer is not None:
        known = {name for node in graph.graph.node for name in node.output}
        if layer not in known:
            raise ModelError(f"{whole.path}: no tensor {layer!r} in the graph (--layer)")
        tensor = layer
    elif description.task == "embed":
        tensor = output
    else:
        tensor, scaling = _below_last_layer(graph, output, whole.path)
    shape = _shape_of(graph, tensor, scaling, whole)
    _end_at(graph, tensor, scaling, shape)
    batch = _free_batch(graph, description.input, whole)
    size = _run_once(graph, description.input, batch)
    return Backbone(graph=graph, input=replace(description.input, name=_input_name(whole)), size=size, batch=batch)


def _input_name(model: OnnxModel) -> str:
    return model.description.input.name or model.input_name


def _below_last_layer(graph: onnx.ModelProto, output: str, path: Path) -> tuple[str, tuple[str, ...]]:
    """(the data input of the last weighted node above `output`, its scale and zero point if it is quantised)."""
    constants = {tensor.name for tensor in graph.graph.initializer}
    makers = {name: node for node in graph.graph.node for name in node.output}
    waiting, seen = [output], set()
    while waiting:
        name = waiting.pop(0)
        node = makers.get(name)
        if node is None or name in seen or name in constants:
            continue
        seen.add(name)
        if node.op_type in WEIGHTED:
            source = node.input[WEIGHTED[node.op_type]]
            return source, tuple(node.input[1:3]) if node.op_type in QUANTIZED else ()
        waiting += node.input
    raise ModelError(f"{path}: no layer with weights in front of its output; choose a tensor with --layer")


def _probe(graph: onnx.ModelProto, tensor: str, scaling: tuple[str, ...]) -> onnx.ModelProto:
    """A copy that puts out the tensor as float, of unknown shape."""
    probe = onnx.ModelProto()
    probe.CopyFrom(graph)
    if scaling:
        probe.graph.node.append(helper.make_node("DequantizeLinear", [tensor, *scaling], [EMBEDDING]))
    else:
        probe.graph.node.append(helper.make_node("Identity", [tensor], [EMBEDDING]))
    del probe.graph.output[:]
    probe.graph.output.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, None))
    return probe


def _shape_of(graph: onnx.ModelProto, tensor: str, scaling: tuple[str, ...], whole: OnnxModel) -> tuple[int, ...]:
    """The tensor's shape for one picture (or the fixed batch)."""
    batch = whole.fixed_batch or 1
    given = replace(whole.description.input, name=_input_name(whole))
    values = _run(_probe(graph, tensor, scaling), given, np.zeros((batch, given.height, given.width, 3), np.uint8))
    return values.shape


def _end_at(graph: onnx.ModelProto, tensor: str, scaling: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Let the graph end in `EMBEDDING` (N, D): places of a picture, or tokens of it, are averaged."""
    nodes = graph.graph.node
    current = tensor
    if scaling:
        nodes.append(helper.make_node("DequantizeLinear", [tensor, *scaling], ["mediasift_float"]))
        current = "mediasift_float"
    if len(shape) == 4:
        nodes.append(helper.make_node("GlobalAveragePool", [current], ["mediasift_pooled"]))
        current = "mediasift_pooled"
    elif len(shape) == 3:
        nodes.append(helper.make_node("Transpose", [current], ["mediasift_tokens"], perm=[0, 2, 1]))
        nodes.append(helper.make_node("GlobalAveragePool", ["mediasift_tokens"], ["mediasift_pooled"]))
        current = "mediasift_pooled"
    nodes.append(helper.make_node("Flatten", [current], [EMBEDDING], axis=1))
    _prune(graph)
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, None))


def _prune(graph: onnx.ModelProto) -> None:
    """Take out the nodes and weights that `EMBEDDING` does not need."""
    makers = {name: node for node in graph.graph.node for name in node.output}
    needed: set[str] = set()
    waiting = [EMBEDDING]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            if name in makers:
                waiting += [*makers[name].input, *_outer_names(makers[name])]
    kept = [node for node in graph.graph.node if needed & set(node.output)]
    weights = [tensor for tensor in graph.graph.initializer if tensor.name in needed]
    sparse = [tensor for tensor in graph.graph.sparse_initializer if tensor.values.name in needed]
    for field, left in (
        (graph.graph.node, kept),
        (graph.graph.initializer, weights),
        (graph.graph.sparse_initializer, sparse),
        (graph.graph.value_info, []),
    ):
        copies = [type(one).FromString(one.SerializeToString()) for one in left]
        del field[:]
        field.extend(copies)


def _outer_names(node: onnx.NodeProto) -> list[str]:
    """What the graphs inside an If or Loop use; names of their own among them do no harm."""
    inner = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    inner += [graph for attribute in node.attribute for graph in attribute.graphs]
    return [name for graph in inner for child in graph.node for name in (*child.input, *_outer_names(child))]


def _free_batch(graph: onnx.ModelProto, given: InputDescription, whole: OnnxModel) -> int | None:
    """None when the batch axis is free, or can be freed; else its size."""
    fixed = whole.fixed_batch
    if fixed is None:
        return None
    name = _input_name(whole)
    dimension = next(value for value in graph.graph.input if value.name == name).type.tensor_type.shape.dim[0]
    dimension.dim_param = "N"
    pictures = np.zeros((fixed + 1, given.height, given.width, 3), np.uint8)
    pictures[0] = 255
    try:
        freed = _run(graph, replace(given, name=name), pictures)
        if len(freed) == fixed + 1:
            return None
    except (ModelError, InferenceFailed):
        pass  # some reshape inside has the size built in: it runs as it was made
    dimension.Clear()
    dimension.dim_value = fixed
    return fixed


def _run_once(graph: onnx.ModelProto, given: InputDescription, batch: int | None) -> int:
    pictures = np.zeros((batch or 2, given.height, given.width, 3), np.uint8)
    return int(_run(graph, given, pictures).shape[1])


def _run(graph: onnx.ModelProto, given: InputDescription, pictures: np.ndarray) -> np.ndarray:
    """What a graph, not yet a file, says to pictures, uint8 (N, H, W, 3)."""
    with tempfile.TemporaryDirectory() as folder, Opened(graph, given, Path(folder)) as model:
        pixels = pictures[..., 0] if given.colour == "gray" else pictures
        return model.run(np.stack([arrange(picture, given) for picture in pixels]))


class Opened:
    """Context manager: an `OnnxModel` of a graph that ends in `EMBEDDING`, from a file in a folder."""

    def __init__(self, graph: onnx.ModelProto, given: InputDescription, folder: Path) -> None:
        self.path = folder / "backbone.onnx"
        self.given = given
        self.graph = graph

    def __enter__(self) -> OnnxModel:
        """The model, loaded."""
        onnx.save(self.graph, self.path)
        description = ModelDescription(
            task="embed", input=self.given, output=OutputDescription(values="embedding", name=EMBEDDING)
        )
        return OnnxModel(self.path, description)

    def __exit__(self, *_: object) -> None:
        """Nothing is left open: ONNX Runtime has read the file."""


def embeddings(backbone: Backbone, pictures: np.ndarray) -> np.ndarray:
    """float32 (N, D) of pictures at the input's size, uint8 (N, H, W, 3) or (N, H, W)."""
    return _run(backbone.graph, backbone.input, pictures)


def with_head(
    backbone: Backbone, weights: np.ndarray, bias: np.ndarray, *, activation: str, output_name: str
) -> onnx.ModelProto:
    """The backbone followed by activation(embedding · weights + bias), as one graph.

    Args:
        backbone: Stays as it is.
        weights: float (D, classes).
        bias: float (classes,).
        activation: `Softmax` or `Sigmoid`.
        output_name: What the graph calls its output.
    """
    model = onnx.ModelProto()
    model.CopyFrom(backbone.graph)
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), f"{HEAD}_weights"))
    graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), f"{HEAD}_bias"))
    graph.node.append(helper.make_node("Gemm", [EMBEDDING, f"{HEAD}_weights", f"{HEAD}_bias"], [f"{HEAD}_logits"]))
    axis: dict[str, Any] = {"axis": 1} if activation == "Softmax" else {}
    graph.node.append(helper.make_node(activation, [f"{HEAD}_logits"], [output_name], **axis))
    del graph.output[:]
    rows: int | str = backbone.batch or "N"
    graph.output.append(helper.make_tensor_value_info(output_name, TensorProto.FLOAT, [rows, weights.shape[1]]))
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    for entry in kept:
        model.metadata_props.add(key=entry.key, value=entry.value)
    model.producer_name = "mediasift.training"
    return model
