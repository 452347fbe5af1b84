"""The same run under every combination of some settings; a setting of a profile for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mediasift.bench.subject import Setup
from mediasift.errors import UsageError
from mediasift.system.machine import available_cores


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
            raise UsageError(f"sweep {text}: the settings to sweep over are {', '.join(SWEPT)}")
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
