"""What a file is, by its headers: one row per picture, page, video or sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mediasift.items import MediaFile
from mediasift.media.information import Info, information
from mediasift.media.settings import LockedSettings
from mediasift.rows import Row
from mediasift.tasks.task import Reads, RowsTask


@dataclass(frozen=True, kw_only=True)
class Inform(LockedSettings, RowsTask):
    """Report format, size, duration, date and place of files: a row for each picture, page, video or sound.

    Only headers are read. Width and height are those of the upright picture; of a PDF page, in points.
    """

    name: ClassVar[str] = "info"
    reads: ClassVar[Reads] = "files"
    row: ClassVar[type[Row]] = Info

    def rows(self, item: MediaFile) -> list[Row]:
        """The rows of a file."""
        return list(information(item.content, item.alive, password=self.password))
