"""The threads of a worker: each does what is next, be it to prepare a picture or to call a model.

So a lone request stays in one thread from its picture to its rows, and no core waits while there is anything to do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from mediasift.run.lanes import Entry
from mediasift.serve.engine import Call, Engine, Line

Order = TypeVar("Order")

_WAITING = 64
"""Prepared items that wait for an engine, about: the frames of a film would fill the memory."""


class Hands(Generic[Order]):
    """Orders → `prepare` → calls of engines.

    Args:
        engines: All of them.
        readers: How many orders are prepared at a time.
        count: Threads.
        prepare: Prepares an order, at a place among the marks; may call `add`, and returns what it adds at its end.
        bug: Called inside the handling of an exception that no row may hide.
    """

    def __init__(
        self, engines: Sequence[Engine], *, readers: int, count: int,
        prepare: Callable[[int, Order], Iterable[tuple[Line, Entry, Any]]], bug: Callable[[], object],
    ) -> None:  # fmt: skip
        self._engines, self._prepare, self._bug = engines, prepare, bug
        self._places = list(range(readers))
        self._orders: deque[Order] = deque()
        self._ahead = self._idle = 0  # orders that are not with an engine yet; threads that wait for work
        lock = threading.Lock()
        self._work, self._room = threading.Condition(lock), threading.Condition(lock)
        for _ in range(count):
            threading.Thread(target=self._live, daemon=True).start()

    def take(self, order: Order) -> None:
        """An order."""
        with self._work:
            self._ahead += 1
            self._orders.append(order)
            self._work.notify()

    def add(self, line: Line, entry: Entry, prepared: Any) -> None:
        """A prepared item of an order that has more of them; waits while too many wait for the engine."""
        engine = line.engine
        with self._work:
            engine.add(line, entry, prepared)
            self._work.notify()
            if self._idle and engine.waiting < _WAITING:
                return
        while (call := self._due(engine)) is not None:
            self._compute(call)

    def _due(self, engine: Engine) -> Call | None:
        """A call that is due; None as soon as none is and there is room."""
        with self._room:
            while (call := engine.begin(now=engine.waiting >= _WAITING)) is None and engine.waiting >= _WAITING:
                self._room.wait()
            return call

    def _live(self) -> None:
        try:
            while True:
                self._next()()
        except BaseException:
            self._bug()

    def _next(self) -> Callable[[], None]:
        """What is to be done next; calls come first, as they make room."""
        with self._work:
            while True:
                if (job := self._job()) is not None:
                    if self._idle and (self._orders or any(engine.waiting for engine in self._engines)):
                        self._work.notify()
                    return job
                waits = [wait_s for engine in self._engines if (wait_s := engine.wait_s()) is not None]
                self._idle += 1
                self._work.wait(min(waits, default=None))
                self._idle -= 1

    def _job(self) -> Callable[[], None] | None:
        for engine in self._engines:
            if (call := engine.begin(now=self._ahead == 0)) is not None:
                return partial(self._compute, call)
        if self._orders and self._places:
            return partial(self._begin, self._orders.popleft(), self._places.pop())
        return None

    def _begin(self, order: Order, place: int) -> None:
        last = list(self._prepare(place, order))
        with self._work:
            for line, entry, prepared in last:
                line.engine.add(line, entry, prepared)
            self._ahead -= 1
            self._places.append(place)

    def _compute(self, call: Call) -> None:
        call.engine.compute(call)
        with self._work:
            call.engine.end(call)
            self._room.notify_all()
