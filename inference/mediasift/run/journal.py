"""The journal of a run: `OUT.journal.jsonl`, to which every finished source is appended with all its rows.

Line 1 is the header: what is computed, and how. Every other line is one finished source; those from the first torn line
on are dropped, and their sources are done again (see `mediasift.system.lines`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mediasift.errors import OutputError
from mediasift.rows import Row, RowType, from_json, printable, to_json
from mediasift.sources.naming import Source
from mediasift.system.lines import Lines
from mediasift.tables.stored import Stored

_BEGUN = {"begun": True}
"""The line behind the header, and behind the rows that were taken over from a finished table."""


@dataclass(slots=True)
class _Done:
    """A finished source: where its line begins, the file's state when it was read, and whether an input named it."""

    place: int
    state: bytes
    named: bool = False


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
        has_grown: Whether a source was finished in this run.

    Raises:
        OutputError: It cannot be opened; another run holds it; or a file of that name is something else.
    """

    def __init__(self, output: Path) -> None:
        self.path = path = journal_path(output)
        self.header: dict[str, Any] | None = None
        self.table_sha256 = ""
        self.has_grown = False
        self._done: dict[bytes, _Done] = {}
        self._lines = Lines(
            path,
            begins=b'{"mediasift_journal":',
            foreign=OutputError(f"{path}: is not a journal of mediasift; move it away"),
            busy=OutputError(f"{path}: another run is writing this table; wait for it, or choose another name"),
        )
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many finished sources an earlier run left."""
        return len(self._done)

    def _read(self) -> None:
        """Take in what an earlier run wrote."""
        begun = False
        for place, data in self._lines.read():
            if place == 0:
                self.header = data
            elif "table_sha256" in data:
                self.table_sha256 = data["table_sha256"]
            elif "begun" in data:
                begun = True
            else:
                self._done[_key(data["path"], data["kept"])] = _Done(place, _digest(data["state"]))
        if begun:
            self._lines.cut()
        else:  # killed while the rows of a finished table were taken over; that table is still there
            self.forget()

    def forget(self) -> None:
        """Drop everything: as if the run had not begun."""
        self.header, self._done, self.table_sha256 = None, {}, ""
        self._lines.cut(everything=True)

    def begin(
        self, header: Mapping[str, Any], stored: Iterable[tuple[str, Mapping[str, str], list[Stored]]] = ()
    ) -> None:
        """Start again, whatever an earlier run left, with rows of a finished table: path, carried-along columns, rows.

        Raises:
            OutputError: It cannot be written.
        """
        self.forget()
        self.header = {"mediasift_journal": 1, **header}
        self._lines.append(self.header)
        for path, kept, rows in stored:
            cells = [list(row.cells) for row in rows]
            place = self._lines.append({"path": path, "kept": kept, "state": None, "cells": cells})
            self._done[_key(path, kept)] = _Done(place, _digest(None))
        self._lines.append(_BEGUN)
        self._lines.sync()

    @staticmethod
    def state(source: Source) -> Any:
        """What tells whether a source is still the one that was read, as its content says.

        Never None, which in a journal stands for rows of a finished table, whose sources are not looked at.
        """
        found = None if source.content is None else source.content.state()
        return "unknown" if found is None else found

    def find(self, source: Source) -> int | None:
        """Where the rows of a source that is finished stand; None if it is not, or if its file has changed since."""
        done = self._done.get(_key(printable(source.path), dict(source.kept)))
        if done is None:
            return None
        done.named = True
        return done.place if done.state in (_digest(None), _digest(self.state(source))) else None

    def vanished(self) -> list[int]:
        """Finished sources that `find` was not asked for: inputs that are no longer there."""
        return [done.place for done in self._done.values() if not done.named]

    def append(self, source: Source, state: Any, rows: Sequence[Row]) -> int:
        """Write down a finished source, which was in that state before it was read; returns where its rows stand.

        Raises:
            OutputError: The disk is full, or gone; what was written before stays.
        """
        data = {"path": printable(source.path), "kept": dict(source.kept), "state": state}
        self.has_grown = True
        return self._lines.append({**data, "rows": [to_json(row) for row in rows]})

    def rows(self, place: int, row_type: type[RowType]) -> Iterator[RowType | Stored]:
        """The rows of the finished source at `place`."""
        data = self._lines.at(place)
        kept = list(data["kept"].items())
        yield from (Stored(cells=tuple(cells)) for cells in data.get("cells", ()))
        yield from (from_json(row_type, {**row, "kept": kept}) for row in data.get("rows", ()))

    def path_at(self, place: int) -> str:
        """The path of the finished source at `place`."""
        return str(self._lines.at(place)["path"])

    def finish(self, table_sha256: str) -> None:
        """Write down what the table will be that is about to appear, so that it is known as ours from then on."""
        self._lines.cut()
        self._lines.append({"table_sha256": table_sha256})
        self._lines.sync()

    def remove(self) -> None:
        """The table is there: the journal goes."""
        self._lines.remove()

    def close(self) -> None:
        """Let go of it; one in which nothing stands is removed."""
        self._lines.close()


def _key(path: str, kept: Mapping[str, str]) -> bytes:
    return _digest([path, dict(kept)])


def _digest(value: Any) -> bytes:
    return blake2b(json.dumps(value).encode(), digest_size=12).digest()
