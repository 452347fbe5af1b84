"""What this machine can do at most: its matrix products and its memory, measured beside the model."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np

from mediasift.engines.onnx.graphs import graph, model, node, opset, tensor, value_info
from mediasift.engines.onnx.providers import open_session

_SIDE = 1024
"""Of the square matrices: large enough to be bounded by arithmetic, small enough for half a second."""

_COPIED_BYTES = 128 << 20
"""More than the caches hold."""


@cache
def _product(operation: str, kind: str, result: str, threads: int) -> Callable[[], object]:
    """A graph of one product, whose right factor is stored as a model's weights are."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (_SIDE, _SIDE)).astype(kind) for _ in range(2))
    product = node(operation, ["a", "b"], ["y"])
    whole = graph([product], [tensor("b", b)], [value_info("a", a.shape, kind)], [value_info("y", a.shape, result)])
    session = open_session(model(whole, opsets=[opset(13)], metadata={}), "cpu", threads)
    return lambda: session.run(None, {"a": a})


@cache
def _copy(threads: int) -> Callable[[], object]:
    """A copy of memory to memory, divided into as many parts as there are threads."""
    target, source = (np.array_split(np.full(_COPIED_BYTES, value, dtype=np.uint8), threads) for value in (0, 1))
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(np.copyto, target, source))


LIMITS: dict[str, tuple[Callable[[int], Callable[[], object]], int]] = {
    "float32_multiply_adds_per_second": (partial(_product, "MatMul", "float32", "float32"), _SIDE**3),
    "int8_multiply_adds_per_second": (partial(_product, "MatMulInteger", "uint8", "int32"), _SIDE**3),
    "memory_bytes_per_second": (_copy, 2 * _COPIED_BYTES),
}
"""Limit → what is timed for it with so many threads, and how much that does. 8-bit products go into 32 bits."""
