"""Lists of inputs: names on lines, or records with a column of names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mediasift.errors import InputError, UsageError, did_you_mean
from mediasift.rows import printable
from mediasift.sources.records import (
    DELIMITERS,
    JSON_LINES,
    LINE_END,
    JsonRecords,
    Records,
    decoded,
    read_records,
)

LISTS = (*DELIMITERS, *JSON_LINES, ".txt")
"""How the name of a list of inputs ends."""

Kept = tuple[tuple[str, str], ...]


def split_lines(text: str) -> list[str]:
    """Lines that are not empty, or what NULs separate (`find -print0`); U+2028 and the like are parts of names."""
    parts = text.split("\0") if "\0" in text else LINE_END.split(text)
    return [part for part in parts if part.strip()]


def listed_lines(data: bytes, name: str | Path, encoding: str | None) -> list[str]:
    """The names in a list that is no table, one a line.

    File names are bytes: those that are not UTF-8 become surrogates, as everywhere in Python. But where no such file
    exists, the list is in another encoding.

    Raises:
        InputError: It is in another encoding.
        UsageError: There is no such encoding.
    """
    text = data.decode("utf-8", "surrogateescape") if encoding is None else decoded(data, name, encoding)
    lines = split_lines(text.removeprefix("\ufeff"))
    strange = [Path(line) for line in lines if not line.isascii() and any("\udc80" <= c <= "\udcff" for c in line)]
    if strange and not any(os.path.lexists(folder / one) for one in strange for folder in (Path(), Path(name).parent)):
        decoded(data, name, encoding)
    return lines


def listed_paths(
    file: Path, column: str | None, keep: Sequence[str], encoding: str | None = None, data: bytes | None = None
) -> Iterator[tuple[str, Kept, int]]:
    """(path, columns of `keep`, line) of each record of a list, with `column` as in `Inputs`; the path may be empty.

    `data` is what the list holds, if that was read already.

    Raises:
        InputError: It cannot be read, or is empty.
        UsageError: It has no such column.
    """
    records = read_records(file, encoding, data=data)
    if not records.names:
        raise InputError(f"{file}: the list is empty; its first line must name the columns")
    wanted = column or ("path" if "path" in records.names else records.names[0] if len(records.names) == 1 else None)
    if wanted is None:
        raise UsageError(f"{file}: which column holds the paths? Type --column with one of {_shown(records.names)}")
    home = _column(file, records, wanted, "")
    kept = {name: _column(file, records, name, " to keep") for name in keep}
    for record in records:
        yield record[home], tuple((name, printable(record[column])) for name, column in kept.items()), records.line


def _column(file: Path, records: Records | JsonRecords, name: str, purpose: str) -> str:
    column = records.column(name)
    if column is None:
        raise UsageError(
            f"{file}: no column {name!r}{purpose}; it has {_shown(records.names)}{did_you_mean(name, records.names)}"
        )
    return column


def _shown(names: Sequence[str]) -> str:
    """Names of columns in a message, the first of very many; with quotes where blanks would not be seen."""
    listed = ", ".join(name if name == name.strip() else repr(name) for name in names[:_NAMED])
    return listed + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


_NAMED = 60
