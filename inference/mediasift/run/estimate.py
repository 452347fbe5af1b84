"""What a run will take: a random sample of its inputs is done for real, and the whole follows, with intervals.

The inputs of the sample go through what the run itself would use, its journal included, in a folder that goes. A first
few say how long one takes, and how many more there is time for; these are timed. Time is taken in blocks of neighbours
(batch means: what is read ahead blurs the time of a single input), everything else of each input; the interval is
Student's, 95 %.
"""

from __future__ import annotations

import io
import random
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TextIO

import numpy as np

from mediasift.engines.engine import PaidSettings
from mediasift.errors import InputError, Interrupted, UsageError
from mediasift.rows import Row
from mediasift.run import launch
from mediasift.run.forecast import Interval, time_of, total
from mediasift.run.journal import Journal
from mediasift.run.ledger import prices
from mediasift.run.stream import Stream, job_of
from mediasift.settings import options
from mediasift.sources.finding import check_inputs
from mediasift.sources.folders import Skipped
from mediasift.sources.memory import Named
from mediasift.sources.naming import Source
from mediasift.sources.shards import Shard
from mediasift.sources.spellings import nothing_to_read
from mediasift.system.files import path_below
from mediasift.system.progress import Progress
from mediasift.tables.formats import FORMATS
from mediasift.tables.manifest import Summary
from mediasift.tables.writers import Form

SEED = 0

FIRST, LEAST, MOST = 4, 16, 2_000
"""Inputs that say how long one takes; that are timed then, at least and at most."""

AIM_S = 60.0
"""How long those may take together, where LEAST do not take longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate(Row):
    """One thing that a run takes; about no file.

    Attributes:
        measure: Of what.
        value: For all inputs; None where it is not known.
        low, high: A 95 % interval; None where there is none.
        unit: Of these.
        sample: From how many inputs it is; None where from all.
        note: What to know of it.
    """

    shared: ClassVar[tuple[str, ...]] = ()

    measure: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    sample: int | None = None
    note: str = ""


@dataclass(slots=True)
class _Seen:
    """What was seen of the inputs of a sample, in order."""

    rows: list[float] = field(default_factory=list)
    table: list[float] = field(default_factory=list)
    journal: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    requests: list[float] = field(default_factory=list)
    fetched: list[float] = field(default_factory=list)


class Estimated:
    """What a task over inputs will take, as rows; see `mediasift.run.table.Rows`.

    Args:
        task: Its settings.
        inputs: What to read.

    Attributes:
        format: Of the table whose size is estimated.

    Raises:
        UsageError: The inputs come through a pipe.
        SetupError: The task cannot start.
    """

    extends = False

    def __init__(self, task: Any, inputs: Named) -> None:
        self.row_type, self.began, self.format = Estimate, datetime.now(UTC), "csv"
        self.keep: tuple[str, ...] = ()
        self._folder = tempfile.TemporaryDirectory(prefix="mediasift-")
        self._stream: Stream[Any] | None = None
        self._machines: int = task.estimate
        names = (one.name for one in options(type(task)) if one.option.writes or one.name == "keep_files")
        named = {name: str(getattr(task, name)) for name in names if getattr(task, name) is not None}
        new = {name: str(Path(self._folder.name, name)) for name in named}
        self._written = {new[name]: old for name, old in named.items()}
        self._job = job = job_of(replace(task, estimate=None, **new), inputs)
        if "-" in job.inputs.names:
            raise UsageError("estimate: the inputs are counted first, so name files instead of -")
        check_inputs(job.inputs)
        began = time.perf_counter()
        self._paid = job.task if isinstance(job.task, PaidSettings) and job.task.is_paid else None
        if self._paid is not None:
            launch.discard()
        else:
            self._stream = Stream(job)
            self._stream.stays = True
        self._start_s = time.perf_counter() - began
        stream = self._stream
        self.facts: Mapping[str, Any] = {} if stream is None else stream.facts
        self.what: Mapping[str, Any] = {"settings": {}, "model": {}, "versions": {}} if stream is None else stream.what
        self.resources: Mapping[str, Any] = {} if stream is None else stream.resources

    @property
    def sources(self) -> Iterable[Source]:
        """What the run would read."""
        sources, shard = check_inputs(self._job.inputs, Skipped()), self._job.cost("shard")
        return sources if shard is None else filter(Shard.of(shard).holds, sources)

    def close(self) -> None:
        """Let go of what computes, and of what it wrote."""
        if self._stream is not None:
            self._stream.close()
        self._folder.cleanup()

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[Estimate]:
        """The rows; see `mediasift.run.table.Rows`.

        Raises:
            InputError: There is nothing to read.
            Interrupted: After Ctrl-C or SIGTERM.
        """
        del journal
        try:
            if self._paid is not None:
                inputs, unknown, usd = prices(self._job, self._paid)
                yield Estimate(measure="inputs", value=inputs)
                yield self._money(unknown, usd)
            else:
                count, sample = sampled(self.sources, MOST + FIRST)
                if not count:
                    raise InputError(nothing_to_read(self._job.inputs.names))
                summary.sources = count
                yield from self._rows(count, sample, progress)
        except Interrupted as error:
            raise Interrupted("interrupted; an estimate keeps nothing") from error
        finally:
            self.close()

    @staticmethod
    def _money(unknown: int, usd: float) -> Estimate:
        listed = "at most, of all inputs, as --dry-run says; what was paid before is not sent again"
        more = f"; {unknown:,} inputs are of unknown length" if unknown else ""
        return Estimate(
            measure="money", value=None if unknown else usd, high=None if unknown else usd, unit="USD",
            note=f"{listed}{more}; nothing was sent, so time, requests and disk space are not known",
        )  # fmt: skip

    def _rows(self, count: int, sample: Sequence[Source], progress: TextIO | None) -> Iterator[Estimate]:
        seen, shown = _Seen(), Progress(progress, min(count, len(sample)))
        first = sample[:FIRST]
        began = time.perf_counter()
        moments = self._done(first, seen, shown)
        each = (moments[-1] - began) / len(first)
        timed = sample[FIRST : FIRST + min(MOST, max(LEAST, int(AIM_S / max(each, 1e-9))))]
        if timed:
            began = time.perf_counter()
            moments = self._done(timed, seen, shown)
        self._measure_written([*first, *timed], seen)
        size, seconds = len(seen.rows), time_of(moments, began, count)
        rough = "" if seconds.low is not None else "; too few inputs, or too quick ones, for an interval"
        here = f"on {address}" if (address := self._job.cost("cluster")) else "here"
        yield Estimate(
            measure="inputs", value=count, note=f"{size:,} of them, drawn at random (seed {SEED}), were done"
        )
        yield Estimate(measure="start", value=_short(self._start_s), unit="seconds", note="once for each machine")
        note = f"without the start{rough}"
        yield _row(f"time {here}", seconds.times(1 / 3600), "hours", len(timed) or size, note)
        if self._machines > 1:
            parts = seconds.times(1 / 3600 / self._machines)
            yield _row(f"time on {self._machines:,} machines", parts, "hours", len(timed) or size,
                       f"in equal parts, on machines like this one{rough}")  # fmt: skip
        yield _row("rows", total(seen.rows, count), "", size)
        yield _row("table", total(seen.table, count), "bytes", size, self.format)
        yield _row("journal", total(seen.journal, count), "bytes", size, "beside the table until the run ends")
        if self._written:
            yield _row("files", total(seen.written, count), "bytes", size, "that the run writes or keeps")
        if any(source.content is not None and source.content.asks for source in sample):
            yield _row("requests", total(seen.requests, count), "", size, "without redirects and listings")
            yield _row("fetched", total(seen.fetched, count), "bytes", size)

    def _done(self, sources: Sequence[Source], seen: _Seen, shown: Progress) -> list[float]:
        """Do them; the moments at which each was done."""
        stream, moments = self._stream, list[float]()
        if stream is None:
            raise RuntimeError("nothing is sent to a paid service for an estimate")
        output = Path(self._folder.name, f"{len(seen.rows)}.csv")
        form = Form(row_type=stream.row_type, kept=stream.keep)
        places, rows = [], []
        with Journal(output) as journal:
            for place, finished in stream.kept(sources, journal, shown):
                moments.append(time.perf_counter())
                places.append(place)
                rows.append(finished.rows if finished is not None else [])
            places.append(journal.path.stat().st_size)
            journal.remove()
        seen.rows += map(len, rows)
        empty, texts = len(_written_as("csv", [], form)), [_written_as("csv", some, form) for some in rows]
        longer = [sum(text.count(new.encode()) * (len(new) - len(old.encode())) for new, old in self._written.items())
                  for text in texts]  # fmt: skip
        seen.journal += (np.diff(places) - longer).tolist()
        sizes = [len(text) - empty - more for text, more in zip(texts, longer, strict=True)]
        whole = len(_written_as(self.format, [row for some in rows for row in some], form)) - sum(longer)
        seen.table += [size * whole / max(1, sum(sizes)) for size in sizes] if self.format != "csv" else sizes
        for source in sources:
            requests, fetched = (0, 0) if source.content is None else source.content.fetched
            seen.requests.append(requests)
            seen.fetched.append(fetched)
        return moments

    def _measure_written(self, sources: Sequence[Source], seen: _Seen) -> None:
        """Bytes of the files whose names begin as a source's do; what belongs to none is spread over all."""
        sizes: dict[str, int] = {}
        for folder in self._written:
            sizes |= {str(path): path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()}
        names, own = sorted(sizes), list[float]()
        for source in sources:
            size = 0
            for folder in self._written:
                begin = str(path_below(folder, source.path))
                size += sum(
                    sizes[name] for name in names[bisect_left(names, begin) : bisect_right(names, f"{begin}\U0010ffff")]
                )
            own.append(size)
        rest = (sum(sizes.values()) - sum(own)) / len(own)
        seen.written += [size + rest for size in own]


def sampled(sources: Iterable[Source], most: int) -> tuple[int, list[Source]]:
    """How many sources there are, and a random sample in random order; in memory that does not grow with them."""
    chance, chosen, count = random.Random(SEED), list[Source](), 0
    for source in sources:
        count += 1
        if len(chosen) < most:
            chosen.append(source)
        elif (place := chance.randrange(count)) < most:
            chosen[place] = source
    chance.shuffle(chosen)
    return count, chosen


def _written_as(name: str, rows: Sequence[Row], form: Form) -> bytes:
    file = io.BytesIO()
    FORMATS[name].write(rows, form, file)
    return file.getvalue()


def _short(number: float) -> float:
    """Four figures of it."""
    return float(f"{number:.4g}")


def _row(measure: str, amount: Interval, unit: str, sample: int, note: str = "") -> Estimate:
    low, high = (None if end is None else _short(end) for end in (amount.low, amount.high))
    return Estimate(
        measure=measure, value=_short(amount.value), low=low, high=high, unit=unit, sample=sample, note=note
    )
