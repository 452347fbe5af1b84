"""The page: what is known of each tile as columns, thumbnails in it or in scripts beside it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mediasift.errors import InputError, ItemError
from mediasift.evaluate.units import PLACE, box_of
from mediasift.look.thumbnails import Thumbnail, file_of, opens_in_browser
from mediasift.look.tiles import Column, Tile, Where, columns_of, grouped_by
from mediasift.sources.formats import sniff
from mediasift.system.files import write_atomically, write_file
from mediasift.system.pages import LOCAL, embedded, filled
from mediasift.tables.stored import Record

MOST_INSIDE = 5_000
"""Thumbnails that stand in the page itself; where there are more, they are in scripts beside it."""

_IN_SCRIPT = 64
"""Thumbnails of a script: a sorted page asks for some of many."""

_MOST_BYTES = 300_000_000
"""Of the page without thumbnails: browsers take no text of more than 512 MB."""

THUMBNAILS, LARGE = "thumbnails", "large"

SAME = "="
"""In place of an address: that of the file itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the page begins.

    Attributes:
        title: Its title.
        note: A sentence below it.
        near: The table's folder.
        folder: Where the page will be; links lead from there.
    """

    title: str
    note: str
    near: Path
    folder: Path


def write_page(
    folder: Path, shape: Shape, tiles: Sequence[Tile], places: Sequence[Where], thumbnails: Iterable[Thumbnail],
    *, most_inside: int = MOST_INSIDE,
) -> tuple[int, str]:  # fmt: skip
    """Write the page and what lies beside it.

    Args:
        folder: An empty folder, which becomes that of `shape`.
        shape: See there.
        tiles: What is shown.
        places: Of each thumbnail.
        thumbnails: In the order of `places`; they go to the disk as they come, where they are many.
        most_inside: See `MOST_INSIDE`.

    Returns:
        How many places cannot be shown, and the first of them with the reason.

    Raises:
        InputError: It is more than a browser takes.
        OutputError: It cannot be written.
    """
    is_inside = len(places) <= most_inside
    known, inside, failed = list[dict[str, Any]](), list[str](), list[str]()
    remaining = iter(thumbnails)
    numbers = iter(range(len(places)))
    for script, part in enumerate(iter(lambda: list(islice(remaining, _IN_SCRIPT)), [])):
        pictures = [one.picture or "" for one in part]
        for (path, spot), one in zip((places[at] for at in islice(numbers, len(part))), part, strict=True):
            number = len(known)
            if one.large:
                write_file(folder / LARGE / f"{number}.webp", base64.b64decode(one.large))
            known.append(_known(path, spot, one, number, shape))
            if one.error:
                failed.append(f"{path}: {one.error}")
        if is_inside:
            inside += pictures
        else:
            write_file(folder / THUMBNAILS / f"{script}.js", f"arrived({script},{json.dumps(pictures)});\n".encode())
    data = {
        "title": shape.title, "note": shape.note, "chunk": 0 if is_inside else _IN_SCRIPT,
        "places": {name: [one[name] for one in known] for name in known[0]}, **_table(tiles, places, known, shape),
    }  # fmt: skip
    if (size := len(embedded(data))) > _MOST_BYTES:
        raise InputError(
            f"{shape.title}: {size / 1e6:,.0f} MB of rows are more than a browser takes; look at a part of "
            "the table, or at a random sample of it (mediasift sample)"
        )
    page = filled(
        "mediasift.look/browser", title=shape.title, data={"data": data, "inside": inside},
        scripts=("table.js", "sheet.js", "filters.js", "map.js"),
        policy={"img-src": "data:", "script-src": LOCAL},
    )  # fmt: skip
    write_atomically(folder / "index.html", page)
    return len(failed), failed[0] if failed else ""


def _known(path: str, spot: Any, one: Thumbnail, number: int, shape: Shape) -> dict[str, Any]:
    """What the page knows of a place: its file, its larger picture, size, colour, kind and error."""
    file = file_of(path, shape.near)
    form = None if file is None else sniff(b"", file.suffix)
    kind = "picture" if form is None else form.kind
    link = "" if file is None else _link(file, shape.folder)
    itself = SAME if opens_in_browser(path) and not one.error else ""
    large = f"{LARGE}/{number}.webp" if one.large else itself
    if link and kind == "document" and spot.page:
        link += f"#page={spot.page}"
    return {
        "path": path, "link": link, "large": large, "kind": kind, "error": one.error,
        "width": one.width or 0, "height": one.height or 0, "color": one.color or "",
    }  # fmt: skip


def _link(file: Path, folder: Path) -> str:
    """From the page to a file; every sign that means something in an address is spelled."""
    there, here = os.path.abspath(file), os.path.abspath(folder)  # noqa: PTH100  (resolve follows links)
    try:
        relative = os.path.relpath(there, here)
    except ValueError:  # on another drive
        return Path(there).as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")


def _table(
    tiles: Sequence[Tile], places: Sequence[Where], known: Sequence[dict[str, Any]], shape: Shape
) -> dict[str, Any]:
    at = {place: number for number, place in enumerate(places)}
    rows, numbers = [row for tile in tiles for row in tile.rows], [at[tile.where] for tile in tiles]
    columns = columns_of(tiles)
    sizes = [(known[number]["width"], known[number]["height"]) for number in numbers]
    of_rows = [size for tile, size in zip(tiles, sizes, strict=True) for _ in tile.rows]
    boxes = [_box(row, size) for row, size in zip(rows, of_rows, strict=True)]
    lines = {number: line for number, (row, size) in enumerate(zip(rows, of_rows, strict=True))
             if (line := _outline(row.get("polygons"), size))}  # fmt: skip
    masks = {number: _link(file, shape.folder) for number, row in enumerate(rows)
             if row.get("mask") and (file := file_of(str(row["mask"]), shape.near)) is not None}  # fmt: skip
    return {
        "tiles": {"place": numbers, "rows": [len(tile.rows) for tile in tiles],
                  **{name: [tile.cells[number] for tile in tiles] for number, name in enumerate(PLACE[1:])}},
        "columns": list(map(_column, columns)),
        "boxes": boxes if any(boxes) else [], "outlines": lines, "masks": masks,
        "grouped": grouped_by([one.name for one in columns], tiles),
        "is_list": any(one.name == "text" for one in columns),
    }  # fmt: skip


def _column(column: Column) -> dict[str, Any]:
    """Its cells; of text, numbers of the different values."""
    if column.is_number:
        return {"name": column.name, "cells": list(column.cells)}
    values: dict[str, int] = {}
    cells = [-1 if cell is None else values.setdefault(cell, len(values)) for cell in column.cells]
    return {"name": column.name, "values": list(values), "cells": cells}


def _box(row: Record, size: tuple[int, int]) -> list[int] | int | str:
    """In thousandths of the picture's sides; 0 for none, and the reason for one that cannot be."""
    if not size[0]:
        return 0
    try:
        box = box_of(row, size)
    except ItemError as error:
        return str(error)
    return 0 if box is None else [round(1000 * side) for side in box]


def _outline(cell: Any, size: tuple[int, int]) -> list[list[int]] | str:
    """The lines of a mask in thousandths of the picture's sides, without corners that fall together; or the trouble."""
    if not cell or not size[0]:
        return []
    try:
        return [list(_thinned(line, size)) for line in json.loads(cell)]
    except (ValueError, TypeError) as error:
        return f"its polygons are none ({error})"


def _thinned(line: Sequence[float], size: tuple[int, int]) -> Iterator[int]:
    before = None
    for x, y in zip(line[::2], line[1::2], strict=True):
        point = round(1000 * x / size[0]), round(1000 * y / size[1])
        if point != before:
            yield from point
        before = point
