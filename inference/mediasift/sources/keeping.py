"""`--keep-files DIR`: what was fetched, named by its hash, and `fetched.csv`, a table of what was asked for and when.

The corpus of a study whose sources vanish: an address that has a file there is read from there, and never asked again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from mediasift.errors import ItemError, OutputError, Unavailable
from mediasift.sources.addresses import path_of
from mediasift.system.files import faults, make_folder, write_atomically

TABLE = "fetched.csv"
COLUMNS = ("address", "fetched", "status", "bytes", "sha256", "file", "etag", "last_modified", "error")


class Keeper:
    """One such folder, for several threads, and for several commands at a time.

    Args:
        folder: Where; it is made where it is missing.

    Raises:
        OutputError: It cannot be made, or its table is not ours.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._table = folder, folder / TABLE
        self._lock = threading.Lock()
        self._files: dict[str, str] = {}
        make_folder(folder)
        with faults(self._table):
            if self._table.exists():
                self._read()
            else:
                self._append(COLUMNS)

    def _read(self) -> None:
        with self._table.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            if tuple(next(rows, ())) != COLUMNS:
                raise OutputError(f"{self._table}: was not written by mediasift; name another folder (--keep-files)")
            for row in rows:
                if len(row) == len(COLUMNS) and row[5]:  # a line that a killed run tore has fewer cells
                    self._files[row[0]] = row[5]

    def file(self, address: str, fetch: Callable[[], Path], version: Callable[[], Any]) -> Path:
        """The file that is kept of an address; where there is none, what `fetch` gives is kept.

        Args:
            address: As it may be shown.
            fetch: Brings it into a file.
            version: What the server said of it then, see `fetched.Version`.

        Raises:
            ItemError: It cannot be fetched; what does not pass by itself is noted.
        """
        with self._lock:
            known = self._files.get(address)
        if known is not None and (self._folder / known).is_file():
            return self._folder / known
        try:
            copy = fetch()
        except Unavailable:
            raise
        except ItemError as error:
            self._note(address, status=error.code, error=str(error))
            raise
        return self._keep(address, copy, version())

    def _keep(self, address: str, copy: Path, version: Any) -> Path:
        with copy.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            suffix = path_of(address).suffix.lower()
            path = self._folder / sha256[:2] / f"{sha256}{suffix if suffix[1:].isalnum() and len(suffix) < 8 else ''}"
            if not path.exists():
                file.seek(0)
                make_folder(path.parent)
                write_atomically(
                    path, lambda out: [out.write(piece) for piece in iter(lambda: file.read(1 << 20), b"")]
                )
        name = path.relative_to(self._folder).as_posix()
        self._note(
            address, status="ok", bytes=str(copy.stat().st_size), sha256=sha256, file=name, etag=version.tag,
            last_modified=version.date,
        )  # fmt: skip
        with self._lock:
            self._files[address] = name
        return path

    def _note(self, address: str, **cells: str) -> None:
        cells |= {"address": address, "fetched": datetime.now(UTC).isoformat(timespec="seconds")}
        self._append([" ".join(cells.get(name, "").split()) for name in COLUMNS])

    def _append(self, cells: Any) -> None:
        """One line, in one piece, so that those of several commands do not mix."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        with faults(self._table), self._lock, self._table.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            is_torn = file.read(1) not in (b"\n", b"")
            file.write((b"\n" if is_torn else b"") + text.getvalue().encode())


_MAKING = threading.Lock()
_keeper = cache(Keeper)


def keeper(folder: str) -> Keeper:
    """The one of a folder; raises as `Keeper`."""
    with _MAKING:  # a cache alone makes several where several threads ask at once
        return _keeper(Path(folder))
