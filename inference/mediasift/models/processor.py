"""The processor: its name, and the instruction sets that decide in which precision it computes fast."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")

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
    return platform.processor() or platform.machine()


@cache
def instruction_sets() -> tuple[str, ...]:
    """Those that matter to matrix products, in a fixed order; elsewhere than on Linux those that numpy found."""
    for line in _cpuinfo():
        name, _, found = line.partition(":")
        if name.strip() in ("flags", "Features"):
            here = set(found.split())
            return tuple(flag for flag in _TOLD if flag in here)
    import numpy as np  # slow, and of use elsewhere than on Linux alone

    known = np.show_config(mode="dicts")
    extensions = known.get("SIMD Extensions", {}) if isinstance(known, dict) else {}
    return tuple(str(name).lower() for name in (*extensions.get("baseline", ()), *extensions.get("found", ())))


@cache
def _cpuinfo() -> tuple[str, ...]:
    """Lines on the first core; those on the others are the same."""
    try:
        return tuple(_CPUINFO.read_text().partition("\n\n")[0].splitlines())
    except OSError:  # not Linux
        return ()
