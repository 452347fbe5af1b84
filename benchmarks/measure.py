"""How every benchmark here measures: contestants take turns, medians are compared, the machine is written down."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def alternate(contestants: Mapping[str, Callable[[], int]], rounds: int) -> dict[str, dict[str, Any]]:
    """Items per second of each contestant over several rounds, in each of which everybody has one turn.

    Args:
        contestants: Name → a function that does the work once and returns how many items it did.
        rounds: After one more that warms up and does not count.
    """
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, work in contestants.items():
            started = time.perf_counter()
            items = work()
            rate = items / (time.perf_counter() - started)
            if turn:
                rates[name].append(rate)
            print(f"round {turn}  {name:<45} {rate:8.1f} per second", flush=True)
    return {
        name: {
            "median_per_second": round(statistics.median(samples), 2),
            "rounds": [round(rate, 2) for rate in samples],
        }
        for name, samples in rates.items()
    }


def ratios(measured: Mapping[str, Mapping[str, Any]], against: str) -> dict[str, float]:
    """Each contestant's median over that of `against`."""
    base = measured[against]["median_per_second"]
    return {name: round(values["median_per_second"] / base, 3) for name, values in measured.items()}


def goal(
    name: str, against: str, measured: float | None, *, at_least: float, aim_for: float, agreement: str, why: str
) -> dict[str, Any]:
    """A figure that was wanted, beside the one that was found.

    Args:
        what: Ours, in a few words.
        against: The peer.
        measured: How many times better than the peer; of an efficiency, the share of what is possible;
            None where it cannot be measured here, which is a miss.
        at_least: What was wanted.
        aim_for: What was hoped for.
        agreement: How far the outputs of both are the same.
        why: What the time goes into; kept only where the goal is missed.
    """
    missed = measured is None or measured < at_least
    return {
        "what": name,
        "against": against,
        "measured": None if measured is None else round(measured, 3),
        "at_least": at_least,
        "aim_for": aim_for,
        "agreement": agreement,
        **({"why": why} if missed else {}),
    }


def median(measured: Mapping[str, Mapping[str, Any]], name: str) -> float:
    """Items per second of one contestant, from what `alternate` found."""
    return float(measured[name]["median_per_second"])


def machine(*packages: str) -> dict[str, Any]:
    """Processor, cores, memory, system and versions."""
    cpu = Path("/proc/cpuinfo")
    model = next((line.split(":")[1].strip() for line in cpu.read_text().splitlines() if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def save(name: str, result: Mapping[str, Any], *packages: str) -> Path:
    """Write `results/NAME.json` with date and machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    data = {"date": datetime.now(UTC).date().isoformat(), "machine": machine(*packages), **result}
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    print(f"written: {path}")
    return path
