"""Devices: a short name → the ONNX Runtime provider that really runs, or an error; and how many threads to use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mediasift.errors import ProviderUnavailable
from mediasift.models.protobuf import encode
from mediasift.offline import no_telemetry
from mediasift.optional import is_installed, require

Device = Literal["cpu", "auto", "openvino", "cuda", "tensorrt", "coreml", "directml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An execution provider of ONNX Runtime.

    Attributes:
        name: As ONNX Runtime calls it.
        options: Its options.
        install: What to type when it is missing.
        plugin: Registers it when it comes as a package of its own; None for built-in ones.
    """

    name: str
    install: str
    options: tuple[tuple[str, str], ...] = ()
    plugin: Callable[[], None] | None = None


def runtime() -> Any:
    """The module onnxruntime, which is imported nowhere else in mediasift."""
    no_telemetry()
    import onnxruntime

    return onnxruntime


@cache
def _register_openvino() -> None:
    """Once per process; ONNX Runtime refuses a second time."""
    ort = runtime()

    package = require("onnxruntime_ep_openvino", extra="openvino")
    ort.register_execution_provider_library("openvino", package.get_library_path())


_GPU = "pip uninstall onnxruntime && pip install onnxruntime-gpu (one of the two, they overwrite each other)"

DEVICES: dict[str, Provider] = {
    "cpu": Provider(name="CPUExecutionProvider", install="pip install onnxruntime"),
    "openvino": Provider(
        name="OpenVINOExecutionProvider", install="pip install 'mediasift[openvino]'", plugin=_register_openvino
    ),
    "cuda": Provider(name="CUDAExecutionProvider", install=_GPU, options=(("use_tf32", "0"),)),
    "tensorrt": Provider(name="TensorrtExecutionProvider", install=_GPU),
    "coreml": Provider(name="CoreMLExecutionProvider", install="pip install onnxruntime (on macOS)"),
    "directml": Provider(name="DmlExecutionProvider", install="pip install onnxruntime-directml (on Windows)"),
}
"""Device on the command line → provider. `auto` takes the first of `AUTO` that works."""

_EXACT_INT8 = "1"
"""8-bit products on x86 processors without VNNI would overflow their 16-bit sums, silently: 0.79 instead of 0.85 of the
test photographs right. ONNX Runtime avoids it at 60 % of the speed; other processors are not affected. See
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8?"."""

AUTO = ("tensorrt", "cuda", "coreml", "directml", "openvino", "cpu")


def available_cores() -> int:
    """Cores this process may use: its affinity, cut by the container's CPU quota (cgroup v2 `cpu.max`, v1 `cfs`)."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota()))


def _quota(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Whole cores that the quota allows, at least one; a large number where there is none."""
    try:
        own = next(
            (
                line.rsplit(":", 1)[1]
                for line in Path("/proc/self/cgroup").read_text().splitlines()
                if line[:3] == "0::"
            ),
            "/",
        )
        for folder in (root / own.lstrip("/"), root):
            if (limit := folder / "cpu.max").exists():
                quota, period = limit.read_text().split()
                return 1 << 20 if quota == "max" else max(1, math.ceil(int(quota) / int(period)))
        quota = (root / "cpu/cpu.cfs_quota_us").read_text()
        period = (root / "cpu/cpu.cfs_period_us").read_text()
        return 1 << 20 if int(quota) <= 0 else max(1, math.ceil(int(quota) / int(period)))
    except (OSError, ValueError):
        return 1 << 20


def provider_is_here(device: str) -> bool:
    """Whether ONNX Runtime offers the provider; whether it works only a session tells."""
    ort = runtime()

    provider = DEVICES[device]
    if provider.plugin is not None:
        return is_installed("onnxruntime_ep_openvino")
    return provider.name in ort.get_available_providers()


def session_options(threads: int | None = None) -> Any:
    """ONNX Runtime's options for every session: quiet, so many threads (None: every core this process may use)."""
    options = runtime().SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or available_cores()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.x64quantprecision", _EXACT_INT8)
    return options


def open_session(
    model: str | bytes, device: str, threads: int | None = None, *, data_folder: Path | None = None
) -> tuple[Any, str]:
    """An ONNX Runtime session on exactly the device asked for, and that device's name (of use for `auto`).

    Args:
        model: Path or bytes of an ONNX file.
        device: A key of `DEVICES`, or `auto`.
        threads: Of the model; None for every core this process may use.
        data_folder: Where a model given as bytes finds its external data.

    Raises:
        ProviderUnavailable: The device cannot run the model here; the message says what can, and what to type.
    """
    if device != "auto":
        return _open(model, device, threads, data_folder), device
    for candidate in AUTO:
        if candidate == "cpu" or provider_is_here(candidate):
            try:
                return _open(model, candidate, threads, data_folder), candidate
            except ProviderUnavailable:
                if candidate == "cpu":
                    raise
    raise ProviderUnavailable("no provider of ONNX Runtime works here")


def _open(model: str | bytes, device: str, threads: int | None, data_folder: Path | None) -> Any:
    ort = runtime()

    if device not in DEVICES:
        raise ProviderUnavailable(f"device {device!r} is unknown; there are auto, {', '.join(DEVICES)}")
    provider = DEVICES[device]
    if not provider_is_here(device):
        here = ", ".join(name for name in DEVICES if provider_is_here(name))
        raise ProviderUnavailable(
            f"device {device} is not installed; here are: {here}. To get it, type: {provider.install}"
        )
    options = session_options(threads)
    if isinstance(model, bytes) and data_folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(data_folder))
    if provider.plugin is not None:
        provider.plugin()
        devices = [found for found in ort.get_ep_devices() if found.ep_name == provider.name]
        if not devices:
            raise ProviderUnavailable(
                f"device {device} is installed, but {provider.name} finds no hardware it can use here"
            )
        options.add_provider_for_devices(devices[:1], dict(provider.options))
        session = ort.InferenceSession(model, options)
    else:
        session = ort.InferenceSession(model, options, providers=[(provider.name, dict(provider.options))])
    if session.get_providers()[0] != provider.name:
        used = session.get_providers()[0]
        raise ProviderUnavailable(
            f"device {device} is installed but does not work here: ONNX Runtime would use {used} instead. "
            "Check driver and CUDA versions with: mediasift doctor"
        )
    session.disable_fallback()
    return session


def ort_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its classes share no base of their own."""
    runtime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "NoSuchFile", "NoModel", "EngineError", "RuntimeException", "InvalidProtobuf",
             "ModelLoaded", "NotImplemented", "InvalidGraph", "EPFail")  # fmt: skip
    return (*(getattr(state, name) for name in names if hasattr(state, name)), RuntimeError, ValueError)


def check_device(device: str) -> None:
    """Run a graph of one node (Abs) on the device.

    Raises:
        ProviderUnavailable: It does not run.
    """
    import numpy as np

    session, _ = open_session(_one_node(), device, 1)
    try:
        (result,) = session.run(None, {"x": np.array([-2.0], dtype=np.float32)})
    except ort_errors() as error:
        raise ProviderUnavailable(f"device {device} fails on a graph of one node: {error}") from error
    if result.tolist() != [2.0]:
        raise ProviderUnavailable(f"device {device} computes wrongly: |-2| = {result.tolist()}")


def _one_node() -> bytes:
    """An ONNX file: y = Abs(x), float32 (1,)."""
    dimension = encode(1, encode(1, 1))
    kind = encode(1, encode(1, 1) + encode(2, dimension))
    value = [encode(1, name) + encode(2, kind) for name in (b"x", b"y")]
    node = encode(1, b"x") + encode(2, b"y") + encode(4, b"Abs")
    graph = encode(1, node) + encode(2, b"g") + encode(11, value[0]) + encode(12, value[1])
    return encode(1, 8) + encode(7, graph) + encode(8, encode(1, b"") + encode(2, 13))
