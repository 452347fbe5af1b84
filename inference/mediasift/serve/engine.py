"""The calls of one engine: what was prepared for several requests goes in together."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from mediasift.rows import Row
from mediasift.run.lanes import WHOLE, Entry, Lane
from mediasift.run.marks import Marks
from mediasift.run.reading import Readers
from mediasift.tasks.task import Started

_WAITING = 64
"""Prepared items that wait for an engine at most: the frames of a film would fill the memory."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class Line:
    """One verb with one set of options, ready to work.

    Attributes:
        task: Its started task.
        row_type: Of its rows.
        engine: Where its prepared items go.
        readers: Reads and prepares pictures for it; None for numbers, which need none.
    """

    task: Started
    row_type: type[Row]
    engine: Engine
    readers: Readers | None = None


class Engine:
    """Threads that call an engine, each for one call at a time; a model has one, as it uses all cores by itself.

    A batch goes as it is when nothing else is on its way, so that a lone request waits for no other; else it waits for
    others until it is full, or its first item has waited for `max_wait_s`.

    Args:
        name: Of the model; empty for text.
        calls: Places of its calls among the marks.
        marks: Where they are noted.
        max_wait_s: See above.
        others: Whether requests are being prepared.
        done: Called with the items of each batch and its seconds.
        bug: Called inside the handling of an exception that no row may hide.
    """

    def __init__(
        self, name: str, calls: range, *, marks: Marks, max_wait_s: float, others: Callable[[], bool],
        done: Callable[[Sequence[Entry], float], object], bug: Callable[[], object],
    ) -> None:  # fmt: skip
        self.name = name
        self._marks, self._max_wait_s, self._others, self._done, self._bug = marks, max_wait_s, others, done, bug
        self._queue: queue.Queue[tuple[Line, Entry, Any] | None] = queue.Queue(_WAITING)
        for call in calls:
            threading.Thread(target=self._work, args=(call,), daemon=True).start()

    def add(self, line: Line, entry: Entry, prepared: Any) -> None:
        """Take an item; waits while many wait already."""
        self._queue.put((line, entry, prepared))

    def look(self) -> None:
        """Nothing more is on its way: whatever waits may go."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def _work(self, call: int) -> None:
        lanes = WeakKeyDictionary[Line, Lane]()
        try:
            while True:
                self._step(call, lanes)
        except BaseException:
            self._bug()

    def _step(self, call: int, lanes: WeakKeyDictionary[Line, Lane]) -> None:
        waits = [wait_s for lane in lanes.values() if (wait_s := lane.wait_s()) is not None]
        with contextlib.suppress(queue.Empty):
            if (one := self._queue.get(timeout=min(waits, default=None))) is not None:
                line, entry, prepared = one
                if line not in lanes:
                    lanes[line] = Lane(
                        line.task, part=WHOLE, batch_size=line.task.batch_size, concurrency=1, first_call=call,
                        marks=self._marks, stop=threading.Event(), done=self._done, max_wait_s=self._max_wait_s,
                    )  # fmt: skip
                lanes[line].add(entry, prepared)
        is_last = self._queue.empty() and not self._others()
        for lane in list(lanes.values()):
            wait_s = lane.wait_s()
            if wait_s is not None and (is_last or wait_s == 0):
                lane.flush()
