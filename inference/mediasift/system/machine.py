"""The machine: processor, cores and memory that this process may use, and the user's folders; counted here alone."""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mediasift.system.optional import lazily

platform = lazily("platform")
_CGROUPS, _SELF, _CPUINFO = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/cpuinfo")
_LOADAVG = Path("/proc/loadavg")

_TOLD = ("sse4_2", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16",
         "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "neon", "asimd", "asimdhp", "asimddp", "bf16", "i8mm",
         "sve", "sve2")  # fmt: skip
"""Instruction sets that matter to matrix products, as Linux calls them; which there are decides more than the clock."""


@cache
def processor() -> str:
    """The processor's name, as far as the system tells."""
    for line in _cpuinfo():
        if line.partition(":")[0].strip() in ("model name", "Hardware", "cpu model"):
            return line.partition(":")[2].strip()
    return str(platform.processor() or platform.machine())


@cache
def instruction_sets() -> tuple[str, ...]:
    """Those that matter to matrix products, in a fixed order; elsewhere than on Linux those that numpy found."""
    for line in _cpuinfo():
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):
            here = set(words.split())
            return tuple(flag for flag in _TOLD if flag in here)
    import numpy as np  # slow, and of use elsewhere than on Linux alone

    known = np.show_config(mode="dicts")
    extensions = known.get("SIMD Extensions", {}) if isinstance(known, dict) else {}
    return tuple(str(name).lower() for name in (*extensions.get("baseline", ()), *extensions.get("found", ())))


@cache
def _cpuinfo() -> tuple[str, ...]:
    """Lines on the first core; those on the others are the same. Linux alone has them."""
    return tuple((_read(_CPUINFO) or "").partition("\n\n")[0].split("\n"))


def available_cores() -> int:
    """Cores this process may use: its affinity, cut by the CPU quota of its control group and of those above it."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    return max(1, min([cores, *_quotas()]))


def _quotas() -> Iterator[int]:
    """Whole cores, at least one, for each quota that is set: version 2's `cpu.max`, version 1's `cpu.cfs_quota_us`."""
    for folder in control_groups("cpu"):
        quota, _, period = (_read(folder / "cpu.max") or "").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us") or "", _read(folder / "cpu.cfs_period_us") or ""
        if quota.isdigit() and period.isdigit() and int(period):
            yield max(1, math.ceil(int(quota) / int(period)))


def control_groups(controller: str) -> list[Path]:
    """The folders of this process's control group and of all above it, innermost first; the limits of all of them hold.

    Version 2 names one group after `0::`; version 1 one for each controller, in a tree of its own (cgroups(7)).
    """
    folders: list[Path] = []
    for line in (_read(_SELF) or "0::/").split("\n"):
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" or controller in controllers.split(","):
            root = _CGROUPS if number == "0" else _CGROUPS / controller
            own = root / group.lstrip("/")
            folders += [folder for folder in (own, *own.parents) if folder == root or root in folder.parents]
    return [folder for folder in dict.fromkeys([*folders, _CGROUPS, _CGROUPS / controller]) if folder.is_dir()]


_SHARE = 0.75
"""Of the memory that this process may use, what the worker may hold unless asked otherwise."""


def allowed_bytes(max_memory_gb: float | None) -> float:
    """The limit in bytes; infinite where neither the limit nor the machine's memory is known."""
    return max_memory_gb * 1e9 if max_memory_gb is not None else _SHARE * available_memory()


def available_memory() -> float:
    """Bytes that this process may use: the machine's, cut by its control group and those above it."""
    limits = _limits("memory", "memory.max", "memory.limit_in_bytes")
    return min([float(_memory() or "inf"), *(float(limit) for limit in limits if limit.isdigit())])


def resident_bytes(pid: int) -> int:
    """Resident memory of another process; 0 where the system does not tell (only Linux does without a library)."""
    return _status_bytes(pid, "VmRSS:")


def peak_bytes(pid: int) -> int:
    """Largest resident memory that a process held so far; 0 where the system does not tell."""
    return _status_bytes(pid, "VmHWM:")


def _status_bytes(pid: int, name: str) -> int:
    lines = (_read(Path(f"/proc/{pid}/status")) or "").split("\n")
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def core_share() -> float:
    """The part of a core, 0.05 to 1, that a thread gets which wants to compute now; 1 where the system does not tell.

    Linux counts the threads that run or wait for a core, on the whole machine (proc_loadavg(5)).
    """
    runnable = (_read(_LOADAVG) or "").partition("/")[0].rpartition(" ")[2]
    return min(1.0, max(0.05, (os.cpu_count() or 1) / max(1, int(runnable)))) if runnable.isdigit() else 1.0


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
        "cgroup_cpu_max": next(_limits("cpu", "cpu.max", "cpu.cfs_quota_us"), None),
        "cgroup_memory_max": next(_limits("memory", "memory.max", "memory.limit_in_bytes"), None),
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


def _limits(controller: str, *names: str) -> Iterator[str]:
    """These limits as they are, innermost first; the two versions of control groups name them differently."""
    return filter(None, (_read(folder / name) for folder in control_groups(controller) for name in names))


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


def cache_folder() -> Path:
    """`mediasift` in the user's cache folder, where each platform has it."""
    if sys.platform == "darwin":
        folder = Path.home() / "Library/Caches"
    elif sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local"))
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "mediasift"
