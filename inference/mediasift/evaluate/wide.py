"""One row a picture: what its tags say, as the coded table of one coder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, TextIO, cast

from mediasift.engines.vision.tags import VisionEngine, counts
from mediasift.errors import UsageError
from mediasift.rows import Row
from mediasift.run.journal import Journal
from mediasift.run.stream import Stream
from mediasift.sources.codebook import BETWEEN
from mediasift.sources.naming import Source
from mediasift.tables.manifest import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedItem(Row):
    """What one coder says of a picture; a column for each feature or variable stands beside.

    Attributes:
        coder: The engine; of a codebook the model, and which time it was asked.
        note: How the picture was read, where a reader of the table should know.
    """

    coder: str | None = None
    note: str | None = None


@dataclass(slots=True)
class _Coder:
    """What is known of one coder's row."""

    cells: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    error: str = ""

    def add(self, row: Any) -> None:
        """A tag."""
        self.error = self.error or row.error
        if row.note:
            self.notes[row.note] = None
        if row.feature is None or row.error:
            return
        known = self.cells.setdefault(row.feature, [])
        cell = (row.label if row.label is not None else row.value) if counts(row) else None
        if cell is not None and cell not in known:
            known.append(cell)

    def cell(self, feature: str, nothing: str) -> str:
        """What there is of a feature; where it was looked for in vain, that; else empty."""
        return BETWEEN.join(self.cells.get(feature, [""]) or [nothing])


class Wide:
    """The coded table of a started task's tags; see `mediasift.run.table.Rows`.

    With a journal, the tags are kept there, so that a run that is continued asks for none again.

    Args:
        stream: Gives the tags.

    Raises:
        UsageError: A column that is to be kept has the name of a feature or variable.
    """

    extends = False
    row_type = CodedItem

    def __init__(self, stream: Stream[Any]) -> None:
        self.stream = stream
        self._task = cast("Any", stream.job.task)
        self.began, self.facts, self.what = stream.began, stream.facts, stream.what
        self._columns: Sequence[str] = self._task.columns
        self._engine = VisionEngine if self._task.stored is not None else self._task.chosen
        if double := set(self._columns) & {*stream.keep}:
            stream.close()
            raise UsageError(f"--keep {double.pop()}: that is the name of a column of answers, too; name it otherwise")
        self.keep = (*self._columns, *stream.keep)

    @property
    def sources(self) -> Iterable[Source]:
        """What is read."""
        return self.stream.sources

    @property
    def resources(self) -> dict[str, Any]:
        """What the rows cost."""
        return self.stream.resources

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[CodedItem]:
        """All rows, once."""
        rows: Any = self.stream.run(summary, journal, progress)
        for _, group in groupby(rows, _place):
            yield from self._coded(list(group))

    def _coded(self, tags: Sequence[Any]) -> Iterable[CodedItem]:
        """The row of each coder, in the order in which they answered."""
        coders: dict[str, _Coder] = {}
        for tag in tags:
            is_stored = self._task.stored is not None  # then each answer says whose it is
            name = (tag.engine or "") if is_stored else self._engine.coder(self._task, tag.number)
            coders.setdefault(name, _Coder()).add(tag)
        blank = CodedItem(**{name: getattr(tags[0], name) for name in ("path", "page", "frame", "time_s")})
        for name, coder in coders.items():
            cells = tuple((column, coder.cell(column, self._engine.nothing)) for column in self._columns)
            yield replace(
                blank, coder=name, note="; ".join(coder.notes) or None, kept=(*cells, *tags[0].kept), error=coder.error
            )

    def close(self) -> None:
        """Let go of what computes."""
        self.stream.close()


def _place(row: Row) -> tuple[Any, ...]:
    return row.path, row.page, row.frame, row.time_s, row.kept
