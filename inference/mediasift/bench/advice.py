"""Which setting would help: one rule for each stage that may be the bottleneck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mediasift.engines.onnx.onnx_file import OnnxFacts
from mediasift.engines.onnx.providers import DEVICES, check_device, provider_is_here
from mediasift.engines.onnx.registry import entries
from mediasift.errors import ProviderUnavailable

_WORTH = 1.05
"""From how many times as fast on a row of a sweep is worth naming."""

_INTEGERS = ("QLinearConv", "QLinearMatMul", "QGemm", "QuantizeLinear", "ConvInteger", "MatMulInteger")


def _read(setup: Mapping[str, Any], _facts: OnnxFacts) -> str:
    return f"copy the files to a disk of this machine; or more readers: --jobs {2 * max(1, setup['jobs'])}"


def _decode(setup: Mapping[str, Any], _facts: OnnxFacts) -> str:
    if setup["jobs"] < setup["threads"]:
        return f"more readers: --jobs {setup['threads']}"
    return "smaller files, once: mediasift convert INPUT -d SMALL --to jpg --resize 50%; nothing else decodes faster"


def _prepare(setup: Mapping[str, Any], _facts: OnnxFacts) -> str:
    if setup["jobs"] < setup["threads"]:
        return f"more readers: --jobs {setup['threads']}"
    return "a model whose graph takes uint8 pixels (its description's input.dtype), so that scaling is done inside"


def _infer(setup: Mapping[str, Any], facts: OnnxFacts) -> str:
    tried = ("cpu", setup["device"].partition(":")[0], *setup["failed"])
    others = [name for name in DEVICES if name not in tried and _works(name)]
    if setup["device"] == "cpu" and others:
        return f"--device {others[0]}, if its labels agree (--sweep device=cpu,{others[0]} tells)"
    if not any(node.op_type in _INTEGERS for node in facts.nodes) and facts.nodes:
        name = f"{setup['model']}-int8"
        known = f"-m {name} (mediasift models pull {name})" if name in entries() else "an 8-bit form of the model"
        return f"{known}; python -m training.quantize makes one"
    openvino = "" if provider_is_here("openvino") else "; on Intel processors also: pip install 'mediasift[openvino]'"
    return f"a smaller model{openvino}"


def _works(device: str) -> bool:
    """Whether a graph of one node runs on it: some are installed where they find no hardware."""
    if not provider_is_here(device):
        return False
    try:
        check_device(device)
    except ProviderUnavailable:
        return False
    return True


def _write(_setup: Mapping[str, Any], _facts: OnnxFacts) -> str:
    return "-o on a disk of this machine: a network's disk answers each flush late"


RULES: dict[str, Callable[[Mapping[str, Any], OnnxFacts], str]] = {
    "read": _read, "decode": _decode, "prepare": _prepare, "infer": _infer, "write": _write,
}  # fmt: skip
"""Stage → what helps when it takes most of the time."""


def advice(
    bottleneck: str, setup: Mapping[str, Any], facts: OnnxFacts, rows: Sequence[Mapping[str, Any]], per_second: float
) -> str:
    """The setting that would help; one that was measured in a sweep comes before what is known in general.

    Args:
        bottleneck: A key of `RULES`.
        setup: Model, device, threads and jobs of the run.
        facts: Of the model's file.
        rows: Of a sweep; none where none was asked for.
        per_second: Of the run, all pictures at once.
    """
    best = max((row for row in rows if "error" not in row), key=lambda row: row["per_second"], default=None)
    if best is not None and best["per_second"] > _WORTH * per_second:
        chosen = " ".join(
            f"--{name.replace('_', '-')} {best[name]}"
            for name in ("device", "batch_size", "threads", "jobs")
            if best.get(name) is not None and best[name] != setup.get(name)
        )
        if chosen:
            return f"{chosen}: {best['per_second'] / per_second:.2f} times as fast in this sweep"
    failed = [row["device"] for row in rows if "error" in row]
    return RULES[bottleneck]({**setup, "failed": failed}, facts)
