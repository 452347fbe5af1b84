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
from typing import Any

from mediasift.errors import ItemError
from mediasift.items import FailedItem, Place
from mediasift.media.readers import AnyItem, read_source
from mediasift.run.budget import Budget, Share
from mediasift.run.lanes import WHOLE, Entry
from mediasift.run.watch import Culprit, Trouble, Watch
from mediasift.sources.naming import Source
from mediasift.tasks.task import Fork, Reads, Started

_QUEUE = 4
"""Prepared items that may wait per source to become a batch; where an engine takes one by one, which may be large, one.
Rows that are known already do not count."""

_BUDGET_MEGAPIXELS = 48.0
"""Megapixels decoded at a time over all readers: four 12-megapixel photographs, or one picture that is larger."""


@dataclass
class Seconds:
    """Time spent per stage, summed over threads."""

    read: float = 0.0
    prepare: float = 0.0
    infer: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, *, read: float = 0.0, prepare: float = 0.0, infer: float = 0.0) -> None:
        """More of each, from any thread."""
        with self._lock:
            self.read += read
            self.prepare += prepare
            self.infer += infer


_END = object()


@dataclass(slots=True, eq=False)
class Work:
    """A source, the queue its reader fills, and what has become of its items."""

    number: int
    source: Source
    room: threading.Semaphore
    queue: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    entries: list[Entry] = field(default_factory=list)
    ended: bool = False


class Readers:
    """Reads and prepares the items of sources.

    Args:
        task: Its `prepare` is called.
        reads: What it reads.
        options: How to read.
        watch: Learns what is being worked on.
        seconds: What it takes is added here.

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

    def _new_room(self) -> threading.Semaphore:
        engines = self._task.parts.values() or (self._task,)
        return threading.Semaphore(_QUEUE if any(one.batch_size > 1 for one in engines) else 1)

    def here(self, sources: Iterable[Source], *, first: int) -> Iterator[tuple[Work, Entry | None]]:
        """(work, entry) in order, None at the end of each source, read as they are asked for."""
        for number, source in enumerate(sources, first):
            work = Work(number, source, self._new_room())
            for entry in self._entries(work):
                self._watch.waiting(entry.name)
                yield work, entry
            yield work, None

    def ahead(
        self, sources: Iterable[Source], pool: ThreadPoolExecutor, *, first: int, ahead: int
    ) -> Iterator[tuple[Work, Entry | None]]:
        """The same while the threads of the pool are at most `ahead` sources ahead."""
        waiting: deque[Work] = deque()
        remaining = enumerate(sources, first)
        while True:
            while len(waiting) < ahead and (found := next(remaining, None)) is not None:
                work = Work(*found, self._new_room())
                pool.submit(self._fill, work)
                waiting.append(work)
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
                if not self._put(work, entry):
                    return
            self._put(work, _END)
        except BaseException as error:  # handed over to the calling thread, which raises it
            self._put(work, error)

    def _put(self, work: Work, entry: Any) -> bool:
        """Into the queue, once there is room; False when the run has ended."""
        if isinstance(entry, Entry) and entry.prepared and not work.room.acquire(blocking=False):
            self._watch.waiting(entry.name)
            while not work.room.acquire(timeout=0.1):
                if self.stop.is_set():
                    return False
        work.queue.put(entry)
        return not self.stop.is_set()

    def _entries(self, work: Work) -> Iterator[Entry]:
        """The items of a source, prepared; one failed entry when the source as a whole fails."""
        share = Share(self._budget)
        started = time.perf_counter()
        name: Culprit = (work.number, 0)
        place = Place(path=work.source.path)

        def admit(megapixels: float) -> None:
            if megapixels == 0:  # a sign of life from somebody who reads for long
                self._watch.reading(name)
            elif not share.take(megapixels, wait=False):
                self._watch.waiting(name)
                share.take(megapixels)
                self._watch.reading(name)

        try:
            items = read_source(work.source, self._reads, self._options, needs=self._task.needs, admit=admit)
            for index in itertools.count():
                name = (work.number, index)
                trouble = self.troubles.get(index)
                if trouble is not None and trouble.reading:
                    yield Entry(_next_place(place, index), name, error=trouble.error)
                    return
                self._watch.reading(name)
                item = next(items, None)
                if item is None:
                    return
                read = time.perf_counter()
                place = Place(path=item.path, page=item.page, frame=item.frame, time_s=item.time_s)
                if trouble is not None:
                    entry = Entry(place, name, error=trouble.error)
                else:
                    entry = self._prepared(item, place, name)
                del item
                share.give_back()
                self._seconds.add(read=read - started, prepare=time.perf_counter() - read)
                yield entry
                started = time.perf_counter()
        except ItemError as error:
            yield Entry(Place(path=work.source.path), name, error=error)
        finally:
            self._watch.waiting(name)
            share.give_back()

    def _prepared(self, item: AnyItem, place: Place, name: Culprit) -> Entry:
        if isinstance(item, FailedItem):
            return Entry(place, name, error=item.error)
        self._watch.preparing(name)
        try:
            prepared = self._task.prepare(item)
        except ItemError as error:
            return Entry(place, name, error=error)
        if isinstance(prepared, Fork):
            parts = prepared.prepared
            return Entry(place, name, rows=prepared.rows, prepared=parts, awaited=len(parts), is_whole=False)
        return Entry(place, name, prepared={WHOLE: prepared}, awaited=1)


def _next_place(place: Place, index: int) -> Place:
    """Where the item after `place` is, as far as it is known without reading it."""
    return Place(path=place.path, page=None if place.page is None else index + 1)
