"""Which setting would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mediasift.bench.subject import Setup
from mediasift.bench.sweep import best
from mediasift.engines.onnx.onnx_file import OnnxFacts
from mediasift.engines.onnx.providers import DEVICES, check_device
from mediasift.engines.onnx.registry import entries
from mediasift.errors import ProviderUnavailable
from mediasift.system.optional import install_line

_WORTH = 1.05
"""A row of a sweep is worth naming from so many times as fast on."""

_INTEGERS = {"QLinearConv", "QLinearMatMul", "QGemm", "QuantizeLinear", "ConvInteger", "MatMulInteger"}


def advice(
    stages: Mapping[str, Any], setup: Setup, facts: OnnxFacts, rows: Sequence[Mapping[str, Any]], per_second: float
) -> str:
    """The setting that would help; one that was measured in a sweep comes before what is known in general.

    Args:
        stages: `alone`, and what `scenarios.together` returns.
        setup: Of the run, with the batch size that it had.
        facts: Of the model's file.
        rows: Of a sweep; empty where there was none.
        per_second: Of the run, all pictures at once.
    """
    if rows and (row := best(rows))["per_second"] > _WORTH * per_second:
        other = {name: row[name] for name, value in setup.settings.items() if row[name] != value}
        words = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in other.items())
        if words:
            return f"{words}: {row['per_second'] / per_second:.2f} times as fast in this sweep"
    stage = stages["bottleneck"]
    if stage == "infer":
        return _other_model(setup, facts)
    alone = stages["alone"][stage]
    if alone["per_second"] * alone["cpu_s_per_item"] < max(1, setup.jobs) / 4:
        return f"copy the files to a disk of this machine, as readers wait; or --jobs {2 * max(1, setup.jobs)}"
    if setup.jobs < setup.threads:
        return f"more readers: --jobs {setup.threads}"
    if stage == "read":
        return "smaller files, once: mediasift convert INPUT -d SMALL --to jpg --resize 50%"
    return "a model whose graph takes uint8 pixels (its description's input.dtype), so that scaling is done inside"


def _other_model(setup: Setup, facts: OnnxFacts) -> str:
    for device in DEVICES if setup.device == "cpu" else ():
        with suppress(ProviderUnavailable):
            if device != "cpu":
                check_device(device)  # some are installed where they find no hardware
                return f"--device {device}; mediasift evaluate shows whether its labels agree"
    if facts.nodes and not any(node.op_type in _INTEGERS for node in facts.nodes):
        name = f"{setup.model}-int8"
        known = f"-m {name} (mediasift models pull {name})" if name in entries() else "an 8-bit form of the model"
        return f"{known}; python -m training.quantize makes one"
    return f"a smaller model; on Intel processors also --device openvino: {install_line('openvino')}"
