"""`mediasift look`: its options, and what it makes of a table: a folder with a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np

from mediasift.errors import InputError, UsageError
from mediasift.evaluate.sample_reading import ReadAgain, reading_of
from mediasift.evaluate.units import PLACE, number_text
from mediasift.look.page import LARGE, THUMBNAILS, Shape, write_page
from mediasift.look.projection import POINT, Point, points_of, read_vectors
from mediasift.look.thumbnails import TakeThumbnails, ordered, thumbnails
from mediasift.look.tiles import Tile, tiles_of, with_cells
from mediasift.settings import Option, to_json
from mediasift.sources.content import LocalFile
from mediasift.system.files import new_folder, write_atomically
from mediasift.system.progress import Progress
from mediasift.tables.formats import format_of, read_table, write_rows
from mediasift.tables.manifest import Summary, manifest, manifest_path, versions
from mediasift.tables.stored import Record
from mediasift.tasks.task import RunSettings

POINTS = "points.parquet"
_OURS = {"index.html", "index.html.run.json", THUMBNAILS, LARGE, POINTS}


@dataclass(frozen=True, kw_only=True)
class Look(ReadAgain, RunSettings):
    """Make a page on which any table is looked at in a browser: pictures with what the table says of them.

    DIR/index.html shows thumbnails with labels, scores, boxes, masks and text, films as strips of shots with time
    codes, duplicates side by side. It filters, sorts and searches, and a click shows the large picture, by a link to
    the file where a browser can show that. Files are only read. The page asks no network; one of more than 5,000
    pictures has its thumbnails in a folder beside it. The same command again replaces the folder, if it holds nothing
    else.

    With --map, also a map of the pictures by their vectors: principal components, clusters and what is typical of each.
    DIR/points.parquet has the same for other viewers.
    """

    directory: Annotated[str | Path, Option("The folder to make.", short="-d")]
    map: Annotated[
        str | Path | None,
        Option("A table of vectors that embed wrote; TABLE may then be left out.", metavar="VECTORS"),
    ] = None  # fmt: skip
    clusters: Annotated[
        int | None,
        Option("On the map, at most.", least=1, most=500, default="the root of half the pictures, from 2 to 20"),
    ] = None  # fmt: skip
    pixels: Annotated[int, Option("Longer side of thumbnails.", least=32, most=512, metavar="PIXELS")] = 128
    large: Annotated[
        int, Option("Longer side of copies of what no browser shows: pages, frames, TIFF.", least=64, metavar="PIXELS")
    ] = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What came out.

    Attributes:
        page: The page.
        tiles: Items on it.
        rows: Rows of the table that they have.
        unseen: Places that it cannot show.
        first_unseen: The first of them, with the reason.
    """

    page: Path
    tiles: int
    rows: int
    unseen: int
    first_unseen: str


def look(table: str | Path | None, settings: Look, *, progress: TextIO | None = None) -> Looked:
    """Make the page of a table.

    Args:
        table: Any with the column path, or path_a and path_b; None for that of the vectors.
        settings: See `Look`.
        progress: Where to report how far it is.

    Raises:
        UsageError: Neither a table nor vectors are named.
        InputError: The table cannot be read, has no paths, or more rows than a browser takes.
        OutputError: The folder holds something else, or cannot be written.
        MissingPackage: pyarrow is not installed, and a map is wanted.
    """
    if table is None and settings.map is None:
        raise UsageError("nothing to look at: name a table, or vectors with --map")
    if settings.map is not None:
        format_of(Path(settings.directory, POINTS), None, Point)  # what it needs, before all is computed
    elif settings.clusters is not None:
        raise UsageError(f"clusters {settings.clusters}: are those of a map; name vectors with --map")
    began, folder = datetime.now(UTC), Path(settings.directory)
    named = Path(table if table is not None else str(settings.map))
    reading = reading_of(named, dpi=settings.dpi, password=settings.password)
    with new_folder(folder, replaces=_is_ours) as new:
        tiles, points, note = _tiles(None if table is None else named, settings)
        places = ordered([tile.where for tile in tiles])
        shared = {one.name: getattr(settings, one.name) for one in fields(RunSettings)}
        seen = {one.name: getattr(reading.pictures, one.name) for one in fields(reading.pictures)}
        task = TakeThumbnails(**{**seen, **shared, "side": settings.pixels, "large": settings.large})
        shape = Shape(title=named.name, note=note, near=named.parent, folder=folder)
        with closing(Progress(progress, len({path for path, _ in places}))) as bar:
            unseen, first = write_page(
                new, shape, tiles, places, thumbnails(places, named.parent, task, bar)
            )  # fmt: skip
        if points:
            write_rows(new / POINTS, Point, points)
        rows = sum(len(tile.rows) for tile in tiles)
        write_atomically(manifest_path(new / "index.html"), _manifest(settings, named, rows, began).encode())
    return Looked(page=folder / "index.html", tiles=len(tiles), rows=rows, unseen=unseen, first_unseen=first)


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds a page of ours and nothing else."""
    try:
        about = json.loads(LocalFile(manifest_path(folder / "index.html")).read())
        return "look" in about and {one.name for one in folder.iterdir()} <= _OURS
    except (OSError, ValueError, TypeError, InputError):
        return False


def _tiles(table: Path | None, settings: Look) -> tuple[list[Tile], list[Point], str]:
    """The tiles of the page; the points of its map, if there is one; and a sentence about that."""
    records = [] if table is None else read_table(table, settings.encoding)
    if settings.map is None:
        return tiles_of(Path(str(table)), records), [], ""
    file = Path(settings.map)
    of_vectors, vectors = read_vectors(file, settings.encoding)
    have = [number for number, vector in enumerate(vectors) if vector is not None]
    stacked = np.stack([vector for vector in vectors if vector is not None])
    points, share = points_of([of_vectors[number] for number in have], stacked, settings.clusters)
    note = f"The map's two axes explain {share:.0%} of the variance; clusters are of up to 50 principal components."
    tiles = tiles_of(table or file, records or of_vectors)
    by_place = {_key(row.path, _place_of(row)): row for row in points}
    placed = [by_place.get((tile.where[0], *tile.cells)) for tile in tiles]
    if not any(placed):
        raise InputError(f"{table}: none of its items has a vector in {file}; are the paths written alike?")
    with_cells(tiles, [{name: getattr(one, name, None) for name in POINT} for one in placed])
    return tiles, points, note


def _place_of(point: Point) -> Record:
    """Its place."""
    return {name: getattr(point, name) for name in PLACE}


def _key(path: str, record: Record) -> tuple[str, ...]:
    return (path, *("" if record[name] is None else number_text(record[name], path) for name in PLACE[1:]))


def _manifest(settings: Look, table: Path, rows: int, began: datetime) -> str:
    tables: Sequence[Path] = [table, *([Path(settings.map)] if settings.map not in (None, str(table)) else [])]
    read = []
    for one in tables:
        size, sha256 = LocalFile(one).sha256()
        read.append({"path": str(one), "bytes": size, "sha256": sha256})
    plain: Any = replace(settings, isolate=False)
    sections: dict[str, Any] = {
        "settings": to_json(plain, secrets=False), "look": {"tables": read}, "versions": versions(),
    }  # fmt: skip
    return "".join(manifest(Summary(rows=rows), sections=sections, resources={}, started=began))
