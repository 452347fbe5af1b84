"""What tasks that find objects have in common: the row of a box, options, pictures of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np

from mediasift.engines.onnx.session import OnnxModel
from mediasift.engines.onnx.settings import ModelSettings
from mediasift.errors import UsageError, did_you_mean
from mediasift.items import Item
from mediasift.media.pictures.encode import still_path, write_picture
from mediasift.media.pictures.transforms import crop
from mediasift.media.settings import PartSettings
from mediasift.rows import Finding
from mediasift.settings import Option
from mediasift.system.files import need_folder
from mediasift.tasks.task import CountSettings, ModelRunSettings, StartedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection(Finding):
    """One object in one picture; a picture without any is one row.

    Attributes:
        label: As the model's description names it; None when nothing was found.
        label_id: An identifier, where the description has them.
        score: 0..1, rounded to 6 decimals.
        left_px, top_px, width_px, height_px: The box in pixels of the upright picture, rounded to hundredths.
        left, top, right, bottom: The same as fractions 0..1 of its width and height, as `--crop` takes them.
        image_path: The picture of the box alone, where these were asked for.
        found: How many objects the picture has in the table; 0 when nothing was found.
    """

    label: str | None = None
    label_id: str | None = None
    score: float | None = None
    left_px: float | None = None
    top_px: float | None = None
    width_px: float | None = None
    height_px: float | None = None
    left: float | None = None
    top: float | None = None
    right: float | None = None
    bottom: float | None = None
    image_path: str | None = None


@dataclass(frozen=True, kw_only=True)
class ObjectSettings(ModelSettings, CountSettings, PartSettings, ModelRunSettings):
    """Which objects count, and what is written of them."""

    min_score: Annotated[float, Option("Leave out objects with lower scores.", least=0, most=1)] = 0.3
    iou: Annotated[
        float | None,
        Option(
            "Of boxes of one label that overlap more (intersection over union), only the best stays.", least=0, most=1,
            default="0.5; 1 for models that choose among their boxes themselves",
        ),
    ] = None  # fmt: skip
    labels: Annotated[
        Sequence[str], Option("Only these labels, separated by commas.", metavar="A,B", default="all")
    ] = ()
    draw: Annotated[
        str | Path | None,
        Option("Write copies of the pictures with boxes into this folder.", metavar="DIR", writes=True),
    ] = None
    crops_folder: Annotated[
        str | Path | None,
        Option("Write what is in each box as a PNG into this folder.", flag="--crops", metavar="DIR", writes=True),
    ] = None

    @staticmethod
    def need_folders(started: StartedModel, *folders: str | Path | None) -> None:
        """See that there can be the folders of pictures that are written, for which every pixel is needed.

        Raises:
            OutputError: One cannot be made.
        """
        for folder in folders:
            if folder is not None:
                need_folder(folder)
                started.needs = None


def known_labels(wanted: Sequence[str], model: OnnxModel) -> tuple[list[str], list[str]]:
    """The model's labels that are meant, whatever their case; and what was forgiven."""
    known = model.description.labels
    labels, notes = [], []
    for label in wanted:
        alike = [label] if label in known else [one for one in known if one.casefold() == label.casefold()]
        if len(alike) != 1:
            raise UsageError(f"label {label!r}: {model.path.name} knows {', '.join(known)}{did_you_mean(label, known)}")
        labels += alike
        if alike != [label]:
            notes.append(f"label {label!r} is taken as {alike[0]!r}, as {model.path.name} writes it")
    return labels, notes


Boxed = TypeVar("Boxed", bound=Detection)


def write_crop(folder: str | Path, item: Item, row: Boxed, number: int) -> Boxed:
    """Write what is in a row's box, `a.jpg.box1.png`; returns the row with the path.

    Args:
        item: The picture, with every pixel.
        number: Of the box among the picture's, from 1.
    """
    path = still_path(folder, replace(item, part=number), "png")
    left, top, right, bottom = (float(side or 0) for side in (row.left, row.top, row.right, row.bottom))
    write_picture(path, np.ascontiguousarray(crop(item.image, (left, top, right, bottom))), "png")
    return replace(row, image_path=str(path))


def box_columns(fractions: Sequence[float], size: tuple[int, int]) -> dict[str, Any]:
    """A row's columns for a box.

    Args:
        fractions: Left, top, right, bottom, 0..1 of the picture's sides.
        size: (width, height) of the picture in the file.
    """
    left, top, right, bottom = (share * length for share, length in zip(fractions, size * 2, strict=True))
    columns = {
        "left_px": round(left, 2), "top_px": round(top, 2), "width_px": round(right - left, 2),
        "height_px": round(bottom - top, 2),
    }  # fmt: skip
    return columns | {
        name: round(side, 6) for name, side in zip(("left", "top", "right", "bottom"), fractions, strict=True)
    }
