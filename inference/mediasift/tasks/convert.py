"""Pictures made into other pictures, or into arrays: colour model, size, place, format."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import UsageError
from mediasift.items import Item
from mediasift.media.pictures.encode import ARRAYS, ENCODERS, KeepExif, check_encoder, kept_exif
from mediasift.media.pictures.images import check_size
from mediasift.media.pictures.transforms import (
    Box,
    Canvas,
    Color,
    ColorModel,
    Filling,
    Fit,
    Resample,
    check_box,
    crop,
    flip,
    middle,
    padded,
    resize,
    rotate,
    rotated_size,
    to_color_model,
)
from mediasift.rows import Row
from mediasift.sources.content import LocalFile
from mediasift.sources.formats import sniff
from mediasift.system.files import make_folder, path_below, place_suffix, write_file
from mediasift.tasks.task import Reads, Resources, Started


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted(Row):
    """A picture written.

    Attributes:
        output: Its file.
        width, height: Its size, pixels.
        color_model: gray, rgb, hsv or lab.
    """

    output: str | None = None
    width: int | None = None
    height: int | None = None
    color_model: str | None = None


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Settings; what is done is done in this order: crop, flip, rotate, resize, colour model.

    Attributes:
        folder: Where the files go, in subfolders as the inputs are.
        base: What is left away from the front of the inputs' paths there.
        to: A key of `media.encode.ENCODERS`.
        color_model: gray and rgb for pictures, also hsv and lab for arrays.
        size: (width, height) to resize to; None does not.
        percent: Resize to this percentage of both sides; None does not.
        how: How a picture gets `size`.
        filling, color: For how pad, what is around; the colour also for what rotation leaves free.
        resample: How sizes are changed; `area` averages.
        crop: (left, top, right, bottom) in fractions 0..1.
        flip: h or v.
        rotate: Degrees clockwise.
        canvas: keep or grow, when rotating.
        exif: strip, keep, or without-place.
        quality: 1..100, of JPEG, WebP and AVIF.
        max_megapixels: No larger picture is made.
    """

    name: ClassVar[str] = "convert"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Converted

    folder: str
    base: str = ""
    to: str = "png"
    color_model: ColorModel = "rgb"
    size: tuple[int, int] | None = None
    percent: float | None = None
    how: Fit = "stretch"
    filling: Filling = "color"
    color: Color = (0, 0, 0)
    resample: Resample = "area"
    crop: Box | None = None
    flip: Literal["h", "v"] | None = None
    rotate: float = 0.0
    canvas: Canvas = "grow"
    exif: KeepExif = "strip"
    quality: int = 90
    max_megapixels: float = 100.0

    def start(self, _resources: Resources) -> StartedConvert:
        """Make the folder.

        Raises:
            UsageError: Settings that exclude each other or are out of range.
            EngineError: The format cannot be written here.
            OutputError: The folder cannot be made.
        """
        self._check()
        check_encoder(self.to)
        make_folder(self.folder)
        return StartedConvert(self)

    def _check(self) -> None:
        if self.to not in ENCODERS:
            raise UsageError(f"{self.to!r}: no format to convert to; there are {', '.join(ENCODERS)}")
        if self.color_model in ("hsv", "lab") and self.to not in ARRAYS:
            raise UsageError(f"{self.color_model} is no colour model of {self.to} files; write arrays: --to npy")
        if self.exif != "strip" and self.to in ARRAYS:
            raise UsageError("arrays hold no EXIF; leave out --exif, or choose another format with --to")
        if self.size is not None and self.percent is not None:
            raise UsageError("resize to a size or by percent, not both")
        if self.size is not None and min(self.size) < 1:
            raise UsageError(f"resize {self.size[0]}x{self.size[1]}: each side must be 1 pixel or more")
        if self.percent is not None and not 0 < self.percent <= 10_000:
            raise UsageError(f"resize {self.percent:g}%: must be above 0 and at most 10000 percent")
        if self.how != "stretch" and self.size is None:
            raise UsageError(f"fit {self.how} needs a size: --resize WIDTHxHEIGHT")
        if not 1 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality}: must be 1 to 100")
        if not (len(self.color) == 3 and all(0 <= part <= 255 for part in self.color)):
            raise UsageError(f"colour {self.color}: three numbers from 0 to 255")
        if not np.isfinite(self.rotate):
            raise UsageError(f"rotate {self.rotate}: must be a number of degrees")
        if self.crop is not None:
            check_box(self.crop)


class StartedConvert(Started):
    """See `tasks.task.Started`. Files are written in `prepare`, by several threads; each by one rename."""

    batch_size = 1
    needs: tuple[int, int] | None = None

    def __init__(self, settings: Convert) -> None:
        self.settings = settings
        self.facts: Mapping[str, Any] = {}

    def prepare(self, item: Item) -> list[Row]:
        """Convert and write one picture."""
        settings = self.settings
        numbers = to_color_model(converted(item.image, settings), settings.color_model)
        exif = b"" if item.content is None else kept_exif(item.content, settings.exif)
        target = output_path(item, settings)
        if isinstance(item.content, LocalFile) and target.exists() and target.samefile(item.content.path):
            raise UsageError(f"{target}: would overwrite its own input; choose another folder with -d")
        write_file(target, ENCODERS[settings.to](numbers, settings.quality, exif))
        height, width = numbers.shape[:2]
        return [Converted(output=str(target), width=width, height=height, color_model=settings.color_model)]

    def infer(self, batch: Sequence[list[Row]]) -> Sequence[list[Row]]:
        """The same rows."""
        return batch


def converted(image: NDArray[np.uint8], settings: Convert) -> NDArray[np.uint8]:
    """The RGB picture, cropped, flipped, rotated and resized.

    Raises:
        TooLarge: The result would exceed the limit; nothing of its size is made.
    """
    if settings.crop is not None:
        image = crop(image, settings.crop)
    if settings.flip is not None:
        image = flip(image, settings.flip)
    if settings.rotate % 360:
        check_size(
            *rotated_size(image.shape[1], image.shape[0], settings.rotate, settings.canvas), settings.max_megapixels
        )
        image = rotate(image, settings.rotate, canvas=settings.canvas, color=settings.color)
    size = settings.size
    if settings.percent is not None:
        factor = settings.percent / 100
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    if size is None:
        return image
    check_size(*size, settings.max_megapixels)
    if settings.how == "pad":
        return padded(image, *size, filling=settings.filling, color=settings.color, resample=settings.resample)
    if settings.how == "crop":
        image = middle(image, *size)
    return resize(image, *size, settings.resample)


def output_path(item: Item, settings: Convert) -> Path:
    """Where a picture's copy goes; two different pictures never have one name.

    `a/x.png` stays `a/x.png` when PNG is written; `a/x.jpg` becomes `a/x.jpg.png`, so that both can be there. Pages and
    frames are named: `scan.tif` → `scan.tif.page2.png`.
    """
    path = PurePath(item.path)
    if settings.base and path.is_relative_to(settings.base):
        path = path.relative_to(settings.base)
    source, ending = path_below(settings.folder, path), f".{settings.to}"
    place = place_suffix(item, page=".page{}", frame=".frame{}")
    stem, suffix = os.path.splitext(source.name)  # noqa: PTH122  (a name that pathlib would normalise must stay as typed)
    if not place and suffix.lower() == ending and not _is_media_name(stem):
        return source
    # A name without a suffix gets the ending twice: once would be the name of `x.png` itself.
    once = place or item.content is None or _is_media_name(source.name)
    return source.with_name(f"{source.name}{place}{ending if once else 2 * ending}")


def _is_media_name(name: str) -> bool:
    return sniff(b"", PurePath(name).suffix) is not None
