"""What an ONNX file says before it is run: metadata, layers, parameters, files it refers to.

Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mediasift.engines.onnx.protobuf import Value, collected, integer, text, texts, varints, walk
from mediasift.errors import ItemError, ModelError, ModelNotFound, NotFound
from mediasift.sources.content import LocalFile

MAX_NODES = 200_000
"""Largest number of nodes in a graph; ResNet-152 has about 500, the largest language models some 20,000."""

MAX_DEPTH = 16
"""Deepest nesting of graphs inside nodes (If, Loop)."""


Axes = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation: its type, its inputs' and outputs' names, and those of its attributes that name labels."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Initializer:
    """A stored tensor: name, shape and ONNX data type number (1 float, 2 uint8, 3 int8, 7 int64 ...)."""

    name: str
    shape: tuple[int, ...]
    data_type: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFacts:
    """What stands in the file.

    Attributes:
        metadata: Keys and values of `metadata_props`.
        opsets: Domain ("" is ai.onnx) → version.
        nodes, initializers: Of the main graph, in file order.
        inputs, outputs: Names of the main graph's.
        shapes: Input or output → its shape, None where an axis is free.
        types: Input or output → its type, as `float32`; what is no tensor has the name of its kind.
        external: Places of external data, as written in the file.
        is_quantized: Whether any node, inner graphs and functions among them, computes with whole numbers.
        producer: Name and version of the exporter.
    """

    metadata: dict[str, str]
    opsets: dict[str, int]
    nodes: tuple[Node, ...]
    initializers: tuple[Initializer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: dict[str, Axes]
    types: dict[str, str]
    external: tuple[str, ...]
    is_quantized: bool
    producer: str

    @property
    def parameters(self) -> int:
        """Numbers stored in floating-point and 8-bit tensors of the graph (shapes and indices left out)."""
        return sum(math.prod(t.shape) for t in self.initializers if t.data_type in _PARAMETER_TYPES)


_LISTED_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d[\x00-\xff]{4})++")
"""Fields `ints` (8) and `floats` (7) of an AttributeProto, one number each."""

_QUANTIZED = re.compile("^Q[A-Z]|Quantize|Integer")
"""Operations on 8-bit numbers, of ONNX and ONNX Runtime: QLinearConv, DequantizeLinear, MatMulInteger, QGemm."""

_KEPT = frozenset({"classlabels_strings", "classlabels_int64s", "classlabels_ints", "post_transform"})
"""Attributes of ai.onnx.ml's classifiers and ZipMap that say what their numbers are."""

TYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
         10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16"}  # fmt: skip
"""ONNX data type number → name."""

_PARAMETER_TYPES = frozenset({1, 2, 3, 10, 11, 16})  # float, uint8, int8, float16, double, bfloat16


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        ModelError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def read_facts(path: Path) -> OnnxFacts:
    """What an ONNX file says, read without loading its weights.

    Raises:
        ModelNotFound: There is no such file.
        ModelError: It is no ONNX file, truncated, too deeply nested or has too many nodes.
    """
    data = _mapped(path)
    try:
        return _Reader().model(data)
    except ModelError as error:
        raise ModelError(f"{path}: not a usable ONNX file: {error}") from error


def _mapped(path: Path) -> memoryview:
    """The file's bytes, mapped as long as somebody holds them."""
    try:
        with LocalFile(path).open() as file:
            if not os.fstat(file.fileno()).st_size:
                raise ModelError(f"{path}: the file is empty")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except NotFound:
        raise ModelNotFound(f"{path}: no such file") from None
    except ItemError as error:
        raise ModelError(f"{path}: {error}") from error


class _Reader:
    """Collects the facts of ModelProto and, for external data, of everything below it."""

    def __init__(self) -> None:
        self.external: list[str] = []
        self.seen_nodes = 0
        self.is_quantized = False

    def model(self, data: memoryview) -> OnnxFacts:
        names, versions, graphs, opsets, metadata, functions = collected(data, 2, 3, 7, 8, 14, 25)
        for function in functions:
            for node in collected(function, 7)[0]:
                self._node(node, 0)
        if not graphs:
            raise ModelError("it has no graph")
        nodes, initializers, inputs, outputs = self._graph(graphs[-1], 0)
        stored = {tensor.name for tensor in initializers}
        values = {name: (kind, shape) for name, kind, shape in (*inputs, *outputs)}
        domains = [collected(opset, 1, 2) for opset in opsets]
        return OnnxFacts(
            metadata=dict(map(_pair, metadata)),
            opsets={text(domain): integer(version) for domain, version in domains},
            nodes=tuple(nodes),
            initializers=tuple(initializers),
            inputs=tuple(name for name, *_ in inputs if name not in stored),
            outputs=tuple(name for name, *_ in outputs),
            shapes={name: shape for name, (_, shape) in values.items()},
            types={name: kind for name, (kind, _) in values.items()},
            external=tuple(dict.fromkeys(self.external)),
            is_quantized=self.is_quantized,
            producer=f"{text(names)} {text(versions)}".strip(),
        )

    def _graph(self, data: Value, depth: int) -> tuple[list[Node], list[Initializer], list[_Info], list[_Info]]:
        if depth > MAX_DEPTH:
            raise ModelError(f"graphs nested deeper than {MAX_DEPTH}")
        # Nodes are read one by one, so that too many of them cost no memory.
        nodes = [self._node(value, depth) for number, _, value in walk(data) if number == 1]
        initializers, inputs, outputs, sparse = collected(data, 5, 11, 12, 15)
        for one in sparse:
            self._sparse(one)
        return (
            nodes,
            [self._tensor(one) for one in initializers],
            list(map(_value_info, inputs)),
            list(map(_value_info, outputs)),
        )

    def _node(self, data: Value, depth: int) -> Node:
        self.seen_nodes += 1
        if self.seen_nodes > MAX_NODES:
            raise ModelError(f"more than {MAX_NODES:,} nodes")
        inputs, outputs, name, op_type, attributes = collected(data, 1, 2, 3, 4, 5)
        kept = dict(filter(None, [self._attribute(attribute, depth) for attribute in attributes]))
        self.is_quantized |= _QUANTIZED.search(text(op_type)) is not None
        return Node(name=text(name), op_type=text(op_type), inputs=texts(inputs), outputs=texts(outputs), texts=kept)

    def _attribute(self, data: Value, depth: int) -> tuple[str, tuple[str, ...]] | None:
        """Its name and values, where it is one of `_KEPT`."""
        name, one, graph, several, graphs, sparse, sparses = collected(
            data, 1, 5, 6, 10, 11, 22, 23, skip=_LISTED_NUMBERS
        )
        for tensor in one + several:
            self._tensor(tensor)
        for inner in graph + graphs:
            self._graph(inner, depth + 1)
        for tensor in sparse + sparses:
            self._sparse(tensor)
        if text(name) not in _KEPT:
            return None
        single, numbers, listed = collected(data, 4, 8, 9)
        return text(name), (*texts(single), *map(str, varints(numbers)), *texts(listed))

    def _sparse(self, data: Value) -> None:
        values, indices = collected(data, 1, 2)
        for one in values + indices:
            self._tensor(one)

    def _tensor(self, data: Value) -> Initializer:
        shape, data_type, name, external = collected(data, 1, 2, 8, 13)
        self.external += [entry for key, entry in map(_pair, external) if key == "location"]
        return Initializer(name=text(name), shape=tuple(varints(shape)), data_type=integer(data_type))


def _pair(data: Value) -> tuple[str, str]:
    """A StringStringEntryProto."""
    key, entry = collected(data, 1, 2)
    return text(key), text(entry)


_Info = tuple[str, str, Axes]
_KINDS = {4: "sequence", 5: "maps", 8: "sparse tensor", 9: "optional"}
"""Field of TypeProto → what such a value is."""


def _value_info(data: Value) -> _Info:
    """Name, type and shape: ValueInfoProto.type (2) → TypeProto.tensor_type (1) → elem_type (1) and shape (2)."""
    names, kinds = collected(data, 1, 2)
    for kind in kinds[-1:]:
        for number, _, value in walk(kind):
            if number == 1:
                elements, shapes = collected(value, 1, 2)
                dimensions = [one for shape in shapes for one in collected(shape, 1)[0]]
                sizes = [varints(collected(one, 1)[0]) for one in dimensions]
                axes = tuple(size[0] if size and size[0] > 0 else None for size in sizes)
                return text(names), TYPES.get(integer(elements), "unknown"), axes
            if number in _KINDS:
                inner = [_KINDS[n] for one in collected(value, 1)[0] if not isinstance(one, int)
                         for n, _, _ in walk(one) if n in _KINDS]  # fmt: skip
                return text(names), " of ".join([_KINDS[number], *inner]), ()
    return text(names), "unknown", ()


def check_external_data(path: Path, facts: OnnxFacts) -> None:
    """Refuse data outside the model's folder, before ONNX Runtime would read it.

    A location must be a plain relative path to a regular file inside the folder: no `..`, no absolute path, no
    symbolic link that leads out, no hard link (which may point anywhere), no FIFO or device.

    Raises:
        ModelError: Naming the location.
    """
    folder = path.resolve().parent
    for location in facts.external:
        target = folder / location
        inside = target.resolve().is_relative_to(folder) and not Path(location).is_absolute()
        if not inside or ".." in Path(location).parts:
            raise ModelError(f"{path}: refers to data outside its folder ({location!r}); refused")
        try:
            status = target.lstat()
        except OSError as error:
            raise ModelError(f"{path}: its data file {location!r} cannot be read ({error.strerror})") from error
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise ModelError(f"{path}: its data file {location!r} is a link or no regular file; refused")
