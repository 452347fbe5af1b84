"""A table that goes on: files that appear in folders become rows, until it is ended.

What is read stands in the journal at once; the table is written again, whole, now and then and at the end. So the same
command goes on after any end, and the table is the one that the verb itself would make of the folders, and of files
that were there and are gone.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TextIO

from mediasift.errors import Interrupted, NotFound, UsageError, count_of
from mediasift.rows import RowType
from mediasift.run.journal import Journal
from mediasift.run.process import Signals
from mediasift.run.resume import check_ours, look
from mediasift.run.stream import Stream
from mediasift.run.table import Opened, Table
from mediasift.settings import Option, Settings
from mediasift.sources.arrivals import POLL_S, Notices, Waiting, writers
from mediasift.sources.finding import find_sources, sources_at
from mediasift.sources.naming import Source
from mediasift.system.progress import Progress
from mediasift.tables.manifest import Summary

_TICK_S = 0.2
"""How long nothing is heard of a signal at most."""

_SHARE = 5
"""Looking at the folders, and writing the table, wait so many times as long as they computed: a fifth of a core."""

_MAKES = ("directory", "draw", "crops", "masks")
"""Options of folders into which a task writes."""

_CLOCK_S = 2.0
"""Times of files are as exact as that (FAT), and by the clock of their file system."""


@dataclass(frozen=True, kw_only=True)
class WatchSettings(Settings):
    """Keep a table of folders in which files appear, until Ctrl-C: each file that is whole becomes rows.

    `mediasift watch FOLDER` is `mediasift watch classify FOLDER`; so do detect, segment, embed, ocr, info, transcribe.
    """

    settle_s: Annotated[
        float, Option("A file is read when it was the same for so long.", flag="--settle", above=0, metavar="SECONDS")
    ] = 1.0
    every_s: Annotated[
        float,
        Option(
            "Write the table at most that often while pictures arrive.",
            flag="--table-every",
            above=0,
            metavar="SECONDS",
        ),
    ] = 10.0
    poll_s: Annotated[
        float | None,
        Option("Look at the folder that often, rather than wait for the system's notices.", flag="--poll", above=0,
               metavar="SECONDS", default=f"notices; {POLL_S:g} where there are none"),
    ] = None  # fmt: skip


class Watch(Table[RowType]):
    """A table of folders whose `write` goes on until Ctrl-C or SIGTERM.

    Args:
        table: A verb's, over folders, none of whose rows was taken.
        settings: How they are looked at.

    Raises:
        UsageError: Something else than folders was named, or what the task writes would lie in one of them.
    """

    def __init__(self, table: Table[RowType], settings: WatchSettings) -> None:
        super().__init__(stream := table.rows)
        if not isinstance(stream, Stream):
            self.close()
            raise UsageError("counts are of all files together; watch without --per, and count in the table")
        self._stream, self._settings, self._signals = stream, settings, Signals()
        self._inputs, stream.stays = stream.job.inputs, True
        self._folders = self._inputs.names
        self._known: set[str | None] = set()  # tables that we wrote
        self._first_new = -1
        if mistake := self._mistake():
            self.close()
            raise UsageError(mistake)

    def _mistake(self) -> str:
        """What is wrong with what was named; empty for nothing."""
        if self._stream.job.cost("shard") is not None:
            return "shard: files that are yet to come have no parts; watch other folders on other machines"
        if self._stream.job.cost("estimate") is not None:
            return "estimate: it is not known which files are yet to come; estimate the same verb on a folder of them"
        made = [str(one) for one in (getattr(self._stream.job.task, name, None) for name in _MAKES) if one]
        for folder in self._folders:
            if not Path(folder).is_dir():
                return f"{folder}: is no folder; name folders to watch"
            for one in made:
                if Path(one).resolve().is_relative_to(Path(folder).resolve()):
                    return f"{one}: lies in the watched folder {folder}, where it would be read; choose one outside"
        return ""

    def write(
        self, output: str | Path, *, format: str | None = None, spreadsheet_safe: bool = False,
        progress: TextIO | None = None, restart: bool = False, update: bool = True, retry_errors: bool = False,
    ) -> None:  # fmt: skip
        """Write the table and its manifest again and again, each whole; see `Table.write`, whose `update` this has.

        Raises:
            Interrupted: It was ended while files were there that are not in the table; the same call goes on.
        """
        del update
        settings = self._settings
        with (
            self._opened(
                Path(output), format, spreadsheet_safe, restart=restart, update=True, retry_errors=retry_errors
            ) as opened,
            Notices(self._folders, recursive=self._inputs.recursive, poll_s=settings.poll_s) as notices,
            writers() as is_being_written,
            self._signals,
        ):
            opened.journal.follows = True
            self._known |= {opened.before, opened.journal.table_sha256}
            waiting = Waiting(settings.settle_s, is_being_written)
            how = f"every {notices.every_s:g} s ({notices.reason})" if notices.reason else "as the system gives notice"
            _report(progress, f"watching {', '.join(self._folders)}, {how}; Ctrl-C ends it")
            self._go_on(opened, notices, waiting, progress)
            self._end(opened, waiting, progress)

    def _go_on(self, opened: Opened, notices: Notices, waiting: Waiting, progress: TextIO | None) -> None:
        """Until it is ended."""
        look_at = write_at = 0.0
        has_news = opened.todo == "continue"
        while not self._signals.requested:
            now, spent = time.monotonic(), time.thread_time()
            if now >= look_at or (has_news and now >= write_at):
                order = self._look(opened.journal, waiting)
                opened.journal.retry_errors = False  # once: from here on they are as finished as others
                look_at = _next(spent, notices.every_s)
                if has_news and now >= write_at and order:
                    self._write_now(opened, order, waiting, progress)
                    write_at, has_news = _next(spent, self._settings.every_s), False
            try:
                has_news |= self._read(opened.journal, waiting, write_at)
            except Interrupted:
                return
            for path, folder in notices.take(_TICK_S):
                for source in sources_at(path, folder, self._inputs):
                    if opened.journal.find(source) is None:
                        waiting.add(source)

    def _look(self, journal: Journal, waiting: Waiting) -> array[int]:
        """Look at everything: what is not finished waits; of the rest, in input order, the places in the journal."""
        journal.ask_again()
        order = array("q")
        for source in find_sources(self._inputs):
            if isinstance(source.failure, NotFound):  # a watched folder that is gone may come back
                continue
            if (place := journal.find(source, partly=True)) is None:
                waiting.add(source)
            else:
                order.append(place)
        return order

    def _read(self, journal: Journal, waiting: Waiting, until: float) -> bool:
        """Read what is whole into the journal, until the table is due; whether there was anything."""

        def due() -> Iterator[Source]:
            began = time.monotonic()
            for source in waiting.ready():
                yield source
                if self._signals.requested or time.monotonic() > max(until, began + self._settings.every_s):
                    return

        sources = due()
        if (first := next(sources, None)) is None:
            return False
        for place, new in self._stream.kept(_chained(first, sources), journal, Progress()):
            if new is not None and self._first_new < 0:
                self._first_new = place
        return True

    def _write_now(self, opened: Opened, order: array[int], waiting: Waiting, progress: TextIO | None) -> None:
        """The table as it is now."""
        check_ours(opened.output, look(opened.output)[0], self._known)
        self._publish(self._rows_at(order, opened.journal), opened)
        self._known = {opened.what["table"]["sha256"]}
        summary, wait = self.summary, f", {len(waiting):,} wait" if len(waiting) else ""
        _report(
            progress,
            f"{opened.output}: {count_of(summary.sources, 'file')}, {count_of(summary.error_rows, 'error')}{wait}",
        )

    def _rows_at(self, order: array[int], journal: Journal) -> Iterator[Any]:
        """The rows of finished sources and, behind them, of those that are gone."""
        self.summary = summary = Summary(sources=len(order))
        self._stream.tell(summary)
        summary.sizes = ()  # these are in the order in which files came
        summary.taken_over = sum(place < self._first_new or self._first_new < 0 for place in order)
        gone = self._gone(order, journal)
        summary.vanished = [journal.path_at(place) for place in dict.fromkeys(gone)]
        order = order + array("q", gone)
        summary.repeated = journal.repeated(order)
        for row in journal.each(order, self._stream.row_type):
            summary.count(row.error)
            yield row

    def _gone(self, order: array[int], journal: Journal) -> list[int]:
        """Sources that are no longer there; without files that were renamed, and folders that open again."""
        if not (gone := journal.vanished()):
            return []
        here = {_identity(journal.state_at(place)) for place in order}
        states = ((place, journal.state_at(place)) for place in gone)
        return [place for place, state in states if state != "unknown" and (_identity(state) or 0) not in here]

    def _end(self, opened: Opened, waiting: Waiting, progress: TextIO | None) -> None:
        """The last table; the journal goes unless something is left to read."""
        checked = max(self._stream.began, datetime.now(UTC) - timedelta(seconds=_CLOCK_S))
        order = self._look(opened.journal, waiting)
        left = list(waiting)
        if not order and not opened.journal.vanished():
            opened.journal.forget()
        else:
            opened.what["checked"] = checked.isoformat()
            self._write_now(opened, order, waiting, progress)
            if not left:
                opened.journal.remove()
        if left:
            named = left[0] + ", ..." * (len(left) > 1)
            raise Interrupted(
                f"{opened.output}: has all but {count_of(len(left), 'file')} there ({named}), not whole or not yet "
                "read. To go on, type the same command again"
            )


def _identity(state: Any) -> tuple[int, int, int] | None:
    """What a file keeps when it is renamed: size, time of change, inode; None where that is not known."""
    return (state[0], state[1], state[3]) if isinstance(state, list) else None


def _next(spent: float, every_s: float) -> float:
    """When to do again what began when this thread had computed for so long."""
    return time.monotonic() + max(every_s, _SHARE * (time.thread_time() - spent))


def _chained(first: Source, others: Iterator[Source]) -> Iterator[Source]:
    yield first
    yield from others


def _report(progress: TextIO | None, line: str) -> None:
    if progress is not None:
        progress.write(line + "\n")
        progress.flush()
