"""Pictures made into other pictures, or into arrays: colour model, size, place, format."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import NotFound, UsageError
from mediasift.items import Item
from mediasift.media.pictures import transforms
from mediasift.media.pictures.boxes import blurred
from mediasift.media.pictures.colors import parse_color
from mediasift.media.pictures.encode import ARRAYS, ENCODERS, check_encoder
from mediasift.media.pictures.exif import KeepExif, kept_exif
from mediasift.media.pictures.headers import check_size
from mediasift.media.settings import PartSettings
from mediasift.rows import Row
from mediasift.settings import Option, parse_size
from mediasift.sources.boxes import read_boxes
from mediasift.sources.content import LocalFile
from mediasift.sources.folders import common_folder
from mediasift.sources.formats import HEAD_BYTES, sniff
from mediasift.sources.spellings import shown_path
from mediasift.system.files import fitting, need_folder, path_below, place_suffix, unlike_a_place, write_file
from mediasift.tasks.task import Reads, RowsTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted(Row):
    """A picture written.

    Attributes:
        output: Its file.
        width, height: Its size, pixels.
        color_model: gray, rgb, rgba, cmyk, hsv or lab.
        exif: Where it was to be kept: kept, or none where there was none to keep.
    """

    output: str | None = None
    width: int | None = None
    height: int | None = None
    color_model: str | None = None
    exif: str | None = None


_HOLDS = {"hsv": ARRAYS, "lab": ARRAYS, "rgba": ("png", "webp", "avif", *ARRAYS), "cmyk": ("jpg", *ARRAYS)}
"""Colour models that not every format holds → those that do."""


def _size_or_percent(text: str) -> dict[str, Any]:
    """`25%` or `224x224` as the fields that hold it."""
    if percent := re.fullmatch(r"(\d+(?:\.\d+)?)%", text):
        return {"percent": float(percent[1])}
    try:
        return {"size": parse_size(text)}
    except UsageError as error:
        raise UsageError(f"{error}; or resize must be a percentage such as 25%") from None


@dataclass(frozen=True, kw_only=True)
class Convert(PartSettings, RowsTask):
    """Change size, colours, position and format of pictures: a row says where each copy is.

    The copies lie in subfolders as the inputs do; `x.jpg` becomes `x.jpg.png`, so that it never overwrites `x.png`.
    What is done is done in this order: crop, flip, rotate, resize, colour model.
    """

    name: ClassVar[str] = "convert"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Converted

    directory: Annotated[
        str | Path,
        Option("Write the pictures into this folder; it is made if it is not there.", short="-d", writes=True),
    ] = field(kw_only=False)
    base: Annotated[
        str, Option("What is left away from the front of the inputs' paths; the folder that all lie in.", flag="")
    ] = ""
    to: Annotated[str, Option("Format to write.", choices=tuple(ENCODERS))] = "png"
    color_model: Annotated[
        transforms.ColorModel,
        Option(
            "hsv and lab: arrays only; cmyk: these and jpg; rgba keeps transparency, not in jpg.",
            old=("--colour-model",),
        ),
    ] = "rgb"
    crop: Annotated[
        transforms.Box | None,
        Option(
            "First: this part only, in fractions of width and height.", metavar="L,T,R,B", parse=transforms.parse_box,
            check=transforms.check_box,
        ),
    ] = None  # fmt: skip
    flip: Annotated[Literal["h", "v"] | None, Option("Then: mirror left to right (h) or top to bottom (v).")] = None
    rotate: Annotated[float, Option("Then: turn clockwise.", metavar="DEGREES")] = 0.0
    canvas: Annotated[transforms.Canvas, Option("When rotating: show all, or keep the size.")] = "grow"
    size: Annotated[
        tuple[int, int] | None,
        Option("Then: to a percentage, or to a size in pixels.", flag="--resize", metavar="25%|224x224",
               parse=_size_or_percent),
    ] = None  # fmt: skip
    percent: Annotated[float | None, Option("Or to this percentage of both sides.", flag="", above=0, most=10_000)] = (
        None
    )
    fit: Annotated[
        transforms.Fit, Option("How a picture gets the size: stretched, its middle cut out, or with a border.")
    ] = "stretch"
    filling: Annotated[transforms.Filling, Option("For fit pad: the border.", flag="--pad")] = "color"
    resample: Annotated[
        transforms.Resample,
        Option("How sizes change: area averages when shrinking; linear is OpenCV's; the others are Pillow's filters."),
    ] = "area"
    blur: Annotated[
        bool, Option("First of all: blur what is in the boxes of --boxes, and keep the whole pictures.")
    ] = False
    exif: Annotated[KeepExif, Option("Date, camera, place: leave out, keep, or keep all but the place.")] = "strip"
    quality: Annotated[int, Option("Of jpg, webp and avif.", least=1, most=100)] = 90

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.to not in _HOLDS.get(self.color_model, (self.to,)):
            raise UsageError(f"{self.color_model} is no colour model of {self.to} files; write arrays: --to npy")
        if self.exif != "strip" and self.to in ARRAYS:
            raise UsageError("arrays hold no EXIF; leave out --exif, or choose another format with --to")
        if self.blur and self.boxes is None:
            raise UsageError("blur needs to know where: --boxes with a table that mediasift detect wrote")
        if self.size is not None and self.percent is not None:
            raise UsageError("resize to a size or by percent, not both")
        if self.size is not None and min(self.size) < 1:
            raise UsageError(f"resize {self.size[0]}x{self.size[1]}: each side must be 1 pixel or more")
        if self.fit != "stretch" and self.size is None:
            raise UsageError(f"fit {self.fit} needs a size: --resize WIDTHxHEIGHT")
        if not np.isfinite(self.rotate):
            raise UsageError(f"rotate {self.rotate}: must be a number of degrees")

    @property
    def keeps_alpha(self) -> bool:
        """See `PictureSettings`."""
        return self.color_model == "rgba"

    def for_inputs(self, named: Sequence[Any]) -> Self:
        """With the folder that all inputs lie in, and never with one of them around the folder to write into."""
        for name in named:
            if not isinstance(name, (str, Path)) or not Path(name).is_dir():
                continue
            if Path(self.directory).resolve().is_relative_to(Path(name).resolve()):
                raise UsageError(
                    f"{self.directory}: lies in the input {name}, whose pictures would be converted again and again"
                )
        return replace(self, base=self.base or common_folder(named))

    def set_up(self) -> None:
        """See that there can be such a folder.

        Raises:
            EngineError: The format cannot be written here.
            OutputError: The folder cannot be made.
        """
        check_encoder(self.to)
        need_folder(self.directory)

    def rows(self, item: Item) -> list[Row]:
        """Convert and write one picture, whole, by a rename."""
        image = item.image
        if self.blur:
            image = blurred(image, _boxes_in(item, str(self.boxes), self.encoding))
        numbers = transforms.to_color_model(converted(image, self), self.color_model)
        exif = self._kept(item)
        target = output_path(item, self)
        own = item.content.path if isinstance(item.content, LocalFile) else None
        if own is not None and os.path.exists(target) and target.samefile(own):  # noqa: PTH110  (False for a long path)
            raise UsageError(f"{target}: would overwrite its own input; choose another folder with -d")
        write_file(target, ENCODERS[self.to](numbers, self.quality, exif))
        height, width = numbers.shape[:2]
        kept = {"strip": None}.get(self.exif, "kept" if exif else "none")
        return [Converted(output=str(target), width=width, height=height, color_model=self.color_model, exif=kept)]

    def _kept(self, item: Item) -> bytes:
        """The EXIF block of the copy; none of a picture that has none, such as a page or a frame."""
        if self.exif == "strip" or item.content is None:
            return b""
        data = item.content.read()
        form = sniff(data[:HEAD_BYTES], item.content.suffix)
        return kept_exif(data, form.name, self.exif) if form and form.kind == "picture" else b""


Boxes = list[transforms.Box]


def _boxes_in(item: Item, table: str, encoding: str | None) -> Boxes:
    """The boxes that a table has of a picture, page or frame.

    Raises:
        NotFound: It has no row about it, or one with an error: what is to be blurred in it is unknown.
    """
    state = LocalFile(Path(table)).state()
    boxes = _boxes_by_place(table, encoding, str(state)).get((item.path, item.page, item.frame))
    if boxes is None:
        raise NotFound(
            f"what to blur is unknown: {table} has no row about it, or one with an error; give the options (--every, "
            "--pages) with which detect made the table"
        )
    return boxes


@lru_cache(maxsize=1)
def _boxes_by_place(table: str, encoding: str | None, _state: str) -> dict[tuple[str, int | None, int | None], Boxes]:
    places: dict[tuple[str, int | None, int | None], Boxes] = {}
    for row in read_boxes(table, encoding):
        if row.failure is None:
            boxes = places.setdefault((shown_path(row.path), row.page, row.frame), [])
            boxes += [row.box] if row.box is not None else []
    return places


def converted(image: NDArray[np.uint8], settings: Convert) -> NDArray[np.uint8]:
    """The RGB or RGBA picture, cropped, flipped, rotated and resized.

    Raises:
        TooLarge: The result would exceed the limit; nothing of its size is made.
    """
    color = (0,) * image.shape[2]  # black, or transparent
    if settings.background != "auto":
        color = (*parse_color(settings.background), 255)[: image.shape[2]]
    if settings.crop is not None:
        image = transforms.crop(image, settings.crop)
    if settings.flip is not None:
        image = transforms.flip(image, settings.flip)
    if settings.rotate % 360:
        check_size(
            *transforms.rotated_size(image.shape[1], image.shape[0], settings.rotate, settings.canvas),
            settings.max_megapixels,
        )
        image = transforms.rotate(image, settings.rotate, canvas=settings.canvas, color=color)
    size = settings.size
    if settings.percent is not None:
        factor = settings.percent / 100
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    if size is None:
        return image
    check_size(*size, settings.max_megapixels)
    if settings.fit == "pad":
        return transforms.padded(image, *size, filling=settings.filling, color=color, resample=settings.resample)
    if settings.fit == "crop":
        image = transforms.middle(image, *size)
    return transforms.resize(image, *size, settings.resample)


def output_path(item: Item, settings: Convert) -> Path:
    """Where a picture's copy goes; two different pictures never have one name.

    `a/x.png` stays `a/x.png` when PNG is written; `a/x.jpg` becomes `a/x.jpg.png`, so that both can be there. Pages and
    frames are named: `scan.tif` → `scan.tif.page2.png`.
    """
    path: str | PurePath = item.path
    if settings.base and "://" not in item.path:
        path = _below(settings.base, PurePath(item.path))
    source, ending = path_below(settings.directory, path), f".{settings.to}"
    place = place_suffix(item, page=".page{}", frame=".frame{}")
    stem, suffix = os.path.splitext(source.name)  # noqa: PTH122  (a name that pathlib would normalise must stay as typed)
    if not place and suffix.lower() == ending and not _is_media_name(stem):
        return fitting(source.with_name(f"{unlike_a_place(stem)}{suffix}"))
    # A name without a suffix gets the ending twice: once would be the name of `x.png` itself.
    once = place or item.content is None or _is_media_name(source.name)
    name = source.name if item.content is None else unlike_a_place(source.name)
    return fitting(source.with_name(f"{name}{place}{ending if once else 2 * ending}"))


def _below(base: str, path: PurePath) -> PurePath:
    """The path as it is named from the base, where both are absolute or neither is."""
    if path.is_relative_to(base):
        return path.relative_to(base)
    return PurePath(os.path.relpath(path, base)) if path.is_absolute() == PurePath(base).is_absolute() else path


def _is_media_name(name: str) -> bool:
    return sniff(b"", PurePath(name).suffix) is not None
