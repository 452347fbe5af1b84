"""Sources → rows: readers in parallel ahead of the model, bounded, rows in input order.

Readers decode and prepare items ahead (see `reading`); the calling thread takes them in input order, hands them to the
lanes of the engines that they are for, and hands out each source's rows when the source is done. Nothing grows with the
number of inputs.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from mediasift.engines.engine import PaidSettings
from mediasift.items import Place
from mediasift.rows import Row, placed
from mediasift.run.finished import Finished
from mediasift.run.job import Job
from mediasift.run.lanes import WHOLE, Entry, Lane, rows_of
from mediasift.run.ledger import Ledger
from mediasift.run.marks import Marks
from mediasift.run.reading import MOST, Readers
from mediasift.run.works import Piece, Seconds, Trouble, Work
from mediasift.sources.naming import Source
from mediasift.system.machine import available_cores
from mediasift.tasks.task import Reads, Started

PART_S = 0.5
"""Of a source that goes on, what is done is handed out about so often."""

HAND_OUT_S = 0.02
"""Sources that are done wait for others at most about so long, while their piece is worked on."""


def readers(jobs: int | None) -> int:
    """Reader threads: as asked for, else one per core."""
    return available_cores() if jobs is None else jobs


def started(job: Job, memory: int = -1) -> Pipeline:
    """The pipeline of a job, started in this process; if its engine is paid, with the ledger around it.

    Args:
        job: The job.
        memory: Of its marks, see `marks.Marks`.

    Raises:
        SetupError: It cannot start.
    """
    task = job.task.start(job.resources)
    if isinstance(job.task, PaidSettings) and job.task.is_paid:
        task.engine = Ledger(task.engine, job.task)
    return Pipeline(
        task, row_type=job.task.row, reads=job.task.reads, options=job.task, jobs=readers(job.cost("jobs")),
        memory=memory, in_parts=True,
    )  # fmt: skip


class Pipeline:
    """Runs one started task over sources.

    Args:
        task: The task.
        row_type: Of its rows; those of items that failed or gave nothing are made here.
        reads: What it reads.
        options: The task's settings, which say how to read.
        jobs: Reader threads; 0 reads in the calling thread.
        memory: An open file for its marks, see `marks.Marks`.
        in_parts: Hand out what is done of a source that takes long and goes on.

    Attributes:
        facts, batch_size: The task's.
        marks: What is worked on.
        ahead: How many sources are taken in before the first is finished, at most.
        seconds: Per stage, so far.
        restarts, peak_bytes: 0, as only a `supervisor.Supervisor` looks.
    """

    restarts = peak_bytes = 0

    def __init__(
        self, task: Started, *, row_type: type[Row], reads: Reads, options: Any, jobs: int, memory: int = -1,
        in_parts: bool = False,
    ) -> None:  # fmt: skip
        self.task, self.facts, self.batch_size = task, task.facts, task.batch_size
        self.seconds = Seconds()
        self._row_type, self._jobs, self._is_open, self._in_parts = row_type, jobs, True, in_parts
        self._engines: Mapping[str, Started] = task.parts or {WHOLE: task}
        calls = [one.batch_size for one in self._engines.values() for _ in range(one.concurrency)]
        self.marks = Marks(jobs + 1, calls, memory)
        self._readers = Readers(task, reads=reads, options=options, marks=self.marks, seconds=self.seconds)
        self._stop = self._readers.stop
        self._lanes: dict[str, Lane] = {}
        self._ahead_read = max(2 * jobs, sum(calls) + jobs)
        self.ahead = self._ahead_read + (jobs + 1) * MOST + sum(calls)

    @property
    def longest_item_s(self) -> float:
        """Longest time that reading and preparing an item took, seconds."""
        return self._readers.longest_item_s

    def close(self) -> None:
        """Close the task, once."""
        if self._is_open:
            self._is_open = False
            self.task.close()

    def run_singly(self, number: int, source: Source, troubles: Iterable[Trouble]) -> Iterator[list[Finished]]:
        """One source alone, item by item, with what is known of its items from attempts that failed."""
        self._readers.troubles = {trouble.item: trouble for trouble in troubles}
        try:
            yield from self._answered(self._readers.here([source], first=number), singly=True)
        finally:
            self._readers.troubles = {}

    def run(self, sources: Iterable[Source]) -> Iterator[Finished]:
        """Each source with its rows, in the order of `sources`."""
        with closing(self.run_together(sources)) as together:
            for many in together:
                yield from many

    def run_together(self, sources: Iterable[Source], *, first: int = 0) -> Generator[list[Finished]]:
        """The same, as they come together: several at a time, or none.

        Args:
            sources: What to read.
            first: The number of the first one for the marks.
        """
        if self._jobs == 0:
            yield from self._answered(self._readers.here(sources, first=first))
            return
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="mediasift-reader")
        pieces = self._readers.ahead(sources, pool, first=first, ahead=self._ahead_read)
        try:
            yield from self._answered(pieces)
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _answered(self, pieces: Iterable[Piece], *, singly: bool = False) -> Iterator[list[Finished]]:
        """Hand items to the engines, across sources; finish sources in order."""
        self._stop.clear()
        self._open_lanes(singly=singly)
        works: deque[Work] = deque()
        try:
            for piece in pieces:
                due = time.monotonic() + HAND_OUT_S
                for work, entry in piece:
                    self._take(works, work, entry)
                    if time.monotonic() > due:
                        yield self._finished(works)
                        due = time.monotonic() + HAND_OUT_S
                yield self._finished(works)
                # Behind an item that waits for its batch, or is slow, sources that are done may pile up: then all wait.
                if len(works) > self.ahead:
                    self._finish_lanes()
                    yield self._finished(works)
            self._finish_lanes()
            yield self._finished(works)
        finally:
            self._stop.set()
            for lane in self._lanes.values():
                lane.close()

    def _take(self, works: deque[Work], work: Work, entry: Entry | None) -> None:
        """Hand an item on; None is the end of its source."""
        if not works or works[-1] is not work:
            works.append(work)
        if entry is None:
            work.ended = True
            return
        work.entries.append(entry)
        prepared, entry.prepared = entry.prepared, {}
        for part, one in prepared.items():
            self._lanes[part].add(entry, one)

    def _open_lanes(self, *, singly: bool) -> None:
        """A lane for each engine; `singly` takes one item at a time, so that it is clear who kills a process."""
        self._lanes, call = {}, 0
        for part, task in self._engines.items():
            batch_size, concurrency = (1, 1) if singly else (task.batch_size, task.concurrency)
            self._lanes[part] = Lane(
                task, part=part, batch_size=batch_size, concurrency=concurrency, first_call=call, marks=self.marks,
                stop=self._stop, done=lambda _, seconds: self.seconds.add(infer=seconds),
            )  # fmt: skip
            call += concurrency

    def _finish_lanes(self) -> None:
        for lane in self._lanes.values():
            lane.finish()

    def _finished(self, works: deque[Work]) -> list[Finished]:
        """Sources at the front that have ended and wait for no engine; of the next one, perhaps what is done."""
        finished = []
        while works and works[0].is_done:
            work = works.popleft()
            path, (items, before) = work.source.path, work.source.done
            rows = self.task.arranged(path, [*before, *self._rows(work, work.entries)])
            nothing = () if rows else (placed(self._row_type(), Place(path=path), work.source.kept),)
            finished.append(self._handed_out(work, [*rows, *nothing], items + len(work.entries), ended=True))
        if works and self._in_parts and time.monotonic() - works[0].handed_out >= PART_S:
            work = works[0]
            part = list(itertools.takewhile(lambda entry: entry.is_done, work.entries[work.given :]))
            work.handed_out, work.given = time.monotonic(), work.given + len(part)
            if part:
                finished.append(self._handed_out(work, self._rows(work, part), len(part), ended=False))
        return finished

    def _handed_out(self, work: Work, rows: list[Row], items: int, *, ended: bool) -> Finished:
        errors = len([row for row in rows if row.error])
        return Finished(
            source=work.source, row_type=self._row_type, given=rows, errors=errors, items=items, ended=ended
        )

    def _rows(self, work: Work, entries: Iterable[Entry]) -> list[Row]:
        """Those of some items of a source, located."""
        task, row_type, kept = self.task, self._row_type, work.source.kept
        return [row for entry in entries for row in rows_of(entry, task, row_type, kept)]
