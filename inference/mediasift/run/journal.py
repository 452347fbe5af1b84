"""The journal of a run: `OUT.journal.jsonl`, to which every finished source is appended with all its rows.

Line 1 is the header: what is computed, and how. Every other line is one finished source. Each line is a JSON object
that ends in a CRC-32 of what stands before it, so a line that was torn by a crash, or that a file system filled with
zeros after a power cut, is recognised; everything from the first such line on is dropped, and its sources are done
again. A process that is killed loses nothing that was appended. The disk is told to keep the data every `SYNC_S`
seconds: a power cut costs the work of the last seconds, never a wrong row.

The file is only ever appended to, by one process, under a lock, which network file systems support as well as local
ones.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mediasift.errors import OutputError
from mediasift.rows import Row, from_json, printable, to_json
from mediasift.sources.naming import Source
from mediasift.system.files import faults
from mediasift.system.locks import lock, unlock
from mediasift.tables.stored import Stored

SYNC_S = 5.0
"""Seconds between two calls of fsync."""

_MAGIC = b'{"mediasift_journal":'
_BEGUN = {"begun": True}
"""The line behind the header, and behind the rows that were taken over from a finished table."""


@dataclass(slots=True)
class _Done:
    """A finished source: where its line begins, the file's state when it was read, and whether an input named it."""

    offset: int
    state: bytes
    named: bool = False


def journal_path(output: Path) -> Path:
    """`out.csv` → `out.csv.journal.jsonl`."""
    return output.with_name(output.name + ".journal.jsonl")


class Journal:
    """The open, locked journal of one output. Use it as a context manager.

    Args:
        output: The table it belongs to.

    Attributes:
        path: The journal's file.
        header: What an earlier, unfinished run wrote first; None when there was none.
        table_sha256: Of the finished table, when the earlier run came so far; empty else.

    Raises:
        OutputError: It cannot be opened; another run holds it; or a file of that name is something else.
    """

    def __init__(self, output: Path) -> None:
        self.path = journal_path(output)
        self.header: dict[str, Any] | None = None
        self.table_sha256 = ""
        self._done: dict[bytes, _Done] = {}
        self._file = self._open()
        self._synced = time.monotonic()
        try:
            with faults(self.path):
                self._end = self._read()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many finished sources an earlier run left."""
        return len(self._done)

    def _open(self) -> int:
        """A descriptor that is locked and still the file of that name."""
        while True:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            with faults(self.path):
                file = os.open(self.path, flags, 0o666)
            if not lock(file, self.path):
                os.close(file)
                raise OutputError(
                    f"{self.path}: another run is writing this table; wait for it, or choose another name"
                )
            if self.path.exists() and os.path.samestat(os.fstat(file), self.path.stat()):
                return file
            self._release(file)  # the other run finished and removed its journal between our two steps

    def _release(self, file: int) -> None:
        unlock(self.path)
        os.close(file)

    def _read(self) -> int:
        """Take in what an earlier run wrote; returns where the next line goes, behind the last whole one."""
        end, begun = 0, False
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                if end == 0 and line[: len(_MAGIC)] != _MAGIC[: len(line)]:
                    raise OutputError(f"{self.path}: is not a journal of mediasift; move it away")
                data = _checked(line)
                if data is None:
                    break
                if end == 0:
                    self.header = data
                elif "table_sha256" in data:
                    self.table_sha256 = data["table_sha256"]
                elif "begun" in data:
                    begun = True
                else:
                    self._done[_key(data["path"], data["kept"])] = _Done(end, _digest(data["state"]))
                end += len(line)
        if not begun:  # killed while the rows of a finished table were taken over; that table is still there
            self.header, self._done, end = None, {}, 0
        os.ftruncate(self._file, end)
        return end

    def begin(
        self, header: Mapping[str, Any], stored: Iterable[tuple[str, Mapping[str, str], list[Stored]]] = ()
    ) -> None:
        """Start anew, whatever an earlier run left.

        Args:
            header: What is computed, JSON values.
            stored: Rows of a finished table to begin with: path, carried-along columns, rows.

        Raises:
            OutputError: It cannot be written.
        """
        self._done, self.table_sha256, self._end = {}, "", 0
        self.header = {"mediasift_journal": 1, **header}
        with faults(self.path):
            os.ftruncate(self._file, 0)
            self._write(self.header)
            for path, kept, rows in stored:
                cells = [list(row.cells) for row in rows]
                offset = self._write({"path": path, "kept": kept, "state": None, "cells": cells})
                self._done[_key(path, kept)] = _Done(offset, _digest(None))
            self._write(_BEGUN)
            os.fsync(self._file)

    def find(self, source: Source) -> int | None:
        """Where the rows of a source that is finished stand; None if it is not, or if its file has changed since."""
        done = self._done.get(_key(printable(source.path), dict(source.kept)))
        if done is None:
            return None
        done.named = True
        return done.offset if done.state in (_digest(None), _digest(state(source))) else None

    def vanished(self) -> list[int]:
        """Finished sources that `find` was not asked for: inputs that are no longer there."""
        return [done.offset for done in self._done.values() if not done.named]

    def append(self, source: Source, state: Any, rows: Sequence[Row]) -> int:
        """Write down a finished source; returns where its rows stand.

        Args:
            source: The source.
            state: What `state(source)` gave before it was read.
            rows: All its rows.

        Raises:
            OutputError: The disk is full, or gone; what was written before stays.
        """
        data = {"path": printable(source.path), "kept": dict(source.kept), "state": state}
        with faults(self.path):
            offset = self._write({**data, "rows": [to_json(row) for row in rows]})
            if time.monotonic() - self._synced >= SYNC_S:
                self._sync()
        return offset

    def _sync(self) -> None:
        os.fsync(self._file)
        self._synced = time.monotonic()
        if not self.path.exists() or not os.path.samestat(os.fstat(self._file), self.path.stat()):
            raise OutputError(
                f"{self.path}: was moved or removed while it was written; put its folder back and run the command again"
            )

    def _write(self, data: Mapping[str, Any]) -> int:
        """Append one line; after a failure the next line overwrites the torn one."""
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))[:-1].encode("utf-8", "surrogatepass")
        line = memoryview(text + b',"crc":"%08x"}\n' % zlib.crc32(text))
        offset, position = self._end, self._end
        while line:
            count = _write_at(self._file, line, position)
            line, position = line[count:], position + count
        self._end = position
        return offset

    def rows(self, offset: int, row_type: type[Row]) -> Iterator[Row | Stored]:
        """The rows of the finished source at `offset`."""
        data = self._line(offset)
        if "cells" in data:
            yield from (Stored(cells=tuple(cells)) for cells in data["cells"])
            return
        kept = list(data["kept"].items())
        for row in data["rows"]:
            yield from_json(row_type, {**row, "kept": kept})

    def path_at(self, offset: int) -> str:
        """The path of the finished source at `offset`."""
        return str(self._line(offset)["path"])

    def _line(self, offset: int) -> dict[str, Any]:
        with faults(self.path), os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(offset)
            found: dict[str, Any] = json.loads(file.readline())
        return found

    def finish(self, table_sha256: str) -> None:
        """Write down what the table will be that is about to appear, so that it is known as ours from then on."""
        with faults(self.path):
            os.ftruncate(self._file, self._end)
            self._write({"table_sha256": table_sha256})
            os.fsync(self._file)

    def remove(self) -> None:
        """The table is there: the journal goes."""
        with faults(self.path):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it; a journal in which nothing stands is removed."""
        if self._file < 0:
            return
        if os.fstat(self._file).st_size == 0:
            self.remove()
        self._release(self._file)
        self._file = -1


def _write_at(file: int, data: memoryview, position: int) -> int:
    """How many bytes were written there."""
    if hasattr(os, "pwrite"):
        return os.pwrite(file, data, position)
    os.lseek(file, position, os.SEEK_SET)  # Windows
    return os.write(file, data)


def state(source: Source) -> Any:
    """What tells whether a source is still the one that was read, as its content says.

    Never None, which in a journal stands for rows of a finished table, whose sources are not looked at.
    """
    found = None if source.content is None else source.content.state()
    return "unknown" if found is None else found


def _checked(line: bytes) -> dict[str, Any] | None:
    """The object of a whole line; None for a line that was torn or is not what was written."""
    text, mark, crc = line.rpartition(b',"crc":"')
    if not mark or crc != b'%08x"}\n' % zlib.crc32(text):
        return None
    found: dict[str, Any] = json.loads(line)
    return found


def _key(path: str, kept: Mapping[str, str]) -> bytes:
    return _digest([path, dict(kept)])


def _digest(value: Any) -> bytes:
    return blake2b(json.dumps(value).encode(), digest_size=12).digest()
