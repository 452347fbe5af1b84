"""What a file is, by its headers: one row per picture, page, video or sound; on request, how it looks and sounds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Annotated, ClassVar

from mediasift.errors import ItemError
from mediasift.items import FailedItem, MediaFile
from mediasift.media.information import Info, information
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.style import style
from mediasift.media.settings import LockedSettings
from mediasift.rows import Row
from mediasift.settings import Option
from mediasift.tasks.task import Reads, RowsTask


@dataclass(frozen=True, kw_only=True)
class Inform(LockedSettings, RowsTask):
    """Report format, size, duration, date and place of files: a row for each picture, page, video or sound.

    Only headers are read, unless --colors or --voice are given. Width and height are those of the upright picture; of a
    PDF page, in points.
    """

    name: ClassVar[str] = "info"
    reads: ClassVar[Reads] = "files"
    row: ClassVar[type[Row]] = Info

    colors: Annotated[
        bool,
        Option(
            "Of pictures also: mean and dominant colours, brightness, contrast, saturation, colourfulness, sharpness."
        ),
    ] = False
    voice: Annotated[bool, Option("Of sounds and videos also: pitch, loudness and pauses.")] = False

    def rows(self, item: MediaFile) -> list[Row]:
        """The rows of a file. What looks or sounds unreadable keeps what its header says, beside the error."""
        rows: list[Row] = list(information(item.content, item.alive, password=self.password))
        if self.colors and isinstance(rows[0], Info) and rows[0].kind == "picture":
            rows = _colored(item, rows)
        if self.voice and isinstance(rows[0], Info) and (rows[0].sound_streams or 0) > 0:
            from mediasift.media.sound.voice import voice_of  # late, as only this needs it

            try:
                rows = [replace(row, **asdict(voice_of(item.content))) for row in rows]
            except ItemError as error:
                rows = [replace(row, error=error.as_cell()) for row in rows]
        return rows


def _colored(item: MediaFile, rows: list[Row]) -> list[Row]:
    """The rows of a picture's pages, with what each looks like."""
    colored: list[Row] = []
    try:
        pages = decode(item.content.read(), path=item.path, content=item.content, suffix=item.content.suffix)
        for row, page in zip(rows, pages, strict=False):
            if isinstance(page, FailedItem):
                colored.append(replace(row, error=page.error.as_cell()))
            else:
                colored.append(replace(row, **asdict(style(page.image))))
    except ItemError as error:
        return [*colored, *(replace(row, error=error.as_cell()) for row in rows[len(colored) :])]
    return [*colored, *rows[len(colored) :]]
