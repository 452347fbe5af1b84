"""Lists of inputs, and the one reader of CSV: whose first line names the columns, whatever separates them."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from mediasift.errors import InputError, UsageError

DELIMITERS = ",;\t"

Kept = tuple[tuple[str, str], ...]


def read_text(file: Path) -> str:
    """A list's text, without a byte order mark, its line ends as they are.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error


def split_lines(text: str) -> list[str]:
    """Lines that are not empty, or what NULs separate (`find -print0`); U+2028 and the like are parts of names."""
    if "\0" in text:
        return [part for part in text.split("\0") if part.strip()]
    return [line for line in (part.rstrip("\r") for part in text.split("\n")) if line.strip()]


class Records:
    """The lines of a CSV below the one that names the columns; iterate once.

    Args:
        file: Open, with newline="".
        name: For messages.
        delimiter: None takes the one of `DELIMITERS` that the first line has most of, outside quotes.

    Attributes:
        names: The columns.
    """

    def __init__(self, file: TextIO, name: str | Path, delimiter: str | None = None) -> None:
        csv.field_size_limit(2**31 - 1)  # a book may stand in one cell
        self._file = name
        first = [file.readline()]
        quotes = first[0].count('"')
        while quotes % 2 and (more := file.readline()):  # a column's name may hold a line end
            first.append(more)
            quotes += more.count('"')
        header = re.sub(r'"[^"]*"', "", "".join(first)).partition("\n")[0]
        delimiter = delimiter or max(DELIMITERS, key=header.count)
        self._lines = csv.reader(itertools.chain(first, file), delimiter=delimiter)
        self.names: list[str] = next(self._checked(), [])

    @property
    def line(self) -> int:
        """The number of the line that was read last, from 1."""
        return self._lines.line_num

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Each line as column → cell; cells that a line lacks are empty, empty lines are left out.

        Raises:
            InputError: A line has more cells than there are columns, or is not CSV.
        """
        count = len(self.names)
        for cells in self._checked():
            if any(cells[count:]):
                raise InputError(
                    f"{self._file}: line {self.line} has {len(cells)} cells, but there are {count} columns; a cell "
                    "that holds the sign between cells must stand in double quotes"
                )
            if cells:
                yield dict(itertools.zip_longest(self.names, cells[:count], fillvalue=""))

    def _checked(self) -> Iterator[list[str]]:
        try:
            yield from self._lines
        except csv.Error as error:
            raise InputError(f"{self._file}: line {self.line}: {error}") from error


def read_records(file: Path) -> Records:
    """The records of a CSV file in UTF-8.

    Raises:
        InputError: It cannot be read, or is not UTF-8.
    """
    return Records(io.StringIO(read_text(file), newline=""), file)


def listed_paths(file: Path, column: str | None, keep: Sequence[str]) -> Iterator[tuple[str, Kept, int]]:
    """(path, columns of `keep`, line) of each line of a CSV list, with `column` as in `Inputs`; the path may be empty.

    Raises:
        InputError: It cannot be read, or is empty.
        UsageError: It has no such column.
    """
    records = read_records(file)
    column = _path_column(file, records.names, column)
    if missing := [name for name in keep if name not in records.names]:
        raise UsageError(f"{file}: no column {missing[0]!r} to keep; it has {', '.join(records.names)}")
    for record in records:
        yield record[column], tuple((name, record[name]) for name in keep), records.line


def _path_column(file: Path, names: Sequence[str], wanted: str | None) -> str:
    if not names:
        raise InputError(f"{file}: the list is empty; its first line must name the columns")
    if wanted is not None and wanted not in names:
        raise UsageError(f"{file}: no column {wanted!r}; it has {', '.join(names)}")
    column = wanted or ("path" if "path" in names else names[0] if len(names) == 1 else None)
    if column is None:
        raise UsageError(f"{file}: which column holds the paths? Type --column with one of {', '.join(names)}")
    return column
