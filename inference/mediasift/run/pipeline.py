"""Sources → rows: readers in parallel ahead of the model, bounded, rows in input order.

Every source gets a reader thread that decodes and prepares its items into a short queue of its own; the calling
thread takes the queues in input order, hands the items to the lanes of the engines that they are for, and hands out
each source's rows when the source is done. Nothing grows with the number of inputs.
"""

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
from mediasift.rows import Row, placed
from mediasift.run.budget import Budget, Share
from mediasift.run.lanes import WHOLE, Entry, Lane
from mediasift.run.watch import Culprit, Trouble, Watch
from mediasift.sources.naming import Source
from mediasift.system.machine import available_cores
from mediasift.tasks.task import Fork, Reads, Started

_QUEUE = 4
"""Prepared items that may wait per source to become a batch; where an engine takes one by one, which may be large, one.
Rows that are known already do not count."""

_BUDGET_MEGAPIXELS = 48.0
"""Megapixels decoded at a time over all readers: four 12-megapixel photographs, or one picture that is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A source and all its rows."""

    source: Source
    rows: list[Row]


@dataclass(slots=True)
class Seconds:
    """Time spent per stage, summed over threads."""

    read: float = 0.0
    prepare: float = 0.0
    infer: float = 0.0


_END = object()


@dataclass(slots=True, eq=False)
class _Work:
    """A source, the queue its reader fills, and what has become of its items."""

    number: int
    source: Source
    room: threading.Semaphore
    queue: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    entries: list[Entry] = field(default_factory=list)
    ended: bool = False


def readers(jobs: int | None) -> int:
    """Reader threads: as asked for, else one per core."""
    return available_cores() if jobs is None else jobs


class Pipeline:
    """Runs one started task over sources.

    Args:
        task: The task.
        row_type: Its row, for items that failed or gave nothing.
        reads: What it reads.
        options: How to read.
        jobs: Reader threads; 0 reads in the calling thread.
        watch: Learns what is being worked on.
    """

    def __init__(
        self,
        task: Started,
        *,
        row_type: type[Row],
        reads: Reads,
        options: Any,
        jobs: int,
        watch: Watch | None = None,
    ) -> None:
        self.task = task
        self.seconds = Seconds()
        self._row_type = row_type
        self._reads = reads
        self._options = options
        self._jobs = jobs
        self._watch = watch or Watch()
        self._troubles: Mapping[int, Trouble] = {}
        self._lanes: dict[str, Lane] = {}
        self._needs = task.needs
        self._budget = Budget(_BUDGET_MEGAPIXELS)
        self._stop = threading.Event()
        self._clock = threading.Lock()

    @property
    def ahead(self) -> int:
        """How many sources are taken in before the first is finished, at most."""
        return self._ahead_read + self._computed

    @property
    def _ahead_read(self) -> int:
        return max(2 * self._jobs, self._computed + self._jobs)

    @property
    def _computed(self) -> int:
        """Items that may be in engines at a time."""
        return max(one.batch_size * one.concurrency for one in self._engines.values())

    @property
    def _engines(self) -> Mapping[str, Started]:
        return self.task.parts or {WHOLE: self.task}

    def run_singly(self, number: int, source: Source, troubles: Iterable[Trouble]) -> Finished:
        """One source alone, item by item, with what is known of its items from attempts that failed."""
        self._troubles = {trouble.item: trouble for trouble in troubles}
        try:
            (finished,) = self._answered(self._read_here([source], first=number), singly=True)
        finally:
            self._troubles = {}
        return finished

    def run(self, sources: Iterable[Source], *, first: int = 0) -> Iterator[Finished]:
        """Each source with its rows, in the order of `sources`; they are numbered from `first` for the watch."""
        if self._jobs == 0:
            yield from self._answered(self._read_here(sources, first=first))
            return
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="mediasift-reader")
        works = self._read_ahead(sources, pool, first=first)
        try:
            yield from self._answered(works)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _room(self) -> threading.Semaphore:
        return threading.Semaphore(_QUEUE if any(one.batch_size > 1 for one in self._engines.values()) else 1)

    def _read_here(self, sources: Iterable[Source], *, first: int) -> Iterator[tuple[_Work, Entry | None]]:
        for number, source in enumerate(sources, first):
            work = _Work(number, source, self._room())
            for entry in self._entries(work):
                self._watch.waiting(entry.name)
                yield work, entry
            yield work, None

    def _read_ahead(
        self, sources: Iterable[Source], pool: ThreadPoolExecutor, *, first: int
    ) -> Iterator[tuple[_Work, Entry | None]]:
        """(work, entry) in order, None at the end of each source, while the readers are some sources ahead."""
        ahead = self._ahead_read
        waiting: deque[_Work] = deque()
        remaining = enumerate(sources, first)
        while True:
            while len(waiting) < ahead and (found := next(remaining, None)) is not None:
                work = _Work(*found, self._room())
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

    def _fill(self, work: _Work) -> None:
        """Reader thread: items of one source into its queue, then the end or the exception that no row may hide."""
        try:
            for entry in self._entries(work):
                if not self._put(work, entry):
                    return
            self._put(work, _END)
        except BaseException as error:  # handed over to the calling thread, which raises it
            self._put(work, error)

    def _put(self, work: _Work, entry: Any) -> bool:
        """Into the queue, once there is room; False when nobody wants it any more."""
        if isinstance(entry, Entry) and entry.prepared and not work.room.acquire(blocking=False):
            self._watch.waiting(entry.name)
            while not work.room.acquire(timeout=0.1):
                if self._stop.is_set():
                    return False
        work.queue.put(entry)
        return not self._stop.is_set()

    def _entries(self, work: _Work) -> Iterator[Entry]:
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
            items = read_source(work.source, self._reads, self._options, needs=self._needs, admit=admit)
            for index in itertools.count():
                name = (work.number, index)
                trouble = self._troubles.get(index)
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
                self._count(read - started, time.perf_counter() - read)
                yield entry
                started = time.perf_counter()
        except ItemError as error:
            yield Entry(Place(path=work.source.path), name, error=error)
        finally:
            self._watch.waiting(name)
            share.give_back()

    def _count(self, read: float, prepare: float) -> None:
        with self._clock:
            self.seconds.read += read
            self.seconds.prepare += prepare

    def _count_inferred(self, seconds: float) -> None:
        with self._clock:
            self.seconds.infer += seconds

    def _prepared(self, item: AnyItem, place: Place, name: Culprit) -> Entry:
        if isinstance(item, FailedItem):
            return Entry(place, name, error=item.error)
        self._watch.preparing(name)
        try:
            prepared = self.task.prepare(item)
        except ItemError as error:
            return Entry(place, name, error=error)
        if isinstance(prepared, Fork):
            parts = prepared.prepared
            return Entry(place, name, rows=prepared.rows, prepared=parts, awaited=len(parts), is_whole=False)
        return Entry(place, name, prepared={WHOLE: prepared}, awaited=1)

    def _answered(self, read: Iterable[tuple[_Work, Entry | None]], *, singly: bool = False) -> Iterator[Finished]:
        """Hand items to the engines, across sources; finish sources in order."""
        self._stop.clear()
        self._open_lanes(singly=singly)
        works: deque[_Work] = deque()
        try:
            for work, entry in read:
                if not works or works[-1] is not work:
                    works.append(work)
                if entry is None:
                    work.ended = True
                else:
                    work.entries.append(entry)
                    prepared, entry.prepared = entry.prepared, {}
                    for part, one in prepared.items():
                        self._lanes[part].add(entry, one)
                # Behind an item that waits for its batch, or is slow, sources that are done may pile up: then all wait.
                if len(works) > self.ahead:
                    self._finish_lanes()
                yield from self._finished(works)
            self._finish_lanes()
            yield from self._finished(works)
        finally:
            self._stop.set()
            for lane in self._lanes.values():
                lane.close()

    def _open_lanes(self, *, singly: bool) -> None:
        """A lane for each engine; `singly` takes one item at a time, so that it is clear who kills a process."""
        self._lanes, slot = {}, 0
        for part, task in self._engines.items():
            batch_size, concurrency = (1, 1) if singly else (task.batch_size, task.concurrency)
            self._lanes[part] = Lane(
                task,
                part=part,
                batch_size=batch_size,
                concurrency=concurrency,
                first_slot=slot,
                watch=self._watch,
                stop=self._stop,
                spent=self._count_inferred,
            )
            slot += concurrency

    def _finish_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.finish()

    def _finished(self, works: deque[_Work]) -> Iterator[Finished]:
        """Sources at the front that have ended and wait for no engine."""
        while works and works[0].ended and all(entry.is_done for entry in works[0].entries):
            work = works.popleft()
            path = work.source.path
            rows = self.task.arranged(path, [row for entry in work.entries for row in self._rows(work, entry)])
            yield Finished(
                source=work.source, rows=list(rows) or [placed(self._row_type(), Place(path=path), work.source.kept)]
            )

    def _rows(self, work: _Work, entry: Entry) -> list[Row]:
        rows = list(entry.rows)
        if entry.error is not None:
            rows.append(self.task.failed(self._row_type, entry.error))
        for part, answer in entry.answers.items():
            if isinstance(answer, ItemError):
                rows.append((self.task.parts.get(part) or self.task).failed(self._row_type, answer))
            else:
                rows += answer or ()
        if entry.is_whole and not rows:
            rows = [self._row_type()]
        return [placed(row, entry.place, work.source.kept) for row in rows]


def _next_place(place: Place, index: int) -> Place:
    """Where the item after `place` is, as far as it is known without reading it."""
    return Place(path=place.path, page=None if place.page is None else index + 1)
