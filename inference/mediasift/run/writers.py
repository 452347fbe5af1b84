"""Rows → a table in one of several forms; all of them write the same columns in the same order."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from mediasift.errors import OutputError, UsageError
from mediasift.optional import require
from mediasift.rows import Row, columns, kept_names, values
from mediasift.run.texts import TEXTS, check_columns

_PARQUET_GROUP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
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

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        own = [column.name for column in columns(self.row_type)]
        return [*own[:-1], *kept_names(dict.fromkeys(self.kept, ""), self.row_type), own[-1]]

    def cells(self, row: Row) -> list[Any]:
        """The row's values in the order of `names`; None for what does not apply."""
        found = values(row)
        cells = [_printable(found.get(name)) for name in self.names]
        return [_neutral(cell) for cell in cells] if self.spreadsheet_safe else cells


def _printable(value: Any) -> Any:
    """File names that are not valid UTF-8 hold lone surrogates; each is written as a backslash, x and two digits."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return value


def _neutral(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _text(value: Any) -> Any:
    """A cell of CSV or of the terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(f"{number:.7g}" for number in value) if isinstance(value, np.ndarray) else value


def write_csv(rows: Iterable[Row], form: Form, file: IO[bytes]) -> None:
    """RFC 4180 with a header line, UTF-8, lines ending in LF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # so that it quotes cells with either of them, on every Python
    cells: Iterator[Sequence[Any]] = (form.cells(row) for row in rows)
    for line in itertools.chain([form.names], cells):
        writer.writerow([_text(cell) for cell in line])
        file.write(text.getvalue()[:-2].encode("utf-8") + b"\n")
        text.seek(0)
        text.truncate()


def write_jsonl(rows: Iterable[Row], form: Form, file: IO[bytes]) -> None:
    """One JSON object a line, every column in each; vectors are lists of numbers."""
    names = form.names
    for row in rows:
        cells = (cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in form.cells(row))
        file.write(json.dumps(dict(zip(names, cells, strict=True)), ensure_ascii=False).encode("utf-8") + b"\n")


def write_parquet(rows: Iterable[Row], form: Form, file: IO[bytes]) -> None:
    """Apache Parquet with the columns' types; vectors are lists of float32."""
    pyarrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    types = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        np.ndarray: pyarrow.list_(pyarrow.float32()),
    }
    kinds = {column.name: column.type for column in columns(form.row_type)}
    schema = pyarrow.schema([(name, types[kinds.get(name, str)]) for name in form.names])
    with parquet.ParquetWriter(file, schema) as writer:
        for group in _groups(rows, _PARQUET_GROUP):
            cells = zip(*(form.cells(row) for row in group), strict=True)
            arrays = [pyarrow.array(column, type=kind) for column, kind in zip(cells, schema.types, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _groups(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def write_aligned(rows: Iterable[Row], form: Form, file: IO[bytes]) -> None:
    """Columns aligned for reading on a terminal; columns that are empty everywhere are left out.

    Widths come from the first thousand rows, so that a long table begins to show before it ends.
    """
    for number, group in enumerate(_groups(rows, 1000)):
        lines = [[_shown(cell) for cell in form.cells(row)] for row in group]
        if number == 0:
            used = [i for i in range(len(form.names)) if any(line[i] for line in lines)]
            widths = {i: max(len(form.names[i]), *(len(line[i]) for line in lines)) for i in used}
            file.write(_line([form.names[i] for i in used], list(widths.values())))
        for line in lines:
            file.write(_line([line[i] for i in used], list(widths.values())))


def _shown(value: Any) -> str:
    """A cell for the terminal, with nothing in it that a terminal would obey."""
    text = f"{value:.4f}" if isinstance(value, float) else str(_text(value))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> bytes:
    return ("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip() + "\n").encode()


class Writer(Protocol):
    """Writes all rows of a table to an open binary file."""

    def __call__(self, rows: Iterable[Row], form: Form, file: IO[bytes]) -> None:
        """Consume `rows`; `file` stays open."""


FORMATS: dict[str, Writer] = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
"""Name of a format, which is also its suffix → its writer."""


def _of_texts(name: str) -> Writer:
    def write(rows: Iterable[Row], form: Form, file: IO[bytes]) -> None:
        TEXTS[name](rows, form.row_type, file)

    return write


WRITERS: dict[str, Writer] = {**FORMATS, **{name: _of_texts(name) for name in TEXTS}, "aligned": write_aligned}
"""Formats for files, those of text for reading, and the one for terminals."""

_NEEDS = {"parquet": ("pyarrow", "parquet")}
"""Format → (package it needs, extra that installs it)."""


def format_of(output: Path | None, chosen: str | None, row_type: type[Row] | None = None) -> str:
    """The format by `--format`, else by the suffix of the output, else csv.

    Args:
        output: The table's file.
        chosen: What was asked for.
        row_type: Of the table; text for reading is made only of rows that have the columns for it.

    Raises:
        UsageError: The suffix says nothing.
        MissingPackage: The format needs a package that is not installed.
    """
    name = chosen or ("csv" if output is None else output.suffix.lower().lstrip("."))
    if name in TEXTS and row_type is not None:
        check_columns(name, row_type)
        return name
    if name not in WRITERS or (output is not None and name not in FORMATS):
        shown = output.name if output is not None and chosen is None else name
        raise UsageError(f"{shown}: no table format; end the name in .{', .'.join(FORMATS)}, or choose with --format")
    if name in _NEEDS:
        package, extra = _NEEDS[name]
        require(package, extra=extra)
    return name


def write_atomically(output: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a temporary file in the same folder, flush it to the disk and rename it.

    Raises:
        OutputError: The file cannot be written; nothing half-written is left.
    """
    temporary = output.with_name(f".{output.name[:200]}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(output)
    except OSError as error:
        raise OutputError(_advice(output, error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _advice(output: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{output}: the folder {output.parent} does not exist; make it first"
    return f"{output}: cannot be written ({error.strerror or error})"
