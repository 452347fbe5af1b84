"""The calls of one engine: what was prepared for several requests goes in together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from mediasift.rows import Row
from mediasift.run.batches import Batcher
from mediasift.run.lanes import WHOLE, Entry, Lane
from mediasift.run.marks import Marks
from mediasift.run.reading import Readers
from mediasift.tasks.task import Started

Waiting = tuple[Entry, Any]
"""An item, and what was prepared of it."""


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


class Call(NamedTuple):
    """A call of an engine that may begin: its place among the marks, and what goes in."""

    engine: Engine
    place: int
    line: Line
    batch: list[Waiting]


class Engine:
    """What waits for an engine, and its calls; a model has one at a time, as it uses all cores by itself.

    A batch may go when it is full, when nothing else is on its way, so that a lone request waits for no other, or when
    its first item has waited for `max_wait_s`. `Hands` calls all but `compute` with its lock.

    Args:
        name: Of the model; empty for text.
        calls: Places of its calls among the marks.
        marks: Where they are noted.
        max_wait_s: See above.
        done: Called with the items of each batch and its seconds.

    Attributes:
        waiting: Items that wait.
    """

    def __init__(
        self, name: str, calls: range, *, marks: Marks, max_wait_s: float,
        done: Callable[[Sequence[Entry], float], object],
    ) -> None:  # fmt: skip
        self.name, self.waiting = name, 0
        self._marks, self._max_wait_s, self._done = marks, max_wait_s, done
        self._free = list(calls)
        self._lanes = {place: WeakKeyDictionary[Line, Lane]() for place in calls}
        self._filling = WeakKeyDictionary[Line, Batcher[Waiting]]()
        self._full: deque[tuple[Line, list[Waiting]]] = deque()

    def add(self, line: Line, entry: Entry, prepared: Any) -> None:
        """Take an item."""
        if line not in self._filling:
            self._filling[line] = Batcher(line.task.batch_size, max_wait_s=self._max_wait_s)
        self.waiting += 1
        if batch := self._filling[line].add((entry, prepared)):
            self._full.append((line, batch))

    def _longest(self) -> tuple[float, Line] | None:
        """The batch that waits longest of those that are not full: the seconds it may still wait, and its line."""
        waits = [(wait_s, line) for line, one in self._filling.items() if (wait_s := one.wait_s()) is not None]
        return min(waits, key=lambda pair: pair[0], default=None)

    def wait_s(self) -> float | None:
        """Seconds until a call may begin whatever comes; None while nothing waits, or no call is free."""
        if not self._free or not self.waiting:
            return None
        longest = None if self._full else self._longest()
        return 0.0 if longest is None else longest[0]

    def begin(self, *, now: bool) -> Call | None:
        """The call that may begin, if there is one; `now` is whether none need wait for others."""
        if not self._free or not self.waiting:
            return None
        if self._full:
            line, batch = self._full.popleft()
        elif (longest := self._longest()) is not None and (now or longest[0] == 0):
            line = longest[1]
            batch = self._filling[line].rest()
        else:
            return None
        self.waiting -= len(batch)
        return Call(self, self._free.pop(), line, batch)

    def compute(self, call: Call) -> None:
        """The call, in this thread."""
        line, lanes = call.line, self._lanes[call.place]
        if line not in lanes:
            lanes[line] = Lane(
                line.task, part=WHOLE, batch_size=line.task.batch_size, concurrency=1, first_call=call.place,
                marks=self._marks, stop=threading.Event(), done=self._done,
            )  # fmt: skip
        lanes[line].compute(call.batch)

    def end(self, call: Call) -> None:
        """The call is over."""
        self._free.append(call.place)
