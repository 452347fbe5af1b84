"""Own time of real processes: one that sleeps, computes, is stopped, or must wait for others to get a core."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from mediasift.system import own_time
from mediasift.system.own_time import OwnClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long a thread waits for a core")

SLEEPS, COMPUTES = "import time\ntime.sleep(1000)", "while True: pass"


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says so when it has begun, and is killed in the end."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True)\n{code}"], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
    finally:
        os.killpg(child.pid, signal.SIGKILL)  # with what it started
        child.communicate()


def own_share(pid: int, real_s: float = 1.5) -> float:
    """The part of so much real time that is the process's own."""
    clock = OwnClock(pid)
    began, first = time.monotonic(), clock()
    while (passed := time.monotonic() - began) < real_s:
        time.sleep(0.1)
        last = clock()
    return (last - first) / passed


def test_a_standstill_is_its_own():
    with running(SLEEPS) as child:
        assert own_share(child.pid) > 0.8


def test_what_is_stopped_takes_no_time():
    with running(COMPUTES) as child:
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        assert own_share(child.pid) == 0


FIRST_ON_ONE_CORE = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
LAST_ON_ONE_CORE = f"{FIRST_ON_ONE_CORE}os.nice(10)\n"


def test_what_waits_for_a_core_takes_only_what_it_gets():
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running(FIRST_ON_ONE_CORE + COMPUTES))
        child = stack.enter_context(running(LAST_ON_ONE_CORE + COMPUTES))
        assert own_share(child.pid) < 0.4


def test_a_program_that_it_runs_is_counted_with_it():
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {COMPUTES!r}])"
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running(FIRST_ON_ONE_CORE + COMPUTES))
        child = stack.enter_context(running(LAST_ON_ONE_CORE + code))
        while len(list(own_time._threads(child.pid))) < 2:
            time.sleep(0.1)
        assert own_share(child.pid) < 0.4


def test_what_passes_while_nobody_looks_counts_little(monkeypatch: pytest.MonkeyPatch):
    with running(SLEEPS) as child:
        while any(state == "R" for _, (state, _, _) in own_time._threads(child.pid)):  # it is about to sleep
            time.sleep(0.01)
        clock, now = OwnClock(child.pid), time.monotonic()
        first = clock()
        monkeypatch.setattr("mediasift.system.own_time.time.monotonic", lambda: now + 3600)
        assert clock() - first == pytest.approx(own_time._LONGEST_LOOK_S)


def test_without_a_word_from_the_system_the_cores_are_shared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_time, "core_share", lambda: 0.25)
    monkeypatch.setattr(own_time, "_threads", lambda _pid: iter(()))
    assert own_share(os.getpid(), 0.5) == pytest.approx(0.25, rel=0.3)
