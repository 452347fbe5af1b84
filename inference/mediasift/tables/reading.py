"""Reading tables back: ours, or anybody's with named columns."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from mediasift.errors import InputError
from mediasift.system.optional import require

Record = dict[str, Any]


def read_table(path: Path) -> list[Record]:
    """The rows of a `.csv`, `.jsonl` or `.parquet` table, as column → cell; empty cells are None.

    Raises:
        InputError: There is no such file, it is none of these, or it cannot be read.
        MissingPackage: It is a Parquet file and pyarrow is not installed.
    """
    readers = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: no table; its name must end in {', '.join(readers)}")
    try:
        records = reader(path)
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: the table cannot be read ({error})") from error
    if not records:
        raise InputError(f"{path}: the table is empty")
    return [{name: None if cell == "" else cell for name, cell in record.items()} for record in records]


def _csv(path: Path) -> list[Record]:
    text = path.read_text(encoding="utf-8-sig")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(2**31 - 1)  # a book may stand in one cell
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def _jsonl(path: Path) -> list[Record]:
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not all(isinstance(record, dict) for record in records):
        raise InputError(f"{path}: a line is no JSON object")
    return records


def _parquet(path: Path) -> list[Record]:
    rows: list[Record] = require("pyarrow.parquet", extra="parquet").read_table(path).to_pylist()
    return rows


def need_columns(path: Path, records: list[Record], *names: str) -> None:
    """Raise an InputError unless the table has these columns."""
    if missing := [name for name in names if name not in records[0]]:
        raise InputError(f"{path}: no column {missing[0]!r}; it has {', '.join(str(name) for name in records[0])}")
