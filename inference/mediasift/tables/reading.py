"""Reading whole tables: ours, or anybody's with named columns."""

from __future__ import annotations

import zipfile
from pathlib import Path

from mediasift.errors import InputError, MediasiftError
from mediasift.sources.records import DELIMITERS, JSON_LINES, SHEETS, JsonRecords, read_records
from mediasift.tables.formats import FORMATS
from mediasift.tables.stored import Record


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
    suffix, texts = path.suffix.lower(), (*DELIMITERS, *JSON_LINES)
    readers = {f".{name}": one.read for name, one in FORMATS.items() if one.read is not None}
    if suffix not in (*readers, *texts, *SHEETS):
        raise InputError(f"{path}: no table; its name must end in {', '.join(dict.fromkeys((*texts, *readers)))}")
    try:
        records: list[Record]
        if suffix in (*texts, *SHEETS):
            text = read_records(path, encoding)
            records = list(text.objects() if isinstance(text, JsonRecords) else text)
        else:
            with path.open("rb") as file:
                records = list(readers[suffix](file))
    except MediasiftError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: the table cannot be read ({error})") from error
    if not records:
        raise InputError(f"{path}: the table is empty")
    names = dict.fromkeys(name for record in records for name in record)  # objects of JSON need not have all
    return [{name: None if record.get(name) == "" else record.get(name) for name in names} for record in records]


def need_columns(path: Path, records: list[Record], *names: str) -> None:
    """Raise an InputError unless the table has these columns."""
    if missing := [name for name in names if name not in records[0]]:
        raise InputError(f"{path}: no column {missing[0]!r}; it has {', '.join(str(name) for name in records[0])}")
