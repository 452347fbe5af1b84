"""What a measurement takes: samples after a warm-up, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mediasift.bench.statistics import is_steady
from mediasift.rows import Row

ROUNDS = 10
"""Parts into which a measurement falls; a comparison draws from them."""

LEAST_ROUNDS = 5
WARM_UP = 2.0
"""Times the measuring time that a warm-up may take at most; then it is told that nothing became steady."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to measure, and what a service is asked.

    Attributes:
        seconds: About how long, after the warm-up.
        qps: Questions per second, for `server`.
        target_s: Latency within which a service should answer; None for no such aim.
        seed: Of the random moments.
    """

    seconds: float
    qps: float | None = None
    target_s: float | None = None
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Taken:
    """What a scenario took.

    Attributes:
        rounds: Samples in seconds, by round: latencies, or seconds per picture of a whole pass.
        answers: Of each picture its labels, to find out whether two settings agree.
        warm_up: What the warm-up was like.
        items: Pictures done.
        errors: Pictures that failed.
        seconds: That it took, without the warm-up.
        cpu_s: Processor seconds of that time, over all cores.
        more: What only this scenario tells.
    """

    rounds: list[list[float]]
    answers: list[list[str]]
    warm_up: dict[str, Any]
    items: int
    errors: int = 0
    seconds: float
    cpu_s: float
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Clock:
    """Time and processor time since it was made."""

    begun: float = field(default_factory=time.perf_counter)
    busy: float = field(default_factory=time.process_time)

    def read(self) -> dict[str, Any]:
        """`seconds` and `cpu_s`, as `Taken` has them."""
        return {"seconds": time.perf_counter() - self.begun, "cpu_s": time.process_time() - self.busy}


def warm_up(once: Callable[[], float], limit_s: float) -> dict[str, Any]:
    """Do it until three times in a row take the same time within 5 %, or until the limit (then `steady` is false).

    Args:
        once: Does it once and returns the seconds it took.
        limit_s: How long to try.
    """
    begun = time.perf_counter()
    times: list[float] = []
    while not is_steady(times) and (len(times) < LEAST_ROUNDS or time.perf_counter() - begun < limit_s):
        times.append(once())
    last = float(np.median(times[-3:]))
    return {"rounds": len(times), "seconds": round(sum(times), 3), "steady": is_steady(times), "round_s": last}


def labels_of(rows: Sequence[Row]) -> list[str]:
    """What the rows say, shortened: labels where there are any."""
    return [str(getattr(row, "label", None) or "") for row in rows]
