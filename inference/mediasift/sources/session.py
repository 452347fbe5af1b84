"""One object that is fetched: no byte twice, no more bytes than are read, and never parts of two versions.

The first request asks for the first block. What is then read elsewhere is fetched in blocks, more at a time where
reading goes on, into a file that is as empty as what was not asked for; all of it at once when every byte is needed.
Each request names the version that the first one saw: an object that changes meanwhile is an error, not a mixture.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from mediasift.errors import Damaged, ItemError, Unavailable
from mediasift.sources.addresses import path_of
from mediasift.sources.content import Alive
from mediasift.sources.keeping import Keeper, keeper
from mediasift.sources.origins import Changed, Origin, Version
from mediasift.sources.settings import RemoteSettings
from mediasift.sources.web import check_size
from mediasift.system.files import faults

BLOCK = 1 << 18

_MOST_AT_ONCE = 16
"""Blocks of one request, where reading goes on."""

_CUTS = 3
"""Connections in a row that may be cut without a byte more."""


class Session:
    """What was fetched of one object so far. For several threads; every method raises as `start`."""

    def __init__(self, origin: Origin, name: str, access: RemoteSettings) -> None:
        self._origin, self._name, self._access = origin, name, access
        self._lock = threading.RLock()
        self._failure: ItemError | None = None
        self._begin = b""  # the first block, or all where that is all
        self._file: BinaryIO | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._blocks: set[int] = set()  # in the file
        self._next, self._stride = -1, 1  # the block behind the last one fetched, and how many to fetch there
        self._kept: Path | None = None
        self.version: Version | None = None
        self.alive: Alive = lambda: None

    def close(self) -> None:
        """Let go of the copy."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            if self._folder is not None:
                self._folder.cleanup()
            self._file, self._folder, self._blocks = None, None, set()

    @property
    def size(self) -> int:
        """Bytes of the object."""
        self.start()
        return self._size

    @property
    def _size(self) -> int:
        return (self.version and self.version.size) or 0

    @property
    def is_partial(self) -> bool:
        """Whether there is more to fetch than is here, and parts of it can be."""
        self.start()
        return self._kept is None and len(self._begin) < self._size and len(self._blocks) < _count(self._size)

    def start(self) -> None:
        """Ask for the first block, once; where that failed, it is not asked for again.

        Raises:
            ItemError: See `Origin.ask`.
            OutputError: There is no room for the copy.
        """
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self.version is not None:
                return
            try:
                if self._access.keep_files is None:
                    self._take_first()
                else:
                    self._take_kept(keeper(self._access.keep_files))
            except ItemError as error:
                self._failure = error
                raise

    def _take_first(self) -> None:
        got = self._take(BLOCK)
        if got < min(BLOCK, self._size):  # cut
            self._begin += b"".join(self._missing(got, min(BLOCK, self._size)))
        elif BLOCK < got < self._size:
            self._fill()
        elif got < self._size and not (self.version and self.version.is_sure):
            self.close()  # parts of it may be of several versions, and nothing would show it
            self._take(None)

    def _take(self, end: int | None) -> int:
        """What comes when the bytes up to `end` are asked for, which may be all of them; how many came."""
        for attempt in range(_CUTS):
            begin, got = bytearray(), 0
            with self._origin.ask(0, end, None, self.alive) as given:
                check_size(given.version.size, self._access)
                cut = None
                try:
                    for piece in given.pieces:
                        check_size(got + len(piece), self._access)
                        room = BLOCK - len(begin)
                        begin += piece[:room]
                        if len(piece) > room:
                            self._begin = bytes(begin)
                            self._write(max(got, BLOCK), piece[room:])
                        got += len(piece)
                except Unavailable as error:
                    cut = error
            if cut is None or (given.version.is_sure and got):
                break
            self.close()
            if attempt == _CUTS - 1:
                raise cut
        self._begin = bytes(begin)
        self.version = given.version if given.version.size is not None else replace(given.version, size=got)
        if got > self._size:
            raise Damaged(f"{got:,} bytes came, but {self._size:,} were announced")
        self._blocks.update(range(_count(got) if got == self._size else got // BLOCK))
        return got

    def _take_kept(self, kept: Keeper) -> None:
        """From the folder of what is kept; what is not there is fetched into it."""

        def fetch() -> Path:
            self._take_first()
            self._fill()
            return self._path()

        self._kept = kept.file(self._name, fetch, lambda: self.version)
        self.close()
        with self._kept.open("rb") as file:
            self._begin = file.read(BLOCK)
        self.version = Version(tag=self._kept.stem, size=self._kept.stat().st_size)

    def local(self) -> Path:
        """A file with every byte, there until the session ends."""
        with self._lock:
            self.start()
            if self._kept is not None:
                return self._kept
            self._fill()
            return self._path()

    def all(self) -> bytes:
        """Every byte."""
        with self._lock:
            self.start()
            if len(self._begin) < self._size and self._kept is None and self._file is None:
                self._begin += b"".join(self._missing(len(self._begin), self._size))  # once, into memory
            return self._begin if len(self._begin) == self._size else self.local().read_bytes()

    def read_at(self, place: int, size: int) -> bytes:
        """So many bytes from a place on, fewer at the end."""
        with self._lock:
            self.start()
            end = min(place + size, self._size)
            if end <= len(self._begin) or place >= end:
                return self._begin[place:end]
            if self._kept is not None:
                with self._kept.open("rb") as kept:
                    kept.seek(place)
                    return kept.read(end - place)
            file = self._opened()
            self._need(place // BLOCK, _count(end))
            file.seek(place)
            return file.read(end - place)

    def _need(self, first: int, end: int) -> None:
        """Have the blocks `first`..`end`-1; where reading goes on, more."""
        block = first
        while block < end:
            if block in self._blocks:
                block += 1
                continue
            self._stride = min(2 * self._stride, _MOST_AT_ONCE) if block == self._next else 1
            block = self._next = self._fetch(block, max(block + self._stride, end))

    def _fill(self) -> None:
        """Have every block."""
        self._opened()
        block = 0
        while block < _count(self._size):
            block = block + 1 if block in self._blocks else self._fetch(block, _count(self._size))

    def _fetch(self, block: int, most: int) -> int:
        """The blocks from `block` on into the file, up to `most` or one that is there; returns the next one."""
        until = block
        while until < min(most, _count(self._size)) and until not in self._blocks:
            until += 1
        place = block * BLOCK
        for piece in self._missing(place, min(until * BLOCK, self._size)):
            self._write(place, piece)
            place += len(piece)
        self._blocks.update(range(block, until))
        return until

    def _missing(self, place: int, end: int) -> Iterator[bytes]:
        """The bytes from `place` to `end`; a connection that is cut is taken up again where it ended."""
        cuts = 0
        while place < end:
            before, complaint = (
                place,
                Unavailable(f"the server ends after {place:,} bytes, of {self._size:,} announced"),
            )
            try:
                with self._origin.ask(place, end, self.version, self.alive) as given:
                    here = given.first
                    for piece in given.pieces:
                        wanted = piece[max(0, place - here) : end - here]
                        here += len(piece)
                        place += len(wanted)
                        yield wanted
                        if place >= end:
                            return
            except Changed:
                raise
            except Unavailable as error:
                complaint = error
            cuts = cuts + 1 if place == before else 0
            if cuts >= _CUTS:
                raise complaint

    def _path(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="mediasift-")
        return Path(self._folder.name, f"content{path_of(self._name).suffix[:16]}")

    def _opened(self) -> BinaryIO:
        """The file, which begins with the first block."""
        if self._file is None:
            path = self._path()
            with faults(path):
                self._file = path.open("x+b", buffering=0)
            self._blocks.update(range(_count(len(self._begin))))
            self._write(0, self._begin)
        return self._file

    def _write(self, place: int, piece: bytes) -> None:
        file = self._opened()
        with faults(self._path()):
            file.seek(place)
            left = memoryview(piece)
            while left:
                left = left[file.write(left) :]


def _count(size: int) -> int:
    """Blocks that so many bytes fill, the last one not always whole."""
    return -(-size // BLOCK)


class Cursor(io.RawIOBase):
    """A place in an object that is fetched as it is read.

    Attributes:
        blank: Give zeros, and fetch nothing.
    """

    def __init__(self, session: Session) -> None:
        self._session, self._place = session, 0
        self.blank = False

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go there."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._session.size if whence else 0}[whence]
        self._place = max(0, start + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        """So many bytes; all that follow for -1."""
        size = self._session.size if size is None or size < 0 else size
        if self.blank:
            data = bytes(max(0, min(size, self._session.size - self._place)))
        else:
            data = self._session.read_at(self._place, size)
        self._place += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """As many bytes as fit."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
