"""Rows → a table in one of several forms; all of them write the same columns in the same order."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mediasift.errors import UsageError
from mediasift.rows import Row, columns, kept_names, names_with, own_values, printable, values
from mediasift.system.optional import require
from mediasift.tables.stored import Stored

if TYPE_CHECKING:
    import pandas as pd

_PARQUET_GROUP = 10_000

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet would take for a formula; and what is already written so that it would not."""

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

    def __post_init__(self) -> None:
        """Refuse two columns of one name.

        Raises:
            UsageError: A carried-along column that is renamed meets another one that is called so.
        """
        if twice := [name for at, name in enumerate(self.names) if name in self.names[:at]]:
            raise UsageError(f"the table would have two columns {twice[0]!r}; give the list's another name")

    @cached_property
    def names(self) -> list[str]:
        """Column names, in order."""
        return names_with(self.kept_columns, self.row_type)

    @cached_property
    def header(self) -> list[str]:
        """The same as they are written."""
        return list(map(self.written, self.names))

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """Names of the carried-along columns in this table."""
        return kept_names(dict.fromkeys(self.kept, ""), self.row_type)

    def cells(self, row: Row | Stored) -> list[Any]:
        """The row's values in the order of `names`; None for what does not apply."""
        if isinstance(row, Stored):
            return list(row.cells)
        cells: Iterable[Any] = ()
        if row.kept or self.kept:
            by_name = values(row)
            cells = by_name.values() if len(by_name) == len(self.names) else map(by_name.get, self.names)
        else:
            cells = own_values(row)
        return [self.written(cell) if isinstance(cell, str) else cell for cell in cells]

    def written(self, text: str) -> str:
        """A cell of text, or a name, as it is written."""
        text = printable(text)
        return f"'{text}" if self.spreadsheet_safe and _FORMULA.match(text) else text

    def read(self, text: str) -> str:
        """What was written so."""
        return text[1:] if self.spreadsheet_safe and text.startswith("'") and _FORMULA.match(text) else text


def _text(value: Any) -> Any:
    """A cell of CSV or of the terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(f"{number:.7g}" for number in value) if isinstance(value, np.ndarray) else value


_PLAIN = frozenset({str, int, float, type(None)})
"""Types of cells that CSV holds as they are; nothing is an empty one."""


def write_csv(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """RFC 4180 with a header line, UTF-8, lines ending in LF."""
    write_lines(itertools.chain([form.header], map(form.cells, rows)), file)


def write_lines(lines: Iterable[Sequence[Any]], file: IO[bytes]) -> None:
    """Any cells as CSV, the header among them."""

    class Lines:
        """Takes each line from the CSV writer, which ends it in CR and LF so that it quotes cells with either."""

        def write(self, line: str) -> None:
            file.write(line[:-2].encode("utf-8") + b"\n")

    writer = csv.writer(Lines())
    for line in lines:
        writer.writerow([cell if type(cell) in _PLAIN else _text(cell) for cell in line])


def write_jsonl(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """One JSON object a line, every column in each; vectors are lists of numbers."""
    for row in rows:
        cells = (cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in form.cells(row))
        file.write(json.dumps(dict(zip(form.header, cells, strict=True)), ensure_ascii=False).encode("utf-8") + b"\n")


def write_parquet(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """Apache Parquet with the columns' types; vectors are lists of float32."""
    pyarrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    rows, length = vector_length(rows, form)
    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_(),
             np.ndarray: pyarrow.list_(pyarrow.float32(), -1 if length is None else length)}  # fmt: skip
    kinds = {column.name: column.type for column in columns(form.row_type)}
    schema = pyarrow.schema(
        [(head, types[kinds.get(name, str)]) for name, head in zip(form.names, form.header, strict=True)]
    )
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
    All cells of a column of text are as wide as its longest, so what is empty in them is compressed.
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
        for name, head in zip(names, form.header, strict=True):
            info = zipfile.ZipInfo(f"{head}.npy")
            is_text = kinds.get(name, str) is str
            info.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as member:
                if is_text:
                    _write_text(member, ["" if cell is None else str(cell) for cell in waiting.pop(name)])
                elif name in waiting:
                    numbers = [np.nan if cell is None else cell for cell in waiting.pop(name)]
                    np.lib.format.write_array(member, np.array(numbers, dtype=np.float64), allow_pickle=False)
                else:
                    _write_header(member, "<f4", (count, length or 0))
                    vectors.seek(0)
                    shutil.copyfileobj(vectors, member, 1 << 20)


def _write_header(member: IO[bytes], dtype: str, shape: tuple[int, ...]) -> None:
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, header)


def _write_text(member: IO[bytes], cells: Sequence[str]) -> None:
    """An array of unicode, cell by cell: as a whole, one long cell would make it many times as large as the text."""
    width = max(1, *map(len, cells)) if cells else 1
    _write_header(member, f"<U{width}", (len(cells),))
    for cell in cells:
        member.write(cell.encode("utf-32-le").ljust(4 * width, b"\0"))


def _beside(file: IO[bytes]) -> IO[bytes]:
    """A nameless file in the folder of an open one; in memory beside a stream that has no folder."""
    name = getattr(file, "name", None)
    return tempfile.TemporaryFile(dir=Path(name).parent) if name and Path(str(name)).is_file() else io.BytesIO()


def write_aligned(rows: Iterable[Row | Stored], form: Form, file: IO[bytes]) -> None:
    """Columns aligned for reading on a terminal; columns that are empty everywhere are left out.

    Widths come from the first thousand rows, so that a long table begins to show before it ends.
    """
    for number, group in enumerate(_groups(rows, 1000)):
        lines, filled = _shown_lines(group, form)
        if number == 0:
            names = list(map(printable_text, form.header))
            widths = {at: max(len(line[at]) for line in (names, *lines)) for at in filled}
        for line in lines if number else (names, *lines):
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
    return f"<table>{shown(form.header, 'th')}{body}</table>" if lines else ""


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
