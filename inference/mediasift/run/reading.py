"""Sources → prepared items: readers in parallel, each with a group of sources, within a budget of pixels.

What is asked for once per source costs more than a small picture itself. So a reader takes neighbouring sources as a
group, and hands over what it has prepared in pieces:

- A group is as many sources as are worked on in about `_GROUP_S`, engine and all, at most `MOST`: 64 icons, but one
  photograph for a large model, one page for OCR, one film. It follows from the time that the groups before it took;
  what a source holds need not be known.
- A piece is what fits into `PIECE_BYTES`, or was prepared in `PIECE_S`. So many small items wait together, large
  ones alone, and a slow one keeps nothing back.
- While a source takes less than `_QUICK_S` of processor time, and hardly waits for its disk, the calling thread reads
  it, as the engine computes in a thread of its own: readers would wait for each other, and for that thread, at every
  file, as one thread at a time does what Python does.
- Groups decide nothing but cost: items go to the engines in input order, in the same batches. Each item has its own
  mark (see `marks`), so that the culprit of a crash in a group of 64 is one item, and costs one row.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mediasift.errors import ItemError
from mediasift.items import EmptyItem, FailedItem, MediaFile, Place
from mediasift.media.readers import SMALL_BYTES, AnyItem, read_source
from mediasift.run.budget import Budget
from mediasift.run.lanes import WHOLE, Entry
from mediasift.run.marks import Culprit, Marks
from mediasift.run.works import Piece, Seconds, Spent, Trouble, Work
from mediasift.sources.content import Content, LocalFile
from mediasift.sources.naming import Source
from mediasift.tasks.task import Fork, Reads, Started

_QUEUE = 4
"""Pieces that may wait per group to become batches; where an engine takes one by one, which may be large, one. Rows
that are known already do not count."""

_GROUP_S, MOST = 0.05, 64
PIECE_S, PIECE_BYTES = 0.02, 1 << 20
_QUICK_S, _PATIENT = 0.0005, 4

_UNCOUNTED_MEGAPIXELS = 0.1
"""Pictures up to this size are decoded without asking for room: all readers together take little of it for them."""

_BUDGET_MEGAPIXELS = 48.0
"""Megapixels decoded at a time over all readers: four 12-megapixel photographs, or one picture that is larger."""


_END = object()


@dataclass(slots=True, eq=False)
class _Group:
    """Neighbouring sources, and the queue that their reader fills: pieces, and whether each holds a place in `room`."""

    works: list[Work]
    room: threading.Semaphore
    queue: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)


class Readers:
    """Reads and prepares the items of sources, for a task that reads such a kind, in the way that `options` say.

    Args:
        task: The task.
        reads: What it reads.
        options: How.
        marks: Where readers note what they work on.
        seconds: Where they add up the time.

    Attributes:
        stop: Once set, readers end.
        troubles: Number of an item → what is known of it, while one source is read alone.
        longest_item_s: What the slowest item took, seconds.
    """

    def __init__(self, task: Started, *, reads: Reads, options: Any, marks: Marks, seconds: Seconds) -> None:
        self._task, self._reads, self._options = task, reads, options
        self._marks, self._seconds = marks, seconds
        self._budget = Budget(_BUDGET_MEGAPIXELS)
        self._places: queue.SimpleQueue[int] = queue.SimpleQueue()
        for place in range(marks.readers):
            self._places.put(place)
        engines = task.parts.values() or (task,)
        self._each_s = _QUICK_S  # what a source of the last group took
        self._queue = _QUEUE if any(one.batch_size > 1 for one in engines) else 1
        self.stop = threading.Event()
        self.troubles: Mapping[int, Trouble] = {}
        self.longest_item_s = 0.0

    def here(self, sources: Iterable[Source], *, first: int) -> Iterator[Piece]:
        """Everything in order, read as it is asked for."""
        for number, source in enumerate(sources, first):
            work, spent = Work(number, source), Spent()
            try:
                for entry in self.entries(work, 0, spent):
                    self._marks.wait(0)
                    yield [(work, entry)]
            finally:
                self._marks.wait(0)
                self._account(spent)
            yield [(work, None)]

    def ahead(self, sources: Iterable[Source], pool: ThreadPoolExecutor, *, first: int, ahead: int) -> Iterator[Piece]:
        """The same while threads are ahead, by at least so many sources and a group for each of the pool.

        Quick sources are read as they are asked for.
        """
        waiting: deque[_Group] = deque()
        remaining = enumerate(sources, first)
        size = 1
        while True:
            while not self._is_quick and (
                len(waiting) <= self._marks.readers or sum(len(group.works) for group in waiting) < ahead
            ):
                works = [Work(number, source) for number, source in itertools.islice(remaining, size)]
                if not works:
                    break
                for work in works:
                    content = work.source.content
                    if content is not None and content.asks and not getattr(self._options, "hears_addresses", False):
                        content.ask_ahead()
                waiting.append(_Group(works, threading.Semaphore(self._queue)))
                pool.submit(self._fill, waiting[-1])
            began = time.monotonic()
            if waiting:
                works = waiting[0].works
                yield from self._filled(waiting.popleft())
            elif works := [Work(number, source) for number, source in itertools.islice(remaining, size)]:
                place = self._places.get()
                try:
                    for piece in self._pieces(works, place):
                        self._marks.wait(place)  # who takes it may wait for an engine
                        yield piece
                finally:
                    self._places.put(place)
            else:
                return
            each_s = (time.monotonic() - began) / len(works)
            size = max(1, min(2 * size, MOST, int(_GROUP_S / max(each_s, 1e-6))))

    @property
    def _is_quick(self) -> bool:
        return self._each_s < _QUICK_S

    @staticmethod
    def _filled(group: _Group) -> Iterator[Piece]:
        """What a reader puts into the queue of its group."""
        while (one := group.queue.get()) is not _END:
            if isinstance(one, BaseException):
                raise one
            piece, holds_room = one
            if holds_room:
                group.room.release()
            yield piece

    def _fill(self, group: _Group) -> None:
        """Reader thread: items of a group into its queue, then the end or the exception that no row may hide."""
        place = self._places.get()
        try:
            for piece in self._pieces(group.works, place):
                holds_room = any(entry is not None and entry.prepared for _, entry in piece)
                if holds_room and not group.room.acquire(blocking=False):
                    self._marks.wait(place)
                    while not group.room.acquire(timeout=0.1):
                        if self.stop.is_set():
                            return
                group.queue.put((piece, holds_room))
                if self.stop.is_set():
                    return
            group.queue.put(_END)
        except BaseException as error:  # handed over to the calling thread, which raises it
            group.queue.put(error)
        finally:
            self._places.put(place)

    def _pieces(self, works: Sequence[Work], place: int) -> Iterator[Piece]:
        piece: Piece = []
        size, began, spent, busy_s = 0, time.monotonic(), Spent(), time.thread_time()
        try:
            for work, begin in zip(works, self._begins(works, place, spent), strict=True):
                for entry in self.entries(work, place, spent, begin):
                    piece.append((work, entry))
                    size += entry.size
                    if size >= PIECE_BYTES or time.monotonic() - began >= PIECE_S:
                        yield piece
                        piece, size, began = [], 0, time.monotonic()
                piece.append((work, None))
            waited_s = (spent.read + spent.prepare) / _PATIENT  # for a slow disk, several wait better than one
            self._each_s = max(time.thread_time() - busy_s, waited_s) / len(works)
        finally:
            self._marks.wait(place)
            self._account(spent)
        yield piece

    def _begins(self, works: Sequence[Work], reader: int, spent: Spent) -> list[bytes | None]:
        """The first bytes of quick files, read before the first of them is decoded: by turns, both take longer."""
        begins: list[bytes | None] = [None] * len(works)
        if len(works) > 1 and self._is_quick:
            began = time.perf_counter()
            for place, work in enumerate(works):
                if isinstance(content := work.source.content, LocalFile):
                    self._marks.read(reader, work.number, work.source.done[0])
                    with suppress(ItemError):  # it comes again where the file becomes items
                        begins[place] = content.head(SMALL_BYTES)
            spent.read += time.perf_counter() - began
        return begins

    def _account(self, spent: Spent) -> None:
        self._seconds.add(read=spent.read, prepare=spent.prepare)
        self.longest_item_s = max(self.longest_item_s, spent.longest_item)

    def entries(self, work: Work, reader: int, spent: Spent, begin: bytes | None = None) -> Iterator[Entry]:
        """The items of a source, prepared; one failed entry when the source as a whole fails."""
        content = work.source.content
        if content is None or not content.asks:
            return self._entries(work, reader, spent, begin)
        return self._asked(content, work, reader, spent)

    def _asked(self, content: Content, work: Work, reader: int, spent: Spent) -> Iterator[Entry]:
        with content.held(partial(self._marks.alive, reader)):
            yield from self._entries(work, reader, spent)

    def _entries(self, work: Work, reader: int, spent: Spent, begin: bytes | None = None) -> Iterator[Entry]:
        source, number, marks, clock = work.source, work.number, self._marks, time.perf_counter
        # Of the budget something is held from before a decode until its item is prepared, never while it waits.
        index, page, began, held = source.done[0], None, clock(), 0.0

        def hold(megapixels: float) -> None:
            nonlocal held, began
            if held:
                self._budget.give_back(held)
                held = 0.0
            if megapixels > _UNCOUNTED_MEGAPIXELS:
                if not self._budget.take(megapixels, wait=False):
                    marks.wait(reader)
                    self._budget.take(megapixels)
                    marks.read(reader, number, index)
                    began = clock()
                held = megapixels

        def admit(megapixels: float) -> None:
            if megapixels == 0:  # a sign of life from somebody who reads for long
                marks.read(reader, number, index)
            else:
                hold(megapixels)

        try:
            items = read_source(source, self._reads, self._options, needs=self._task.needs, admit=admit, begin=begin)
            while True:
                trouble = self.troubles.get(index)
                if trouble is not None and trouble.reading:
                    place = Place(path=source.path, page=None if page is None else index + 1)  # as far as is known
                    yield Entry(place, (number, index), error=trouble.error)
                    return
                marks.read(reader, number, index)
                if (item := next(items, None)) is None:
                    return
                read = clock()
                marks.prepare(reader, number, index)
                page = item.page
                place = Place(path=item.path, page=page, frame=item.frame, time_s=item.time_s)
                entry = self._prepared(item, place, (number, index), trouble)
                del item
                if held:
                    hold(0)
                now = clock()
                spent.read += read - began
                spent.prepare += now - read
                spent.longest_item = max(spent.longest_item, now - began)
                yield entry
                index, began = index + 1, clock()
        except ItemError as error:
            yield Entry(Place(path=source.path), (number, index), error=error)
        finally:
            marks.wait(reader)
            if held:
                hold(0)

    def _prepared(self, item: AnyItem, place: Place, name: Culprit, trouble: Trouble | None) -> Entry:
        if trouble is not None:
            return Entry(place, name, error=trouble.error)
        if isinstance(item, FailedItem):
            return Entry(place, name, error=item.error)
        if isinstance(item, EmptyItem):
            return Entry(place, name, is_empty=True)
        try:
            prepared = self._task.prepare(item)
        except ItemError as error:
            return Entry(place, name, error=error)
        if isinstance(prepared, Fork):
            return Entry(place, name, rows=prepared.rows, prepared=prepared.prepared, size=PIECE_BYTES)
        return Entry(place, name, prepared={WHOLE: prepared}, size=_size(item, prepared))


def _size(item: AnyItem, prepared: Any) -> int:
    """Bytes that wait, about: of arrays, else of the picture or the sound that they were made of."""
    arrays = prepared if isinstance(prepared, list) else [prepared]
    try:
        return sum([array.nbytes for array in arrays])
    except AttributeError:
        array = getattr(item, "image", getattr(item, "waveform", None))
    if array is not None:
        return int(array.nbytes)
    return 0 if isinstance(item, MediaFile) else PIECE_BYTES
