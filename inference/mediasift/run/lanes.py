"""Prepared items on their way through one engine: into batches, in as many threads as the engine serves at a time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from mediasift.errors import ItemError, TryAgain
from mediasift.items import Place
from mediasift.rows import Finding, Row, locate
from mediasift.run.batches import Batcher, answered, repeated
from mediasift.run.marks import Culprit, Marks
from mediasift.tasks.task import Started

WHOLE = ""
"""The part that is the task itself, where it has no parts."""


@dataclass(slots=True, eq=False)
class Entry:
    """An item on its way.

    Attributes:
        place: Where it comes from.
        name: Its numbers, for the marks.
        error: Why it could not be read or prepared.
        rows: What is known without any engine.
        is_empty: Whether there is nothing to look at, and a row says so.
        prepared: Part → what waits for its engine; taken away when it is handed over.
        size: Bytes that it keeps waiting, about.
        answers: Part → its rows, or why there are none, in the order of `prepared`; None until it has answered.
    """

    place: Place
    name: Culprit
    error: ItemError | None = None
    rows: Sequence[Row] = ()
    is_empty: bool = False
    prepared: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0
    answers: dict[str, Sequence[Row] | ItemError | None] = field(init=False)

    def __post_init__(self) -> None:
        self.answers = dict.fromkeys(self.prepared)

    @property
    def is_done(self) -> bool:
        """Whether every engine has answered; asked while they do."""
        return None not in self.answers.values()


class Lane:
    """One started task's batches: the one that fills, and those that are computed.

    Batches are computed in threads of their own, while the calling thread collects the next ones, of which one may
    wait; single items, one at a time, in the calling thread, which costs nothing. The places of their calls among the
    marks are those from `first_call` on; `done` is called with the items of each batch and its seconds.
    """

    def __init__(
        self, task: Started, *, part: str, batch_size: int, concurrency: int, first_call: int, marks: Marks,
        stop: threading.Event, done: Callable[[Sequence[Entry], float], object],
    ) -> None:  # fmt: skip
        self._task, self._part, self._marks, self._stop, self._done = task, part, marks, stop, done
        self._batcher: Batcher[tuple[Entry, Any]] = Batcher(batch_size)
        self._calls: queue.SimpleQueue[int] = queue.SimpleQueue()
        for call in range(first_call, first_call + concurrency):
            self._calls.put(call)
        self._concurrency = concurrency
        in_threads = concurrency > 1 or batch_size > 1
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="mediasift-engine") if in_threads else None
        self._computing: set[Future[None]] = set()

    def add(self, entry: Entry, prepared: Any) -> None:
        """Take an item; waits while as many batches are computed as may be."""
        self._start(self._batcher.add((entry, prepared)))

    def flush(self) -> None:
        """Compute what waits, however little."""
        self._start(self._batcher.rest())

    def finish(self) -> None:
        """Wait until every item that was taken is answered."""
        self.flush()
        while self._computing:
            self._settle()

    def close(self) -> None:
        """Wait for what is computed, whatever comes of it."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, batch: list[tuple[Entry, Any]]) -> None:
        if batch and self._pool is None:
            self.compute(batch)
        elif batch and self._pool is not None:
            while len(self._computing) > self._concurrency:
                self._settle()
            self._computing.add(self._pool.submit(self.compute, batch))

    def _settle(self) -> None:
        """Wait for one batch; what is no ItemError is raised here, in the calling thread."""
        done, self._computing = wait(self._computing, return_when=FIRST_COMPLETED)
        for one in done:
            one.result()

    def compute(self, batch: list[tuple[Entry, Any]]) -> None:
        """Answer these, which are no more than a batch, in the calling thread."""
        started = time.perf_counter()
        call = self._calls.get()
        try:
            answers = answered(batch, lambda some: self._infer(call, some))
        finally:
            self._calls.put(call)
        for (entry, _), answer in zip(batch, answers, strict=True):
            entry.answers[self._part] = answer if isinstance(answer, ItemError) else list(answer)
        entries = [entry for entry, _ in batch]
        batch.clear()  # what was prepared may be large, and the pool holds on to its last arguments
        self._done(entries, time.perf_counter() - started)

    def _infer(self, call: int, batch: Sequence[tuple[Entry, Any]]) -> Sequence[Sequence[Row] | ItemError]:
        prepared, names = [one for _, one in batch], [entry.name for entry, _ in batch]

        answers: list[Sequence[Row] | ItemError] = []

        def attempt() -> Sequence[Sequence[Row] | ItemError]:
            self._marks.call(call, names)
            try:
                answers[:] = self._task.infer(prepared)
            finally:
                self._marks.call(call)
            if again := next((one for one in answers if isinstance(one, TryAgain)), None):
                raise again
            return answers

        try:
            return repeated(attempt, patience_s=self._task.patience_s, stop=self._stop)
        except TryAgain as error:  # of a batch of which some were answered, only the others failed
            if not answers:
                raise
            return [error if isinstance(one, TryAgain) else one for one in answers]


def rows_of(entry: Entry, task: Started, row_type: type[Row], kept: tuple[tuple[str, str], ...] = ()) -> list[Row]:
    """The rows of an item that is done, at its place."""
    whole = entry.answers.get(WHOLE)
    if whole and not isinstance(whole, ItemError) and not entry.rows and entry.error is None:
        return [locate(row, entry.place, kept) for row in whole]
    rows = list(entry.rows)
    if entry.is_empty:
        rows.append(row_type(found=0) if issubclass(row_type, Finding) else row_type())
    if entry.error is not None:
        rows.append(task.failed(row_type, entry.error))
    for part, answer in entry.answers.items():
        if isinstance(answer, ItemError):
            rows.append((task.parts.get(part) or task).failed(row_type, answer))
        else:
            rows += answer or ()
    if WHOLE in entry.answers and not rows:
        rows = [row_type()]
    return [locate(row, entry.place, kept) for row in rows]
