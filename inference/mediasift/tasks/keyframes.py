"""Frames that stand for a video, as a table and as stills."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from mediasift.items import Item
from mediasift.media.pictures.encode import STILLS, still_path, write_picture
from mediasift.media.pictures.transforms import sharpness
from mediasift.media.settings import EVERY_OPTION, FrameSettings
from mediasift.rows import Row
from mediasift.settings import Option
from mediasift.system.files import need_folder
from mediasift.tasks.task import Reads, RowsTask


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrame(Row):
    """One chosen frame.

    Attributes:
        shot: The shot it stands for, from 1; None where shots were not asked for.
        sharpness: Variance of the Laplacian of its luma; higher is sharper.
        image_path: The still, where stills were asked for.
        note: Which video stream was seen, where there are several and none was asked for.
    """

    shot: int | None = None
    sharpness: float | None = None
    image_path: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class KeyFrames(FrameSettings, RowsTask):
    """Choose frames of videos: by default the sharpest near the middle of each shot; write them as stills.

    With --every 2s or 1000f at regular distances, with iframe those that the codec stored whole.
    """

    name: ClassVar[str] = "keyframes"
    reads: ClassVar[Reads] = "frames"
    row: ClassVar[type[Row]] = KeyFrame

    every: Annotated[str, replace(EVERY_OPTION, default="")] = "shot"
    directory: Annotated[
        str | Path | None,
        Option("Write stills into this folder, named by video, time and frame.", short="-d", writes=True),
    ] = None
    image_format: Annotated[str, Option("Of the stills.", choices=tuple(STILLS))] = "jpeg"

    def set_up(self) -> None:
        """See that there can be such a folder.

        Raises:
            OutputError: It cannot be made.
        """
        if self.directory is not None:
            need_folder(self.directory)

    def rows(self, item: Item) -> list[Row]:
        """The frame's row; its still is written."""
        path = None
        if self.directory is not None:
            path = still_path(self.directory, item, self.image_format)
            write_picture(path, item.image, self.image_format)
        image_path = None if path is None else str(path)
        sharp = round(sharpness(item.image), 3)
        return [KeyFrame(shot=item.shot, sharpness=sharp, image_path=image_path, note=item.note or None)]
