"""Commands on pictures, pages and frames, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import UsageError
from mediasift.media.pictures.encode import KeepExif
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.pictures.transforms import Box, Canvas, Color, ColorModel, Filling, Fit, Resample
from mediasift.run.table import Table
from mediasift.sources.naming import common_folder
from mediasift.tasks.classify import Classification, Classify
from mediasift.tasks.convert import Convert, Converted
from mediasift.tasks.detect import Detect, Detection
from mediasift.tasks.embed import Embed, Embedding
from mediasift.tasks.info import Info, Inform
from mediasift.verbs.tables import Named, TableOptions, named_inputs, table


def classify(
    inputs: Named,
    *,
    model: str | Path | OnnxModel = DEFAULT_CLASSIFIER,
    device: str = "cpu",
    top: int = 1,
    min_score: float = 0.0,
    crops: Sequence[Box] = (),
    invert: bool = False,
    **options: Unpack[TableOptions],
) -> Table[Classification]:
    """Rows of labels for pictures; iterate over them, or `write` them to a file.

    Args:
        inputs: Paths, folders, globs, `.txt` or `.csv` lists, or uint8 arrays (H, W, 3) in RGB; one or several.
        model: Name, path of an ONNX file, or what `load_model` gave.
        device: cpu, auto, openvino, cuda, tensorrt, coreml or directml; some with a precision, `openvino:float32`.
        top: Labels per picture at most; 0 for all.
        min_score: Leave out labels below this score, 0..1.
        crops: Boxes (left, top, right, bottom), fractions 0..1, each classified on its own.
        invert: Swap light and dark first.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here or cannot be used.
        UsageError: An option is out of range.
    """
    task = Classify(
        model=model if isinstance(model, OnnxModel) else str(model),
        device=device,
        top=top,
        min_score=min_score,
        crops=tuple(crops),
        invert=invert,
    )
    return table(task, inputs, options)


def detect(
    inputs: Named,
    *,
    model: str | Path | OnnxModel = DEFAULT_DETECTOR,
    device: str = "cpu",
    min_score: float = 0.3,
    iou: float = 0.5,
    labels: Sequence[str] = (),
    draw: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Table[Detection]:
    """A row for each object in pictures and frames of videos, with its box.

    Args:
        inputs: See `classify`.
        model: Name, path of an ONNX file, or what `load_model` gave.
        device: See `classify`.
        min_score: Leave out lower scores, 0..1.
        iou: Of boxes of one label that overlap more (intersection over union), only the best stays.
        labels: Only these; none for all.
        draw: Write copies of the pictures with boxes into this folder.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here or cannot be used.
        UsageError: An option is out of range, or a label is none of the model's.
    """
    task = Detect(
        model=model if isinstance(model, OnnxModel) else str(model),
        device=device,
        min_score=min_score,
        iou=iou,
        labels=tuple(labels),
        draw=None if draw is None else str(draw),
    )
    return table(task, inputs, options)


def embed(
    inputs: Named,
    *,
    model: str | Path = DEFAULT_CLASSIFIER,
    layer: str | None = None,
    device: str = "cpu",
    **options: Unpack[TableOptions],
) -> Table[Embedding]:
    """A vector for each picture: `row.embedding`, float32 (D,).

    Args:
        inputs: As for `classify`.
        model: Name or path of an embedding model, or of a classifier, whose penultimate layer is taken.
        layer: Another tensor or node of the graph.
        device: As for `classify`.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here, has no such layer, or cannot be used.
    """
    return table(Embed(model=str(model), layer=layer, device=device), inputs, options)


def info(inputs: Named, **options: Unpack[TableOptions]) -> Table[Info]:
    """A row for each picture, page, video or sound: format, size, colour model, duration, date, place, SHA-256.

    Headers are read, no pixels. Arguments as for `classify`.
    """
    return table(Inform(), inputs, options)


def convert(
    inputs: Named,
    folder: str | Path,
    *,
    to: str = "png",
    color_model: ColorModel = "rgb",
    size: tuple[int, int] | None = None,
    percent: float | None = None,
    fit: Fit = "stretch",
    filling: Filling = "color",
    color: Color = (0, 0, 0),
    resample: Resample = "area",
    crop: Box | None = None,
    flip: Literal["h", "v"] | None = None,
    rotate: float = 0.0,
    canvas: Canvas = "grow",
    exif: KeepExif = "strip",
    quality: int = 90,
    **options: Unpack[TableOptions],
) -> Table[Converted]:
    """Write converted copies of pictures into a folder, in subfolders as the inputs are; a row says where each is.

    In this order: crop, flip, rotate (degrees clockwise), resize, colour model. See `tasks.convert.Convert`.

    Args:
        inputs: As for `classify`.
        folder: Where to; made if it is not there.
        to: png, jpg, webp, avif, npy or npz.
        color_model: gray or rgb; hsv or lab for arrays.
        size: (width, height), reached by `fit`; or
        percent: of both sides.
        fit: stretch, crop (the middle) or pad.
        filling: For pad: color, reflect or blur.
        color: RGB of padding, and of what rotation leaves free.
        resample: area averages when shrinking; bicubic, lanczos, bilinear and nearest are Pillow's.
        crop: (left, top, right, bottom) in fractions 0..1.
        flip: h or v.
        rotate: Degrees clockwise.
        canvas: grow or keep, when rotating.
        exif: strip, keep or without-place.
        quality: 1..100, of jpg, webp and avif.
        **options: See `TableOptions`.

    Raises:
        UsageError: Options that exclude each other, or a folder inside an input.
    """
    named = named_inputs(inputs)
    _refuse_folder_inside(named, Path(folder))
    task = Convert(
        folder=str(folder), base=common_folder(named), to=to, color_model=color_model, size=size, percent=percent,
        how=fit, filling=filling, color=color, resample=resample, crop=crop, flip=flip, rotate=rotate, canvas=canvas,
        exif=exif, quality=quality, max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS),
    )  # fmt: skip
    return table(task, inputs, options)


def _refuse_folder_inside(named: Sequence[str | Path | NDArray[np.uint8]], folder: Path) -> None:
    for name in named:
        if (
            isinstance(name, (str, Path))
            and Path(name).is_dir()
            and folder.resolve().is_relative_to(Path(name).resolve())
        ):
            raise UsageError(f"{folder}: lies in the input {name}, whose pictures would be converted again and again")
