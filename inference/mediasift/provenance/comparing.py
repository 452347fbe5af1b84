"""Two tables, row by row and cell by cell: the first difference between them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.tables.formats import FORMATS, each_record

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What came out.

    Attributes:
        rows: How many rows are the same, from the first.
        largest: The largest difference of two numbers that count as the same.
        difference: What the first row that differs says in each table; empty where all are the same.
        path: Of the input that this row is about; empty where it is about none.
    """

    rows: int
    largest: float
    difference: str = ""
    path: str = ""


def compared(
    before: Path, after: Path, format: str, *, numbers: Collection[str], tolerance: float, folders: Mapping[str, str]
) -> Compared:
    """The first difference of two tables of the same format.

    Args:
        before, after: The tables.
        format: Their format, a key of `tables.formats.FORMATS`.
        numbers: Columns whose numbers may differ.
        tolerance: By so much; cells of all other columns are equal.
        folders: Folder in cells of the second table → what stands there in the first.
    """
    largest, row = 0.0, 0
    read = each_record if FORMATS[format].read is not None else _lines
    for row, (old, new) in enumerate(itertools.zip_longest(read(before, format), read(after, format)), 1):
        if old is None or new is None:
            has, lacks = ("the table", "this run") if new is None else ("this run", "the table")
            place = str((old or new or {}).get("path", ""))
            return Compared(rows=row - 1, largest=largest, difference=f"row {row}: {has} has one, {lacks} has none",
                            path=place)  # fmt: skip
        if list(old) != list(new):
            text = f"columns: recorded {', '.join(old)}; here {', '.join(new)}"
            return Compared(rows=row - 1, largest=largest, difference=text)
        for name, was in old.items():
            now = _placed(new[name], folders)
            if not (apart := _apart(was, now, name in numbers)) <= tolerance:  # of NaN, too
                place = str(old.get("path") or "")
                about = f" ({place})" if place else ""
                text = f"row {row}{about}, column {name}: recorded {_shown(was)}, here {_shown(now)}"
                return Compared(rows=row - 1, largest=largest, difference=text, path=place)
            largest = max(largest, apart)
    return Compared(rows=row, largest=largest)


def _lines(path: Path, _format: str) -> Iterator[Record]:
    """Of a format that holds text alone: each line."""
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from ({"line": line} for line in file)


def _placed(cell: Any, folders: Mapping[str, str]) -> Any:
    if isinstance(cell, str):
        for folder, other in folders.items():
            cell = cell.replace(folder, other)
    return cell


def _apart(was: Any, now: Any, is_number: bool) -> float:
    """How far two cells differ: 0 for the same; without limit where they are no numbers that may differ."""
    if was == now:
        return 0.0
    if not is_number or was in (None, "") or now in (None, ""):
        return np.inf
    first, second = _numbers(was), _numbers(now)
    if first is None or second is None or first.shape != second.shape:
        return np.inf
    return float(np.abs(first - second).max(initial=0.0))


def _numbers(cell: Any) -> NDArray[np.float64] | None:
    """A cell as float64 (N,): a number, a list, or numbers with blanks between them."""
    try:
        return np.array(cell.split() if isinstance(cell, str) else cell, dtype=np.float64).reshape(-1)
    except (ValueError, TypeError):
        return None


def _shown(cell: Any) -> str:
    text = "an empty cell" if cell in (None, "") else json.dumps(cell, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


_WIDEST = 80
