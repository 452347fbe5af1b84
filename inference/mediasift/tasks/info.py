"""What a file is, by its headers: one row per picture, page, video or sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from mediasift.items import MediaFile
from mediasift.media.information import information
from mediasift.rows import Row
from mediasift.tasks.task import Reads, Resources, Started


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
class Inform:
    """There is nothing to set."""

    name: ClassVar[str] = "info"
    reads: ClassVar[Reads] = "files"
    row: ClassVar[type[Row]] = Info

    def start(self, _resources: Resources) -> StartedInform:
        """Nothing to set up."""
        return StartedInform()


class StartedInform(Started):
    """See `tasks.task.Started`."""

    batch_size = 1
    needs: tuple[int, int] | None = None

    def __init__(self) -> None:
        self.facts: Mapping[str, Any] = {}

    def prepare(self, item: MediaFile) -> list[Row]:
        """The rows of a file."""
        return [
            Info(**{field.name: getattr(found, field.name) for field in fields(found)})
            for found in information(item.content, item.alive, password=item.password)
        ]

    def infer(self, batch: Sequence[list[Row]]) -> Sequence[list[Row]]:
        """The same rows."""
        return batch
