"""Sources → rows: readers in parallel ahead of the model, bounded, rows in input order.

Every source gets a reader thread that decodes and prepares its items into a short queue of its own; the calling
thread takes the queues in input order, hands the items to the lanes of the engines that they are for, and hands out
each source's rows when the source is done. Nothing grows with the number of inputs.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mediasift.engines.engine import PaidSettings
from mediasift.errors import ItemError
from mediasift.items import Place
from mediasift.rows import Row, placed
from mediasift.run.job import Job
from mediasift.run.lanes import WHOLE, Entry, Lane, Watch
from mediasift.run.ledger import Ledger
from mediasift.run.reading import Readers, Seconds, Trouble, Work
from mediasift.sources.naming import Source
from mediasift.system.machine import available_cores
from mediasift.tasks.task import Reads, Started


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A source and all its rows; or, of one that takes long and goes on, its next rows.

    Attributes:
        source: The source.
        rows: The rows.
        items: How many of its pages or frames these are; with those an earlier run finished if it has ended.
        ended: Whether nothing more comes of this source.
    """

    source: Source
    rows: list[Row]
    items: int = 0
    ended: bool = True


PART_S = 0.5
"""Of a source that goes on, what is done is handed out about so often."""


def readers(jobs: int | None) -> int:
    """Reader threads: as asked for, else one per core."""
    return available_cores() if jobs is None else jobs


def started(job: Job, watch: Watch | None = None) -> Pipeline:
    """The pipeline of a job, started in this process; if its engine is paid, with the ledger around it.

    Raises:
        SetupError: It cannot start.
    """
    task = job.task.start(job.resources)
    if isinstance(job.task, PaidSettings) and job.task.is_paid:
        task.engine = Ledger(task.engine, job.task)
    return Pipeline(
        task, row_type=job.task.row, reads=job.task.reads, options=job.task, jobs=readers(job.cost("jobs")),
        watch=watch, in_parts=True,
    )  # fmt: skip


class Pipeline:
    """Runs one started task over sources.

    Args:
        task: The task.
        row_type: Of its rows; those of items that failed or gave nothing are made here.
        reads: What it reads.
        options: The task's settings, which say how to read.
        jobs: Reader threads; 0 reads in the calling thread.
        watch: Learns what is being worked on.
        in_parts: Hand out what is done of a source that takes long and goes on.

    Attributes:
        facts, batch_size: The task's.
        ahead: How many sources are taken in before the first is finished, at most.
        seconds: Per stage, so far.
        longest_item_s, restarts, peak_bytes: 0, as only a `supervisor.Supervisor` looks.
    """

    longest_item_s = 0.0
    restarts = peak_bytes = 0

    def __init__(
        self, task: Started, *, row_type: type[Row], reads: Reads, options: Any, jobs: int, watch: Watch | None = None,
        in_parts: bool = False,
    ) -> None:  # fmt: skip
        self.task, self.facts, self.batch_size = task, task.facts, task.batch_size
        self.seconds = Seconds()
        self._row_type, self._jobs, self._is_open, self._in_parts = row_type, jobs, True, in_parts
        self._watch = watch or (lambda *_: None)
        self._readers = Readers(task, reads=reads, options=options, watch=self._watch, seconds=self.seconds)
        self._stop = self._readers.stop
        self._lanes: dict[str, Lane] = {}
        self._engines: Mapping[str, Started] = task.parts or {WHOLE: task}
        computed = max(one.batch_size * one.concurrency for one in self._engines.values())
        self._ahead_read = max(2 * jobs, computed + jobs)
        self.ahead = self._ahead_read + computed

    def close(self) -> None:
        """Close the task, once."""
        if self._is_open:
            self._is_open = False
            self.task.close()

    def run_singly(self, number: int, source: Source, troubles: Iterable[Trouble]) -> Iterator[Finished]:
        """One source alone, item by item, with what is known of its items from attempts that failed."""
        self._readers.troubles = {trouble.item: trouble for trouble in troubles}
        try:
            yield from self._answered(self._readers.here([source], first=number), singly=True)
        finally:
            self._readers.troubles = {}

    def run(self, sources: Iterable[Source], *, first: int = 0) -> Iterator[Finished]:
        """Each source with its rows, in the order of `sources`; they are numbered from `first` for the watch."""
        if self._jobs == 0:
            yield from self._answered(self._readers.here(sources, first=first))
            return
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="mediasift-reader")
        works = self._readers.ahead(sources, pool, first=first, ahead=self._ahead_read)
        try:
            yield from self._answered(works)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _answered(self, read: Iterable[tuple[Work, Entry | None]], *, singly: bool = False) -> Iterator[Finished]:
        """Hand items to the engines, across sources; finish sources in order."""
        self._stop.clear()
        self._open_lanes(singly=singly)
        works: deque[Work] = deque()
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
                task, part=part, batch_size=batch_size, concurrency=concurrency, first_slot=slot, watch=self._watch,
                stop=self._stop, spent=lambda seconds: self.seconds.add(infer=seconds),
            )  # fmt: skip
            slot += concurrency

    def _finish_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.finish()

    def _finished(self, works: deque[Work]) -> Iterator[Finished]:
        """Sources at the front that have ended and wait for no engine; of the next one, perhaps what is done."""
        while works and works[0].ended and all(entry.is_done for entry in works[0].entries):
            work = works.popleft()
            path, (items, before) = work.source.path, work.source.done
            new = (row for entry in work.entries for row in self._rows(work, entry))
            rows = self.task.arranged(path, [*before, *new])
            nothing = placed(self._row_type(), Place(path=path), work.source.kept)
            yield Finished(source=work.source, rows=list(rows) or [nothing], items=items + len(work.entries))
        if works and self._in_parts and time.monotonic() - works[0].handed_out >= PART_S:
            work = works[0]
            part = list(itertools.takewhile(lambda entry: entry.is_done, work.entries[work.given :]))
            work.handed_out, work.given = time.monotonic(), work.given + len(part)
            rows = [row for entry in part for row in self._rows(work, entry)]
            if part:
                yield Finished(source=work.source, rows=rows, items=len(part), ended=False)

    def _rows(self, work: Work, entry: Entry) -> list[Row]:
        rows = list(entry.rows)
        if entry.error is not None:
            rows.append(self.task.failed(self._row_type, entry.error))
        for part, answer in entry.answers.items():
            if isinstance(answer, ItemError):
                rows.append((self.task.parts.get(part) or self.task).failed(self._row_type, answer))
            else:
                rows += answer or ()
        if WHOLE in entry.answers and not rows:
            rows = [self._row_type()]
        return [placed(row, entry.place, work.source.kept) for row in rows]
