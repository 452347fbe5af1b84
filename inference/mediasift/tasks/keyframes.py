"""Frames that stand for a video, as a table and as stills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mediasift.errors import UsageError
from mediasift.items import Item
from mediasift.media.pictures.stills import FORMATS, still_path, write_picture
from mediasift.media.pictures.transforms import sharpness
from mediasift.rows import Row
from mediasift.system.files import make_folder
from mediasift.tasks.task import Reads, Resources, Started


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFrame(Row):
    """One chosen frame.

    Attributes:
        shot: The shot it stands for, from 1; None where shots were not asked for.
        sharpness: Variance of the Laplacian of its luma; higher is sharper.
        image_path: The still, where stills were asked for.
    """

    shot: int | None = None
    sharpness: float | None = None
    image_path: str | None = None


@dataclass(frozen=True, kw_only=True)
class KeyFrames:
    """Settings.

    Attributes:
        directory: Folder for stills; None for none.
        image_format: Key of `media.stills.FORMATS`.
    """

    name: ClassVar[str] = "keyframes"
    reads: ClassVar[Reads] = "frames"
    row: ClassVar[type[Row]] = KeyFrame

    directory: str | None = None
    image_format: str = "jpeg"

    def start(self, resources: Resources) -> StartedKeyFrames:  # noqa: ARG002  (as every Task)
        """Make the folder.

        Raises:
            UsageError: No such format.
            OutputError: The folder cannot be made.
        """
        if self.image_format not in FORMATS:
            raise UsageError(f"image format {self.image_format!r}: must be one of {', '.join(FORMATS)}")
        if self.directory is not None:
            make_folder(self.directory)
        return StartedKeyFrames(self)


class StartedKeyFrames(Started):
    """See `tasks.task.Started`."""

    batch_size = 1
    needs = None
    facts: Mapping[str, Any] = {}

    def __init__(self, settings: KeyFrames) -> None:
        self.settings = settings

    def prepare(self, item: Item) -> KeyFrame:
        """The frame's row; its still is written."""
        path = None
        if self.settings.directory is not None:
            path = still_path(self.settings.directory, item, self.settings.image_format)
            write_picture(path, item.image, self.settings.image_format)
        return KeyFrame(
            shot=item.shot,
            sharpness=round(sharpness(item.image), 3),
            image_path=None if path is None else str(path),
        )

    def infer(self, batch: Sequence[KeyFrame]) -> list[list[Row]]:
        """There is no model; the rows are ready."""
        return [[row] for row in batch]
