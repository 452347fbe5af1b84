"""The machine that something was computed on: what decides how fast it can be, and a short name for that."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

from mediasift.models.processor import instruction_sets, processor
from mediasift.models.providers import available_cores


def machine_id() -> str:
    """Twelve hexadecimal digits, the same on machines of one kind: processor, instruction sets, cores that may be used.

    Two machines that were rented as the same type may share it; a container with half of the cores has another one.
    """
    kind = (processor(), platform.machine(), sys.platform, instruction_sets(), available_cores())
    return hashlib.sha256(repr(kind).encode()).hexdigest()[:12]


def machine_facts() -> dict[str, Any]:
    """What decides how fast something can be here, as JSON values."""
    return {
        "id": machine_id(),
        "processor": processor(),
        "architecture": platform.machine(),
        "instruction_sets": list(instruction_sets()),
        "cores": available_cores(),
        "cores_of_the_machine": os.cpu_count(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "cgroup_cpu_max": _cgroup("cpu.max", "cpu/cpu.cfs_quota_us"),
        "cgroup_memory_max": _cgroup("memory.max", "memory/memory.limit_in_bytes"),
        "memory_bytes": _memory(),
        "last_level_cache_bytes": last_level_cache(),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "system": platform.platform(),
    }


def load_average() -> list[float] | None:
    """Processes that ran or waited over the last 1, 5 and 15 minutes; None where the system does not tell (Windows)."""
    return [round(number, 2) for number in os.getloadavg()] if hasattr(os, "getloadavg") else None


def last_level_cache() -> int | None:
    """Bytes of the largest cache; None where the system does not tell."""
    sizes = [_read(path) for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    known = [int(size[:-1]) * {"K": 1 << 10, "M": 1 << 20}.get(size[-1], 1) for size in sizes if size]
    return max(known, default=None)


def _cgroup(*names: str) -> str | None:
    """The first of these files of the control group, as it is; versions 2 and 1 have different ones."""
    return next((text for name in names if (text := _read(Path("/sys/fs/cgroup") / name)) is not None), None)


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
