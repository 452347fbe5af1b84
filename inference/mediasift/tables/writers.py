"""Rows → a table in one of several forms; all of them write the same columns in the same order."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mediasift.rows import Row, columns, kept_names, names_with, printable, values
from mediasift.system.optional import require
from mediasift.tables.stored import Stored

if TYPE_CHECKING:
    import pandas as pd

_PARQUET_GROUP = 10_000

_WIDEST = 200
"""Characters of a cell that HTML shows."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a table looks like.

    Attributes:
        row_type: Its rows.
        kept: Columns carried along from an input list.
        spreadsheet_safe: Put a `'` before text cells that a spreadsheet would take for a formula.
    """

    row_type: type[Row]
    kept: tuple[str, ...] = ()
    spreadsheet_safe: bool = False

    @cached_property
    def names(self) -> list[str]:
        """Column names, in order."""
        return names_with(self.kept_columns, self.row_type)

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """Names of the carried-along columns in this table."""
        return kept_names(dict.fromkeys(self.kept, ""), self.row_type)

    def cells(self, row: Row | Stored) -> list[Any]:
        """The row's values in the order of `names`; None for what does not apply."""
        if isinstance(row, Stored):
            return list(row.cells)
        found = values(row)
        return [self._text(cell) if isinstance(cell, str) else cell for cell in map(found.get, self.names)]

    def _text(self, cell: str) -> str:
        cell = printable(cell)
        return f"'{cell}" if self.spreadsheet_safe and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _text(value: Any) -> Any:
    """A cell of CSV or of the terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(f"{number:.7g}" for number in value) if isinstance(value, np.ndarray) else value


def write_csv(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """RFC 4180 with a header line, UTF-8, lines ending in LF."""
    write_lines(itertools.chain([form.names], map(form.cells, rows)), file)


def write_lines(lines: Iterable[Sequence[Any]], file: IO[bytes]) -> None:
    """Any cells as CSV, the header among them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # so that it quotes cells with either of them, on every Python
    for line in lines:
        writer.writerow([_text(cell) for cell in line])
        file.write(text.getvalue()[:-2].encode("utf-8") + b"\n")
        text.seek(0)
        text.truncate()


def write_jsonl(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """One JSON object a line, every column in each; vectors are lists of numbers."""
    names = form.names
    for row in rows:
        cells = (cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in form.cells(row))
        file.write(json.dumps(dict(zip(names, cells, strict=True)), ensure_ascii=False).encode("utf-8") + b"\n")


def write_parquet(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """Apache Parquet with the columns' types; vectors are lists of float32."""
    pyarrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    rows, length = vector_length(rows, form)
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_(),
             np.ndarray: pyarrow.list_(pyarrow.float32(), -1 if length is None else length)}  # fmt: skip
    kinds = {column.name: column.type for column in columns(form.row_type)}
    schema = pyarrow.schema([(name, types[kinds.get(name, str)]) for name in form.names])
    with parquet.ParquetWriter(file, schema) as writer:
        for group in _groups(rows, _PARQUET_GROUP):
            cells = zip(*(form.cells(row) for row in group), strict=True)
            arrays = [pyarrow.array(column, type=kind) for column, kind in zip(cells, schema.types, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def vector_length(rows: Iterable[Row | Stored], form: Form) -> tuple[Iterable[Row | Stored], int | None]:
    """The same rows, and how long their vectors are; None where the table has none, or no row holds one."""
    at = next((form.names.index(one.name) for one in columns(form.row_type) if one.type is np.ndarray), None)
    if at is None:
        return rows, None
    looked_at: list[Row | Stored] = []
    remaining = iter(rows)
    for row in remaining:
        looked_at.append(row)
        if (vector := form.cells(row)[at]) is not None:
            return itertools.chain(looked_at, remaining), len(vector)
    return looked_at, None


def _groups(rows: Iterable[Row | Stored], size: int) -> Iterator[list[Row | Stored]]:
    remaining = iter(rows)
    return iter(lambda: list(itertools.islice(remaining, size)), [])


def write_npz(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """A numpy archive with an array for each column, all of one length; `numpy.load` needs no pickle.

    Text is unicode, empty where there is none; numbers are float64 and not a number where there is none; vectors are
    float32 (N, D), not a number for rows without one. Vectors go to the disk as they come, the rest waits in memory.
    """
    kinds = {column.name: column.type for column in columns(form.row_type)}
    rows, length = vector_length(rows, form)
    names = form.names
    waiting: dict[str, list[Any]] = {name: [] for name in names if kinds.get(name) is not np.ndarray}
    none = np.full(length or 0, np.nan, dtype="<f4")
    with _beside(file) as vectors, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        count = 0
        for row in rows:
            count += 1
            for name, cell in zip(names, form.cells(row), strict=True):
                if name in waiting:
                    waiting[name].append(cell)
                else:
                    vectors.write((none if cell is None else np.asarray(cell, dtype="<f4")).tobytes())
        for name in names:
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                if name in waiting:
                    np.lib.format.write_array(member, _array(waiting.pop(name), kinds.get(name)), allow_pickle=False)
                else:
                    header = {"descr": "<f4", "fortran_order": False, "shape": (count, length or 0)}
                    np.lib.format.write_array_header_1_0(member, header)
                    vectors.seek(0)
                    shutil.copyfileobj(vectors, member, 1 << 20)


def _beside(file: IO[bytes]) -> IO[bytes]:
    """A nameless file in the folder of an open one; in memory beside a stream that has no folder."""
    name = getattr(file, "name", None)
    return tempfile.TemporaryFile(dir=Path(name).parent) if name and Path(str(name)).is_file() else io.BytesIO()


def _array(cells: list[Any], kind: type | None) -> NDArray[Any]:
    """A column as an array of one type; those that are carried along are text."""
    empty, dtype = ("", np.str_) if kind in (str, None) else (np.nan, np.float64)
    return np.array([empty if cell is None else cell for cell in cells], dtype=dtype)


def write_aligned(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """Columns aligned for reading on a terminal; columns that are empty everywhere are left out.

    Widths come from the first thousand rows, so that a long table begins to show before it ends.
    """
    for number, group in enumerate(_groups(rows, 1000)):
        lines, filled = _shown_lines(group, form)
        if number == 0:
            widths = {at: max(len(line[at]) for line in (form.names, *lines)) for at in filled}
        for line in lines if number else (form.names, *lines):
            text = "  ".join(f"{line[at]:<{width}}" for at, width in widths.items()).rstrip()
            file.write(f"{text}\n".encode())


def _shown_lines(rows: Iterable[Row | Stored], form: Form) -> tuple[list[list[str]], list[int]]:
    """The cells of each row for people, and the columns that are not empty everywhere."""
    lines = [[_shown(cell) for cell in form.cells(row)] for row in rows]
    return lines, [at for at in range(len(form.names)) if any(line[at] for line in lines)]


def _shown(value: Any) -> str:
    """A cell for the terminal, with nothing in it that a terminal would obey."""
    return printable_text(f"{value:.4f}" if isinstance(value, float) else str(_text(value)))


def printable_text(text: str) -> str:
    """Text for the terminal: what a terminal would obey is shown as an escape sequence instead."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def html(rows: Iterable[Row | Stored], form: Form) -> str:
    """A small HTML table, columns that are empty everywhere left out; empty without rows."""
    from html import escape

    lines, filled = _shown_lines(rows, form)

    def shown(line: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(line[at][:_WIDEST])}</{tag}>" for at in filled) + "</tr>"

    body = "".join(shown(line, "td") for line in lines)
    return f"<table>{shown(form.names, 'th')}{body}</table>" if lines else ""


def to_frame(rows: Iterable[Row], form: Form) -> pd.DataFrame:
    """A pandas DataFrame: empty cells are NA, carried-along columns are text, vectors are objects.

    Raises:
        MissingPackage: pandas is not installed; no row is asked for then.
    """
    pandas = require("pandas")
    dtypes: dict[type, str] = {str: "string", int: "Int64", float: "float64", bool: "boolean"}
    kinds = {column.name: column.type for column in columns(form.row_type)}
    records = list(map(values, rows))
    return pandas.DataFrame(
        {
            name: pandas.Series([one.get(name) for one in records], dtype=dtypes.get(kinds.get(name, str), "object"))
            for name in form.names
        }
    )
