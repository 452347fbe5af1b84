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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mediasift.engines.onnx.protobuf import BYTES, message, text, varints, walk
from mediasift.errors import ModelError, ModelNotFound

MAX_NODES = 200_000
"""Largest number of nodes in a graph; ResNet-152 has about 500, the largest language models some 20,000."""

MAX_DEPTH = 16
"""Deepest nesting of graphs inside nodes (If, Loop)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation: its type, its inputs' and outputs' names."""

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


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
        external: Places of external data, as written in the file.
        producer: Name and version of the exporter.
    """

    metadata: dict[str, str]
    opsets: dict[str, int]
    nodes: tuple[Node, ...]
    initializers: tuple[Initializer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    external: tuple[str, ...]
    producer: str

    @property
    def parameters(self) -> int:
        """Numbers stored in floating-point and 8-bit tensors of the graph (shapes and indices left out)."""
        return sum(math.prod(t.shape) for t in self.initializers if t.data_type in _PARAMETER_TYPES)


_LISTED_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d[\x00-\xff]{4})++")
"""Fields `ints` (8) and `floats` (7) of an AttributeProto, one number each."""

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
    """The file's bytes, mapped as long as somebody holds them; regular files only: a FIFO or device would hang us."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise ModelNotFound(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{path}: not a regular file")
        if status.st_size == 0:
            raise ModelError(f"{path}: the file is empty")
        return memoryview(mmap.mmap(handle, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(handle)


class _Reader:
    """Collects the facts while walking ModelProto and, for external data, everything below it."""

    def __init__(self) -> None:
        self.external: list[str] = []
        self.seen_nodes = 0

    def model(self, data: memoryview) -> OnnxFacts:
        metadata: dict[str, str] = {}
        opsets: dict[str, int] = {}
        producer = ["", ""]
        graph = None
        for number, kind, value in walk(data):
            if number == 7 and kind == BYTES:
                graph = message(value)
            elif number == 8:
                domain, version = self._opset(message(value))
                opsets[domain] = version
            elif number == 14:
                key, entry = _pair(message(value))
                metadata[key] = entry
            elif number in (2, 3) and kind == BYTES:
                producer[number - 2] = text(value)
            elif number == 25:
                self._function(message(value))
        if graph is None:
            raise ModelError("it has no graph")
        nodes, initializers, inputs, outputs = self._graph(graph, 0)
        return OnnxFacts(
            metadata=metadata,
            opsets=opsets,
            nodes=tuple(nodes),
            initializers=tuple(initializers),
            inputs=tuple(name for name in inputs if name not in {t.name for t in initializers}),
            outputs=tuple(outputs),
            external=tuple(dict.fromkeys(self.external)),
            producer=" ".join(producer).strip(),
        )

    def _opset(self, data: memoryview) -> tuple[str, int]:
        domain, version = "", 0
        for number, kind, value in walk(data):
            if number == 1 and kind == BYTES:
                domain = text(value)
            elif number == 2 and isinstance(value, int):
                version = value
        return domain, version

    def _graph(self, data: memoryview, depth: int) -> tuple[list[Node], list[Initializer], list[str], list[str]]:
        if depth > MAX_DEPTH:
            raise ModelError(f"graphs nested deeper than {MAX_DEPTH}")
        nodes: list[Node] = []
        initializers: list[Initializer] = []
        inputs: list[str] = []
        outputs: list[str] = []
        for number, kind, value in walk(data):
            if kind != BYTES:
                continue
            if number == 1:
                nodes.append(self._node(message(value), depth))
            elif number == 5:
                initializers.append(self._tensor(message(value)))
            elif number == 15:
                self._sparse(message(value))
            elif number in (11, 12):
                (inputs if number == 11 else outputs).append(_first_text(message(value)))
        return nodes, initializers, inputs, outputs

    def _node(self, data: memoryview, depth: int) -> Node:
        self.seen_nodes += 1
        if self.seen_nodes > MAX_NODES:
            raise ModelError(f"more than {MAX_NODES:,} nodes")
        inputs: list[str] = []
        outputs: list[str] = []
        name = op_type = domain = ""
        for number, _, value in walk(data):
            if number == 1:
                inputs.append(text(value))
            elif number == 2:
                outputs.append(text(value))
            elif number == 3:
                name = text(value)
            elif number == 4:
                op_type = text(value)
            elif number == 7:
                domain = text(value)
            elif number == 5:
                self._attribute(message(value), depth)
        return Node(name=name, op_type=op_type, domain=domain, inputs=tuple(inputs), outputs=tuple(outputs))

    def _attribute(self, data: memoryview, depth: int) -> None:
        for number, kind, value in walk(data, skip=_LISTED_NUMBERS):
            if kind != BYTES:
                continue
            if number in (5, 10):
                self._tensor(message(value))
            elif number in (6, 11):
                self._graph(message(value), depth + 1)
            elif number in (22, 23):
                self._sparse(message(value))

    def _function(self, data: memoryview) -> None:
        for number, kind, value in walk(data):
            if number == 7 and kind == BYTES:
                self._node(message(value), 0)

    def _sparse(self, data: memoryview) -> None:
        for number, kind, value in walk(data):
            if number in (1, 2) and kind == BYTES:
                self._tensor(message(value))

    def _tensor(self, data: memoryview) -> Initializer:
        shape: list[int] = []
        name, data_type = "", 0
        for number, kind, value in walk(data):
            if number == 1:
                shape += varints(value)
            elif number == 2 and isinstance(value, int):
                data_type = value
            elif number == 8:
                name = text(value)
            elif number == 13 and kind == BYTES:
                key, entry = _pair(message(value))
                if key == "location":
                    self.external.append(entry)
        return Initializer(name=name, shape=tuple(shape), data_type=data_type)


def _pair(data: memoryview) -> tuple[str, str]:
    """A StringStringEntryProto."""
    key = entry = ""
    for number, _, value in walk(data):
        if number == 1:
            key = text(value)
        elif number == 2:
            entry = text(value)
    return key, entry


def _first_text(data: memoryview) -> str:
    """Field 1 of a message, a ValueInfoProto's name."""
    return next((text(value) for number, _, value in walk(data) if number == 1), "")


def read_input_shape(path: Path, name: str | None = None) -> tuple[int | None, ...]:
    """The shape of a graph's input, None where an axis is free; () where it has several and none is named.

    Raises:
        ModelError: It is no usable ONNX file.
    """
    facts = read_facts(path)
    wanted = name or (facts.inputs[0] if len(facts.inputs) == 1 else None)
    try:
        graph = next((message(value) for number, _, value in walk(_mapped(path)) if number == 7), memoryview(b""))
        for number, kind, value in walk(graph):
            if number == 11 and kind == BYTES and _first_text(message(value)) == wanted:
                return tuple(_axes(message(value)))
    except ModelError as error:
        raise ModelError(f"{path}: not a usable ONNX file: {error}") from error
    return ()


def _axes(value_info: memoryview) -> Iterator[int | None]:
    """ValueInfoProto.type (2) → TypeProto.tensor_type (1) → shape (2) → dim (1) → dim_value (1)."""
    levels = [value_info]
    for wanted in (2, 1, 2):
        levels = [message(value) for level in levels for number, _, value in walk(level) if number == wanted]
    for shape in levels:
        for number, _, dimension in walk(shape):
            if number == 1:
                sizes = [value for field, _, value in walk(message(dimension)) if field == 1]
                yield sizes[0] if sizes and isinstance(sizes[0], int) and sizes[0] > 0 else None


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
