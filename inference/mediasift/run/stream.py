"""A started task over sources: what a table's rows come from, source by source."""

from __future__ import annotations

import itertools
import logging
import time
import weakref
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TextIO, cast

from mediasift.errors import InputError, Interrupted, SetupError, UsageError, count_of
from mediasift.rows import Row, RowType, columns
from mediasift.run import launch
from mediasift.run.cluster import Cluster
from mediasift.run.done import digest_of
from mediasift.run.finished import Finished
from mediasift.run.job import Job, settings
from mediasift.run.journal import Journal
from mediasift.run.ledger import check_consent
from mediasift.run.pipeline import Pipeline, readers, started
from mediasift.run.profile import with_profile
from mediasift.run.supervisor import Supervisor
from mediasift.sources.boxes import check_no_inputs
from mediasift.sources.buckets import is_folder
from mediasift.sources.content import content_bytes
from mediasift.sources.finding import check_inputs, count_sources, find_sources
from mediasift.sources.folders import Skipped
from mediasift.sources.memory import Named, named_inputs
from mediasift.sources.naming import Inputs, Source
from mediasift.sources.shards import Listing, Shard
from mediasift.sources.spellings import nothing_to_read
from mediasift.system.machine import available_cores
from mediasift.system.progress import Progress
from mediasift.tables.manifest import Summary, computing
from mediasift.tables.stored import Stored


def job_of(task: Any, inputs: Named) -> Job:
    """The task over inputs, before anything is started."""
    named = named_inputs(inputs)
    table = getattr(task, "boxes", None) or getattr(task, "stored", None)
    if table is not None:
        check_no_inputs(named, table)
        named = [table]
    if task.shard is not None:
        task = replace(task, shard=str(Shard.of(task.shard)))
    return with_profile(Job(task=task.for_inputs(named), inputs=Inputs.of(task, named)))


def stream_of(task: Any, inputs: Named) -> Stream[Any]:
    """The started task over inputs; what is missing fails here, before the first file is read."""
    stream: Stream[Any] = Stream(job_of(task, inputs))
    try:
        stream.find()
    except SetupError:
        stream.close()
        raise
    return stream


def refuse_shard(stream: Stream[Any]) -> None:
    """Raise a UsageError, and let go of what computes, where only a part or an estimate was asked for."""
    if stream.job.cost("estimate") is not None:
        stream.close()
        raise UsageError(
            "estimate: a row of this table depends on many inputs, so a sample says little of it. Estimate what reads "
            "the inputs, as embed does for compare, duplicates and search, or the same command without --per"
        )
    if stream.job.cost("shard") is not None:
        stream.close()
        raise UsageError(
            "shard: a row of this table depends on many inputs, so it has no parts. Take the parts of a table of "
            "items, as of embed, put them together with merge, and go on with that table"
        )


def runner_of(job: Job) -> Pipeline | Supervisor | Cluster:
    """What computes the job: a cluster, a process of its own, or this one."""
    if address := job.cost("cluster"):
        launch.discard()
        return Cluster(job, address)
    return Supervisor(job) if job.cost("isolate") else started(job)


class _Asked(NamedTuple):
    """A source that was looked for: where its rows are, of which state, and whether the source before is the same."""

    place: int | None
    known: bytes
    again: bool


class Store(Protocol):
    """Where finished sources wait for the next run: an index. A journal takes many at once, and parts of sources."""

    path: Path

    def find(self, source: Source) -> int | None:
        """Where the rows of a source stand whose file has not changed since; None when it must be read."""

    def state(self, source: Source) -> Any:
        """What tells whether a source is still the one that was read."""

    def append(self, source: Source, state: Any, rows: Sequence[Row]) -> int:
        """Keep the rows of a source, which was in that state before it was read; returns their place."""

    def rows(self, place: int, row_type: type[RowType]) -> Iterator[RowType | Stored]:
        """The rows that stand there."""


class Stream(Generic[RowType]):
    """The rows of a job, computed here or, to `isolate`, in a process of its own. It starts when it is made.

    Attributes:
        began: When.
        row_type, keep, facts, what: See `mediasift.run.table.Rows`.
        stays: Whether what computes stays loaded when the sources that were given are read, for others that come later.
    """

    extends = True
    stays = False

    def __init__(self, job: Job) -> None:
        self.job = job
        self.began = datetime.now(UTC)
        self.row_type = cast("type[RowType]", job.task.row)
        self.keep = job.inputs.keep
        self._clock = time.perf_counter()
        self._skipped = Skipped()
        self._sources: Iterable[Source] | None = None
        shard = job.cost("shard")
        self._listing = None if shard is None else Listing(Shard.of(shard))
        self._sizes, self._states = array("q"), bytearray()
        versions, decides = computing(), settings(job)  # before the runner: a worker that was started ahead still loads
        self._runner = runner_of(job)
        weakref.finalize(self, self._runner.close)  # for one that is made and then neither read nor written
        try:
            check_consent(job)
        except UsageError:
            self.close()
            raise
        facts = dict(self._runner.facts)
        self._cost: Mapping[str, Any] = facts.pop("cost", {})
        self.facts: Mapping[str, Any] = facts
        for note in self.facts.get("notes", ()):
            logging.getLogger("mediasift").warning(note)
        self.what: Mapping[str, Any] = {"settings": decides, "model": self.facts, "versions": versions}

    @property
    def sources(self) -> Iterable[Source]:
        """What is read, looked up again at each asking."""
        sources = find_sources(self.job.inputs)
        return sources if self._listing is None else filter(self._listing.shard.holds, sources)

    def find(self) -> None:
        """Look for mistakes in what was named, before anything is read; raises what `check_inputs` raises."""
        self._sources = check_inputs(self.job.inputs, self._skipped)

    @property
    def made_by(self) -> dict[str, Any]:
        """What the rows depend on, besides their inputs: the task's settings, its model, how pictures are read."""
        inputs = ("inputs", "recursive", "column", "keep", "encoding")
        own = {name: value for name, value in self.what["settings"].items() if name not in inputs}
        return {**own, **self.facts}

    @property
    def resources(self) -> dict[str, Any]:
        """Threads, batch size and limits: what the rows cost, not what they say."""
        limits = {name: self.job.cost(name) for name in ("timeout_s", "max_memory_gb")}
        return {
            "batch_size": self._runner.batch_size,
            "jobs": readers(self.job.cost("jobs")),
            "threads": self.job.cost("threads") or available_cores(),
            "profile": self.job.profile or None,
            "cluster": self.job.cost("cluster"),
            "limits": limits if self.job.cost("isolate") else None,
            **self._cost,
        }

    def read(self, sources: Iterable[Source], progress: Progress | None = None) -> Iterator[Finished]:
        """Each of the given sources with its rows, once."""
        return (one for many in self._read(sources, progress or Progress()) for one in many if one.ended)

    def _read(self, sources: Iterable[Source], shown: Progress) -> Iterator[list[Finished]]:
        """The same, as they come together, with what is done of sources that go on."""
        try:
            for many in self._runner.run_together(sources):
                if many:
                    yield many
                    ended = [one for one in many if one.ended]
                    ahead = 0 if many[-1].ended else many[-1].items
                    shown.advance(sum(one.errors for one in ended), ended=len(ended), items=ahead)
        finally:
            shown.close()
            if not self.stays:
                self._runner.close()

    def kept(
        self, sources: Iterable[Source], store: Store | Journal, progress: Progress
    ) -> Iterator[tuple[int, Finished | None]]:
        """Where the rows of each source stand in the store; and the source, where they were not there before.

        Raises:
            Interrupted: Somebody wants to stop; what was read is in the store.
        """
        asked, begun = deque[_Asked](), deque[tuple[Any, int]]()

        def missing() -> Iterator[Source]:
            before = None
            for source in sources:
                asks = source.content is not None and source.content.asks  # then it is known when it was read
                place, state = store.find(source), None if asks else store.state(source)
                if source.content is None:  # its error costs nothing, and is about the list as it is now
                    place = None
                name = source.path, tuple(pair for pair in source.kept if pair[1])
                asked.append(_Asked(place, store.known if isinstance(store, Journal) else b"", name == before))
                before, size = name, content_bytes(state)
                self._sizes.append(-1 if size is None else size)
                if place is None:
                    done = store.begun(source, self.row_type) if isinstance(store, Journal) else (0, ())
                    begun.append((state, done[0]))
                    yield replace(source, done=done) if done[0] else source
                else:
                    progress.take_over()

        try:
            for many in self._read(missing(), progress):
                states = [begun[0] if not one.ended else begun.popleft() for one in many]
                states = [(store.state(one.source) if state is None else state, before)
                          for one, (state, before) in zip(many, states, strict=True)]  # fmt: skip
                if not many[-1].ended:
                    begun[0] = states[-1][0], states[-1][1] + many[-1].items
                if isinstance(store, Journal):
                    new = store.append(many, states)
                else:
                    pairs = zip(many, states, strict=True)
                    new = [store.append(one.source, state, one.rows) if one.ended else -1 for one, (state, _) in pairs]
                for place, one, (state, _) in zip(new, many, states, strict=True):
                    if one.ended:
                        while (earlier := asked.popleft()).place is not None:
                            self._note_state(earlier.known, earlier.again)
                            yield earlier.place, None
                        self._note_state(digest_of(state), earlier.again)
                        yield place, one
        except Interrupted as error:
            raise Interrupted(
                f"interrupted; {count_of(progress.done, 'input')}{progress.of_next} "
                f"{'is' if progress.done == 1 and not progress.of_next else 'are'} done and kept in {store.path.name}. "
                "To go on, type the same command again"
            ) from error
        for earlier in asked:
            if earlier.place is not None:
                self._note_state(earlier.known, earlier.again)
                yield earlier.place, None

    def _note_state(self, digest: bytes, again: bool) -> None:
        """Of the rows that come next; those of an input that is named again at once are one with those before."""
        if not again:
            self._states += digest

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[RowType | Stored]:
        """All rows, in input order; see `mediasift.run.table.Rows`.

        Raises:
            InputError: There is nothing to read.
            Interrupted: With limits, after Ctrl-C or SIGTERM.
        """
        shown = Progress(progress, self._total(progress))
        sources = find_sources(self.job.inputs, self._skipped) if self._sources is None else self._sources
        if self._listing is not None:
            sources = self._listing.own(sources)
        order = array("q")
        if journal is None:
            for finished in self.read(sources, shown):
                summary.sources += 1
                yield from self._noted(cast("list[RowType]", finished.rows), summary)
        else:
            yield from self._noted(self._kept(sources, journal, shown, order, summary), summary)
            summary.sources = len(order)
        self.tell(summary)
        summary.skipped, summary.states = dict(self._skipped), self._states
        if self._listing is not None:
            summary.shard = self._listing.to_json()
        if summary.sources == 0 and not (self._listing and self._listing.listed):
            raise InputError(nothing_to_read(self.job.inputs.names, self._skipped))
        if journal is not None:
            vanished = journal.vanished()
            summary.vanished = [journal.path_at(place) for place in dict.fromkeys(vanished)]
            order.extend(vanished)
            summary.repeated = journal.repeated(order)
            yield from self._noted(journal.each(vanished, self.row_type), summary)

    def _kept(
        self, sources: Iterable[Source], journal: Journal, shown: Progress, order: array[int], summary: Summary
    ) -> Iterator[RowType | Stored]:
        """The rows of each source as they come, or from the journal; their places go into `order`."""
        kept = self.kept(sources, journal, shown)
        for is_new, some in itertools.groupby(kept, lambda one: one[1] is not None):
            if is_new:
                for place, new in some:
                    order.append(place)
                    yield from cast("list[RowType]", new.rows if new else [])
            else:
                before = len(order)
                order.extend(place for place, _ in some)
                summary.taken_over += len(order) - before
                yield from journal.each(order[before:], self.row_type)

    def _noted(
        self, rows: Iterable[RowType | Stored], summary: Summary
    ) -> Iterator[RowType | Stored]:  # fmt: skip
        """The same rows; the models that services say have answered are counted."""
        if not {"model", "answered"} <= {column.name for column in columns(self.row_type)}:
            yield from rows
            return
        for row in rows:
            if model := getattr(row, "model", None):
                summary.models[model] = summary.models.get(model, 0) + 1
            yield row

    def tell(self, summary: Summary) -> None:
        """Put what the engine knows of the run into the summary."""
        runner = self._runner
        summary.worker_restarts, summary.worker_peak_bytes = runner.restarts, runner.peak_bytes
        total = time.perf_counter() - self._clock
        summary.sizes = self._sizes
        summary.seconds = {**runner.seconds, "longest_item": runner.longest_item_s, "total": total}

    def close(self) -> None:
        """Let go of what computes."""
        self._runner.close()

    def _total(self, progress: TextIO | None) -> int | None:
        """How many sources there are, which only somebody who watches needs to know beforehand."""
        names = self.job.inputs.names
        if progress is None or "-" in names or any(is_folder(name) for name in names):  # no bucket is listed twice
            return None
        if self._listing is not None:
            return sum(map(self._listing.shard.holds, find_sources(self.job.inputs)))
        return count_sources(self.job.inputs)
