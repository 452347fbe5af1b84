"""What a page shows of a table: a tile for each item with its rows, and the places of which it needs pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mediasift.errors import InputError
from mediasift.evaluate.units import BOX, BOX_PX, CROP, PLACE, STRETCH, box_names, number_text
from mediasift.sources.content import addressed
from mediasift.sources.places import Spot
from mediasift.sources.spellings import tabled_file
from mediasift.tables.stored import Record

PAIR, QUERY = "pair", "query"
"""Columns that tell apart tiles of one item: the pair of `compare`, the query of `search`."""

Where = tuple[str, Spot]
"""A path and where in that file: what a thumbnail shows."""

_NOT_SHOWN = {*PLACE, *BOX, *BOX_PX, "polygons", "mask"}
"""Columns that are seen otherwise."""

_TEXTS = {"label", "label_id", "text", "value", "true"}
"""Columns of text, even where all of it is digits."""


@dataclass(slots=True)
class Tile:
    """An item of the table: where it is from, and its rows."""

    where: Where
    cells: tuple[str, ...]
    rows: list[Record] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column that the page shows.

    Attributes:
        name: Its name.
        is_number: Whether each cell that is filled is a number.
        cells: Of each row, tile by tile: text, a number, or None.
    """

    name: str
    is_number: bool
    cells: Sequence[Any]


def tiles_of(table: Path, records: Sequence[Record]) -> list[Tile]:
    """The tiles, in the order in which the table names their items.

    Args:
        table: For messages.
        records: Its rows.

    Raises:
        InputError: It has no column `path`, or a place is no number.
    """
    records = _unfolded(table, records)
    several = tuple(name for name in (CROP, PAIR, QUERY) if name in records[0])
    tiles: dict[tuple[str, ...], Tile] = {}
    for number, record in enumerate(records, 1):
        cells = tuple(
            number_text(cell, f"{table}, row {number}: column {name}") if (cell := record.get(name)) is not None else ""
            for name in PLACE[1:]
        )
        path = str(record["path"] or "")
        key = (path, *cells, *(str(record[name]) for name in several))
        tile = tiles.get(key)
        if tile is None:
            tile = tiles[key] = Tile((path, _spot(record, cells)), cells)
        elif box_names(record):
            tile.where = path, _spot(record, cells)
        tile.rows.append(record)
    return list(tiles.values())


def _unfolded(table: Path, records: Sequence[Record]) -> Sequence[Record]:
    """Rows about one item each: of a pair, two; before those of a query, the query itself."""
    names = records[0]
    if "path_a" in names and "path_b" in names:
        return [
            {PAIR: number, "path": record[f"path_{side}"], "page": record.get(f"page_{side}"),
             "frame": record.get(f"frame_{side}"),
             **{name: cell for name, cell in record.items() if not re.fullmatch("(path|page|frame)_[ab]", name)}}
            for number, record in enumerate(records, 1) for side in "ab"
        ]  # fmt: skip
    if "path" not in names:
        raise InputError(f"{table}: no column 'path', so that there is nothing to look at; it has {', '.join(names)}")
    if QUERY not in names or "rank" not in names:
        return records
    empty = dict.fromkeys(names)
    unfolded: list[Record] = []
    for record in records:
        query = record[QUERY]
        is_next = query is not None and query not in (row[QUERY] for row in unfolded[-1:])
        if is_next and (addressed(str(query)) or tabled_file(str(query), table.parent).exists()):  # no words
            unfolded.append({**empty, "path": query, QUERY: query})
        unfolded.append(record)
    return unfolded


def _spot(record: Record, cells: Sequence[str]) -> Spot:
    """Where in the file the picture is: of a stretch of a film its middle, where no box says which frame is meant."""
    page, frame, time_s = (float(cell) if cell else None for cell in cells)
    start, end = (record.get(name) for name in STRETCH)
    if start is not None and end is not None and not box_names(record):
        return Spot(time_s=round((float(start) + float(end)) / 2, 6))
    if frame is not None:
        return Spot(frame=int(frame))
    return Spot(page=int(page)) if page is not None else Spot(time_s=time_s)


def columns_of(tiles: Sequence[Tile]) -> list[Column]:
    """The columns that have anything to show, as they stand in the table; vectors are left out."""
    rows = [row for tile in tiles for row in tile.rows]
    return [
        column
        for name in rows[0]
        if name is not None and name not in _NOT_SHOWN
        if (column := _column(name, [row[name] for row in rows])) is not None
    ]


def _column(name: str, cells: list[Any]) -> Column | None:
    filled = [cell for cell in cells if cell is not None]
    if not filled or any(isinstance(cell, (list, dict)) for cell in filled):
        return None
    if name not in _TEXTS and all(map(_is_number, filled)):
        return Column(name=name, is_number=True, cells=[None if cell is None else _number(cell) for cell in cells])
    texts = [str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in filled]
    if name == "embedding" and all(text.count(" ") > 1 for text in texts):
        return None
    remaining = iter(texts)
    return Column(name=name, is_number=False, cells=[None if cell is None else next(remaining) for cell in cells])


def _is_number(cell: Any) -> bool:
    """Identifiers such as 007 are none."""
    if isinstance(cell, str):
        return _DECIMAL.fullmatch(cell) is not None and math.isfinite(float(cell))
    return isinstance(cell, (int, float)) and not isinstance(cell, bool) and math.isfinite(cell)


_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]*|0?\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*)([eE][+-]?[0-9]+)?")


def _number(cell: Any) -> float:
    number = float(cell)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def grouped_by(names: Sequence[str], tiles: Sequence[Tile]) -> str:
    """The column by which the page groups tiles at first; `path` where files have many; empty for none."""
    own = {PAIR: PAIR, QUERY: "rank", "group": "representative", "cluster": "typical"}
    for name, beside in own.items():
        if name in names and (beside in names or beside == name):
            return name
    paths = {tile.where[0] for tile in tiles}
    return "path" if 2 * len(paths) <= len(tiles) else ""


def with_cells(tiles: Sequence[Tile], more: Sequence[Mapping[str, Any]]) -> None:
    """Give each row of a tile further cells, the same for all of them."""
    for tile, cells in zip(tiles, more, strict=True):
        tile.rows = [{**row, **cells} for row in tile.rows]
