"""Finished tables read back, cell by cell, so that they can be added to."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from mediasift.system.optional import require


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A row as it stood in a table that was written before: its cells, which are written again as they are."""

    cells: tuple[Any, ...]

    @property
    def error(self) -> str:
        """The last column."""
        return self.cells[-1] or ""


def read_csv(file: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row that `write_csv` wrote; empty ones as empty text."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        lines = csv.reader(text)
        next(lines, None)
        yield from map(tuple, lines)
    finally:
        text.detach()


def read_jsonl(file: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row that `write_jsonl` wrote."""
    for line in file:
        yield tuple(json.loads(line).values())


def read_npz(file: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row that `write_npz` wrote; of vectors only one at a time is in memory."""
    with zipfile.ZipFile(file) as archive, contextlib.ExitStack() as stack:
        members = [stack.enter_context(archive.open(name)) for name in archive.namelist()]
        yield from zip(*(_npz_column(member) for member in members), strict=True)


def read_parquet(file: IO[bytes]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row that `write_parquet` wrote."""
    parquet = require("pyarrow.parquet", extra="parquet")
    for batch in parquet.ParquetFile(file).iter_batches():
        for row in batch.to_pylist():
            yield tuple(row.values())


READERS: dict[str, Callable[[IO[bytes]], Iterator[tuple[Any, ...]]]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "npz": read_npz,
}
"""Name of a format → what reads its rows back, so that a finished table can be added to."""


def _npz_column(member: IO[bytes]) -> Iterator[Any]:
    np.lib.format.read_magic(member)
    (count, *length), _, kind = np.lib.format.read_array_header_1_0(member)
    size = int(kind.itemsize * np.prod(length, dtype=np.int64))
    for _ in range(count):
        cell = np.frombuffer(member.read(size), dtype=kind).reshape(length)
        yield None if kind.kind == "f" and np.isnan(cell).all() else cell.tolist()
