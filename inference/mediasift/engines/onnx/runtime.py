"""ONNX Runtime itself: the module, options of every session, how many threads to use, where nodes were placed."""

from __future__ import annotations

import re
import struct
from collections import Counter
from functools import cache
from typing import Any

from mediasift.engines.onnx.protobuf import encode
from mediasift.errors import UsageError
from mediasift.system.machine import available_cores
from mediasift.system.network import no_telemetry

_RECORD = "session.record_ep_graph_assignment_info"
"""Makes a session remember which provider it gave each node to (ONNX Runtime 1.24 and later)."""


def runtime() -> Any:
    """The module onnxruntime, which is imported nowhere else in mediasift."""
    no_telemetry()
    import onnxruntime

    return onnxruntime


def session_options(threads: int | None = None, *, spin: bool = False, quantized: bool = True) -> Any:
    """ONNX Runtime's options for every session, quiet.

    Args:
        threads: Of the model; None for every core this process may use.
        spin: Let threads without work wait by going in circles: quicker to be there again, but readers get less.
        quantized: Whether the model computes with 8-bit numbers, or may: then their sums are exact on every processor.
    """
    check_threads(threads)
    options = _quiet_options(threads or available_cores(), spin=spin)
    if quantized and sums_overflow():
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.add_session_config_entry(_RECORD, "1")
    return options


def _quiet_options(threads: int, *, spin: bool) -> Any:
    options = runtime().SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    return options


@cache
def sums_overflow() -> bool:
    """Whether sums of 8-bit products overflow here, silently, unless weights go in as unsigned numbers.

    They do on x86 processors without VNNI, whose instruction adds two products in 16 bits: 0.79 instead of 0.85 of the
    test photographs come out right. With VNNI (AVX512, AVX or AMX) and on other processors they are exact, and unsigned
    weights would only make the model two times slower. ONNX Runtime does not ask whether there is VNNI when it is
    asked for unsigned weights, so that we ask it for a sum: 64 products of 255 and 127. See
    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8?"
    and `MlasPlatformU8S8Overflow` in https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/mlas/lib/platform.cpp.
    """
    import numpy as np

    session = runtime().InferenceSession(_largest_sum(), _quiet_options(1, spin=False))
    (result,) = session.run(None, {"x": np.full((1, 64, 1, 1), 255, dtype=np.uint8)})
    return bool(result.min() < 255)


def _largest_sum() -> bytes:
    """An ONNX file: a 1x1 convolution, uint8 (1, 64, 1, 1) to (1, 16, 1, 1), whose numbers are 255 for an input of 255.

    Field numbers are those of onnx.proto; the weights are 127, and the scale of the result is that of the largest sum.
    """

    def stored(name: bytes, kind: int, raw: bytes, *sides: int) -> bytes:
        return b"".join(encode(1, side) for side in sides) + encode(2, kind) + encode(8, name) + encode(9, raw)

    def value(name: bytes, *sides: int) -> bytes:
        shape = b"".join(encode(1, encode(1, side)) for side in sides)
        return encode(1, name) + encode(2, encode(1, encode(1, 2) + encode(2, shape)))

    tensors = (
        stored(b"one", 1, struct.pack("<f", 1.0)), stored(b"largest", 1, struct.pack("<f", 64 * 127)),
        stored(b"zero", 2, b"\0"), stored(b"middle", 3, b"\0"), stored(b"w", 3, b"\x7f" * 16 * 64, 16, 64, 1, 1),
    )  # fmt: skip
    inputs = (b"x", b"one", b"zero", b"w", b"one", b"middle", b"largest", b"zero")
    node = b"".join(encode(1, name) for name in inputs) + encode(2, b"y") + encode(4, b"QLinearConv")
    values = encode(11, value(b"x", 1, 64, 1, 1)) + encode(12, value(b"y", 1, 16, 1, 1))
    graph = encode(1, node) + encode(2, b"g") + b"".join(encode(5, one) for one in tensors) + values
    return encode(1, 8) + encode(7, graph) + encode(8, encode(1, b"") + encode(2, 13))


def check_threads(threads: int | None) -> None:
    """Raise a UsageError for a number of threads that none can work with."""
    if threads is not None and (isinstance(threads, bool) or threads < 1):
        raise UsageError(f"threads {threads}: must be at least 1; None takes one per core")


def placed_nodes(session: Any) -> dict[str, int] | None:
    """Provider → how many nodes of the optimised graph the session gave it; None before ONNX Runtime 1.24."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    counted: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counted[part.ep_name] += len(part.get_nodes())
    return dict(counted)


def share_of_nodes(session: Any, provider: str) -> float | None:
    """The share of the graph's nodes that the provider computes, 0..1; None where the session does not tell."""
    placed = placed_nodes(session)
    if not placed:
        return None
    return round(placed.get(provider, 0) / sum(placed.values()), 4)


def ort_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its classes share no base of their own."""
    runtime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "NoSuchFile", "NoModel", "EngineError", "RuntimeException", "InvalidProtobuf",
             "ModelLoaded", "NotImplemented", "InvalidGraph", "EPFail")  # fmt: skip
    return (*(getattr(state, name) for name in names if hasattr(state, name)), RuntimeError, ValueError)


def first_line(error: Exception) -> str:
    """What an error of ONNX Runtime says, without its stack and without the place in its source."""
    line = (str(error).strip() or type(error).__name__).partition("\n")[0]
    return _SOURCE.sub("", line)[:300]


_SOURCE = re.compile(r"/onnxruntime_src/\S+:\d+ .*\) ")
