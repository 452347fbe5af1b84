"""Ctrl-C and SIGTERM on the command line: the first asks to stop soon, the second to stop at once."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Signals:
    """Whether the run should stop. As a context manager it listens; outside, it never should.

    Attributes:
        requested: Once: finish what has begun.
        insistent: Twice: stop now.
    """

    def __init__(self) -> None:
        self.requested = self.insistent = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
            self._before = {one: signal.signal(one, self._heard) for one in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _heard(self, *_: object) -> None:
        if self.requested:
            self.insistent = True
            raise KeyboardInterrupt
        self.requested = True
