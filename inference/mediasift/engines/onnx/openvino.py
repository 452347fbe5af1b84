"""OpenVINO's own runtime, behind the few methods of an ONNX Runtime session that are used here.

ONNX Runtime's plug-in takes Intel's processors only; the runtime itself also runs on AMD's and Arm's, and computes in
bfloat16 where the processor has it. See https://docs.openvino.ai, "CPU Device".
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import ModelError, ProviderUnavailable
from mediasift.system.machine import instruction_sets
from mediasift.system.optional import require

NAME, PACKAGE, EXTRA = "OpenVINO", "openvino", "openvino-runtime"

Precision = Literal["float32", "bfloat16", "float16"]

HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
"""Precision → OpenVINO's name for it."""

_TYPES = {"f32": "tensor(float)", "f16": "tensor(float16)", "u8": "tensor(uint8)", "i8": "tensor(int8)",
          "i32": "tensor(int32)", "i64": "tensor(int64)"}  # fmt: skip
"""OpenVINO's names of types → ONNX Runtime's, for those that pictures go in as."""


def usual_precision() -> Precision:
    """What OpenVINO would choose itself, so that the manifest can name it: bfloat16 where the processor multiplies it.

    See https://docs.openvino.ai, "CPU Device", "Floating Point Data Types Specifics".
    """
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(instruction_sets()) else "float32"


class Value(NamedTuple):
    """An input or output, as ONNX Runtime describes one."""

    name: str
    shape: list[int | str]
    type: str


class Part(NamedTuple):
    """What computes some of a graph's nodes, as ONNX Runtime tells it."""

    ep_name: str
    nodes: list[Any]

    def get_nodes(self) -> list[Any]:
        """The nodes."""
        return self.nodes


class OpenVinoSession:
    """A graph that OpenVINO has compiled for the processor, whole or not at all. Any number of threads may run it.

    Attributes:
        runtime: Name and version, for the manifest.
    """

    def __init__(self, model: str | bytes, *, threads: int, precision: Precision | None) -> None:
        library = _library()
        self.runtime = f"openvino {library.__version__}"
        wanted: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if precision is not None:
            wanted["INFERENCE_PRECISION_HINT"] = HINTS[precision]
        try:
            core = _core()
            self._compiled = core.compile_model(core.read_model(model), "CPU", wanted)
        except RuntimeError as error:
            raise ModelError(f"device openvino refuses the model: {_sentence(error)}. Use --device cpu") from error
        used = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if precision is not None and used != HINTS[precision]:
            raise ProviderUnavailable(
                f"device openvino:{precision}: this processor does not compute in {precision}; OpenVINO would take "
                f"{used} instead. Use --device openvino, which takes what is fastest"
            )
        self._inputs, self._outputs = (
            list(map(_value, some)) for some in (self._compiled.inputs, self._compiled.outputs)
        )
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run(self, names: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The outputs of these names, in order; raises a RuntimeError where OpenVINO refuses the arrays."""
        try:
            request = self._free.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            request.infer(dict(feeds), share_inputs=True)
            return [np.array(request.get_tensor(name).data) for name in names]
        except RuntimeError as error:
            raise RuntimeError(_sentence(error)) from error
        finally:
            self._free.put(request)

    def get_inputs(self) -> list[Value]:
        """What goes in."""
        return self._inputs

    def get_outputs(self) -> list[Value]:
        """What comes out."""
        return self._outputs

    def get_providers(self) -> list[str]:
        """What computes: OpenVINO alone, as it compiles a graph whole or refuses it."""
        return [NAME]

    def get_provider_graph_assignment_info(self) -> list[Part]:
        """All operations of the compiled graph, as one part."""
        return [Part(NAME, self._compiled.get_runtime_model().get_ops())]


def _value(port: Any) -> Value:
    shape = [one.get_length() if one.is_static else "?" for one in port.get_partial_shape()]
    kind = port.get_element_type().get_type_name()
    return Value(port.get_any_name(), shape, _TYPES.get(kind, f"tensor({kind})"))


@contextmanager
def without_reports() -> Iterator[None]:
    """Where OpenVINO is imported: it can do without `openvino_telemetry`, which reports its use to its makers."""
    name = "openvino_telemetry"
    known = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say that a module cannot be imported
    try:
        yield
    finally:
        del sys.modules[name]
        if known is not None:
            sys.modules[name] = known


@cache
def _library() -> Any:
    with without_reports():
        return require(PACKAGE, extra=EXTRA)


@cache
def _core() -> Any:
    return _library().Core()


def _sentence(error: Exception) -> str:
    """What an error of OpenVINO says, without the places in its source."""
    lines = [line for line in str(error).split("\n") if line and not line.startswith(("Exception from", "Check '"))]
    return " ".join(lines or [type(error).__name__])[:300].rstrip(" .")
