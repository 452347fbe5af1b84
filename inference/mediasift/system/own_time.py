"""How long another process worked, on a machine where it is not alone: time limits are about that, not about the clock.

Time in which a process is stopped, in which one of its threads is ready and waits for a core, or in which its clock is
not read for long (a machine that sleeps, a supervisor that is stopped itself) is not its own. Time in which it
computes, waits for a disk, a network or a lock, or does nothing at all is: a standstill is its own fault.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mediasift.system.machine import core_share

_LONGEST_LOOK_S = 1.0
"""What passes between two looks counts at most so long."""

_PROC = Path("/proc")

_Thread = tuple[str, int, int]
"""State; nanoseconds that it ran; nanoseconds that it was ready and waited for a core."""


class OwnClock:
    """Seconds of a process's own time, with those of the programs that it runs. Call it often: several times a second.

    Linux counts how long each thread waits for a core (proc_pid_schedstat(5)). Where the system does not tell, each
    thread is taken to get the same share of the cores.
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._own_s, self._at = pid, 0.0, time.monotonic()
        self._threads = dict(_threads(pid))

    def __call__(self) -> float:
        """Own seconds since some moment."""
        now = time.monotonic()
        real_s, self._at = now - self._at, now
        before, self._threads = self._threads, dict(_threads(self._pid))
        passed_s = min(real_s, _LONGEST_LOOK_S)
        if not self._threads:
            self._own_s += passed_s * core_share()
        elif not any(state in "Tt" for state, _, _ in self._threads.values()):
            waits_s = max(_waited_s(before.get(name), thread, real_s) for name, thread in self._threads.items())
            self._own_s += passed_s * max(0.0, 1 - waits_s / max(real_s, 1e-9))
        return self._own_s


def _waited_s(before: _Thread | None, now: _Thread, real_s: float) -> float:
    """How long a thread was ready and waited since the last look; Linux counts a wait when it ends."""
    if before is None:
        return 0.0
    if now[0] == "R" and now[1:] == before[1:]:
        return real_s
    return (now[2] - before[2]) / 1e9


def _threads(pid: int) -> Iterator[tuple[str, _Thread]]:
    """Each thread of the process and of those that it started; none where the system does not tell."""
    with suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError, ValueError):
                ran, waited, _ = (task / "schedstat").read_text().split()
                state = (task / "stat").read_text().rpartition(")")[2].split()[0]
                yield task.name, (state, int(ran), int(waited))
                for child in (task / "children").read_text().split():
                    yield from _threads(int(child))
