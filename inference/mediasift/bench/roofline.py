"""What this machine can do at most: its matrix products and its memory, measured beside the model.

The idea is the roofline of S. Williams, A. Waterman and D. Patterson (Communications of the ACM 52, 2009): a
computation is bounded by arithmetic or by memory, whichever it needs more of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mediasift.engines.onnx.operations import Operations
from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.providers import open_session

_SIDE = 1024
"""Of the square matrices: large enough to be bounded by arithmetic, small enough for half a second."""

_COPIED_BYTES = 128 << 20
"""More than the caches hold."""

_FLOAT, _UINT8, _INT32 = 1, 2, 6


def measure_machine(threads: int, seconds: float) -> dict[str, Any]:
    """Multiply-adds per second of matrix products and bytes per second of a copy, with so many threads.

    Products are those of numpy and of ONNX Runtime in float32, whichever is faster, and of ONNX Runtime in 8 bits
    (unsigned by unsigned, into 32 bits: what an 8-bit model computes, exactly). numpy's threads must have been set
    before it was imported.

    Args:
        threads: For all of them.
        seconds: About how long for all together.
    """
    each = seconds / 4
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((_SIDE, _SIDE), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    floats = {
        "numpy": _SIDE**3 / _least(lambda: np.matmul(a, b, out=out), each),
        "onnxruntime": _SIDE**3 / _least(_product("MatMul", a, b, _FLOAT, threads), each),
    }
    small, other = (rng.integers(0, 256, (_SIDE, _SIDE), dtype=np.uint8) for _ in range(2))
    int8 = _SIDE**3 / _least(_product("MatMulInteger", small, other, _UINT8, threads), each)
    copied = 2 * _COPIED_BYTES / _least(_copy(threads), each)
    return {
        "threads": threads,
        "float32_multiply_adds_per_second": max(floats.values()),
        "float32_by": max(floats, key=lambda name: floats[name]),
        "int8_multiply_adds_per_second": int8,
        "memory_bytes_per_second": copied,
        "side": _SIDE,
        "copied_bytes": _COPIED_BYTES,
    }


def _least(work: Callable[[], object], seconds: float) -> float:
    """The shortest of many runs: a limit is what is possible when nothing disturbs."""
    work()
    ends, least = time.perf_counter() + seconds, float("inf")
    while True:
        started = time.perf_counter()
        work()
        now = time.perf_counter()
        least = min(least, now - started)
        if now > ends:
            return least


def _product(kind: str, a: Any, b: Any, data_type: int, threads: int) -> Callable[[], object]:
    """A graph of one product, whose right factor is stored as a model's weights are."""
    shape = b"".join(encode(1, encode(1, _SIDE)) for _ in range(2))

    def value(name: bytes, number: int) -> bytes:
        return encode(1, name) + encode(2, encode(1, encode(1, number) + encode(2, shape)))

    stored = encode(1, _SIDE) * 2 + encode(2, data_type) + encode(8, b"b") + encode(9, b.tobytes())
    result = _FLOAT if data_type == _FLOAT else _INT32
    node = encode(1, b"a") + encode(1, b"b") + encode(2, b"y") + encode(4, kind.encode())
    graph = encode(1, node) + encode(2, b"g") + encode(5, stored)
    graph += encode(11, value(b"a", data_type)) + encode(12, value(b"y", result))
    session = open_session(encode(1, 8) + encode(7, graph) + encode(8, encode(2, 13)), "cpu", threads)
    return lambda: session.run(None, {"a": a})


def _copy(threads: int) -> Callable[[], object]:
    """A copy of memory to memory, cut into as many parts as there are threads."""
    source = np.ones(_COPIED_BYTES, dtype=np.uint8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    pool = ThreadPoolExecutor(threads)
    return lambda: [done.result() for done in [pool.submit(np.copyto, *part) for part in parts]]


def share_of_possible(
    machine: Mapping[str, Any],
    operations: Operations,
    *,
    quantised: bool,
    per_second: float,
    batch_size: int,
    picture_bytes: int,
    cache_bytes: int | None,
) -> dict[str, Any]:
    """How near the model alone comes to what the machine allows.

    Weights are taken to be read from memory once per batch only where they do not fit into the last cache, or where
    its size is unknown not at all: the limit must never be lower than what is possible.

    Args:
        machine: From `measure_machine`.
        operations: Of the model.
        quantised: Whether its products are of 8-bit numbers.
        per_second: Pictures per second of the model alone.
        batch_size: Pictures per call.
        picture_bytes: Of one prepared picture.
        cache_bytes: Of the last cache; None where unknown.
    """
    kind = "int8" if quantised else "float32"
    fits = cache_bytes is None or operations.weight_bytes <= cache_bytes
    moved = picture_bytes + (0 if fits else operations.weight_bytes / batch_size)
    arithmetic = machine[f"{kind}_multiply_adds_per_second"] / max(1, operations.multiply_adds)
    memory = machine["memory_bytes_per_second"] / max(1.0, moved)
    possible = min(arithmetic, memory)
    known = operations.multiply_adds > 0 and not operations.uncounted
    return {
        "kind": kind,
        "multiply_adds_per_picture": operations.multiply_adds,
        "by_type": dict(operations.by_type),
        "uncounted": list(operations.uncounted),
        "multiply_adds_per_second": operations.multiply_adds * per_second,
        "bound": "arithmetic" if arithmetic <= memory else "memory",
        "possible_per_second": possible if known else None,
        "measured_per_second": per_second,
        "percent_of_possible": 100 * per_second / possible if known else None,
    }
