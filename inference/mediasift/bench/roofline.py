"""What this machine can do at most: its matrix products and its memory, measured beside the model.

The idea is the roofline of S. Williams, A. Waterman and D. Patterson (Communications of the ACM 52, 2009): a
computation is bounded by arithmetic or by memory, whichever it needs more of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import numpy as np

from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.operations import Operations
from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.providers import open_session
from mediasift.engines.onnx.recipe import input_shape
from mediasift.engines.onnx.session import OnnxModel

_SIDE = 1024
"""Of the square matrices: large enough to be bounded by arithmetic, small enough for half a second."""

_COPIED_BYTES = 128 << 20
"""More than the caches hold."""

_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6
"""ONNX data types."""


@cache
def _product(operation: str, kind: int, result: int, threads: int) -> Callable[[], object]:
    """A graph of one product, whose right factor is stored as a model's weights are."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (_SIDE, _SIDE)).astype(np.float32 if kind == _FLOAT else np.uint8) for _ in range(2))
    shape = encode(1, encode(1, _SIDE)) * 2
    stored = encode(1, _SIDE) * 2 + encode(2, kind) + encode(8, b"b") + encode(9, b.tobytes())
    node = encode(1, b"a") + encode(1, b"b") + encode(2, b"y") + encode(4, operation.encode())
    graph = encode(1, node) + encode(2, b"g") + encode(5, stored)
    for field, name, number in ((11, b"a", kind), (12, b"y", result)):
        graph += encode(field, encode(1, name) + encode(2, encode(1, encode(1, number) + encode(2, shape))))
    session = open_session(encode(1, 8) + encode(7, graph) + encode(8, encode(2, 13)), "cpu", threads)
    return lambda: session.run(None, {"a": a})


@cache
def _copy(threads: int) -> Callable[[], object]:
    """A copy of memory to memory, divided into as many parts as there are threads."""
    target, source = (np.array_split(np.full(_COPIED_BYTES, value, dtype=np.uint8), threads) for value in (0, 1))
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(np.copyto, target, source))


LIMITS: dict[str, tuple[Callable[[int], Callable[[], object]], int]] = {
    "float32_multiply_adds_per_second": (partial(_product, "MatMul", _FLOAT, _FLOAT), _SIDE**3),
    "int8_multiply_adds_per_second": (partial(_product, "MatMulInteger", _UINT8, _INT32), _SIDE**3),
    "memory_bytes_per_second": (_copy, 2 * _COPIED_BYTES),
}
"""Limit → what is timed for it with so many threads, and how much that does. 8-bit products go into 32 bits."""


def share_of_possible(
    machine: Mapping[str, float], operations: Operations, *, kind: str, per_second: float, moved_bytes: float
) -> dict[str, Any]:
    """How near the model alone comes to what the machine allows.

    Args:
        machine: Limit → value.
        operations: Of the model.
        kind: Of its products, see `kind_of`.
        per_second: Pictures per second of the model alone.
        moved_bytes: From memory for each picture, see `moved`.
    """
    arithmetic = machine[f"{kind}_multiply_adds_per_second"] / max(1, operations.multiply_adds)
    memory = machine["memory_bytes_per_second"] / max(1.0, moved_bytes)
    possible = min(arithmetic, memory) if operations.multiply_adds and not operations.uncounted else None
    return {
        "kind": kind,
        "multiply_adds_per_picture": operations.multiply_adds,
        "uncounted": list(operations.uncounted),
        "bound": "arithmetic" if arithmetic <= memory else "memory",
        "possible_per_second": possible,
        "measured_per_second": per_second,
        "percent_of_possible": possible and 100 * per_second / possible,
    }


def moved(model: OnnxModel, operations: Operations, batch_size: int, cache_bytes: int | None) -> float:
    """Bytes that come from memory for each picture: its pixels, and its part of weights that no cache holds.

    A cache of unknown size counts as large enough: the limit must never be lower than what is possible.
    """
    wanted = model.description.input
    pixels = float(np.prod(input_shape(wanted))) * np.dtype(wanted.dtype).itemsize
    fits = cache_bytes is None or operations.weight_bytes <= cache_bytes
    return pixels + (0 if fits else operations.weight_bytes / batch_size)


def kind_of(model: OnnxModel) -> str:
    """`int8` where most of the stored numbers are of 8 bits, else `float32`."""
    facts = read_facts(model.path)
    small = sum(int(np.prod(one.shape)) for one in facts.initializers if one.data_type in (_UINT8, _INT8))
    return "int8" if small > facts.parameters / 2 else "float32"
