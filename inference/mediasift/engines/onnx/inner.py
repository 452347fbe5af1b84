"""Tensors inside a graph: found by walking it, and made an output without the `onnx` package.

Appending bytes to a protobuf file merges them into its message (https://protobuf.dev/programming-guides/encoding/,
"last one wins" and the merging of sub-messages): a few bytes at the end of an ONNX file are a further output, and a
further node before it where the tensor is 8-bit and must be dequantised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mediasift.engines.onnx import graphs
from mediasift.engines.onnx.onnx_file import OnnxFacts
from mediasift.engines.onnx.protobuf import encode
from mediasift.errors import ModelError, did_you_mean

_OUTPUT = "mediasift_inner"

_WEIGHTED = frozenset({"Gemm", "MatMul", "Conv", "QLinearMatMul", "QLinearConv", "QGemm", "MatMulInteger", "FusedGemm",
                       "FusedMatMul", "FusedConv"})  # fmt: skip
"""Operations with trained weights: the last one before the output is the classifier, and its input the embedding."""

_SAME_NUMBERS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose", "MaxPool"})
"""Operations that keep an 8-bit tensor's scale and zero point."""

_QUANTISED: dict[str, tuple[tuple[int, ...], int | None]] = {
    "DequantizeLinear": ((0,), None),
    "QuantizeLinear": ((), 1),
    "QLinearConv": ((0,), 6),
    "QLinearMatMul": ((0, 3), 6),
    "QGemm": ((0,), 7),
    "QLinearAdd": ((0, 3), 6),
    "QLinearMul": ((0, 3), 6),
    **dict.fromkeys(("QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearLeakyRelu", "QLinearSigmoid",
                     "QLinearSoftmax"), ((0,), 3)),
}  # fmt: skip
"""Operation → positions, among its inputs, of 8-bit ones, each followed by its scale and zero point; and of the scale
of its 8-bit output, followed by that zero point (the operators' specifications)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerTensor:
    """A tensor inside a graph.

    Attributes:
        name: Its name.
        scale, zero_point: Names of the tensors that dequantise it; empty for floating-point tensors.
    """

    name: str
    scale: str = ""
    zero_point: str = ""


def penultimate(facts: OnnxFacts, output: str) -> InnerTensor:
    """What goes into the last operation with trained weights before `output`: a classifier's embedding.

    Raises:
        ModelError: There is none (a forest, say).
    """
    makers = {name: node for node in facts.nodes for name in node.outputs}
    stored = {tensor.name for tensor in facts.initializers}
    waiting, seen = [output], {output}
    while waiting:
        node = makers.get(waiting.pop(0))
        if node is None:
            continue
        if node.op_type in _WEIGHTED and node.inputs[0] not in stored:
            return _inner(facts, node.inputs[0])
        for name in node.inputs:
            if name and name not in stored and name not in seen:
                seen.add(name)
                waiting.append(name)
    raise ModelError(f"no layer with weights before the output {output!r}; name a layer with --layer")


def named(facts: OnnxFacts, layer: str) -> InnerTensor:
    """The tensor of this name, or the first output of the node of this name.

    Raises:
        ModelError: There is none; the message lists the last layers.
    """
    outputs = [name for node in facts.nodes for name in node.outputs if name]
    if layer in outputs:
        return _inner(facts, layer)
    for node in facts.nodes:
        if node.name == layer:
            return _inner(facts, node.outputs[0])
    raise ModelError(
        f"no layer {layer!r} in the graph; its last ones are {', '.join(outputs[-8:])}{did_you_mean(layer, outputs)}"
    )


def _inner(facts: OnnxFacts, name: str) -> InnerTensor:
    scale, zero_point = next(_quantisation(facts, name, {name}), ("", ""))
    return InnerTensor(name=name, scale=scale, zero_point=zero_point)


def _quantisation(facts: OnnxFacts, name: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    """Scale and zero point of an 8-bit tensor, as its takers, its maker, and reshapings of it have them."""
    for node in facts.nodes:
        positions, output = _QUANTISED.get(node.op_type, ((), None))
        scales = [at + 1 for at in positions if name in node.inputs[at : at + 1]]
        if output is not None and name in node.outputs:
            scales.append(output)
        for at in scales:
            if at < len(node.inputs):  # a QGemm without an output scale gives floating-point numbers
                yield node.inputs[at], "".join(node.inputs[at + 1 : at + 2])
    for node in facts.nodes:
        ends = (*node.inputs[:1], *node.outputs[:1])
        if node.op_type in _SAME_NUMBERS and name in ends:
            for other in set(ends) - seen:
                seen.add(other)
                yield from _quantisation(facts, other, seen)


def readable(facts: OnnxFacts, output: str) -> InnerTensor | None:
    """What to read instead of an output that is no tensor of floating-point numbers, where the graph shows it.

    A ZipMap's dictionaries are the numbers that go into it; an 8-bit tensor's numbers follow from its scale.
    """
    maker = next((node for node in facts.nodes if output in node.outputs), None)
    if maker is not None and maker.op_type == "ZipMap":
        return InnerTensor(name=maker.inputs[0])
    inner = _inner(facts, output) if facts.types.get(output) in ("uint8", "int8") else None
    return inner if inner is not None and inner.scale else None


def score_outputs(facts: OnnxFacts) -> list[str]:
    """The outputs that may hold a classifier's scores: label numbers and texts are left out."""
    numbers = ("float16", "float32", "float64", "bfloat16", "uint8", "int8", "unknown")
    return [name for name in facts.outputs if facts.types[name] in numbers or readable(facts, name) is not None]


def with_output(data: bytes, inner: InnerTensor) -> tuple[bytes, str]:
    """An ONNX file's bytes with one more output, and that output's name; the numbers come out as floating point."""
    if not inner.scale:
        return data + encode(7, encode(12, encode(1, inner.name.encode()))), inner.name
    names = [name for name in (inner.name, inner.scale, inner.zero_point) if name]
    dequantised = graphs.node("DequantizeLinear", names, [_OUTPUT])
    return data + encode(7, encode(1, dequantised) + encode(12, encode(1, _OUTPUT.encode()))), _OUTPUT
