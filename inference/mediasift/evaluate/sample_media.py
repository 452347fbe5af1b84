"""What the coding page shows of each unit: pictures, pages, frames and regions as JPEG, films and sound as pieces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mediasift.errors import ItemError, NotFound
from mediasift.evaluate.sample_reading import Reading
from mediasift.evaluate.units import Box, Unit, box_names, box_of
from mediasift.items import FailedItem, Item
from mediasift.media.pictures.encode import ENCODERS
from mediasift.media.pictures.transforms import Picture, resize
from mediasift.media.readers import read_source
from mediasift.media.video.excerpt import excerpts
from mediasift.sources.content import Content, LocalFile, addressed
from mediasift.sources.formats import known_format
from mediasift.sources.naming import Source
from mediasift.sources.places import Places, Spot
from mediasift.sources.spellings import tabled_file
from mediasift.system.files import faults, write_file
from mediasift.system.progress import Progress

MEDIA = "media"
"""The folder of what is shown, beside the page."""

_QUALITY = 90
_MARGIN, _MARGIN_PX = 0.5, 16
"""Around a region: this share of its shorter side, and at least so many pixels."""
_LEGIBLE, _LARGEST_FACTOR = 640, 3
"""A region is enlarged to this longer side, but not more than so many times."""
_PIECE_S = 30.0
"""How much is played of a place in a film or recording that has no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of a unit.

    Attributes:
        name: Its path, and where in it.
        kind: What shows it; empty where nothing can.
        file: Relative to the page; its name says nothing of the unit.
        box: (left, top, right, bottom) in fractions of the picture, to be outlined.
        error: Why it cannot be shown, as `CODE: sentence`.
    """

    name: str
    kind: Literal["picture", "film", "sound", ""] = ""
    file: str = ""
    box: Box | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A unit with its cells by name, and the file that is to show it, without its suffix."""

    unit: Unit
    cells: Mapping[str, str]
    stem: Path

    def number(self, name: str) -> float | None:
        cell = self.cells.get(name)
        return float(cell) if cell else None

    @property
    def where(self) -> tuple[int | None, int | None]:
        page, frame = self.number("page"), self.number("frame")
        return None if page is None else int(page), None if frame is None else int(frame)

    @property
    def stretch(self) -> tuple[float, float] | None:
        """Seconds; None for what is seen at one moment, or as a whole."""
        start, end = self.number("start_s"), self.number("end_s")
        if start is not None and end is not None and not self.box_cells:
            return start, end
        moment = self.number("time_s")
        return None if moment is None or self.cells["frame"] else (moment, moment + _PIECE_S)

    @property
    def box_cells(self) -> tuple[str, ...]:
        """The columns of its box; empty where it has none."""
        return box_names(self.cells)


def show(
    units: Sequence[Unit], columns: Sequence[str], folder: Path, *, near: Path, pixels: int, reading: Reading,
    progress: Progress,
) -> dict[Unit, Shown]:  # fmt: skip
    """Write what the page shows of each unit.

    Args:
        units: In an order that says nothing: files are numbered by it.
        columns: Those of the units.
        folder: The page's.
        near: The table's folder, from which paths lead where they lead nowhere from the current one.
        pixels: Longer side of a picture, at most.
        reading: How the files were read for the table.
        progress: Advanced by each unit.

    Raises:
        OutputError: A file cannot be written.
    """
    by_path: dict[str, list[_Asked]] = {}
    for number, unit in enumerate(units, 1):
        cells = dict(zip(columns, unit, strict=True))
        asked = _Asked(unit=unit, cells=cells, stem=folder / MEDIA / f"{number:04}")
        by_path.setdefault(cells["path"], []).append(asked)
    shown: dict[Unit, Shown] = {}
    for path, several in by_path.items():
        for asked, one in _of_source(path, several, near, pixels, reading):
            shown.setdefault(asked.unit, one)
            progress.advance(bool(one.error))
    return {unit: shown[unit] for unit in units}


def _of_source(
    path: str, several: list[_Asked], near: Path, pixels: int, reading: Reading
) -> Iterator[tuple[_Asked, Shown]]:
    """Each unit of one file with what shows it."""
    waiting = {asked.unit: asked for asked in several}
    trouble: ItemError = NotFound("its place is not in the file; has it changed since the table was made?")
    try:
        content = addressed(path) or LocalFile(tabled_file(path, near))
        for asked, one in _shown(content, path, several, pixels, reading):
            waiting.pop(asked.unit, None)
            yield asked, one
    except ItemError as error:
        trouble = error
    for asked in waiting.values():
        yield asked, _failed(asked, trouble)


def _shown(
    content: Content, path: str, several: list[_Asked], pixels: int, reading: Reading
) -> Iterator[tuple[_Asked, Shown]]:
    form = known_format(content.head(), content.suffix, searched=("picture", "document", "video", "sound"))
    if form.kind in ("picture", "document"):
        yield from _seen(content, path, several, pixels, reading)
        return
    frames = [asked for asked in several if asked.where[1] is not None and (asked.box_cells or not asked.stretch)]
    stretches = [asked for asked in several if asked not in frames and asked.stretch]
    if frames:
        yield from _seen(content, path, frames, pixels, reading)
    if stretches:
        wanted = [asked.stretch for asked in stretches if asked.stretch]
        heard = {"track": reading.sound.stream, "channel": reading.sound.channel}
        pieces = excerpts(content, wanted, viewing=reading.pictures.viewing, **heard)
        for asked, piece in zip(stretches, pieces, strict=True):
            if isinstance(piece, ItemError):
                yield asked, _failed(asked, piece)
                continue
            file = asked.stem.with_suffix(piece.suffix)
            write_file(file, piece.data)
            yield asked, Shown(name=_name(asked), kind=piece.kind, file=_relative(file))
    for asked in several:
        if asked not in frames and asked not in stretches:
            file = asked.stem.with_suffix(content.suffix.lower())
            with content.local() as whole, faults(file):
                file.parent.mkdir(exist_ok=True)
                shutil.copyfile(whole, file)
            yield (
                asked,
                Shown(name=_name(asked), kind="film" if form.kind == "video" else "sound", file=_relative(file)),
            )


def _seen(
    content: Content, path: str, several: list[_Asked], pixels: int, reading: Reading
) -> Iterator[tuple[_Asked, Shown]]:
    """Of pictures, pages and frames."""
    places = Places(content, tuple(dict.fromkeys(Spot(*asked.where) for asked in several)))
    for item in read_source(Source(path=path, content=places), "pictures", reading.pictures):
        wanted = [asked for asked in several if asked.where == (item.page, item.frame)]
        if isinstance(item, FailedItem):
            for asked in wanted:
                yield asked, _failed(asked, item.error)
        elif isinstance(item, Item):
            yield from _written(wanted, item.image, pixels)


def _written(several: list[_Asked], image: Picture, pixels: int) -> Iterator[tuple[_Asked, Shown]]:
    for asked in several:
        try:
            region, box = _region(image, box_of(asked.cells, (image.shape[1], image.shape[0])))
        except ItemError as error:
            yield asked, _failed(asked, error)
            continue
        side = max(region.shape[:2])
        factor = min(pixels / side, 1.0 if box is None else max(1.0, min(_LARGEST_FACTOR, _LEGIBLE / side)))
        small = resize(region, max(1, round(region.shape[1] * factor)), max(1, round(region.shape[0] * factor)))
        file = asked.stem.with_suffix(".jpg")
        write_file(file, ENCODERS["jpg"](small, _QUALITY, b""))
        yield asked, Shown(name=_name(asked), kind="picture", file=_relative(file), box=box)


def _region(image: Picture, box: Box | None) -> tuple[Picture, Box | None]:
    """The part of a picture around a box, and the box in fractions of that part."""
    if box is None:
        return image, None
    height, width = image.shape[:2]
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    margin = max(_MARGIN * min(right - left, bottom - top), _MARGIN_PX)
    x0, y0 = max(0, int(left - margin)), max(0, int(top - margin))
    x1, y1 = min(width, int(right + margin) + 1), min(height, int(bottom + margin) + 1)
    part = image[y0:y1, x0:x1]
    wide, high = x1 - x0, y1 - y0
    return part, ((left - x0) / wide, (top - y0) / high, (right - x0) / wide, (bottom - y0) / high)


def _relative(file: Path) -> str:
    return f"{MEDIA}/{file.name}"


def _failed(asked: _Asked, error: ItemError) -> Shown:
    return Shown(name=_name(asked), error=f"{error.code}: {error}")


def _name(asked: _Asked) -> str:
    cells = asked.cells
    where = [f"{name} {cells[name]}" for name in ("page", "frame") if cells.get(name)]
    if cells.get("start_s"):
        where.append(f"{cells['start_s']} to {cells['end_s']} s")
    elif cells.get("time_s"):
        where.append(f"{cells['time_s']} s")
    return ", ".join([cells["path"], *where])
