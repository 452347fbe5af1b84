"""Fingerprints kept in a file, so that a second run, or one that was cut off, reads only what is new.

A line of JSON says how they were made; then one line for each input that was read, written when it is done: its file,
the state of that file, and its rows. The lines are those of `mediasift.system.lines`: checked, locked, and from the
first damaged one on dropped. Of two lines on one file the later counts. Inputs that could not be read are not kept:
they are tried again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mediasift.errors import OutputError, UsageError
from mediasift.rows import Row, RowType, from_json, to_json
from mediasift.sources.addresses import hidden
from mediasift.sources.naming import Source
from mediasift.system.lines import Lines

_VERSION = 2
NOT_KEPT = -1
"""The place of rows that the index does not keep."""


class Index:
    """The open, locked file; a context manager.

    Args:
        path: The file; it is made where it is missing.
        made_by: What the rows depend on, JSON values.

    Raises:
        UsageError: The file is no index, or was made in another way.
        OutputError: It cannot be written, or another run has it open.
    """

    def __init__(self, path: Path, made_by: Mapping[str, Any]) -> None:
        self.path = path
        self._places: dict[str, tuple[list[Any], int]] = {}
        self._lines = Lines(
            path.resolve(),
            begins=b'{"mediasift_index":',
            foreign=UsageError(f"{path}: no index of mediasift; name another file"),
            damaged=UsageError(
                f"{path}: was made by an older version of mediasift, or its first line is damaged; delete it, or name "
                "another file"
            ),
            busy=OutputError(f"{path}: another run has this index open; wait for it, or name another file"),
        )
        try:
            self._read(json.loads(json.dumps(made_by)))
        except BaseException:
            self.close()
            raise

    def _read(self, made_by: dict[str, Any]) -> None:
        """Where the line of each file is; the lines themselves stay on the disk."""
        lines = self._lines.read()
        _, header = next(lines, (0, None))
        if header is None:
            self._lines.cut(everything=True)
            self._lines.append({"mediasift_index": _VERSION, "made_by": made_by})
            return
        if header["mediasift_index"] != _VERSION:
            raise UsageError(f"{self.path}: was made by another version of mediasift; delete it, or name another file")
        old = header["made_by"]
        if differ := [name for name in {**old, **made_by} if old.get(name) != made_by.get(name)]:
            difference = f"{differ[0]} {old.get(differ[0])!r}, not {made_by.get(differ[0])!r}"
            raise UsageError(f"{self.path}: was made in another way ({difference}); name another file, or delete it")
        for place, entry in lines:
            self._places[entry["file"]] = (entry["state"], place)
        self._lines.cut()

    def state(self, source: Source) -> tuple[str, Any] | None:
        """(address, state) of an input's content; None for what has no address, and what is not there."""
        address = None if source.content is None else source.content.address
        if source.content is None or address is None or (state := source.content.state()) is None:
            return None
        return hidden(address), state

    def find(self, source: Source) -> int | None:
        """Where the rows of an input stand whose file has not changed since; None when it must be read."""
        state = self.state(source)
        if state is None:
            return None
        known, place = self._places.get(state[0], (None, 0))
        return place if known == [state[1]] else None

    def append(self, source: Source, state: tuple[str, Any] | None, rows: Sequence[Row]) -> int:
        """Keep the rows of an input that was read without error, and was in that state before; returns their place."""
        del source
        if state is None or any(row.error for row in rows):
            return NOT_KEPT
        return self._lines.append({"file": state[0], "state": [state[1]], "rows": list(map(to_json, rows))})

    def rows(self, place: int, row_type: type[RowType]) -> Iterator[RowType]:
        """The rows that stand there, without the path that an input is named by."""
        for row in self._lines.at(place)["rows"]:
            yield from_json(row_type, row)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
