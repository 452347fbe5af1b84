"""ONNX graphs written without the `onnx` package: tensors, nodes and models as bytes.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Nothing but numpy and the standard library is
needed, so a build of this package can write a model. The same arguments give the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.protobuf import FIXED32, encode

DATA_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "float16": 10}
"""numpy's name of a type → ONNX's number of it."""

IR_VERSION = 8

Shape = Sequence[int | str]
"""Sizes of the axes; a free one has a name."""


def tensor(name: str, values: NDArray[Any]) -> bytes:
    """A TensorProto with the values, of one of `DATA_TYPES`, as raw little-endian bytes."""
    little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    return (
        b"".join(encode(1, size) for size in values.shape)
        + encode(2, DATA_TYPES[values.dtype.name])
        + encode(8, name.encode())
        + encode(9, little.tobytes())
    )


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | float | Sequence[int]) -> bytes:
    """A NodeProto, named for its first output. Attributes are whole numbers, fractions or lists of whole numbers."""
    return (
        b"".join(encode(1, name.encode()) for name in inputs)
        + b"".join(encode(2, name.encode()) for name in outputs)
        + encode(3, outputs[0].encode())
        + encode(4, kind.encode())
        + b"".join(encode(5, _attribute(name, value)) for name, value in attributes.items())
    )


def _attribute(name: str, value: int | float | Sequence[int]) -> bytes:
    """An AttributeProto: FLOAT is kind 1, INT 2, INTS 7."""
    named = encode(1, name.encode())
    if isinstance(value, int):
        return named + encode(3, value) + encode(20, 2)
    if isinstance(value, float):
        return named + bytes([2 << 3 | FIXED32]) + struct.pack("<f", value) + encode(20, 1)
    return named + b"".join(encode(8, number) for number in value) + encode(20, 7)


def value_info(name: str, shape: Shape, data_type: str = "float32") -> bytes:
    """A ValueInfoProto: an input or output of a graph."""
    sizes = (encode(1, size) if isinstance(size, int) else encode(2, size.encode()) for size in shape)
    axes = b"".join(encode(1, size) for size in sizes)
    return encode(1, name.encode()) + encode(2, encode(1, encode(1, DATA_TYPES[data_type]) + encode(2, axes)))


def graph(
    nodes: Iterable[bytes],
    tensors: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    name: str = "mediasift",
) -> bytes:
    """A GraphProto; nodes stand in the order in which they compute."""
    fields = ((1, nodes), (2, (name.encode(),)), (5, tensors), (11, inputs), (12, outputs))
    return b"".join(encode(number, part) for number, parts in fields for part in parts)


def opset(version: int) -> bytes:
    """An OperatorSetIdProto of ONNX's own operators."""
    return encode(1, b"") + encode(2, version)


def model(
    graph: bytes,
    *,
    opsets: Iterable[bytes],
    metadata: Mapping[str, str],
    producer: str = "mediasift",
    ir_version: int = IR_VERSION,
    functions: Iterable[bytes] = (),
) -> bytes:
    """A ModelProto, which is what an .onnx file holds."""
    return (
        encode(1, ir_version)
        + encode(2, producer.encode())
        + encode(7, graph)
        + b"".join(encode(8, one) for one in opsets)
        + b"".join(encode(14, encode(1, key.encode()) + encode(2, text.encode())) for key, text in metadata.items())
        + b"".join(encode(25, one) for one in functions)
    )
