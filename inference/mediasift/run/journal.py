"""The journal of a run: `OUT.journal.jsonl`, to which every finished source is appended with all its rows.

Line 1 is the header: what is computed, and how. Every other line is one finished source; those from the first torn line
on are dropped, and their sources are done again (see `mediasift.system.lines`).
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.errors import OutputError, Unavailable
from mediasift.rows import RowType, from_json, printable
from mediasift.run.done import STATE_BYTES, UNKNOWN, Begun, Done, digest_of, key_of
from mediasift.run.finished import Finished
from mediasift.sources.naming import Source
from mediasift.system.lines import Lines, to_text
from mediasift.tables.stored import Stored

VERSION = 3

_BEGUN = {"begun": True}
"""The line behind the header, and behind the rows that were taken over from a finished table."""

PASSING = f"{Unavailable.code}:"
"""How the error of a row begins that the same command tries again."""

NOTHING = digest_of(None)
"""The digest of a state that is not known."""

_UNSEEN = "unknown"
"""The state of what is not there, or of what a server says nothing at present."""

_AT_ONCE = 100
"""Sources of a finished table that are taken over in one piece."""

Stock = Iterable[tuple[str, Mapping[str, str], list[Stored]]]
"""Rows of a finished table: path, carried-along columns, neighbouring rows of these."""


def journal_path(output: Path) -> Path:
    """`out.csv` → `out.csv.journal.jsonl`."""
    return output.with_name(output.name + ".journal.jsonl")


class Journal(AbstractContextManager["Journal"]):
    """The open, locked journal of one output. Use it as a context manager.

    Args:
        output: The table it belongs to.

    Attributes:
        path: The journal's file.
        header: What an earlier, unfinished run wrote first; None when there was none.
        table_sha256: Of the finished table, when the earlier run came so far; empty else.
        has_grown: Whether a source, or an item of one, was finished in this run.
        retry_errors: Whether sources with an error row count as not finished.
        follows: Whether `find` knows at once what this run appends: for one that asks again and again.
        looks_again: Whether servers are asked if what a finished table has of them was changed since.
        known: Digest of the state of which are the rows that `find` found last.

    Raises:
        OutputError: It cannot be opened; another run holds it; it is damaged; or it is something else.
    """

    def __init__(self, output: Path) -> None:
        self.path = path = journal_path(output)
        self.header: dict[str, Any] | None = None
        self.table_sha256 = ""
        self.has_grown = self.retry_errors = self.looks_again = self.follows = False
        self.known = NOTHING
        self._since: datetime | None = None
        self._done = Done()
        self._begun: dict[bytes, Begun] = {}
        self._named = array("q")  # a hash of each source that `find` was asked for
        self._each: dict[int, int] = {}  # place of rows of a finished table → how many of them are one source's
        self._lines = Lines(
            path,
            begins=b'{"mediasift_journal":',
            foreign=OutputError(f"{path}: is not a journal of mediasift; move it away"),
            damaged=OutputError(f"{path}: its first line is damaged; move it away, and the same command begins again"),
            busy=OutputError(f"{path}: another run is writing this table; wait for it, or choose another name"),
        )
        try:
            self._read()
        except BaseException as error:
            self.close()
            if isinstance(error, (KeyError, TypeError, ValueError, AttributeError)):
                raise OutputError(f"{path}: holds lines that no run writes; move it away") from error
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many finished sources an earlier run left."""
        return len(self._done)

    @property
    def has_news(self) -> bool:
        """Whether anything stands there that is not in a finished table."""
        done = self._done
        return bool(self._begun) or any(not done.rows[number] for number in done.numbers())

    @property
    def is_of_another_version(self) -> bool:
        """Whether another version of mediasift began it, so that nothing but its first line is known."""
        return self.header is not None and self.header["mediasift_journal"] != VERSION

    def _read(self) -> None:
        """Take in what an earlier run wrote."""
        begun = False
        for place, data in self._lines.read():
            if place == 0:
                self._head(data)
                if self.is_of_another_version:
                    return
            elif "table_sha256" in data:
                self.table_sha256 = data["table_sha256"]
            elif "begun" in data:
                begun = True
            else:
                self._take_in(place, data)
        if begun:
            self._lines.cut()
            self._divide()
        else:  # killed while the rows of a finished table were taken over; that table is still there
            self.forget()

    def _head(self, header: dict[str, Any]) -> None:
        self.header = header
        self._since = datetime.fromisoformat(header["since"]) if header.get("since") else None

    def _take_in(self, place: int, data: Mapping[str, Any]) -> None:
        """A line about a source."""
        key = key_of(data["path"], data["kept"])
        state = bytes.fromhex(data["known"]) if "known" in data else digest_of(data["state"])
        if "first" in data:
            if key not in self._begun or not self._begun[key].goes_on(state, data["first"]):
                self._begun[key] = Begun(state)
            if self._begun[key].items == data["first"]:
                self._begun[key].add(data["items"], place)
            return
        cells = data.get("cells", ())
        errors = [row[-1] for row in cells] or [row.get("error", "") for row in data.get("rows", ())]
        passing = any(error.startswith(PASSING) for error in errors if error)
        self._done.add(key, state, place, failed=any(errors), passing=passing, rows=len(cells))
        self._begun.pop(key, None)

    def _divide(self) -> None:
        """Of sources that a finished table has several times, find which rows are those of one of them."""
        done = self._done
        for path, kept, times in (self.header or {}).get("repeated", ()):
            number = done.find(key_of(path, kept))
            if number is not None and done.rows[number]:
                done.times[number] = times
                if done.rows[number] % times:
                    done.places[number] = UNKNOWN
                self._each[done.places[number]] = done.rows[number] // times

    def forget(self) -> None:
        """Drop everything: as if the run had not begun."""
        self.header, self._done, self._begun, self.table_sha256 = None, Done(), {}, ""
        self._lines.cut(everything=True)

    def begin(self, header: Mapping[str, Any], stock: Stock = (), known: bytes = b"") -> None:
        """Start again, whatever an earlier run left, with rows of a finished table.

        Args:
            header: What is computed, and how; of the finished table `repeated`, and `since`: when its run started.
            stock: The rows of the finished table.
            known: Digests of the states of the inputs that these are of, as far as they are known.

        Raises:
            OutputError: It cannot be written.
        """
        self.forget()
        self._head({"mediasift_journal": VERSION, **header})
        self._lines.append({"mediasift_journal": VERSION, **header})
        digests = itertools.chain(
            (known[place : place + STATE_BYTES] for place in range(0, len(known), STATE_BYTES)),
            itertools.repeat(NOTHING),
        )
        for some in _by(_AT_ONCE, stock):
            lines = [
                {"path": path, "kept": kept, "state": None, "known": digest.hex(),
                 "cells": [list(row.cells) for row in rows]}
                for (path, kept, rows), digest in zip(some, digests, strict=False)
            ]  # fmt: skip
            for place, data in zip(self._lines.append_texts(map(to_text, lines)), lines, strict=True):
                self._take_in(place, data)
        self._lines.append(_BEGUN)
        self._lines.sync()
        self._divide()

    @staticmethod
    def state(source: Source) -> Any:
        """What tells whether a source is still the one that was read, as its content says.

        Never None, which in a journal stands for rows of a finished table.
        """
        state = None if source.content is None else source.content.state()
        return _UNSEEN if state is None else state

    def ask_again(self) -> None:
        """From here on `find` is asked for all inputs once more: what it was asked for before does not count."""
        self._named = array("q")
        self._done.forget_names()

    def find(self, source: Source, *, partly: bool = False) -> int | None:
        """Where the rows of a source that is finished stand; None if it is not, or if its file has changed since.

        Args:
            source: The source.
            partly: The table that is about to be written has only sources that are finished.
        """
        number = self._done.find(key_of(printable(source.path), dict(source.kept))) if self._done else None
        place = None if number is None else self._place(number, source)
        if place is not None or not partly:
            self._named.append(hash((source.path, source.kept)))
        return place

    def _place(self, number: int, source: Source) -> int | None:
        done, place = self._done, self._done.places[number]
        if place == UNKNOWN:
            return None
        done.named[number] += 1
        if done.passing(number) or (self.retry_errors and done.failed(number)):
            done.places[number] = UNKNOWN
            return None
        asks = source.content is not None and source.content.asks
        self.known = before = done.state(number)
        is_finished = done.rows[number] > 0
        if is_finished and (source.content is None or (asks and not self.looks_again)):
            return place
        if is_finished and before == NOTHING:  # of an older table, which says when its run started
            self.known = NOTHING if asks else digest_of(self.state(source))
            return None if self._since and source.content and source.content.has_changed_since(self._since) else place
        state = self.state(source)
        return place if before == digest_of(state) or (asks and state == _UNSEEN) else None

    def begun(self, source: Source, row_type: type[RowType]) -> tuple[int, list[RowType]]:
        """How many items of a source an earlier run finished, and their rows; they are given once."""
        if not self._begun:
            return 0, []
        begun = self._begun.pop(key_of(printable(source.path), dict(source.kept)), None)
        if begun is None or begun.state != digest_of(self.state(source)):
            return 0, []
        return begun.items, [row for place in begun.places for row in _made(self._lines.at(place), row_type)]

    def vanished(self) -> list[int]:
        """Finished sources that `find` was not asked for, as often as they were named: inputs no longer there."""
        done = self._done
        gone = [number for number in done.numbers() if not done.named[number] and done.places[number] != UNKNOWN]
        return [done.places[number] for number in gone for _ in range(done.times.get(number, 1))]

    def repeated(self, places: Sequence[int]) -> list[list[Any]]:
        """[path, carried-along columns, how often] of each source that is in this run's table more than once.

        Args:
            places: Where the rows stand of all that `find` was asked for, in that order, and behind them of those that
                vanished.
        """
        named = np.asarray(self._named)
        ordered = np.sort(named)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        several = np.flatnonzero(np.isin(named, twice)).tolist() if len(twice) else []
        chosen = [*(places[index] for index in several), *places[len(named) :]]
        times: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        for data in self._lines.each(chosen):
            times[data["path"], tuple(data["kept"].items())] += 1
        return [[path, dict(kept), count] for (path, kept), count in times.items() if count > 1]

    def append(self, finished: Sequence[Finished], states: Sequence[tuple[Any, int]]) -> list[int]:
        """Write down sources that are finished, in one piece; returns where their rows stand.

        Args:
            finished: The sources. Of one that goes on, these are some of its items and their rows.
            states: Of each, its state before it was read, and how many of its items were finished before.

        Raises:
            OutputError: The disk is full, or gone; what was written before stays.
        """
        self.has_grown = True
        texts = []
        for one, (state, before) in zip(finished, states, strict=True):
            part = {} if one.ended else {"first": before, "items": one.items}
            path, kept = printable(one.source.path), dict(one.source.kept)
            text = to_text({"path": path, "kept": kept, "state": state, **part})
            texts.append(b'%b,"rows":%b}' % (text[:-1], one.text))
        places = self._lines.append_texts(texts)
        for place, one, (state, _) in zip(places, finished, states, strict=True) if self.follows else ():
            if one.ended:
                key = key_of(printable(one.source.path), dict(one.source.kept))
                self._done.finish(key, digest_of(state), place, failed=one.errors > 0)
        return places

    def rows(self, place: int, row_type: type[RowType]) -> Iterator[RowType | Stored]:
        """The rows of the finished source at `place`."""
        return self.each([place], row_type)

    def each(self, places: Iterable[int], row_type: type[RowType]) -> Iterator[RowType | Stored]:
        """The rows of the finished source at each place; quick where these follow one another."""
        places, same = itertools.tee(places)
        for place, data in zip(places, self._lines.each(same), strict=True):
            if "cells" in data:
                yield from (Stored(cells=tuple(cells)) for cells in data["cells"][: self._each.get(place)])
            yield from _made(data, row_type)

    def path_at(self, place: int) -> str:
        """The path of the finished source at `place`."""
        return str(self._lines.at(place)["path"])

    def state_at(self, place: int) -> Any:
        """The state in which the finished source at `place` was read; None for rows of a finished table."""
        return self._lines.at(place)["state"]

    def finish(self, table_sha256: str) -> None:
        """Write down what the table will be that is about to appear, so that it is known as ours from then on."""
        self.table_sha256 = table_sha256
        self._lines.cut()
        self._lines.append({"table_sha256": table_sha256})
        self._lines.sync()

    def remove(self) -> None:
        """The table is there: the journal goes."""
        self._lines.remove()

    def close(self) -> None:
        """Let go of it; one in which nothing stands is removed."""
        self._lines.close()


def _made(data: Mapping[str, Any], row_type: type[RowType]) -> Iterator[RowType]:
    path, kept = data["path"], tuple(data["kept"].items())
    return (from_json(row_type, row, path, kept) for row in data.get("rows", ()))


def _by(size: int, stock: Stock) -> Iterator[list[tuple[str, Mapping[str, str], list[Stored]]]]:
    remaining = iter(stock)
    return iter(lambda: list(itertools.islice(remaining, size)), [])
