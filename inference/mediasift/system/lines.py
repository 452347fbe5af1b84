"""Files of checked JSON lines, only ever appended to, by one process: what journals and indexes are made of.

Each line is a JSON object that ends in a CRC-32 of what stands before it, so a line that was torn by a crash, or that a
file system filled with zeros after a power cut, is recognised; everything from the first such line on is dropped. A
process that is killed loses nothing that was appended. The disk is asked to keep the data every `SYNC_S` seconds: a
power cut costs the work of the last seconds, never a wrong line.

The file is locked while it is open, in a way that network file systems support as well as local ones.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mediasift.errors import MediasiftError, OutputError
from mediasift.system.files import faults, refuse_special
from mediasift.system.locks import is_ours, lock, owner, unlock

SYNC_S = 5.0
"""Seconds between two calls of fsync."""

_PIECE_BYTES = 1 << 18
"""Read at a time where lines are asked for by their places."""


class Lines:
    """The open, locked file; it is made where it is missing. A line stands at its place: the offset of its first byte.

    Args:
        path: The file.
        begins: The first bytes of every file of this kind, without the line's end.
        foreign: Raised by `read` for a file that begins in another way.
        damaged: Raised by `read` for a first line that is whole, but not as it was written; None drops everything.
        busy: Raised where another process has the file open.

    Attributes:
        path: The file.
        end: Where the next line goes.

    Raises:
        OutputError: It cannot be opened.
    """

    def __init__(
        self, path: Path, *, begins: bytes, foreign: MediasiftError, busy: MediasiftError,
        damaged: MediasiftError | None = None,
    ) -> None:  # fmt: skip
        self.path = path
        self._begins, self._foreign, self._busy, self._damaged = begins, foreign, busy, damaged
        self.end = 0
        self._synced = time.monotonic()
        self._file = self._open()

    def _open(self) -> int:
        """A descriptor that is locked and still the file of that name."""
        while True:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            refuse_special(self.path)
            with faults(self.path):
                file = os.open(self.path, flags, 0o666)
            if not lock(file, self.path):
                os.close(file)
                raise type(self._busy)(f"{self._busy}{f' (it is {by})' if (by := owner(self.path)) else ''}")
            if self._is_named(file):
                return file
            self._release(file)  # the other process finished and removed it between our two steps

    def _is_named(self, file: int) -> bool:
        return self.path.exists() and os.path.samestat(os.fstat(file), self.path.stat())

    def _release(self, file: int) -> None:
        unlock(self.path)
        os.close(file)

    def read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(place, object) of each whole line from the first on; the next line goes behind those that were read."""
        self.end = 0
        with faults(self.path), os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for line in file:
                if self.end == 0 and line[: len(self._begins)] != self._begins[: len(line)]:
                    raise self._foreign
                data = _checked(line)
                if data is None:
                    if self.end == 0 and line.endswith(b"\n") and self._damaged is not None:  # a torn line has no end
                        raise self._damaged
                    return
                place = self.end
                self.end += len(line)
                yield place, data

    def at(self, place: int) -> dict[str, Any]:
        """The object of the line at `place`."""
        return next(self.each([place]))

    def each(self, places: Iterable[int]) -> Iterator[dict[str, Any]]:
        """The object of the line at each place; quick where these follow one another."""
        begin, piece = 0, b""
        for place in places:
            end = piece.find(b"\n", place - begin) if begin <= place < begin + len(piece) else -1
            if end < 0:
                with faults(self.path):
                    begin, piece, end = place, *self._line_and_more(place)
            yield _decoded(piece[place - begin : end].decode("utf-8", "surrogatepass"))

    def _line_and_more(self, place: int) -> tuple[bytes, int]:
        """What stands from there on, and where in it the first line ends."""
        size = _PIECE_BYTES
        while (end := (piece := _read_at(self._file, size, place)).find(b"\n")) < 0 and len(piece) == size:
            size *= 2
        return piece, end

    def append(self, data: Mapping[str, Any]) -> int:
        """Write one line and return its place; raises what `append_texts` raises."""
        return self.append_texts([to_text(data)])[0]

    def append_texts(self, texts: Iterable[bytes]) -> list[int]:
        """Write a line for each object, given as JSON text, in one piece, and return their places.

        After a failure the next line overwrites what was torn.

        Raises:
            OutputError: The disk is full, or gone; what was written before stays.
        """
        places, lines, end = [], [], self.end
        for text in texts:
            line = text[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(text[:-1])
            places.append(end)
            lines.append(line)
            end += len(line)
        position, left = self.end, memoryview(b"".join(lines))
        with faults(self.path):
            while left:
                count = _write_at(self._file, left, position)
                left, position = left[count:], position + count
            self.end = position
            if time.monotonic() - self._synced >= SYNC_S:
                self.sync()
        return places

    def sync(self) -> None:
        """Make the disk keep what was appended.

        Raises:
            OutputError: The file no longer stands under its name.
        """
        with faults(self.path):
            os.fsync(self._file)
            self._synced = time.monotonic()
            if not (self._is_named(self._file) and is_ours(self.path)):
                raise OutputError(
                    f"{self.path}: was moved, removed or taken over while it was written; put its folder back and run "
                    "the command again"
                )

    def cut(self, *, everything: bool = False) -> None:
        """Take away what stands behind the last whole line, or everything."""
        self.end = 0 if everything else self.end
        with faults(self.path):
            os.ftruncate(self._file, self.end)

    def remove(self) -> None:
        """Delete the file."""
        with faults(self.path):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it; a file in which nothing stands is removed."""
        if self._file < 0:
            return
        if os.fstat(self._file).st_size == 0:
            self.remove()
        self._release(self._file)
        self._file = -1


_decoded = json.JSONDecoder().decode
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def to_text(data: Any) -> bytes:
    """JSON without blanks, in UTF-8; halves of characters stay what they are."""
    return _encoded(data).encode("utf-8", "surrogatepass")


def _read_at(file: int, size: int, position: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, size, position)
    os.lseek(file, position, os.SEEK_SET)  # Windows
    return os.read(file, size)


def _write_at(file: int, data: memoryview, position: int) -> int:
    """How many bytes were written there."""
    if hasattr(os, "pwrite"):
        return os.pwrite(file, data, position)
    os.lseek(file, position, os.SEEK_SET)  # Windows
    return os.write(file, data)


def _checked(line: bytes) -> dict[str, Any] | None:
    """The object of a whole line; None for a line that was torn or is not what was written."""
    text, mark, crc = line.rpartition(b',"crc":"')
    if not mark or crc != b'%08x"}\n' % zlib.crc32(text):
        return None
    found: dict[str, Any] = json.loads(line)
    return found
