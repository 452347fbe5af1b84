"""What a file is, by its headers: one row per picture, page, video or sound."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from mediasift.errors import Unsupported
from mediasift.items import Item, MediaFile
from mediasift.media.information import information
from mediasift.rows import Row
from mediasift.sources.settings import ListSettings
from mediasift.tasks.task import Reads, Resources, RunSettings, Started


@dataclass(frozen=True, slots=True, kw_only=True)
class Info(Row):
    """The columns of `media.information.Information`."""

    kind: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    color_model: str | None = None
    pages: int | None = None
    duration_s: float | None = None
    fps: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    captured: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Inform(ListSettings, RunSettings):
    """Report format, size, duration, date and place of files: a row for each picture, page, video or sound.

    Only headers are read. Width and height are those of the upright picture; of a PDF page, in points.
    """

    name: ClassVar[str] = "info"
    reads: ClassVar[Reads] = "files"
    row: ClassVar[type[Row]] = Info

    def start(self, resources: Resources) -> StartedInform:  # noqa: ARG002  (as every Task)
        """Nothing to set up."""
        return StartedInform()


class StartedInform(Started):
    """See `tasks.task.Started`."""

    def prepare(self, item: MediaFile | Item) -> list[Row]:
        """The rows of a file."""
        if isinstance(item, Item):
            raise Unsupported("an array, not a file: it has no header")
        return [
            Info(**{field.name: getattr(found, field.name) for field in fields(found)})
            for found in information(item.file, item.alive)
        ]
