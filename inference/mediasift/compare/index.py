"""Fingerprints kept in a file, so that a second run, or one that was cut off, reads only what is new.

A line of JSON says how they were made; then one line for each input that was read, written when it is done: its file,
the file's state, and its rows. A torn last line is dropped; of two lines on one file the later counts.
Inputs that could not be read are not kept: they are tried again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from mediasift.errors import OutputError, UsageError
from mediasift.rows import Row, from_json, to_json
from mediasift.sources.naming import Source

_VERSION = 1
_BEGINS = b'{"mediasift_index":'


class Index:
    """The open file; a context manager.

    Args:
        path: The file; it is made where it is missing.
        made_by: What the rows depend on, JSON values.
        row_type: Of the rows.

    Raises:
        UsageError: The file is no index, or was made in another way.
        OutputError: It cannot be written.
    """

    def __init__(self, path: Path, made_by: Mapping[str, Any], row_type: type[Row]) -> None:
        self.path = path
        self._row_type = row_type
        self._places: dict[str, tuple[Any, int]] = {}
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist; make it first")
        try:
            self._file: IO[bytes] = path.open("a+b", buffering=0)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            self._load(json.loads(json.dumps(made_by)))
        except UsageError:
            self._file.close()
            raise

    def _load(self, made_by: dict[str, Any]) -> None:
        """Where the line of each file is; the lines themselves stay on the disk."""
        with self.path.open("rb") as file:
            header = file.readline()
            if not header.endswith(b"\n"):
                if (
                    header[: len(_BEGINS)] != _BEGINS[: len(header)]
                ):  # neither empty nor ours, cut off in its first line
                    raise UsageError(f"{self.path}: no index of mediasift; name another file")
                self._file.truncate(0)
                self._write({"mediasift_index": _VERSION, "made_by": made_by})
                return
            self._check(header, made_by)
            position = file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    self._file.truncate(position)
                    break
                entry = self._parsed(line)
                self._places[entry["file"]] = (entry.get("state"), position)
                position += len(line)

    def _check(self, header: bytes, made_by: dict[str, Any]) -> None:
        found = self._parsed(header)
        if found.get("mediasift_index") != _VERSION:
            raise UsageError(f"{self.path}: no index of this version of mediasift; name another file")
        old = found["made_by"]
        differ = [name for name in {**old, **made_by} if old.get(name) != made_by.get(name)]
        if differ:
            name = differ[0]
            raise UsageError(
                f"{self.path}: was made in another way ({name} {old.get(name)!r}, not {made_by.get(name)!r}); "
                "name another file, or delete it"
            )

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{self.path}: no index, or damaged; name another file, or delete it") from error
        if not isinstance(data, dict):
            raise UsageError(f"{self.path}: no index of mediasift; name another file")
        return data

    def _write(self, data: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(data, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot be written ({error.strerror}); run the same command again to go on"
            ) from error

    def state(self, source: Source) -> tuple[str, Any] | None:
        """What tells whether a file is still the one that was read."""
        return _state(source)

    def find(self, source: Source) -> list[Row] | None:
        """The rows of an input whose file has not changed since; None when it must be read."""
        state = _state(source)
        if state is None:
            return None
        known, position = self._places.get(state[0], (None, 0))
        if known != state[1]:
            return None
        with self.path.open("rb") as file:
            file.seek(position)
            rows = self._parsed(file.readline())["rows"]
        return [replace(from_json(self._row_type, row), path=source.path, kept=source.kept) for row in rows]

    def knows(self, source: Source) -> bool:
        """Whether `find` would find it."""
        state = _state(source)
        return state is not None and self._places.get(state[0], (None, 0))[0] == state[1]

    def add(self, source: Source, state: tuple[str, Any] | None, rows: Sequence[Row]) -> None:  # noqa: ARG002  (see Store)
        """Keep the rows of an input that was read without error, and was in that state before."""
        if state is not None and not any(row.error for row in rows):
            kept = [{k: v for k, v in to_json(row).items() if k not in ("path", "kept")} for row in rows]
            self._write({"file": state[0], "state": state[1], "rows": kept})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _state(source: Source) -> tuple[str, Any] | None:
    """(address, state) of an input's content; None for what has no address, and what is not there."""
    content = source.content
    if content is None or content.address is None:
        return None
    state = content.state()
    return None if state is None else (content.address, state)
