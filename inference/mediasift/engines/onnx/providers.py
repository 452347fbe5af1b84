"""Devices: a short name → the ONNX Runtime provider that really runs, or an error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mediasift.engines.onnx import openvino
from mediasift.engines.onnx.openvino import HINTS, OpenVinoSession, Precision
from mediasift.engines.onnx.protobuf import encode
from mediasift.engines.onnx.runtime import ort_errors, placed_nodes, runtime, session_options, share_of_nodes
from mediasift.errors import ProviderUnavailable, did_you_mean
from mediasift.system.machine import available_cores, cache_folder, processor
from mediasift.system.optional import install_line, is_installed, require

__all__ = ["DEVICES", "SPECS", "check_device", "open_session", "ort_errors", "precision_of",
           "provider_is_here", "runtime", "session_options"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a session is made for.

    Attributes:
        threads: Of the model.
        precision: In which it computes; None for the provider's own choice.
        key: Names the graph, where something compiled from it is kept; None keeps nothing.
    """

    threads: int
    precision: Precision | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An execution provider of ONNX Runtime.

    Attributes:
        name: As ONNX Runtime calls it.
        package: What to type when it is missing; empty where an extra brings it.
        extra: Which of mediasift's does.
        options: Its options for a setting.
        precisions: That can be asked for, as in `openvino:float32`.
        usual: The one to compute in where none is asked for; None leaves it alone.
        plugin: The package that it comes in, unless it is built in.
        alone: The package of a runtime of its own, which is taken where the plug-in is not here or finds no hardware.
        prepare: Called before a session is made, with the session's options.
    """

    name: str
    package: str = ""
    extra: str = ""
    options: Callable[[Setting], Mapping[str, str]] = field(default=lambda _: {})
    precisions: tuple[Precision, ...] = ()
    usual: Callable[[], Precision | None] = field(default=lambda: None)
    plugin: str = ""
    alone: str = ""
    prepare: Callable[[Any], object] = field(default=lambda _: None)

    @property
    def install(self) -> str:
        """What to type when it is missing, here."""
        return self.package or install_line(self.extra)


@cache
def _register_openvino() -> None:
    """Once per process; ONNX Runtime refuses a second time."""
    with openvino.without_reports():  # it imports OpenVINO where that is installed as well
        package = require("onnxruntime_ep_openvino", extra="openvino")
    runtime().register_execution_provider_library("openvino", package.get_library_path())


def _openvino_options(setting: Setting) -> Mapping[str, str]:
    """OpenVINO's own properties: https://docs.openvino.ai, "CPU Device". Without the number it takes every core."""
    wanted: dict[str, Any] = {"INFERENCE_NUM_THREADS": setting.threads}
    if setting.precision is not None:
        wanted["INFERENCE_PRECISION_HINT"] = HINTS[setting.precision]
    return {"load_config": json.dumps({"CPU": wanted})}


def _tensorrt_options(setting: Setting) -> Mapping[str, str]:
    """Engines take minutes to build, and fit one model, one GPU and these versions: each such set has its folder."""
    switches = {"float16": "trt_fp16_enable", "bfloat16": "trt_bf16_enable"}
    options = {switches[one]: "1" for one in (setting.precision,) if one in switches}
    if setting.key is None:
        return options
    versions = {name: _version(name) for name in ("onnxruntime-gpu", "tensorrt", "tensorrt-cu12", "tensorrt-cu13")}
    folder = engine_folder(setting, gpu=_gpu(), versions=versions)
    folder.mkdir(parents=True, exist_ok=True)
    for cache_name in ("trt_engine_cache", "trt_timing_cache"):
        options |= {f"{cache_name}_enable": "1", f"{cache_name}_path": str(folder)}
    return options


def engine_folder(setting: Setting, *, gpu: str, versions: Mapping[str, str]) -> Path:
    """Where TensorRT's engines for a graph, a precision, a GPU and these versions of packages are kept."""
    words = [setting.key or "", setting.precision or "float32", gpu, *(f"{n}-{v}" for n, v in versions.items() if v)]
    return cache_folder() / "tensorrt" / "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", word) for word in words)


def _gpu() -> str:
    """Name and driver of the first GPU, as the driver's own program tells."""
    try:
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "--id=0"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20).stdout.strip()  # noqa: S603  (fixed)
    except (OSError, subprocess.SubprocessError):
        return "unknown-gpu"


def _version(name: str) -> str:
    from importlib import metadata  # slow, and of use for TensorRT alone

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _load_nvidia(_options: Any) -> None:
    """CUDA's and cuDNN's libraries from pip's packages, where they are (ONNX Runtime 1.21 and later)."""
    ort = runtime()
    if hasattr(ort, "preload_dlls"):
        with redirect_stdout(sys.stderr):  # it prints what is missing
            ort.preload_dlls()


def _without_patterns(options: Any) -> None:
    """DirectML refuses memory patterns: https://onnxruntime.ai/docs/execution-providers/DirectML-ExecutionProvider.html."""
    options.enable_mem_pattern = False


_GPU = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]' (the two overwrite each other)"

DEVICES: dict[str, Provider] = {
    "cpu": Provider(name="CPUExecutionProvider", package="pip install onnxruntime"),
    "openvino": Provider(
        name="OpenVINOExecutionProvider", extra="openvino", options=_openvino_options,
        precisions=("float32", "bfloat16", "float16"), usual=openvino.usual_precision, plugin="onnxruntime_ep_openvino",
        alone=openvino.PACKAGE, prepare=lambda _: _register_openvino(),
    ),
    "cuda": Provider(
        name="CUDAExecutionProvider", package=_GPU, options=lambda _: {"use_tf32": "0"}, prepare=_load_nvidia,
    ),
    "tensorrt": Provider(
        name="TensorrtExecutionProvider", package=_GPU, options=_tensorrt_options, precisions=("float16", "bfloat16"),
        prepare=_load_nvidia,
    ),
    "coreml": Provider(name="CoreMLExecutionProvider", package="pip install onnxruntime (on macOS)"),
    "directml": Provider(
        name="DmlExecutionProvider", package="pip install onnxruntime-directml (on Windows)", prepare=_without_patterns,
    ),
}  # fmt: skip
"""Device on the command line → provider. What `auto` means stands in `engines.onnx.choice`."""

SPECS = tuple(
    spec
    for device, provider in DEVICES.items()
    for spec in (device, *(f"{device}:{precision}" for precision in provider.precisions))
)
"""What can be asked for: a device, or a device and the precision it computes in."""


def precision_of(spec: str) -> Precision | None:
    """What a device of `SPECS` computes in; None where it is left to the model and the provider."""
    device, _, asked = spec.partition(":")
    provider = DEVICES[device]
    return next((one for one in provider.precisions if one == asked), None) or provider.usual()


def provider_is_here(device: str) -> bool:
    """Whether ONNX Runtime offers the provider; whether it works only a session tells."""
    provider = DEVICES[device]
    if provider.plugin:
        return any(is_installed(package) for package in (provider.plugin, provider.alone) if package)
    return provider.name in runtime().get_available_providers()


def open_session(
    model: str | bytes,
    spec: str,
    threads: int | None = None,
    *,
    data_folder: Path | None = None,
    key: str | None = None,
    spin: bool = False,
    quantized: bool = True,
) -> Any:
    """An ONNX Runtime session on exactly the device asked for.

    Args:
        model: Path or bytes of an ONNX file.
        spec: One of `SPECS`.
        threads: Of the model; None for every core this process may use.
        data_folder: Where a model given as bytes finds its external data.
        key: Names the graph in the folder where compiled engines are kept; None keeps none.
        spin, quantized: See `runtime.session_options`.

    Raises:
        ProviderUnavailable: The device cannot run the model here; the message says what can, and what to type.
    """
    if spec not in SPECS:
        raise ProviderUnavailable(
            f"device {spec!r} is unknown; there are auto, {', '.join(SPECS)}{did_you_mean(spec, SPECS)}"
        )
    device = spec.partition(":")[0]
    provider = DEVICES[device]
    if not provider_is_here(device):
        here = ", ".join(name for name in DEVICES if provider_is_here(name))
        raise ProviderUnavailable(
            f"device {device} is not installed; here are: {here}. To get it, type: {provider.install}"
        )
    setting = Setting(threads=threads or available_cores(), precision=precision_of(spec), key=key)
    if provider.alone and is_installed(provider.alone) and not _hardware(provider):
        return OpenVinoSession(model, threads=setting.threads, precision=setting.precision)
    options = session_options(threads, spin=spin, quantized=quantized)
    if isinstance(model, bytes) and data_folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(data_folder))
    provider.prepare(options)
    session = _session(model, options, provider, dict(provider.options(setting)), device)
    used = session.get_providers()[0]
    if used != provider.name:
        raise ProviderUnavailable(
            f"device {device} is installed but does not work here: ONNX Runtime would use {used} instead, as it says: "
            f"{_reason(provider.name)}. To install all that it needs, type: {provider.install}"
        )
    if share_of_nodes(session, provider.name) == 0:
        raise ProviderUnavailable(
            f"device {device} takes none of the model's {sum((placed_nodes(session) or {}).values())} nodes; "
            "ONNX Runtime would compute them all on the CPU. Use --device cpu"
        )
    session.disable_fallback()
    return session


@cache
def _reason(name: str) -> str:
    """Why ONNX Runtime leaves a provider out, in its own words, which it only prints: in a process of its own."""
    code = (
        "import sys, onnxruntime as ort\n"
        "getattr(ort, 'preload_dlls', lambda **_: None)()\n"
        "ort.InferenceSession(sys.stdin.buffer.read(), providers=[sys.argv[1]])"
    )
    try:
        asked = [sys.executable, "-P", "-c", code, name]
        done = subprocess.run(asked, input=_ABSOLUTE, capture_output=True, check=False, timeout=120)  # noqa: S603  (ours)
    except (OSError, subprocess.SubprocessError) as error:
        return f"nothing ({error})"
    lines = re.sub(r"\x1b\[[0-9;]*m", "", (done.stderr + done.stdout).decode("utf-8", "replace")).split("\n")
    reasons = [line for line in lines if re.search(r"cannot open|not found|failed|error|require", line, re.IGNORECASE)]
    return re.sub(r"^.*(?:FAIL : |\.cc:\d+ \w+\] )", "", reasons[0]).strip().rstrip(".") if reasons else "nothing"


def _session(model: str | bytes, options: Any, provider: Provider, own: dict[str, str], device: str) -> Any:
    """The session, through the plug-in interface or with a built-in provider."""
    ort = runtime()
    if not provider.plugin:
        with redirect_stdout(sys.stderr):  # it prints what it falls back to
            return ort.InferenceSession(model, options, providers=[(provider.name, own)])
    processors = _hardware(provider)
    if not processors:
        raise ProviderUnavailable(
            f"device {device} is installed, but {provider.name} finds no hardware it can use here "
            f"({processor()}): Intel's plug-in takes Intel processors only. Use --device cpu, or get OpenVINO's own "
            f"runtime: {install_line(openvino.EXTRA)}"
        )
    options.add_provider_for_devices(processors[:1], own)
    return ort.InferenceSession(model, options)


def _hardware(provider: Provider) -> list[Any]:
    """The processors that a plug-in computes on; none where it is not installed."""
    if not is_installed(provider.plugin):
        return []
    provider.prepare(None)
    ort = runtime()
    plugged = [one for one in ort.get_ep_devices() if one.ep_name == provider.name]
    return [one for one in plugged if one.device.type == ort.OrtHardwareDeviceType.CPU]


def _absolute() -> bytes:
    kind = encode(1, encode(1, 1) + encode(2, encode(1, encode(1, 1))))
    x, y = (encode(1, name) + encode(2, kind) for name in (b"x", b"y"))
    node = encode(1, b"x") + encode(2, b"y") + encode(4, b"Abs")
    graph = encode(1, node) + encode(2, b"g") + encode(11, x) + encode(12, y)
    return encode(1, 8) + encode(7, graph) + encode(8, encode(1, b"") + encode(2, 13))


_ABSOLUTE = _absolute()
"""An ONNX file: y = Abs(x), float32 (1,)."""


def check_device(device: str) -> float | None:
    """Run a graph of one node (Abs) on the device; returns the share of nodes that it took (see `share_of_nodes`).

    Raises:
        ProviderUnavailable: It does not run.
    """
    import numpy as np

    session = open_session(_ABSOLUTE, device, 1, quantized=False)
    try:
        (result,) = session.run(["y"], {"x": np.array([-2.0], dtype=np.float32)})
    except ort_errors() as error:
        raise ProviderUnavailable(f"device {device} fails on a graph of one node: {error}") from error
    if result.tolist() != [2.0]:
        raise ProviderUnavailable(f"device {device} computes wrongly: |-2| = {result.tolist()}")
    return share_of_nodes(session, session.get_providers()[0])
