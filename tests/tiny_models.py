"""Tiny ONNX models with known answers, written byte by byte: the lean package's tests need no `onnx`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mediasift.engines.onnx.description import METADATA_KEY, InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.protobuf import encode

COLOURS = ModelDescription(
    task="classify",
    input=InputDescription(width=8, height=8, fit="stretch", scale=1 / 255),
    output=OutputDescription(values="logits"),
    labels=("red", "green", "blue"),
    label_ids=("c1", "c2", "c3"),
)
"""Describes `mean_colour`: the most of the three channels is the label."""


def _dimension(value: int | str) -> bytes:
    return encode(1, encode(1, value) if isinstance(value, int) else encode(2, value.encode()))


def value_info(name: str, shape: tuple[int | str, ...], kind: int = 1) -> bytes:
    """A ValueInfoProto; kind 1 is float32."""
    tensor = encode(1, kind) + encode(2, b"".join(_dimension(size) for size in shape))
    return encode(1, name.encode()) + encode(2, encode(1, tensor))


def node(
    kind: str, inputs: tuple[str, ...], outputs: tuple[str, ...], *, attributes: bytes = b"", domain: str = ""
) -> bytes:
    """A NodeProto."""
    names = b"".join(encode(1, name.encode()) for name in inputs) + b"".join(encode(2, n.encode()) for n in outputs)
    return names + encode(4, kind.encode()) + attributes + (encode(7, domain.encode()) if domain else b"")


def integers(name: str, values: tuple[int, ...]) -> bytes:
    """A node's attribute that is a list of integers."""
    return encode(5, encode(1, name.encode()) + b"".join(encode(8, value) for value in values) + encode(20, 7))


def integer(name: str, value: int) -> bytes:
    """A node's attribute that is one integer."""
    return encode(5, encode(1, name.encode()) + encode(3, value) + encode(20, 2))


def model(
    nodes: list[bytes],
    inputs: list[bytes],
    outputs: list[bytes],
    *,
    initializers: tuple[bytes, ...] = (),
    metadata: dict[str, str] | None = None,
    opset: int = 13,
) -> bytes:
    """A ModelProto."""
    graph = (
        b"".join(encode(1, one) for one in nodes)
        + encode(2, b"g")
        + b"".join(encode(5, one) for one in initializers)
        + b"".join(encode(11, one) for one in inputs)
        + b"".join(encode(12, one) for one in outputs)
    )
    entries = b"".join(
        encode(14, encode(1, key.encode()) + encode(2, value.encode())) for key, value in (metadata or {}).items()
    )
    return encode(1, 8) + encode(7, graph) + encode(8, encode(1, b"") + encode(2, opset)) + entries


_NUMBERS = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}


def stored(name: str, array: np.ndarray) -> bytes:
    """A TensorProto."""
    sides = b"".join(encode(1, side) for side in array.shape)
    return sides + encode(2, _NUMBERS[array.dtype.name]) + encode(8, name.encode()) + encode(9, array.tobytes())


def mean_colour(description: ModelDescription | None = COLOURS, *, batch: int | str = "N", size: int = 8) -> bytes:
    """A classifier whose three logits are the means of the channels of (N, 3, size, size)."""
    reduce = node("ReduceMean", ("x",), ("y",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0))
    metadata = {METADATA_KEY: description.to_json()} if description else {}
    shape = (batch, 3, size, size)
    return model([reduce], [value_info("x", shape)], [value_info("y", (batch, 3))], metadata=metadata)


def write(folder: Path, data: bytes, name: str = "tiny.onnx") -> Path:
    """The bytes as a file."""
    path = folder / name
    path.write_bytes(data)
    return path


def constants(
    outputs: dict[str, np.ndarray],
    *,
    size: tuple[int, int] = (8, 8),
    metadata: dict[str, str] | None = None,
    extra_inputs: tuple[bytes, ...] = (),
    batch: int | str = 1,
) -> bytes:
    """A model that gives these float32 arrays whatever it is shown: (width, height) pictures at the input `x`."""
    tensors = tuple(
        b"".join(encode(1, side) for side in array.shape)
        + encode(2, 1)
        + encode(8, f"{name}_value".encode())
        + encode(9, array.astype("<f4").tobytes())
        for name, array in outputs.items()
    )
    return model(
        [node("Identity", (f"{name}_value",), (name,)) for name in outputs],
        [value_info("x", (batch, 3, size[1], size[0])), *extra_inputs],
        [value_info(name, array.shape) for name, array in outputs.items()],
        initializers=tensors,
        metadata=metadata,
    )
