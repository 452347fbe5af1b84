"""How much memory there is, and how much a process holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_SHARE = 0.75
"""Of the machine's or the container's memory, what the worker may hold unless asked otherwise."""


def allowed_bytes(max_memory_gb: float | None) -> float:
    """The limit in bytes; infinite where neither the limit nor the machine's memory is known."""
    if max_memory_gb is not None:
        return max_memory_gb * 1e9
    return _SHARE * min(_machine(), _container())


def _machine() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows
        return float("inf")


def _container() -> float:
    """The limit of the control group (version 2, else 1)."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (Path("/sys/fs/cgroup") / name).read_text().strip()
        except OSError:
            continue
        return float("inf") if text == "max" else float(text)
    return float("inf")


def resident_bytes(pid: int) -> int:
    """Resident memory of another process; 0 where the system does not tell (only Linux does without a library)."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:  # it is gone
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(pid: int) -> int:
    """Largest resident memory that a process held so far; 0 where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
