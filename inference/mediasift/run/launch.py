"""Starting the worker process: when it is needed, or ahead of that, so that both processes import at the same time.

Only the standard library is imported here: the first thing a command does is to start its worker.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mediasift
from mediasift.system.trust import trusted_environment

_ahead: list[subprocess.Popen[bytes]] = []
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
        with _ahead.pop() as process:
            process.kill()


def take() -> subprocess.Popen[bytes]:
    """The worker that waits, else a new one."""
    return _ahead.pop() if _ahead else _start()


def _start(*task: str) -> subprocess.Popen[bytes]:
    environment = trusted_environment()
    paths = [str(Path(mediasift.__file__).resolve().parents[1]), *filter(None, [environment.get("PYTHONPATH")])]
    return subprocess.Popen(  # noqa: S603  (our own interpreter, and the name of a task)
        [sys.executable, "-P", "-m", "mediasift.run.worker", *task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "PYTHONPATH": os.pathsep.join(paths), "OPENCV_LOG_LEVEL": "SILENT"},
        start_new_session=True,  # Ctrl-C in the terminal is for the supervisor, which asks the worker to stop
    )
