"""Sources → rows: readers in parallel ahead of the model, bounded, rows in input order.

Every source gets a reader thread that decodes and prepares its items into a short queue of its own; the calling
thread takes the queues in input order, forms batches across them, runs the model and hands out each source's rows
when the source is done. Nothing grows with the number of inputs.
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
from mediasift.run.watch import Culprit, Trouble, Watch
from mediasift.sources.naming import Source
from mediasift.system.machine import available_cores
from mediasift.tasks.task import Reads, Started

_QUEUE = 4
"""Prepared items that may wait per source."""

_BUDGET_MEGAPIXELS = 48.0
"""Megapixels decoded at a time over all readers: four 12-megapixel photographs, or one picture that is larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A source and all its rows."""

    source: Source
    rows: list[Row]


@dataclass(slots=True)
class Seconds:
    """Time spent per stage, summed over threads (read and prepare) or of the one calling thread (infer)."""

    read: float = 0.0
    prepare: float = 0.0
    infer: float = 0.0


@dataclass(slots=True)
class _Entry:
    """An item on its way: prepared, or failed."""

    place: Place
    name: Culprit
    prepared: Any = None
    error: ItemError | None = None
    rows: list[Row] | None = None

    @property
    def is_done(self) -> bool:
        return self.error is not None or self.rows is not None


_END = object()


@dataclass(slots=True, eq=False)
class _Work:
    """A source, the queue its reader fills, and what has become of its items."""

    number: int
    source: Source
    queue: queue.Queue[Any]
    entries: list[_Entry] = field(default_factory=list)
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
        options: The task's settings, which say how to read.
        jobs: Reader threads; 0 reads in the calling thread.
        watch: Told what is being worked on.
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
        self._batch_size = task.batch_size
        self._needs = task.needs
        self._budget = Budget(_BUDGET_MEGAPIXELS)
        self._stop = threading.Event()
        self._clock = threading.Lock()

    @property
    def ahead(self) -> int:
        """How many sources are taken in before the first is finished, at most."""
        return max(2 * self._jobs, self._batch_size + self._jobs) + self._batch_size

    def run_singly(self, number: int, source: Source, troubles: Iterable[Trouble]) -> Finished:
        """One source alone, item by item, with what is known of its items from attempts that failed."""
        self._troubles = {trouble.item: trouble for trouble in troubles}
        self._batch_size = 1
        try:
            (finished,) = self._batched(self._read_here([source], first=number))
        finally:
            self._troubles = {}
            self._batch_size = self.task.batch_size
        return finished

    def run(self, sources: Iterable[Source], *, first: int = 0) -> Iterator[Finished]:
        """Each source with its rows, in the order of `sources`; they are numbered from `first` for the watch."""
        if self._jobs == 0:
            yield from self._batched(self._read_here(sources, first=first))
            return
        self._stop.clear()
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="mediasift-reader")
        works = self._read_ahead(sources, pool, first=first)
        try:
            yield from self._batched(works)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _read_here(self, sources: Iterable[Source], *, first: int) -> Iterator[tuple[_Work, _Entry | None]]:
        for number, source in enumerate(sources, first):
            work = _Work(number, source, queue.Queue())
            for entry in self._entries(work):
                self._watch.waiting(entry.name)
                yield work, entry
            yield work, None

    def _read_ahead(
        self, sources: Iterable[Source], pool: ThreadPoolExecutor, *, first: int
    ) -> Iterator[tuple[_Work, _Entry | None]]:
        """(work, entry) in order, None at the end of each source, while the readers are some sources ahead."""
        ahead = self.ahead - self._batch_size
        waiting: deque[_Work] = deque()
        remaining = enumerate(sources, first)
        while True:
            while len(waiting) < ahead and (found := next(remaining, None)) is not None:
                work = _Work(*found, queue.Queue(_QUEUE))
                pool.submit(self._fill, work)
                waiting.append(work)
            if not waiting:
                return
            work = waiting.popleft()
            while (entry := work.queue.get()) is not _END:
                if isinstance(entry, BaseException):
                    raise entry
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
        patience = 0.0
        while not self._stop.is_set():
            try:
                work.queue.put(entry, timeout=patience)
            except queue.Full:
                if not patience and isinstance(entry, _Entry):
                    self._watch.waiting(entry.name)
                patience = 0.1
                continue
            return True
        return False

    def _entries(self, work: _Work) -> Iterator[_Entry]:
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
                    yield _Entry(_next_place(place, index), name, error=trouble.error)
                    return
                self._watch.reading(name)
                item = next(items, None)
                if item is None:
                    return
                read = time.perf_counter()
                place = Place(path=item.path, page=item.page, frame=item.frame, time_s=item.time_s)
                if trouble is not None:
                    entry = _Entry(place, name, error=trouble.error)
                else:
                    entry = self._prepared(item, place, name)
                del item
                share.give_back()
                self._count(read - started, time.perf_counter() - read)
                yield entry
                started = time.perf_counter()
        except ItemError as error:
            yield _Entry(Place(path=work.source.path), name, error=error)
        finally:
            self._watch.waiting(name)
            share.give_back()

    def _count(self, read: float, prepare: float) -> None:
        with self._clock:
            self.seconds.read += read
            self.seconds.prepare += prepare

    def _prepared(self, item: AnyItem, place: Place, name: Culprit) -> _Entry:
        if isinstance(item, FailedItem):
            return _Entry(place, name, error=item.error)
        self._watch.preparing(name)
        try:
            return _Entry(place, name, prepared=self.task.prepare(item))
        except ItemError as error:
            return _Entry(place, name, error=error)

    def _batched(self, read: Iterable[tuple[_Work, _Entry | None]]) -> Iterator[Finished]:
        """Collect full batches across sources; finish sources in order."""
        works: deque[_Work] = deque()
        batch: list[_Entry] = []
        for work, entry in read:
            if not works or works[-1] is not work:
                works.append(work)
            if entry is None:
                work.ended = True
            else:
                work.entries.append(entry)
                if entry.error is None:
                    batch.append(entry)
            # Behind a picture that waits for its batch, sources that failed may pile up: then it waits no longer.
            if len(batch) >= self._batch_size or (batch and len(works) > self.ahead):
                self._infer(batch)
                batch = []
            yield from self._finished(works)
        self._infer(batch)
        yield from self._finished(works)

    def _finished(self, works: deque[_Work]) -> Iterator[Finished]:
        """Sources at the front that have ended and wait for no batch."""
        while works and works[0].ended and all(entry.is_done for entry in works[0].entries):
            work = works.popleft()
            entries = work.entries or [_Entry(Place(path=work.source.path), (work.number, 0), rows=[])]
            yield Finished(source=work.source, rows=[row for entry in entries for row in self._rows(work, entry)])

    def _rows(self, work: _Work, entry: _Entry) -> list[Row]:
        if entry.error is not None:
            rows: list[Row] = [self._row_type(error=entry.error.as_cell())]
        else:
            rows = entry.rows or [self._row_type()]
        return [placed(row, entry.place, work.source.kept) for row in rows]

    def _infer(self, batch: list[_Entry]) -> None:
        """Fill in the rows of a batch."""
        if batch:
            started = time.perf_counter()
            self._try(batch)
            self.seconds.infer += time.perf_counter() - started

    def _try(self, batch: list[_Entry]) -> None:
        """A batch that fails is tried one by one to find the culprit."""
        self._watch.inferring([entry.name for entry in batch])
        try:
            results = self.task.infer([entry.prepared for entry in batch])
        except ItemError as error:
            if len(batch) == 1:
                batch[0].error = error
            else:
                for entry in batch:
                    self._try([entry])
        else:
            for entry, rows in zip(batch, results, strict=True):
                entry.rows = list(rows)
        finally:
            self._watch.inferring(())
        for entry in batch:
            entry.prepared = None


def _next_place(place: Place, index: int) -> Place:
    """Where the item after `place` is, as far as it is known without reading it."""
    return Place(path=place.path, page=None if place.page is None else index + 1)
