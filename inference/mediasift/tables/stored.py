"""Finished tables read back, row by row, so that they can be added to."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from mediasift.sources.records import Records
from mediasift.system.optional import require

_PARQUET_ROWS = 4096
"""Rows that are Python's objects at a time: a vector of 1,280 numbers takes 40 kB as such."""

Record = dict[str, Any]
"""Column → cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A row as it stood in a table that was written before: its cells, which are written again as they are."""

    cells: tuple[Any, ...]

    @property
    def error(self) -> str:
        """The last column."""
        return self.cells[-1] or ""


Reader = Callable[[IO[bytes]], Generator[Record]]
"""Reads each row that the writer of the same format wrote."""


def read_csv(file: IO[bytes]) -> Generator[Record]:
    """Each row; empty cells are empty text."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        yield from Records(text, str(getattr(file, "name", "the table")), ",")
    finally:
        text.detach()


def read_jsonl(file: IO[bytes]) -> Generator[Record]:
    """Each row: an object on a line of its own."""
    for line in file:
        if line.strip():
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("a line is no JSON object")
            yield record


def read_parquet(file: IO[bytes]) -> Generator[Record]:
    """Each row."""
    parquet = require("pyarrow.parquet", extra="parquet")
    for batch in parquet.ParquetFile(file).iter_batches(batch_size=_PARQUET_ROWS):
        yield from batch.to_pylist()


def read_npz(file: IO[bytes]) -> Generator[Record]:
    """Each row; of vectors only one at a time is in memory."""
    with zipfile.ZipFile(file) as archive, contextlib.ExitStack() as stack:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        members = [stack.enter_context(archive.open(name)) for name in archive.namelist()]
        for cells in zip(*(_npz_column(member) for member in members), strict=True):
            yield dict(zip(names, cells, strict=True))


def _npz_column(member: IO[bytes]) -> Iterator[Any]:
    np.lib.format.read_magic(member)
    (count, *length), _, kind = np.lib.format.read_array_header_1_0(member)
    size = int(kind.itemsize * np.prod(length, dtype=np.int64))
    for _ in range(count):
        cell = np.frombuffer(member.read(size), dtype=kind).reshape(length)
        yield None if kind.kind == "f" and np.isnan(cell).all() else cell.tolist()
