"""The same run under every combination of some settings; which of them is best, and which setting would help."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mediasift.bench.subject import Setup
from mediasift.engines.onnx.onnx_file import OnnxFacts
from mediasift.engines.onnx.providers import DEVICES, check_device
from mediasift.engines.onnx.registry import entries
from mediasift.errors import ProviderUnavailable, UsageError, did_you_mean
from mediasift.system.machine import available_cores
from mediasift.system.optional import install_line


def _powers() -> list[int]:
    """1, 2, 4 ... and the number of cores."""
    cores = available_cores()
    return sorted({1 << power for power in range(cores.bit_length())} | {cores})


SWEPT: dict[str, Callable[[], list[int]]] = {
    "batch": lambda: [1, 2, 4, 8, 16, 32], "threads": _powers, "jobs": _powers,
}  # fmt: skip
"""What can be swept over → the values that are tried when the user names none."""

_AS_FAST = 0.98
"""Rows within 2 % of the fastest are as fast as it."""


def parse_sweep(texts: Sequence[str]) -> dict[str, list[int]]:
    """`batch=1,8`, or `batch` alone for the usual values, as name → values.

    Raises:
        UsageError: A name that cannot be swept over, or a value that cannot be tried.
    """
    sweep: dict[str, list[int]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        parts = [part.strip() for part in listed.split(",")] if listed else []
        least = 0 if name == "jobs" else 1
        if name not in SWEPT:
            likely = did_you_mean(name, SWEPT)
            raise UsageError(f"sweep {text}: the settings to sweep over are {', '.join(SWEPT)}{likely}")
        if any(not part.isdecimal() or int(part) < least for part in parts):
            raise UsageError(f"sweep {text}: the values must be whole numbers, at least {least}")
        sweep[name] = list(dict.fromkeys(map(int, parts))) or SWEPT[name]()
    return sweep


def setups(base: Setup, sweep: Mapping[str, Sequence[int]]) -> list[Setup]:
    """Every combination, the last name changing fastest."""
    names: list[Any] = ["batch_size" if name == "batch" else name for name in sweep]
    return [replace(base, **dict(zip(names, values, strict=True))) for values in itertools.product(*sweep.values())]


def best(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The fastest of the rows with the fewest errors; of those that are as fast, the one with the least memory."""
    errors = min(row["errors"] for row in rows)
    fitting = [row for row in rows if row["errors"] == errors]
    fastest = max(row["per_second"] for row in fitting)
    as_fast = [row for row in fitting if row["per_second"] >= _AS_FAST * fastest]
    return min(as_fast, key=lambda row: row["peak_bytes"] or 0)


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
    alone = stages["alone"][stage]
    if alone["per_second"] * alone["cpu_s_per_item"] < max(1, setup.jobs) / 4:
        return f"copy the files to a disk of this machine, as readers wait; or --jobs {2 * max(1, setup.jobs)}"
    if setup.jobs < setup.threads:
        return f"more readers: --jobs {setup.threads}"
    if stage == "read":
        return "smaller files, once: mediasift convert INPUT -d SMALL --to jpg --resize 50%"
    return "a model whose graph takes uint8 pixels (its description's input.dtype), so that scaling is done inside"
