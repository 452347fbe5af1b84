"""A result as a picture: throughput against batch size, and latencies."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mediasift.errors import UsageError
from mediasift.evaluate.plots import draw_speed, need_plots
from mediasift.system.files import write_atomically

SUFFIXES = (".svg", ".png", ".pdf")


def check_plot(output: Path) -> None:
    """Before anything is measured: a suffix that can be drawn, and what draws it.

    Raises:
        UsageError: Another suffix.
        MissingPackage: matplotlib is not installed.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output}: plots are {', '.join(SUFFIXES)}")
    need_plots()


def plot(result: Mapping[str, Any], output: Path) -> None:
    """Write it.

    Raises:
        OutputError: It cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / f"plot{output.suffix.lower()}"
        draw_speed(throughput(result), latencies(result), drawn)
        data = drawn.read_bytes()
    write_atomically(output, lambda file: file.write(data))


def throughput(result: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """A line for each combination of the other settings: (batch size, pictures per second)."""
    rows = [row for row in (result["sweep"] or {"rows": []})["rows"] if "error" not in row]
    rows += [found for name, found in result["scenarios"].items() if name == "offline" and not rows]
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        name = f"{row['device']}, {row['threads']} threads, {row['jobs']} readers"
        lines[name].append((row["batch_size"], row["per_second"]))
    return dict(lines)


def latencies(result: Mapping[str, Any]) -> dict[str, list[float]]:
    """Seconds of every answer, for the scenarios that have single answers."""
    return {
        name: [one for samples in found["rounds_s"] for one in samples if one is not None]
        for name, found in result["scenarios"].items()
        if found["latency_s"] is not None
    }
