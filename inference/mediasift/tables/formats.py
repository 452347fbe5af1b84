"""Forms that a table can be written in, one line each, and reading a table in any of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mediasift.errors import InputError, MediasiftError, OutputError, UsageError, did_you_mean
from mediasift.rows import Row, columns
from mediasift.sources.records import DELIMITERS, JSON_LINES, SHEETS, JsonRecords, read_records
from mediasift.system.files import write_atomically
from mediasift.system.optional import require
from mediasift.tables.stored import Reader, Record, Stored, read_csv, read_jsonl, read_npz, read_parquet
from mediasift.tables.texts import write_srt, write_txt, write_vtt
from mediasift.tables.writers import Form, write_aligned, write_csv, write_jsonl, write_npz, write_parquet

Writer = Callable[[Iterable[Row | Stored], Form, IO[bytes]], None]
"""Writes all rows of a table to an open binary file, which stays open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One of them.

    Attributes:
        write: Writes it.
        read: Reads the rows back, so that a finished table can be added to; None where it does not hold all columns.
        columns: Those that it is made of; other tables cannot be written in it.
        package: (import name, extra that installs it) of what it needs.
        suffix: Whether the end of a file's name can ask for it.
    """

    write: Writer
    read: Reader | None = None
    columns: tuple[str, ...] = ()
    package: tuple[str, str] | None = None
    suffix: bool = True


_TIMES = ("start_s", "end_s", "text")

FORMATS: dict[str, Format] = {
    "csv": Format(write=write_csv, read=read_csv),
    "jsonl": Format(write=write_jsonl, read=read_jsonl),
    "parquet": Format(write=write_parquet, read=read_parquet, package=("pyarrow", "parquet")),
    "npz": Format(write=write_npz, read=read_npz),
    "txt": Format(write=write_txt, columns=("text",)),
    "srt": Format(write=write_srt, columns=_TIMES),
    "vtt": Format(write=write_vtt, columns=_TIMES),
    "aligned": Format(write=write_aligned, suffix=False),
}
"""Name of a format, which is also its suffix → what it is. `aligned` is for terminals."""


def formats_for(row_type: type[Row]) -> tuple[str, ...]:
    """Names of the formats that rows of this type can be written in."""
    return tuple(name for name, one in FORMATS.items() if not _missing(one, row_type))


def _missing(one: Format, row_type: type[Row]) -> list[str]:
    have = {column.name for column in columns(row_type)}
    return [name for name in one.columns if name not in have]


def format_of(output: Path | None, chosen: str | None, row_type: type[Row] = Row) -> str:
    """The format by `--format`, else by the suffix of the output, else csv.

    Args:
        output: The table's file.
        chosen: What was asked for.
        row_type: Of the table.

    Raises:
        UsageError: The suffix says nothing, or the table lacks a column of which the format is made.
        OutputError: There is something other than a file; a table is written whole, and put in the place of another.
        MissingPackage: The format needs a package that is not installed.
    """
    name = chosen or ("csv" if output is None else output.suffix.lower().lstrip("."))
    one = FORMATS.get(name)
    whole = [other for other in formats_for(row_type) if FORMATS[other].suffix]
    if output is not None and output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file in it, e.g. {output / 'table.csv'}")
    if one is None or (output is not None and not one.suffix):
        shown = output.name if output is not None and chosen is None else name
        likely = did_you_mean(name, whole)
        raise UsageError(
            f"{shown}: no table format; end the name in .{', .'.join(whole)}, or choose with --format{likely}"
        )
    if missing := _missing(one, row_type):
        raise UsageError(f"{name}: this table has no column {missing[0]}; choose {', '.join(whole)}")
    if output is not None and output.exists() and not output.is_file():
        raise OutputError(f"{output}: is a pipe or device; leave -o out and redirect the output there")
    if one.package is not None:
        package, extra = one.package
        require(package, extra=extra)
    return name


def write_rows(
    path: Path, row_type: type[Row], rows: Iterable[Row], *, format: str | None = None, kept: Sequence[str] = ()
) -> None:
    """Write a table that is in memory, whole or not at all.

    Args:
        path: Its file.
        row_type: Of its rows.
        rows: The rows.
        format: Its format; None: as the name's suffix says.
        kept: The columns that its rows carry along.

    Raises:
        UsageError, OutputError, MissingPackage: As `format_of`.
    """
    write, form = FORMATS[format_of(path, format, row_type)].write, Form(row_type=row_type, kept=tuple(kept))
    write_atomically(path, lambda file: write(rows, form, file))


def read_table(path: Path, encoding: str | None = None) -> list[Record]:
    """The rows of a table of CSV, JSON Lines, Parquet or numpy, ours or anybody's; empty cells are None.

    Args:
        path: Its file, whose suffix says the format.
        encoding: Of CSV and JSON Lines; None takes UTF-8.

    Raises:
        InputError: There is no such file, it is none of these, or it cannot be read.
        UsageError: There is no such encoding.
        MissingPackage: It is a Parquet file and pyarrow is not installed.
    """
    records = list(records_of(path, encoding))
    names = dict.fromkeys(name for record in records for name in record)  # objects of JSON need not have all
    return [{name: None if record.get(name) == "" else record.get(name) for name in names} for record in records]


def records_of(path: Path, encoding: str | None = None) -> Iterator[Record]:
    """The same one by one, as they stand: of large vectors, only some are in memory at a time."""
    suffix, texts = path.suffix.lower(), (*DELIMITERS, *JSON_LINES)
    readers = {f".{name}": one.read for name, one in FORMATS.items() if one.read is not None}
    if suffix not in (*readers, *texts, *SHEETS):
        raise InputError(f"{path}: no table; its name must end in {', '.join(dict.fromkeys((*texts, *readers)))}")
    empty = True
    try:
        if suffix in (*texts, *SHEETS):
            text = read_records(path, encoding)
            for record in text.objects() if isinstance(text, JsonRecords) else text:
                empty = False
                yield record
        else:
            with path.open("rb") as file:
                for record in readers[suffix](file):
                    empty = False
                    yield record
    except MediasiftError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: the table cannot be read ({error})") from error
    if empty:
        raise InputError(f"{path}: the table is empty")


def each_record(path: Path, name: str) -> Iterator[Record]:
    """Each row of a table that was written in the format of this name, as it stands there.

    Raises:
        InputError: It cannot be read.
    """
    if (read := FORMATS[name].read) is None:
        raise UsageError(f"{path}: a .{name} does not hold all columns, so it cannot be read back")
    try:
        with path.open("rb") as file:
            yield from read(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: the table cannot be read ({error})") from error


def need_columns(path: Path, records: list[Record], *names: str) -> None:
    """Raise an InputError unless the table has these columns."""
    if missing := [name for name in names if name not in records[0]]:
        likely = did_you_mean(missing[0], records[0])
        raise InputError(f"{path}: no column {missing[0]!r}; it has {', '.join(map(str, records[0]))}{likely}")
