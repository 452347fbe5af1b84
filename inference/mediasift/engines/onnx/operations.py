"""How much arithmetic a model needs for one picture: its multiply-adds, counted without the `onnx` package.

Only products with weights count, as is usual in the literature (ResNet50: 3.9 to 4.1 thousand million): what else a
graph does is a few hundredths of that. The shapes come from one run with the tensors in question as further outputs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mediasift.engines.onnx.onnx_file import Node, OnnxFacts, read_facts
from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.providers import open_session, ort_errors
from mediasift.engines.onnx.recipe import input_shape
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import ModelError

Shape = tuple[int, ...]

_OPERANDS = {
    **dict.fromkeys(("Conv", "FusedConv", "ConvInteger", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul",
                     "MatMulInteger"), (0, 1)),
    **dict.fromkeys(("QLinearConv", "QGemm", "QLinearMatMul"), (0, 3)),
}  # fmt: skip
"""Operation → where among its inputs its two factors stand (the operators' specifications)."""

_NOT_COUNTED = frozenset({"LSTM", "GRU", "RNN", "Einsum", "Attention", "MultiHeadAttention", "QAttention", "If", "Loop",
                          "Scan", "MatMulNBits", "TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor",
                          "SVMClassifier", "SVMRegressor", "LinearClassifier", "LinearRegressor"})  # fmt: skip
"""Operations that compute much, in ways for which there is no rule here; they are named, so that the sum is not taken
for the whole."""

_SAME_SHAPE = frozenset({"DequantizeLinear", "QuantizeLinear", "Identity", "Cast"})

_BYTES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 10: 2, 11: 8, 16: 2}
"""ONNX data type number → bytes per number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What one picture costs.

    Attributes:
        multiply_adds: Per picture; a multiplication and the addition of its result count as one.
        by_type: The same for each type of operation.
        uncounted: Types of operations in the graph that compute much and are not counted.
        weight_bytes: Of all stored tensors, which are read once per batch.
    """

    multiply_adds: int
    by_type: Mapping[str, int]
    uncounted: tuple[str, ...]
    weight_bytes: int


def count_operations(model: OnnxModel) -> Operations:
    """The multiply-adds of a model, for one picture.

    Raises:
        ModelError: The graph wants more than the picture, or does not run with further outputs.
    """
    facts = read_facts(model.path)
    batch = model.fixed_batch or 1
    counted = [node for node in facts.nodes if node.op_type in _OPERANDS]
    shapes = _shapes(model, facts, counted, batch)
    makers = {name: node for node in facts.nodes for name in node.outputs}
    by_type: Counter[str] = Counter()
    for node in counted:
        left, right = (shapes[_origin(node.inputs[position], makers)] for position in _OPERANDS[node.op_type])
        by_type[node.op_type] += multiply_adds(node.op_type, left, right, shapes[node.outputs[0]])
    return Operations(
        multiply_adds=sum(by_type.values()) // batch,
        by_type={name: count // batch for name, count in by_type.items()},
        uncounted=tuple(sorted({node.op_type for node in facts.nodes} & _NOT_COUNTED)),
        weight_bytes=sum(math.prod(t.shape) * _BYTES.get(t.data_type, 0) for t in facts.initializers),
    )


def multiply_adds(op_type: str, left: Shape, right: Shape, result: Shape) -> int:
    """Of one operation, from the shapes of its factors and its result.

    Every number of a convolution's result is a sum over one filter, (channels / groups, height, width); a transposed
    convolution adds each number of its input to as many results; of a matrix product, each is a sum over a row.
    """
    if op_type == "ConvTranspose":
        return math.prod(left) * math.prod(right[1:])
    if "Conv" in op_type:
        return math.prod(result) * math.prod(right[1:])
    if "Gemm" in op_type:  # the left factor may be stored transposed, but always has as many rows as the result
        return math.prod(result) * (math.prod(left) // result[0])
    return math.prod(result) * left[-1]


def _origin(name: str, makers: Mapping[str, Node]) -> str:
    """The tensor that this one was made of without a change of shape; stored weights often are behind such a step."""
    while (maker := makers.get(name)) is not None and maker.op_type in _SAME_SHAPE:
        name = maker.inputs[0]
    return name


def _shapes(model: OnnxModel, facts: OnnxFacts, counted: list[Node], batch: int) -> dict[str, Shape]:
    """Shapes of the factors and results of these operations, from the stored tensors and one run on the CPU."""
    makers = {name: node for node in facts.nodes for name in node.outputs}
    shapes: dict[str, Shape] = {tensor.name: tensor.shape for tensor in facts.initializers}
    shapes[model.input_name] = (batch, *input_shape(model.description.input))
    factors = (_origin(node.inputs[at], makers) for node in counted for at in _OPERANDS[node.op_type])
    results = (node.outputs[0] for node in counted)
    missing = [name for name in dict.fromkeys((*factors, *results)) if name not in shapes]
    if not missing:
        return shapes
    further = [encode(12, encode(1, name.encode())) for name in missing if name not in facts.outputs]
    data = model.path.read_bytes() + encode(7, b"".join(further))
    try:
        session = open_session(data, "cpu", data_folder=model.path.resolve().parent)
        wanted = [one.name for one in session.get_inputs()]
        if wanted != [model.input_name]:
            raise ModelError(f"{model.path}: its operations cannot be counted: the graph wants {', '.join(wanted)}")
        picture = np.zeros(shapes[model.input_name], dtype=model.description.input.dtype)
        found = session.run(missing, {model.input_name: picture})
    except ort_errors() as error:
        raise ModelError(f"{model.path}: its operations cannot be counted: {error}") from error
    return {**shapes, **{name: np.shape(value) for name, value in zip(missing, found, strict=True)}}
