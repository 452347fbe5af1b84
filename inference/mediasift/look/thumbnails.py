"""Small pictures of the places that a page shows, made by the pipeline: what cannot be read is an error of its tile."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np

from mediasift.engines.engine import Resources
from mediasift.errors import NotFound
from mediasift.items import Item
from mediasift.look.tiles import Where
from mediasift.media.pictures.encode import ENCODERS, check_encoder
from mediasift.media.pictures.transforms import Picture, resize
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.run.stream import stream_of
from mediasift.sources.content import LocalFile, addressed
from mediasift.sources.naming import Source
from mediasift.sources.places import Places, Spot
from mediasift.sources.spellings import tabled_file
from mediasift.system.progress import Progress
from mediasift.tasks.task import Reads, RowsTask, Started

_SHOWN_BY_BROWSERS = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".gif", ".webp", ".avif", ".bmp", ".ico"})
"""How the names of pictures end that every browser shows (https://developer.mozilla.org/docs/Web/Media/Guides/Formats);
of all else the page has a larger copy."""

_QUALITY, _LARGE_QUALITY = 75, 82


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail(Row):
    """What the page has of a place.

    Attributes:
        picture, large: WebP as base64; None for sound, which shows nothing.
        width, height: Of the upright picture in the file, pixels.
        color: Its mean, as rrggbb.
    """

    picture: str | None = None
    large: str | None = None
    width: int | None = None
    height: int | None = None
    color: str | None = None


@dataclass(frozen=True, kw_only=True)
class TakeThumbnails(PictureSettings, RowsTask):
    """Thumbnails of pictures.

    Attributes:
        side: Longer side, pixels.
        large: That of the larger copy; 0 for none.
    """

    name: ClassVar[str] = "thumbnail"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Thumbnail

    side: int = 0
    large: int = 0

    def set_up(self) -> None:
        """See `RowsTask`."""
        check_encoder("webp")

    def start(self, resources: Resources) -> Started:
        """See `RowsTask`."""
        started = super().start(resources)
        started.needs = (max(self.side, self.large),) * 2
        return started

    def rows(self, item: Item) -> list[Row]:
        """See `RowsTask`."""
        width, height = item.original_size
        small = _within(item.image, self.side)
        mean = np.asarray(small.reshape(-1, 3).mean(axis=0)).round().astype(np.uint8)
        large = _webp(_within(item.image, self.large), _LARGE_QUALITY) if self.large else None
        seen = Thumbnail(picture=_webp(small, _QUALITY), large=large, width=width, height=height)
        return [replace(seen, color=mean.tobytes().hex())]


def _within(image: Picture, side: int) -> Picture:
    factor = side / max(image.shape[:2])
    if factor >= 1:
        return image
    return resize(image, max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))


def _webp(image: Picture, quality: int) -> str:
    return base64.b64encode(ENCODERS["webp"](image, quality, b"")).decode("ascii")


def file_of(path: str, near: Path) -> Path | None:
    """The local file that a path of a table means; None for an address, or no path."""
    return None if not path or _ADDRESS.match(path) else tabled_file(path, near)


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def opens_in_browser(path: str) -> bool:
    """Whether a browser shows the file of this path as it is."""
    return not _ADDRESS.match(path) and PurePath(path).suffix.lower() in _SHOWN_BY_BROWSERS


def ordered(places: Sequence[Where]) -> list[Where]:
    """Each place once, those of a file together, in the order of files; what needs larger copies comes last."""
    files = list(dict.fromkeys(path for path, _ in places))
    order = {path: (not opens_in_browser(path), number) for number, path in enumerate(files)}
    return sorted(dict.fromkeys(places), key=lambda place: order[place[0]])


def thumbnails(places: Sequence[Where], near: Path, task: TakeThumbnails, progress: Progress) -> Iterator[Thumbnail]:
    """The thumbnail of each place.

    Args:
        places: As `ordered` gives them.
        near: The table's folder, from which paths lead where they lead nowhere from the current one.
        task: How to read; its `large` counts for what browsers do not show.
        progress: Advanced by each file.

    Raises:
        SetupError: It cannot start, or somebody wants to stop.
    """
    for is_plain, part in groupby(places, key=lambda place: opens_in_browser(place[0])):
        by_path: dict[str, list[Spot]] = {}
        for path, spot in part:
            by_path.setdefault(path, []).append(spot)
        sources = [_source(path, tuple(spots), near) for path, spots in by_path.items()]
        stream = stream_of(replace(task, large=0 if is_plain else task.large), [])
        for spots, finished in zip(by_path.values(), stream.read(sources, progress), strict=True):
            rows: dict[Any, Row] = {(row.page, row.frame, row.time_s): row for row in finished.rows}
            failed = next((row for row in finished.rows if row.error), Row())
            for spot in spots:
                row = rows.get(spot, failed)
                yield row if isinstance(row, Thumbnail) else Thumbnail(error=row.error)


def _source(path: str, spots: tuple[Spot, ...], near: Path) -> Source:
    if not path:
        return Source(path=path, failure=NotFound("this row of the table has no path"))
    return Source(path=path, content=Places(addressed(path) or LocalFile(tabled_file(path, near)), spots))
