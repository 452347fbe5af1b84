"""The same run under every combination of some settings."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mediasift.bench.statistics import spread
from mediasift.bench.subject import Setup
from mediasift.engines.onnx.providers import SPECS, provider_is_here
from mediasift.errors import UsageError
from mediasift.system.machine import available_cores


def _powers(largest: int) -> list[int]:
    """1, 2, 4 ... and the largest."""
    return sorted({1 << power for power in range(largest.bit_length())} | {largest})


SWEPT: dict[str, Callable[[], list[Any]]] = {
    "batch": lambda: [1, 2, 4, 8, 16, 32],
    "threads": lambda: _powers(available_cores()),
    "jobs": lambda: _powers(available_cores()),
    "device": lambda: [spec for spec in SPECS if provider_is_here(spec.partition(":")[0])],
}
"""What can be swept over → the values that are tried when none are named."""

_FIELDS = {"batch": "batch_size"}

_AS_FAST = 0.98
"""Rows within 2 % of the fastest are as fast as it."""

TUNED = ("batch", "threads", "jobs")
"""What a profile holds, and so what tuning sweeps over."""


def parse_sweep(texts: Sequence[str]) -> dict[str, list[Any]]:
    """`batch=1,8`, or `batch` alone for the usual values, as name → values.

    Raises:
        UsageError: A name that cannot be swept over, or a value that is none.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        if name not in SWEPT:
            raise UsageError(f"--sweep {text}: one can sweep over {', '.join(SWEPT)}")
        found[name] = [_value(name, part.strip()) for part in listed.split(",")] if listed else SWEPT[name]()
    return check_sweep(found)


def _value(name: str, text: str) -> Any:
    if name == "device":
        return text
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"--sweep {name}: {text!r} is no whole number") from error


def check_sweep(sweep: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """The sweep, if it makes sense.

    Raises:
        UsageError: It does not; the message says why.
    """
    for name, values in sweep.items():
        if name not in SWEPT:
            raise UsageError(f"sweep {name}: one can sweep over {', '.join(SWEPT)}")
        least = 0 if name == "jobs" else 1
        if not values or any(isinstance(value, int) and value < least for value in values):
            raise UsageError(f"sweep {name}: name values, from {least} on" if least else f"sweep {name}: name values")
        if name == "device" and (unknown := [value for value in values if value not in SPECS]):
            raise UsageError(f"sweep device: {unknown[0]!r} is none of {', '.join(SPECS)}")
    return {name: list(dict.fromkeys(values)) for name, values in sweep.items()}


def setups(base: Setup, sweep: Mapping[str, Sequence[Any]]) -> list[Setup]:
    """Every combination, the last name changing fastest."""
    names = [_FIELDS.get(name, name) for name in sweep]
    return [replace(base, **dict(zip(names, values, strict=True))) for values in itertools.product(*sweep.values())]


def agreement(answers: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]) -> float:
    """Share of pictures that got the same labels in the same order."""
    same = sum(list(a) == list(b) for a, b in zip(answers, reference, strict=True))
    return same / max(1, len(reference))


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two measurements of one setting (see `scenarios.measure`) as one; the first one's error where it has one."""
    if failed := next((one for one in (first, second) if "error" in one), None):
        return dict(failed)
    items = [one["items"] for one in (first, second)]
    seconds = [one["items"] / one["per_second"] for one in (first, second)]

    def mean(name: str, weights: Sequence[float]) -> float:
        return float(first[name] * weights[0] + second[name] * weights[1]) / sum(weights)

    rounds = [*first["rounds_s"], *second["rounds_s"]]
    samples = [sample for part in rounds for sample in part]
    return {
        **first,
        "items": sum(items),
        "errors": first["errors"] + second["errors"],
        "per_second": sum(items) / sum(seconds),
        "median_s": statistics.median(samples),
        "spread": round(spread(samples), 4),
        "samples": len(samples),
        "cpu_s_per_item": mean("cpu_s_per_item", items),
        "cores_busy": round(mean("cores_busy", seconds), 2),
        "peak_bytes": max((one["peak_bytes"] or 0 for one in (first, second)), default=0) or None,
        "rounds_s": rounds,
    }


def best(rows: Sequence[Mapping[str, Any]], among: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any] | None:
    """The fastest of some rows; of those that are as fast, the one that holds the least memory, which is no noise."""
    fitting = [row for row in rows if among(row)]
    if not fitting:
        return None
    fastest = max(row["per_second"] for row in fitting)
    return min(
        (row for row in fitting if row["per_second"] >= _AS_FAST * fastest), key=lambda row: row["peak_bytes"] or 0
    )
