"""Presence and counts: how much of each label an item has, or a film, a document, a folder of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, ClassVar, Literal, TextIO, cast

from mediasift.evaluate.labels import share
from mediasift.rows import Finding, Row
from mediasift.run.journal import Journal
from mediasift.run.stream import Stream, refuse_shard
from mediasift.sources.boxes import CARRIED, ROW
from mediasift.sources.naming import Source
from mediasift.tables.manifest import Summary

Per = Literal["item", "source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCount(Finding):
    """How much of one label a picture, page or frame has.

    Attributes:
        label: One that was found there, or was asked for; `text` of what was read. None where nothing was found.
        count: How many objects or regions have it, how many boxes or crops; of `text`, lines, at level word words.
        score: The best of them; None where there is none.
        found: How many of any label there are.
    """

    label: str | None = None
    count: int | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCount(Row):
    """How much of one label a film, a document, or the pictures of a folder have.

    Attributes:
        path: The film or document; of pictures the folder in which they lie.
        unit: frames, pages or pictures: what is counted.
        label: One that was found there, or was asked for; `text` of what was read. None where nothing was found.
        items: How many frames, pages or pictures were read.
        present: How many of them have it at least once.
        share: The same as a share, 0..1.
        low, high: A 95 % interval of the share of pictures (Wilson, 1927), as of a random sample; none for frames and
            pages, which are no sample.
        count: How many there are in all of them.
        score: The best.
        seconds: Of a film: for how long it is seen. What a frame shows lasts until the next frame that was read, and
            what the last one shows as long as what the one before it shows.
        first_s, last_s: Of a film: time of the first and the last frame that has it.
        unread: How many frames, pages or pictures could not be read, which are in no other number.
    """

    shared: ClassVar[tuple[str, ...]] = ("path", "error")

    unit: str | None = None
    label: str | None = None
    items: int | None = None
    present: int | None = None
    share: float | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    score: float | None = None
    seconds: float | None = None
    first_s: float | None = None
    last_s: float | None = None
    unread: int | None = None


@dataclass(slots=True)
class _Tally:
    """What is known of one label so far; seconds of a film are added when the next frame comes."""

    present: int = 0
    count: int = 0
    score: float | None = None
    seconds: float = 0.0
    first_s: float | None = None
    last_s: float | None = None

    def add(self, count: int, score: float | None) -> None:
        """One item more, with so many."""
        self.present += 1
        self.count += count
        self.score = score if self.score is None or score is None else max(self.score, score)


Labels = dict[str, tuple[int, float | None]]
"""Label → how many, and the best score."""


@dataclass(slots=True)
class _Source:
    """What is known of a film, a document or a folder so far."""

    unit: str
    kept: tuple[tuple[str, str], ...] = ()
    items: int = 0
    unread: int = 0
    tallies: dict[str, _Tally] = field(default_factory=dict)
    shown: Sequence[str] = ()
    shown_s: float | None = None
    step_s: float = 0.0

    def add(self, labels: Labels, time_s: float | None) -> None:
        """One item more."""
        self.items += 1
        self.until(time_s)
        for label, (count, score) in labels.items():
            tally = self.tallies.setdefault(label, _Tally())
            tally.add(count, score)
            if time_s is not None:
                tally.first_s = time_s if tally.first_s is None else tally.first_s
                tally.last_s = time_s
        self.shown = tuple(labels) if time_s is not None else ()

    def until(self, time_s: float | None) -> None:
        """What the last frame shows lasts until now; None: as long as the one before."""
        if time_s is not None and self.shown_s is not None:
            self.step_s = max(time_s - self.shown_s, 0.0)
        for label in self.shown:
            self.tallies[label].seconds += self.step_s
        self.shown, self.shown_s = (), time_s

    def rows(self, path: str, asked: Sequence[str]) -> Iterator[SourceCount]:
        """Labels that were asked for in their order, else those that were found, the most frequent first."""
        self.until(None)
        frequent = sorted(self.tallies, key=lambda label: (-self.tallies[label].present, label))
        for label in asked or frequent or (None,):
            tally = self.tallies.get(label or "", _Tally())
            interval = share("share", tally.present, self.items)
            is_film, is_sample = self.unit == "frames", self.unit == "pictures" and self.items > 0
            yield SourceCount(
                path=path, kept=self.kept, unit=self.unit, label=label, items=self.items, present=tally.present,
                share=_rounded(interval.value) if self.items else None, unread=self.unread,
                low=_rounded(interval.low) if is_sample else None, high=_rounded(interval.high) if is_sample else None,
                count=tally.count, score=tally.score, seconds=_rounded(tally.seconds) if is_film else None,
                first_s=tally.first_s, last_s=tally.last_s,
            )  # fmt: skip


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


def item_counts(rows: Iterable[Finding], asked: Sequence[str] = ()) -> Iterator[ItemCount]:
    """Rows of things that were found → a row for each label of each item, in the same order.

    Args:
        rows: Those of one item one after the other.
        asked: Labels that get a row in every item, with the count 0 where it has none; none: those that it has.
    """
    for _, group in groupby(rows, _place):
        item = list(group)
        blank = ItemCount(**{name: getattr(item[0], name) for name in ("path", "page", "frame", "time_s", "kept")})
        labels = _labels(row for row in item if not row.error)
        if any(not row.error for row in item):
            total = sum(count for count, _ in labels.values())
            for label in asked or labels or (None,):
                count, score = labels.get(label or "", (0, None))
                yield replace(blank, label=label, count=count, score=score, found=total)
        yield from (replace(blank, error=row.error) for row in item if row.error)


def source_counts(rows: Iterable[Finding], asked: Sequence[str] = ()) -> Iterator[SourceCount]:
    """Rows of things that were found → a row for each label of each film, document or folder, in the order of these.

    A file that could not be read at all has a row of its own, with the error.

    Args:
        rows: Those of one item one after the other.
        asked: As in `item_counts`.
    """
    sources: dict[tuple[str, str], _Source] = {}
    unread: dict[str, SourceCount] = {}
    for _, group in groupby(rows, _place):
        item = list(group)
        first = item[0]
        unit = "frames" if first.frame is not None else "pages" if first.page is not None else "pictures"
        key = (first.path if unit != "pictures" else _folder(first.path)), unit
        source = sources.setdefault(key, _Source(unit, first.kept if unit != "pictures" else ()))
        if all(row.error for row in item):
            source.unread += 1
            source.until(first.time_s)
            if unit == "pictures":
                unread[first.path] = SourceCount(path=first.path, kept=first.kept, error=first.error)
        else:
            source.add(_labels(row for row in item if not row.error), first.time_s)
    for (path, _), source in sources.items():
        if source.items or source.unit != "pictures":
            yield from source.rows(path, asked)
    yield from unread.values()


def _place(row: Row) -> tuple[Any, ...]:
    return row.path, row.page, row.frame, row.time_s, row.kept


def _labels(rows: Iterable[Finding]) -> Labels:
    labels: Labels = {}
    for label, count, score in (row.counted() for row in rows):
        if label is not None:
            before, best = labels.get(label, (0, None))
            labels[label] = before + count, score if best is None or score is None else max(best, score)
    return labels


def _folder(path: str) -> str:
    """The folder in which a picture lies, as its path is written."""
    end = max(path.rfind("/"), path.rfind(os.sep))
    return path[:end] if end > 0 else path[: end + 1] or "."


class Counts:
    """The counts of a started task's rows; see `mediasift.run.table.Rows`.

    With a journal, what was found is kept there, so that a run that is continued counts it without looking again.

    Args:
        stream: Gives the rows of what was found.
        per: What gets a row for each label.
    """

    extends = False

    def __init__(self, stream: Stream[Any], per: Per) -> None:
        refuse_shard(stream)
        self.stream, self.per = stream, per
        self.row_type: type[Any] = ItemCount if per == "item" else SourceCount
        self.began, self.facts, self.what = stream.began, stream.facts, stream.what
        of_boxes = (ROW, *CARRIED) if stream.job.inputs.boxes else ()  # what is counted are the boxes of a picture
        self.keep = tuple(name for name in stream.keep if name not in of_boxes)

    @property
    def sources(self) -> Iterable[Source]:
        """What is read."""
        return self.stream.sources

    @property
    def resources(self) -> dict[str, Any]:
        """What the rows cost."""
        return self.stream.resources

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[Any]:
        """All rows, once."""
        rows = cast("Iterator[Finding]", self.stream.run(summary, journal, progress))
        if self.keep != self.stream.keep:
            kept = set(self.keep)
            rows = (replace(row, kept=tuple(one for one in row.kept if one[0] in kept)) for row in rows)
        asked: Any = self.facts.get("labels") or getattr(self.stream.job.task, "labels", ())
        return item_counts(rows, asked) if self.per == "item" else source_counts(rows, asked)

    def close(self) -> None:
        """Let go of what computes."""
        self.stream.close()
