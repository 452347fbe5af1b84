"""Reading and computing in a process of its own, so that whatever happens there costs one row at most.

The supervisor starts the worker, hands it sources many at a time, and looks now and then at what it is working on (see
`marks`), at its memory and its time. When the worker dies, needs more memory than allowed, or an item takes too long,
everything that had begun is tried again one by one in a new worker; the item that is the cause ends as an error row,
and the run goes on. Rows pass through here as the JSON text that the journal keeps.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mediasift.errors import Crashed, Interrupted, ItemError, ItemTimeout, ModelError, plain
from mediasift.rows import Row
from mediasift.run.finished import Finished
from mediasift.run.job import Job, error_from_json, error_to_json, job_to_json, source_to_json
from mediasift.run.process import Signals, Worker
from mediasift.run.works import Seconds, Trouble
from mediasift.sources.fetched import UNREAD
from mediasift.sources.naming import Source
from mediasift.system.machine import allowed_bytes, peak_bytes, resident_bytes

_POLL_S = 0.1
_LOOK_S = 0.25
"""How often memory and time are looked at."""

_AT_ONCE = 256
"""Sources that are handed out at once: the worker begins with the first while the next are found."""

_PATIENCE_S = 1.0
"""How long what has begun may go on after Ctrl-C."""

_ATTEMPTS = 3
"""Items of one source that may be given up before the source ends there."""


_Numbered = tuple[int, Source]


class _Died(Exception):
    """The worker is gone.

    Attributes:
        reason: What the error row says.
        certain: Source → (item, whether it was being read), where the cause is beyond doubt.
    """

    def __init__(self, reason: ItemError, certain: Mapping[int, tuple[int, bool]] | None = None) -> None:
        self.reason = reason
        self.certain = certain or {}


class Supervisor:
    """Runs a job in a worker, within the limits of its settings; it gives the rows that `pipeline.Pipeline` gives.

    Attributes:
        row_type: Of the rows.
        facts: What the task says of itself.
        batch_size: Items per model call.
        seconds: Per stage.
        longest_item_s: Longest time that reading and preparing an item took, seconds.
        restarts: How many workers died.
        peak_bytes: Largest resident memory of a worker; 0 where the system does not tell.

    Raises:
        SetupError: The task cannot start.
    """

    def __init__(self, job: Job) -> None:
        self._job = job_to_json(job)
        self.row_type: type[Row] = job.task.row
        self._timeout_s: float = job.cost("timeout_s")
        self._max_bytes = allowed_bytes(job.cost("max_memory_gb"))
        self._signals = Signals()
        self._worker = self._start()
        self._looked = time.monotonic()
        self._rests = False  # the worker has done all that it was asked for
        self.seconds: dict[str, float] = Seconds()
        self.longest_item_s = 0.0
        self.restarts = self.peak_bytes = 0

    def _start(self) -> Worker:
        worker = Worker(self._job)
        while not (messages := worker.messages(_POLL_S)):
            pass
        kind, text = messages[0]
        if kind == "S":
            data = json.loads(text)
            self.facts: Mapping[str, Any] = data["facts"]
            self.batch_size: int = data["batch_size"]
            self._window = 4 * int(data["ahead"])
            worker.share(**data["marks"])
            return worker
        try:
            self._raise_if_failed(worker, kind, text)
        finally:
            worker.close()
        raise RuntimeError(f"the worker began with {kind!r}")

    def _raise_if_failed(self, worker: Worker, kind: str, text: bytes) -> None:
        """Raise what the worker could not handle itself."""
        if kind == "X":
            raise error_from_json(json.loads(text))
        if kind == "B":
            raise RuntimeError(f"a bug in the worker process:\n{json.loads(text)}")
        if kind == "":
            words = f": {' / '.join(worker.stderr)}" if worker.stderr else ""
            raise ModelError(f"the process that should load the model {worker.obituary()}{words[:600]}")

    def run_together(self, sources: Iterable[Source]) -> Generator[list[Finished]]:
        """Each source with its rows, in the order of `sources`, as they come together: several at a time, or none.

        Meanwhile Ctrl-C and SIGTERM are listened to.

        Raises:
            Interrupted: Somebody wants us to stop; what had begun was finished first, if that was quick.
        """
        pending: deque[_Numbered] = deque()
        with self._signals:
            yield from self._run(enumerate(sources), pending)
            if self._signals.requested:
                yield from self._finish_what_has_begun(pending)
                raise Interrupted("interrupted")

    def run_group(self, sources: Iterable[Source]) -> Iterator[list[Finished]]:
        """The same of one of several groups: signals go to somebody else, and the worker waits for the next group."""
        self._rests = False
        return self._run(enumerate(sources), deque())

    def _run(self, numbered: Iterator[_Numbered], pending: deque[_Numbered]) -> Iterator[list[Finished]]:
        """Hand out sources and take in results until all is done, or somebody wants us to stop."""
        more, self._rests = True, False
        while not self._signals.requested and (more or pending):
            if more and len(pending) <= self._window // 2:
                more = self._hand_out(numbered, pending)
            try:
                yield self._next(pending, wait=not more or len(pending) > self._window // 2)
            except _Died as death:
                yield from self._recover(pending, death)
                if not more:
                    self._worker.send({"order": "end"})
        with suppress(_Died):  # all rows are here; what is left is the worker's account of its time
            while not (self._signals.requested or self._rests):
                self._next(pending)

    def _hand_out(self, numbered: Iterator[_Numbered], pending: deque[_Numbered]) -> bool:
        """More sources for the worker; whether there may be still more."""
        handed = list(itertools.islice(numbered, _AT_ONCE))
        self._worker.read(handed)
        pending.extend(handed)
        if len(handed) == _AT_ONCE:
            return True
        self._worker.send({"order": "end"})
        return False

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _next(self, pending: deque[_Numbered], *, wait: bool = True) -> list[Finished]:
        """What was finished; nothing when it is time to look around, or none came and we do not `wait`.

        Raises:
            _Died: The worker is gone, or had to go.
        """
        if time.monotonic() - self._looked > _LOOK_S:
            self._look()
        finished = []
        for kind, text in self._worker.messages(_POLL_S if wait else 0):
            if kind in ("F", "Q"):
                finished.append(self._finished(pending, kind, text))
            elif kind == "E":
                account, self._rests = json.loads(text), True
                self.peak_bytes = max(self.peak_bytes, peak_bytes(self._worker.pid))
                self.seconds = account["seconds"]
                self.longest_item_s = max(self.longest_item_s, account["longest_item_s"])
            elif kind == "":
                raise _Died(Crashed(f"the process that worked on it {self._worker.obituary()}"))
            else:
                self._raise_if_failed(self._worker, kind, text)
        return finished

    def _finished(self, pending: deque[_Numbered], kind: str, text: bytes) -> Finished:
        """What the worker finished of the first source; it stays pending while that goes on."""
        number, items, errors, rows = text.split(b" ", 3)
        first, source = pending.popleft()
        if first != int(number):
            raise RuntimeError(f"the worker finished source {int(number)} before {first}")
        if source.content is not None and source.content.asks:
            rows, _, state = rows.partition(b"\0")
            source.content.note(*json.loads(state))
        finished = Finished(
            source=source, row_type=self.row_type, given=rows, errors=int(errors), items=int(items), ended=kind == "F"
        )
        if not finished.ended:
            done = source.done[0] + finished.items, [*source.done[1], *finished.rows]
            pending.appendleft((first, replace(source, done=done)))
        return finished

    def _look(self) -> None:
        """Whether the worker keeps within the limits."""
        self._looked = time.monotonic()
        worker, limit = self._worker, self._timeout_s
        self.peak_bytes = max(self.peak_bytes, peak_bytes(worker.pid))
        if resident_bytes(worker.pid) > self._max_bytes:
            worker.close()
            raise _Died(Crashed(f"needs more than {plain(self._max_bytes / 1e9)} GB of memory (--max-memory)"))
        if old := worker.overdue(limit):
            self.longest_item_s = max(self.longest_item_s, limit)
            worker.close()
            suspects = {source: (item, one.reading) for one in old for source, item in one.items}
            certain = suspects if sum(len(one.items) for one in old) == 1 else None
            raise _Died(ItemTimeout(f"takes longer than {limit:g} s (--timeout)"), certain)

    def _recover(self, pending: deque[_Numbered], death: _Died) -> Iterator[list[Finished]]:
        """After a death: everything up to the last suspect one by one, the rest from the start."""
        suspects = death.certain or self._worker.suspects()
        # what it had finished before
        while (messages := self._worker.messages(0)) and messages[0][0]:
            yield [self._finished(pending, kind, text) for kind, text in messages if kind in ("F", "Q")]
        self._restart()
        last = max((number for number, _ in pending if number in suspects), default=-1)
        while pending and pending[0][0] <= last and not self._signals.requested:
            number, source = pending.popleft()
            certain = [Trouble(*death.certain[number], death.reason)] if number in death.certain else []
            yield from self._singly(number, source, certain)
        self._worker.read(list(pending))

    def _restart(self) -> None:
        self._worker.close()
        self.restarts += 1
        self._worker = self._start()

    def _singly(self, number: int, source: Source, troubles: list[Trouble]) -> Iterator[list[Finished]]:
        """One source alone; each item that kills the worker is left out in the next attempt."""
        while True:
            if troubles and troubles[-1].reading and troubles[-1].item == 0:
                row = self.row_type(path=source.path, error=troubles[-1].error.as_cell(), kept=source.kept)
                if source.content is not None:
                    source.content.note(UNREAD)
                yield [Finished(source=source, row_type=self.row_type, given=[row], errors=1)]
                return
            known = [{"item": one.item, "reading": one.reading, **error_to_json(one.error)} for one in troubles]
            order = {"order": "singly", "number": number, "troubles": known, "sources": [source_to_json(source)]}
            self._worker.send(order)
            alone = deque([(number, source)])
            try:
                while alone:
                    finished = self._next(alone)
                    if not finished and self._signals.requested:
                        raise Interrupted("interrupted")
                    yield finished
                return
            except _Died as death:
                number, source = alone[0]
                item, reading = self._worker.suspects().get(number, (source.done[0], True))
                self._restart()
                troubles = [*troubles, Trouble(item, reading or len(troubles) >= _ATTEMPTS, death.reason)]

    def _finish_what_has_begun(self, pending: deque[_Numbered]) -> Iterator[list[Finished]]:
        """For a moment, results of what the worker had begun are still taken in."""
        self._rests = False
        self._worker.send({"order": "stop"})
        until = time.monotonic() + _PATIENCE_S
        try:
            while pending and time.monotonic() < until and not (self._rests or self._signals.insistent):
                yield self._next(pending)
        except _Died:
            return  # whatever it was, it is tried again when the run is continued
