"""What this machine can do at most: its matrix products and its memory, measured beside the model."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np

from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.providers import open_session

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
