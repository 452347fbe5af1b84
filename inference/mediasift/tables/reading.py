"""Reading whole tables: ours, or anybody's with named columns."""

from __future__ import annotations

import zipfile
from pathlib import Path

from mediasift.errors import InputError
from mediasift.sources.lists import read_records
from mediasift.tables.formats import FORMATS
from mediasift.tables.stored import Record


def read_table(path: Path) -> list[Record]:
    """The rows of a `.csv`, `.jsonl`, `.parquet` or `.npz` table; empty cells are None.

    Raises:
        InputError: There is no such file, it is none of these, or it cannot be read.
        MissingPackage: It is a Parquet file and pyarrow is not installed.
    """
    name = path.suffix.lower().removeprefix(".")
    readers = {known: one.read for known, one in FORMATS.items() if one.read is not None}
    if name not in readers:
        raise InputError(f"{path}: no table; its name must end in .{', .'.join(readers)}")
    try:
        if name == "csv":  # anybody's: other delimiters than ours, a byte order mark
            records: list[Record] = list(read_records(path))
        else:
            with path.open("rb") as file:
                records = list(readers[name](file))
    except InputError:
        raise
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: the table cannot be read ({error})") from error
    if not records:
        raise InputError(f"{path}: the table is empty")
    return [{name: None if cell == "" else cell for name, cell in record.items()} for record in records]


def need_columns(path: Path, records: list[Record], *names: str) -> None:
    """Raise an InputError unless the table has these columns."""
    if missing := [name for name in names if name not in records[0]]:
        raise InputError(f"{path}: no column {missing[0]!r}; it has {', '.join(str(name) for name in records[0])}")
