"""Sources → prepared items: a reader thread for each of some sources, within a budget of pixels."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from mediasift.errors import ItemError
from mediasift.items import FailedItem, Place
from mediasift.media.readers import AnyItem, read_source
from mediasift.run.lanes import WHOLE, Culprit, Entry, Watch
from mediasift.sources.naming import Source
from mediasift.tasks.task import Fork, Reads, Started

_QUEUE = 4
"""Prepared items that may wait per source to become a batch; where an engine takes one by one, which may be large, one.
Rows that are known already do not count."""

_BUDGET_MEGAPIXELS = 48.0
"""Megapixels decoded at a time over all readers: four 12-megapixel photographs, or one picture that is larger."""


class Budget:
    """Lets at most so many megapixels be decoded at a time; a larger picture waits until it is alone."""

    def __init__(self, megapixels: float) -> None:
        self._limit = round(megapixels * 1e6)
        self._used = (
            0  # whole pixels: fractions would leave a rest, and a reader that waits to be alone would wait forever
        )
        self._changed = threading.Condition()

    def take(self, megapixels: float, *, wait: bool = True) -> bool:
        """Hold room for a picture; without `wait`, only if there is some now. Whether it is held."""
        pixels = round(megapixels * 1e6)
        with self._changed:
            held = self._changed.wait_for(
                lambda: self._used == 0 or self._used + pixels <= self._limit, timeout=None if wait else 0
            )
            self._used += pixels if held else 0
        return held

    def give_back(self, megapixels: float) -> None:
        """Make room again."""
        with self._changed:
            self._used -= round(megapixels * 1e6)
            self._changed.notify_all()


class Trouble(NamedTuple):
    """What is known of an item from an earlier attempt that did not survive it.

    Attributes:
        item: Its number in the source, from 0.
        reading: It was being read: the source cannot be read from here on. Else it was prepared or computed, and is
            left out.
        error: What its row says.
    """

    item: int
    reading: bool
    error: ItemError


class Seconds(dict[str, float]):
    """Time spent per stage, summed over threads."""

    def __init__(self) -> None:
        super().__init__(read=0.0, prepare=0.0, infer=0.0)
        self._lock = threading.Lock()

    def add(self, **more: float) -> None:
        """More of some, from any thread."""
        with self._lock:
            self.update({stage: self[stage] + seconds for stage, seconds in more.items()})


_END = object()


@dataclass(slots=True, eq=False)
class Work:
    """A source, the queue its reader fills, and what has become of its items: so many are `given`, lately then."""

    number: int
    source: Source
    room: threading.Semaphore
    queue: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    entries: list[Entry] = field(default_factory=list)
    ended: bool = False
    given: int = 0
    handed_out: float = field(default_factory=time.monotonic)


class Readers:
    """Reads and prepares the items of sources, for a task that reads such a kind, in the way that `options` say.

    Attributes:
        stop: Once set, readers end.
        troubles: Number of an item → what is known of it, while one source is read alone.
    """

    def __init__(self, task: Started, *, reads: Reads, options: Any, watch: Watch, seconds: Seconds) -> None:
        self._task, self._reads, self._options = task, reads, options
        self._watch, self._seconds = watch, seconds
        self._budget = Budget(_BUDGET_MEGAPIXELS)
        self.stop = threading.Event()
        self.troubles: Mapping[int, Trouble] = {}

    def _work(self, number: int, source: Source) -> Work:
        engines = self._task.parts.values() or (self._task,)
        return Work(number, source, threading.Semaphore(_QUEUE if any(one.batch_size > 1 for one in engines) else 1))

    def _note(self, doing: Literal["R", "P", "W"], name: Culprit) -> None:
        self._watch(doing, (name,), 0)

    def here(self, sources: Iterable[Source], *, first: int) -> Iterator[tuple[Work, Entry | None]]:
        """(work, entry) in order, None at the end of each source, read as they are asked for."""
        for number, source in enumerate(sources, first):
            work = self._work(number, source)
            for entry in self._entries(work):
                self._note("W", entry.name)
                yield work, entry
            yield work, None

    def ahead(
        self, sources: Iterable[Source], pool: ThreadPoolExecutor, *, first: int, ahead: int
    ) -> Iterator[tuple[Work, Entry | None]]:
        """The same while the threads of the pool are at most `ahead` sources ahead."""
        waiting: deque[Work] = deque()
        remaining = enumerate(sources, first)
        while True:
            for number, source in itertools.islice(remaining, ahead - len(waiting)):
                waiting.append(self._work(number, source))
                pool.submit(self._fill, waiting[-1])
            if not waiting:
                return
            work = waiting.popleft()
            while (entry := work.queue.get()) is not _END:
                if isinstance(entry, BaseException):
                    raise entry
                if entry.prepared:
                    work.room.release()
                yield work, entry
            yield work, None

    def _fill(self, work: Work) -> None:
        """Reader thread: items of one source into its queue, then the end or the exception that no row may hide."""
        try:
            for entry in self._entries(work):
                if entry.prepared and not work.room.acquire(blocking=False):
                    self._note("W", entry.name)
                    while not work.room.acquire(timeout=0.1):
                        if self.stop.is_set():
                            return
                work.queue.put(entry)
                if self.stop.is_set():
                    return
            work.queue.put(_END)
        except BaseException as error:  # handed over to the calling thread, which raises it
            work.queue.put(error)

    def _entries(self, work: Work) -> Iterator[Entry]:
        """The items of a source, prepared; one failed entry when the source as a whole fails."""
        held = 0.0  # of the budget: from before a decode until its item is prepared, never while it waits
        started = time.perf_counter()
        first, _ = work.source.done
        name: Culprit = (work.number, first)
        place = Place(path=work.source.path)

        def hold(megapixels: float) -> None:
            nonlocal held
            if held:
                self._budget.give_back(held)
                held = 0.0
            if megapixels and not self._budget.take(megapixels, wait=False):
                self._note("W", name)
                self._budget.take(megapixels)
                self._note("R", name)
            held = megapixels

        def admit(megapixels: float) -> None:
            if megapixels == 0:  # a sign of life from somebody who reads for long
                self._note("R", name)
            else:
                hold(megapixels)

        try:
            items = read_source(work.source, self._reads, self._options, needs=self._task.needs, admit=admit)
            for index in itertools.count(first):
                name = (work.number, index)
                trouble = self.troubles.get(index)
                if trouble is not None and trouble.reading:
                    place = Place(path=place.path, page=None if place.page is None else index + 1)  # as far as is known
                    yield Entry(place, name, error=trouble.error)
                    return
                self._note("R", name)
                item = next(items, None)
                if item is None:
                    return
                read = time.perf_counter()
                place = Place(path=item.path, page=item.page, frame=item.frame, time_s=item.time_s)
                entry = Entry(place, name, error=trouble.error) if trouble else self._prepared(item, place, name)
                del item
                hold(0)
                self._seconds.add(read=read - started, prepare=time.perf_counter() - read)
                yield entry
                started = time.perf_counter()
        except ItemError as error:
            yield Entry(Place(path=work.source.path), name, error=error)
        finally:
            self._note("W", name)
            hold(0)

    def _prepared(self, item: AnyItem, place: Place, name: Culprit) -> Entry:
        if isinstance(item, FailedItem):
            return Entry(place, name, error=item.error)
        self._note("P", name)
        try:
            prepared = self._task.prepare(item)
        except ItemError as error:
            return Entry(place, name, error=error)
        if isinstance(prepared, Fork):
            return Entry(place, name, rows=prepared.rows, prepared=prepared.prepared)
        return Entry(place, name, prepared={WHOLE: prepared})
