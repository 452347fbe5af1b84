"""One worker process as the supervisor sees it: orders in, answers out, and what it is working on."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import IO, Any

from mediasift.run import launch
from mediasift.run.job import source_to_json
from mediasift.run.lanes import Culprit
from mediasift.sources.naming import Source
from mediasift.system.machine import FairClock
from mediasift.system.network import is_offline

_LULL_S = 0.001
"""Between two looks at what the worker says: many short lines together cost less than each alone."""


class Worker:
    """One worker process, its answers, and what it is working on."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.active: dict[int, tuple[int, bool, float]] = {}  # source → item, whether it is being read, since when
        self.inferring: dict[str, tuple[list[Culprit], float]] = {}  # slot → items, since when
        self.longest_item_s = 0.0
        self.clock = FairClock()
        self.stderr: deque[str] = deque(maxlen=20)
        self._process = process = launch.take()
        self._inbox: queue.Queue[bytes] = queue.Queue()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._rest = b""
        self._lines: deque[bytes] = deque()
        tasks = ((self._receive, process.stdout), (self._send, process.stdin), (self._listen, process.stderr))
        self._threads = [threading.Thread(target=task, args=(pipe,), daemon=True) for task, pipe in tasks]
        for thread in self._threads:
            thread.start()
        self.send({**job, "offline": is_offline()})  # it may have been started before --offline was read

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def read(self, sources: Iterable[tuple[int, Source]]) -> None:
        """Numbered sources, all at once."""
        self.send(*({"order": "read", "number": number, **source_to_json(source)} for number, source in sources))

    def send(self, *orders: Mapping[str, Any]) -> None:
        """Orders, see `worker`, all at once."""
        self._outbox.put(b"".join(json.dumps(order).encode() + b"\n" for order in orders))

    def _send(self, stdin: IO[bytes]) -> None:
        """In a thread: a worker that stands still must not make us stand still."""
        with contextlib.suppress(OSError):  # it died; the other thread finds the end of its answers
            while (line := self._outbox.get()) is not None:
                stdin.write(line)
                stdin.flush()

    def _receive(self, stdout: IO[bytes]) -> None:
        while chunk := os.read(stdout.fileno(), 1 << 16):
            self._inbox.put(chunk)
            time.sleep(_LULL_S)
        self._inbox.put(b"")

    def _listen(self, stderr: IO[bytes]) -> None:
        for line in stderr:
            self.stderr.append(line.decode("utf-8", "replace").rstrip()[:500])

    def message(self, timeout_s: float) -> tuple[str, str] | None:
        """The next answer as (kind, text); None when there is none within the time; kind "" when it has ended."""
        while not self._lines:
            try:
                chunk = self._inbox.get(timeout=timeout_s)
            except queue.Empty:
                return None
            if not chunk:
                return "", ""
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            self._lines.extend(whole)
        line = self._lines.popleft()
        return chr(line[0]), line[2:].decode()

    def note(self, kind: str, text: str) -> bool:
        """Keep account of what it works on; whether the message was of that sort."""
        if kind not in ("R", "P", "W", "I"):
            return False
        slot, *names = text.split()
        items, now = [_culprit(name) for name in names], self.clock()
        if kind == "I":
            self.inferring.pop(slot, None)
            if items:
                self.inferring[slot] = items, now
            return True
        ((source, item),) = items
        began = self.active.pop(source, None)
        if kind != "W":
            self.active[source] = (item, kind == "R", began[2] if kind == "P" and began is not None else now)
        elif began is not None:
            self.longest_item_s = max(self.longest_item_s, now - began[2])
        return True

    def suspects(self) -> dict[int, tuple[int, bool]]:
        """Source → (item, whether it was being read) of all that is going on."""
        found = {source: (item, reading) for source, (item, reading, _) in self.active.items()}
        for items, _ in self.inferring.values():
            for source, item in items:
                found.setdefault(source, (item, False))
        return found

    def close(self) -> None:
        """End it. It holds nothing that needs care: a file it writes appears whole or not at all."""
        threads, self._threads = self._threads, []
        if not threads:
            return
        with contextlib.suppress(OSError), self._process as process:  # which closes its pipes
            self._outbox.put(None)
            process.kill()
            for thread in threads:
                thread.join(5)

    def obituary(self) -> str:
        """How it ended."""
        code = self._process.wait()
        if code >= 0:
            return f"ended with exit code {code}"
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"


class Signals:
    """Ctrl-C and SIGTERM: the first asks to stop soon, the second to stop at once.

    As a context manager it listens; outside, signals end the process as usual.

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


def _culprit(name: str) -> Culprit:
    source, _, item = name.partition(":")
    return int(source), int(item)
