"""Reading and computing in a process of its own, so that whatever happens there costs one row at most.

The supervisor starts the worker, hands it sources, and keeps account of what it is working on. When the worker dies,
needs more memory than allowed, or an item takes too long, everything that had begun is tried again one by one in a
new worker; the item that is the cause ends as an error row, and the run goes on.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from mediasift.errors import Crashed, Interrupted, ItemError, ItemTimeout, ModelError
from mediasift.rows import Row, from_json
from mediasift.run.job import Job, error_from_json, error_to_json, job_to_json, source_to_json
from mediasift.run.pipeline import Finished
from mediasift.run.process import Signals, Worker
from mediasift.run.reading import Seconds, Trouble
from mediasift.sources.naming import Source
from mediasift.system.machine import allowed_bytes, peak_bytes, resident_bytes

_POLL_S = 0.1
_LOOK_S = 0.25
"""How often memory and time are looked at while messages come without a pause."""

_PATIENCE_S = 1.0
"""How long what has begun may go on after Ctrl-C."""

_ATTEMPTS = 3
"""Items of one source that may be given up before the source ends there."""


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
        facts: What the task says of itself.
        batch_size: Items per model call.
        seconds: Per stage.
        restarts: How many workers died.
        peak_bytes: Largest resident memory of a worker; 0 where the system does not tell.

    Raises:
        SetupError: The task cannot start.
    """

    def __init__(self, job: Job) -> None:
        self._job = job_to_json(job)
        self._row_type: type[Row] = job.task.row
        self._timeout_s: float = job.cost("timeout_s")
        self._max_bytes = allowed_bytes(job.cost("max_memory_gb"))
        self._signals = Signals()
        self._worker = self._start()
        self._looked = time.monotonic()
        self.seconds: dict[str, float] = Seconds()
        self._longest_item_s = 0.0
        self.restarts = self.peak_bytes = 0

    @property
    def longest_item_s(self) -> float:
        """Longest time that reading and preparing an item took, seconds."""
        return max(self._longest_item_s, self._worker.longest_item_s)

    def _start(self) -> Worker:
        worker = Worker(self._job)
        while True:
            if (message := worker.message(_POLL_S)) is None:
                continue
            kind, text = message
            if kind == "S":
                data = json.loads(text)
                self.facts: Mapping[str, Any] = data["facts"]
                self.batch_size: int = data["batch_size"]
                self._window = 4 * int(data["ahead"])
                return worker
            try:
                self._raise_if_failed(worker, kind, text)
            finally:
                worker.close()

    def _raise_if_failed(self, worker: Worker, kind: str, text: str) -> None:
        """Raise what the worker could not handle itself."""
        if kind == "X":
            raise error_from_json(json.loads(text))
        if kind == "B":
            raise RuntimeError(f"a bug in the worker process:\n{json.loads(text)}")
        if kind == "":
            said = f": {' / '.join(worker.stderr)}" if worker.stderr else ""
            raise ModelError(f"the process that should load the model {worker.obituary()}{said[:600]}")

    def run(self, sources: Iterable[Source]) -> Iterator[Finished]:
        """Each source with its rows, in the order of `sources`. Meanwhile Ctrl-C and SIGTERM are listened to.

        Raises:
            Interrupted: Somebody wants us to stop; what had begun was finished first, if that was quick.
        """
        pending: deque[tuple[int, Source]] = deque()
        with self._signals:
            try:
                yield from self._run(enumerate(sources), pending)
                if self._signals.requested:
                    yield from self._finish_what_has_begun(pending)
                    raise Interrupted("interrupted")
            finally:
                self.close()

    def _run(self, numbered: Iterator[tuple[int, Source]], pending: deque[tuple[int, Source]]) -> Iterator[Finished]:
        """Hand out sources and take in results until all is done, or somebody wants us to stop."""
        more = True
        while not self._signals.requested and (more or pending):
            if more and len(pending) <= self._window // 2:
                more = self._hand_out(numbered, pending)
            try:
                if pending and (finished := self._next(pending)) is not None:
                    yield finished
            except _Died as death:
                yield from self._recover(pending, death)
                if not more:
                    self._worker.send({"order": "end"})
        if not self._signals.requested:
            self._hear_the_end()

    def _hear_the_end(self) -> None:
        """All rows are here; what is left is the worker's account of its time."""
        self.peak_bytes = max(self.peak_bytes, peak_bytes(self._worker.pid))
        while message := self._worker.message(_PATIENCE_S):
            if message[0] == "E":
                self.seconds = json.loads(message[1])
            if message[0] in ("E", ""):
                return
            self._worker.note(*message)

    def _hand_out(self, numbered: Iterator[tuple[int, Source]], pending: deque[tuple[int, Source]]) -> bool:
        """Fill the window; whether there may be more sources."""
        handed = list(itertools.islice(numbered, self._window - len(pending)))
        self._worker.read(handed)
        pending.extend(handed)
        if len(pending) < self._window:
            self._worker.send({"order": "end"})
            return False
        return True

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _next(self, pending: deque[tuple[int, Source]]) -> Finished | None:
        """The next finished source; None when it is time to look around.

        Raises:
            _Died: The worker is gone, or had to go.
        """
        while True:
            message = self._worker.message(_POLL_S)
            if look := message is None or time.monotonic() - self._looked > _LOOK_S:
                self._look(quiet=message is None)
            if message is None:
                return None
            kind, text = message
            if self._worker.note(kind, text):
                if look:
                    return None
            elif kind in ("F", "Q"):
                return self._finished(pending, kind, text)
            elif kind == "E":
                self.seconds = json.loads(text)
                if self._signals.requested:
                    return None
            elif kind == "":
                raise _Died(Crashed(f"the process that worked on it {self._worker.obituary()}"))
            else:
                self._raise_if_failed(self._worker, kind, text)

    def _finished(self, pending: deque[tuple[int, Source]], kind: str, text: str) -> Finished:
        """What the worker finished of the first source; it stays pending while that goes on."""
        number, items, text = text.split(" ", 2)
        first, source = pending.popleft()
        if first != int(number):
            raise RuntimeError(f"the worker finished source {number} before {first}")
        rows = [from_json(self._row_type, {**row, "kept": source.kept}) for row in json.loads(text)]
        if kind == "Q":
            done = source.done[0] + int(items), [*source.done[1], *rows]
            pending.appendleft((first, replace(source, done=done)))
        return Finished(source=source, rows=rows, items=int(items), ended=kind == "F")

    def _look(self, *, quiet: bool) -> None:
        """Whether the worker keeps within the limits. Time is judged only when all it said was heard."""
        self._looked = time.monotonic()
        worker, now = self._worker, self._worker.clock()
        self.peak_bytes = max(self.peak_bytes, peak_bytes(worker.pid))
        if resident_bytes(worker.pid) > self._max_bytes:
            worker.close()
            raise _Died(Crashed(f"needs more than {self._max_bytes / 1e9:.1f} GB of memory (--max-memory)"))
        if not quiet:
            return
        limit = self._timeout_s
        reads = [([(source, item, on)], now - since) for source, (item, on, since) in worker.active.items()]
        calls = [
            ([(source, item, False) for source, item in items], (now - since) / len(items))
            for items, since in worker.inferring.values()
        ]
        for going_on in (calls, reads):
            if max((age for _, age in going_on), default=0) > limit:
                # They may wait for one another (Pillow is used by one at a time): only who is old alone is to blame.
                old = [suspect for suspects, age in going_on if age > limit / 2 for suspect in suspects]
                worker.longest_item_s = max(worker.longest_item_s, limit)
                worker.close()
                certain = {source: (item, on) for source, item, on in old} if len(old) == 1 else None
                raise _Died(ItemTimeout(f"takes longer than {limit:g} s (--timeout)"), certain)

    def _recover(self, pending: deque[tuple[int, Source]], death: _Died) -> Iterator[Finished]:
        """After a death: everything up to the last suspect one by one, the rest from the start."""
        suspects = death.certain or self._worker.suspects()
        while (message := self._worker.message(0)) is not None and message[0]:  # what it had finished before
            if message[0] in ("F", "Q") and pending:
                yield self._finished(pending, *message)
        self._restart()
        last = max((number for number, _ in pending if number in suspects), default=-1)
        while pending and pending[0][0] <= last and not self._signals.requested:
            number, source = pending.popleft()
            certain = [Trouble(*death.certain[number], death.reason)] if number in death.certain else []
            yield from self._singly(number, source, certain)
        self._worker.read(pending)

    def _restart(self) -> None:
        self._worker.close()
        self._longest_item_s = self.longest_item_s
        self.restarts += 1
        self._worker = self._start()

    def _singly(self, number: int, source: Source, troubles: list[Trouble]) -> Iterator[Finished]:
        """One source alone; each item that kills the worker is left out in the next attempt."""
        while True:
            if troubles and troubles[-1].reading and troubles[-1].item == 0:
                row = self._row_type(path=source.path, error=troubles[-1].error.as_cell(), kept=source.kept)
                yield Finished(source=source, rows=[row])
                return
            known = [{"item": one.item, "reading": one.reading, **error_to_json(one.error)} for one in troubles]
            self._worker.send({"order": "singly", "number": number, "troubles": known, **source_to_json(source)})
            alone = deque([(number, source)])
            try:
                while alone:
                    if (finished := self._next(alone)) is not None:
                        yield finished
                    elif self._signals.requested:
                        raise Interrupted("interrupted")
                return
            except _Died as death:
                number, source = alone[0]
                item, reading = self._worker.suspects().get(number, (source.done[0], True))
                self._restart()
                troubles = [*troubles, Trouble(item, reading or len(troubles) >= _ATTEMPTS, death.reason)]

    def _finish_what_has_begun(self, pending: deque[tuple[int, Source]]) -> Iterator[Finished]:
        """For a moment, results of what the worker had begun are still taken in."""
        self._worker.send({"order": "stop"})
        until = time.monotonic() + _PATIENCE_S
        try:
            while pending and time.monotonic() < until and not self._signals.insistent:
                if (finished := self._next(pending)) is not None:
                    yield finished
                elif not self._worker.active and not self._worker.inferring:
                    return
        except _Died:
            return  # whatever it was, it is tried again when the run is continued
