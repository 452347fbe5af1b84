"""ONNX Runtime itself: the module, options of every session, how many threads to use, where nodes were placed."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from mediasift.errors import UsageError
from mediasift.system.machine import available_cores
from mediasift.system.network import no_telemetry

_EXACT_INT8 = "1"
"""8-bit products on x86 processors without VNNI would overflow their 16-bit sums, silently: 0.79 instead of 0.85 of the
test photographs right. ONNX Runtime avoids it at 60 % of the speed; other processors are not affected. See
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8?"."""

_RECORD = "session.record_ep_graph_assignment_info"
"""Makes a session remember which provider it gave each node to (ONNX Runtime 1.24 and later)."""


def runtime() -> Any:
    """The module onnxruntime, which is imported nowhere else in mediasift."""
    no_telemetry()
    import onnxruntime

    return onnxruntime


def session_options(threads: int | None = None, *, spin: bool = False) -> Any:
    """ONNX Runtime's options for every session, quiet.

    Args:
        threads: Of the model; None for every core this process may use.
        spin: Let threads without work wait by going in circles: quicker to be there again, but readers get less.
    """
    check_threads(threads)
    options = runtime().SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or available_cores()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    options.add_session_config_entry("session.x64quantprecision", _EXACT_INT8)
    options.add_session_config_entry(_RECORD, "1")
    return options


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
