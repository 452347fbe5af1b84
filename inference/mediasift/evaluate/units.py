"""What a row of a table is about, so that rows of several tables are known to be about the same thing.

A unit is an item (a picture, a page, a frame, a recording) or a part of one (a box, a stretch of time). Numbers are
compared as numbers: page 2 and 2.0 are one, as spreadsheets and pandas write them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mediasift.errors import Damaged, InputError

PLACE = ("path", "page", "frame", "time_s")
"""Columns that say which item it is; every table has them."""
CROP = "crop"
"""A box that the user asked for, as `L,T,R,B`: an item of its own."""
STRETCH = ("start_s", "end_s")
BOX = ("left", "top", "right", "bottom")
"""In fractions of width and height."""
BOX_PX = ("left_px", "top_px", "width_px", "height_px")
UNIT_COLUMNS = (*PLACE, CROP, *STRETCH, *BOX, *BOX_PX)

Unit = tuple[str, ...]
"""The cells of a unit's columns, each as one text whatever wrote it; empty where it does not apply."""

Per = Literal["item", "part"]


def part_columns(names: Collection[str]) -> tuple[str, ...]:
    """The columns, of those a table has, that say which part of an item a row is about; empty for items alone."""
    boxes = [box for box in (BOX, BOX_PX) if set(box) <= set(names)]
    stretch = STRETCH if set(STRETCH) <= set(names) else ()
    return (*stretch, *(boxes[0] if boxes else ()))


def unit_columns(names: Collection[str], per: Per) -> tuple[str, ...]:
    """The columns by which the units of a table are known.

    Args:
        names: The table's columns.
        per: Whether items or their parts are meant.
    """
    crop = (CROP,) if CROP in names else ()
    return (*PLACE, *crop, *(part_columns(names) if per == "part" else ()))


def unit_of(record: Mapping[str, Any], columns: Sequence[str], where: str | Path) -> Unit:
    """The unit that a row is about.

    Args:
        record: The row; a column that it lacks is empty.
        columns: See `unit_columns`.
        where: The table and its row, for messages.

    Raises:
        InputError: It has no path, or a cell is no number where there should be one.
    """
    unit = tuple(_cell(record.get(name), name, where) for name in columns)
    if not unit[0]:
        raise InputError(f"{where}: has no path")
    return unit


def _cell(cell: Any, name: str, where: str | Path) -> str:
    if cell is None or cell == "":
        return ""
    if name in ("path", CROP):
        return str(cell)
    return number_text(cell, f"{where}: column {name}")


def alike(labels: Iterable[str]) -> list[str]:
    """Labels that a person takes for one, as `1 and 1.0` or `TRUE and True`; the first spelling and another."""

    def meant(label: str) -> str:
        try:
            return number_text(label, "") or label.casefold()
        except InputError:
            return label.casefold()

    first: dict[str, str] = {}
    pairs = [(first.setdefault(meant(label), label), label) for label in sorted(set(labels))]
    return [f"{one} and {other}" for one, other in pairs if one != other]


def number_text(cell: Any, where: str) -> str:
    """The shortest text of a number, the same however it is written; empty for NaN, as numpy archives have it.

    Raises:
        InputError: It is no number, or infinite.
    """
    try:
        number = float("no number" if isinstance(cell, str) and "_" in cell else cell)  # Python takes 1_000 for one
    except (TypeError, ValueError):
        comma = "; write a point instead of the comma" if isinstance(cell, str) and "," in cell else ""
        raise InputError(f"{where}: {cell!r} is no number{comma}") from None
    if math.isinf(number):
        raise InputError(f"{where}: {cell!r} is no finite number")
    if math.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() else repr(number)


Box = tuple[float, float, float, float]


def box_names(cells: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of the box that a row is about; empty where it has none."""
    return next((box for box in (BOX, BOX_PX) if cells.get(box[0]) not in (None, "")), ())


def box_of(cells: Mapping[str, Any], size: tuple[int, int]) -> Box | None:
    """The box that a row is about, else the crop: left, top, right, bottom in fractions of a picture of that size.

    Raises:
        Damaged: It does not lie within the picture: the file, or how it was read, is another one than it was.
    """
    names = box_names(cells)
    try:
        if names:
            numbers = [float(cells[name]) for name in names]
        elif crop := cells.get(CROP):
            numbers = [float(part) for part in crop.split(",")]
        else:
            return None
        if names == BOX_PX:
            left, top, width, height = numbers
            numbers = [left / size[0], top / size[1], (left + width) / size[0], (top + height) / size[1]]
        left, top, right, bottom = numbers
    except (TypeError, ValueError) as error:
        raise Damaged(f"its box is none ({error})") from error
    if not (-0.01 <= left < right <= 1.01 and -0.01 <= top < bottom <= 1.01):
        raise Damaged(f"its box is not inside the picture of {size[0]}x{size[1]} pixels; has the file changed?")
    return max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
