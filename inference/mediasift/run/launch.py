"""Starting the worker process: when it is needed, or ahead of that, so that both processes import at the same time.

Only the standard library is imported here: the first thing a command does is to start its worker.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import mediasift
from mediasift.system.trust import trusted_environment


class Launched(NamedTuple):
    """A worker process, and the open file in memory that it shares with us (see `marks`)."""

    process: subprocess.Popen[bytes]
    memory: int


WORKER = "mediasift.run.worker"
"""The module of a worker that reads and computes for a table."""

_ahead: list[Launched] = []
"""A worker that waits for its job; at most one."""


def start_ahead(task: str) -> None:
    """Start a worker now, whose job will be known later.

    Args:
        task: Module of `mediasift.tasks` that the job will need; it is imported in the meantime.
    """
    discard()
    _ahead.append(_start(task))


def discard() -> None:
    """End the worker that waits, if it was not taken."""
    while _ahead:
        process, memory = _ahead.pop()
        os.close(memory)
        with process:
            process.kill()


def take(module: str = WORKER) -> Launched:
    """The worker that waits, where it is of this module, else a new one."""
    return _ahead.pop() if _ahead and module == WORKER else _start(module=module)


def _start(*task: str, module: str = WORKER) -> Launched:
    environment = trusted_environment()
    paths = [str(Path(mediasift.__file__).resolve().parents[1]), *filter(None, [environment.get("PYTHONPATH")])]
    memory = _nameless()
    process = subprocess.Popen(  # noqa: S603  (our own interpreter, and the name of a task)
        [sys.executable, "-P", "-m", module, str(memory), *task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "PYTHONPATH": os.pathsep.join(paths), "OPENCV_LOG_LEVEL": "SILENT"},
        start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which asks the worker to stop
        pass_fds=[memory],
    )
    return Launched(process, memory)


def _nameless() -> int:
    """A new file in memory, or on disk where there is none such; nothing is left of it when both processes are gone."""
    if hasattr(os, "memfd_create"):
        import fcntl

        opened = os.memfd_create("mediasift")
        if opened > 2:
            return opened
        with os.fdopen(
            opened, "rb"
        ):  # a standard stream is closed, so its number is free; the worker has its own there
            return fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
