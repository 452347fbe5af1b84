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
from collections.abc import Mapping, Sequence
from typing import IO, Any

from mediasift.run import launch
from mediasift.run.job import source_to_json
from mediasift.run.marks import WAITS, Doing, Marks
from mediasift.sources.naming import Source
from mediasift.system.network import is_offline
from mediasift.system.own_time import OwnClock

_LULL_S = 0.001
"""Between two looks at what the worker says: many short lines together cost less than each alone."""


class Worker:
    """One worker process, its answers, and what it is working on.

    Args:
        job: The first order.
        module: What the process runs.
        threads: Whether threads write what is sent, and keep answers for `messages`; else the caller uses the pipes.

    Attributes:
        stderr: The last lines of what it complains of.
        job: Its first order, as a line; to be sent by the caller where there are no threads.
    """

    def __init__(self, job: Mapping[str, Any], *, module: str = launch.WORKER, threads: bool = True) -> None:
        self.stderr: deque[str] = deque(maxlen=20)
        self._process, self._memory = launch.take(module)
        self._marks: Marks | None = None
        self._since: dict[int, tuple[int, float]] = {}  # place of a mark → its turn, since when
        self._clock = OwnClock(self.pid)
        self._inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._rest = b""
        process = self._process
        tasks = ((self._listen, process.stderr), (self._receive, process.stdout), (self._send, process.stdin))
        self._threads = [
            threading.Thread(target=task, args=(pipe,), daemon=True) for task, pipe in (tasks if threads else tasks[:1])
        ]
        for thread in self._threads:
            thread.start()
        self.job = line({**job, "offline": is_offline()})  # it may have been started before --offline was read
        self._outbox.put(self.job)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def pipes(self) -> tuple[Any, Any]:
        """Files: where it takes orders, and where it answers."""
        return self._process.stdin, self._process.stdout

    def share(self, readers: int, calls: Sequence[int]) -> None:
        """Look at its marks from now on, whose places these are."""
        self._marks = Marks(readers, calls, self._memory)

    def read(self, sources: Sequence[tuple[int, Source]]) -> None:
        """Numbered sources that follow one another, all at once."""
        if sources:
            sent = [source_to_json(source) for _, source in sources]
            self.send({"order": "read", "number": sources[0][0], "sources": sent})

    def send(self, order: Mapping[str, Any]) -> None:
        """An order, see `worker`."""
        self._outbox.put(line(order))

    def _send(self, stdin: IO[bytes]) -> None:
        """In a thread: a worker that stands still must not make us stand still."""
        with contextlib.suppress(OSError):  # it died; the other thread finds the end of its answers
            while (order := self._outbox.get()) is not None:
                stdin.write(order)
                stdin.flush()

    def _receive(self, stdout: IO[bytes]) -> None:
        while chunk := os.read(stdout.fileno(), 1 << 16):
            self._inbox.put(chunk)
            time.sleep(_LULL_S)
        self._inbox.put(b"")

    def _listen(self, stderr: IO[bytes]) -> None:
        for text in stderr:
            self.stderr.append(text.decode("utf-8", "replace").rstrip()[:500])

    def messages(self, timeout_s: float) -> list[tuple[str, bytes]]:
        """All answers that are here, as (kind, text); none if none come in time; at its end one whose kind is ""."""
        while True:
            try:
                chunk = self._inbox.get(timeout=timeout_s)
            except queue.Empty:
                return []
            if not chunk:
                self._inbox.put(chunk)
                return [("", b"")]
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            if lines:
                return [(chr(line[0]), line[2:]) for line in lines]

    def going_on(self) -> list[Doing]:
        """What it works on; after its death, what it worked on then."""
        return [] if self._marks is None else self._marks.going_on()

    def ages(self) -> list[tuple[Doing, float]]:
        """The same, with the seconds of its own time since that was seen first. To be asked several times a second."""
        now, before = self._clock(), self._since
        doing = self.going_on()
        fresh = (-1, now)
        self._since = {
            one.place: known if (known := before.get(one.place, fresh))[0] == one.turn else (one.turn, now)
            for one in doing
        }
        return [(one, now - self._since[one.place][1]) for one in doing]

    def overdue(self, limit_s: float) -> list[Doing]:
        """What goes on for longer than this, with what may wait for it; to be asked several times a second.

        Of a call each item may take so long. They may wait for one another (Pillow is used by one at a time): only who
        is old alone is surely to blame.
        """
        ages = self.ages()
        calls = [(one, age / len(one.items)) for one, age in ages if one.doing == WAITS]
        reads = [(one, age) for one, age in ages if one.doing != WAITS]
        for going_on in (calls, reads):
            if max((age for _, age in going_on), default=0) > limit_s:
                return [one for one, age in going_on if age > limit_s / 2]
        return []

    def suspects(self) -> dict[int, tuple[int, bool]]:
        """Source → (item, whether it was being read) of all that is going on."""
        found: dict[int, tuple[int, bool]] = {}
        for one in self.going_on():
            for source, item in one.items:
                found.setdefault(source, (item, one.reading))
        return found

    def close(self) -> None:
        """End it. It holds nothing that needs care: a file it writes appears whole or not at all."""
        threads, self._threads = self._threads, []
        if not threads:
            return
        with contextlib.suppress(OSError), self._process as process:  # which closes its pipes
            self._outbox.put(None)
            process.kill()
            os.close(self._memory)
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


def line(order: Mapping[str, Any]) -> bytes:
    """An order as a line."""
    return json.dumps(order).encode() + b"\n"


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
