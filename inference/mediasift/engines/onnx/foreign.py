"""What other exporters write into an ONNX file, as far as it helps to describe it.

Known are: Ultralytics (`task`, `names` as a Python dictionary, `imgsz` as [height, width]; see its
`ultralytics/engine/exporter.py`), the ONNX metadata for images (`Image.BitmapPixelFormat` and
`Image.NominalPixelRange`, see https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md), lists of labels under
`labels`, `classes`, `class_names` or `id2label`, and the size that stands in the graph's input.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.labels import labels_from_json
from mediasift.engines.onnx.onnx_file import Axes, read_facts
from mediasift.errors import DescriptionError
from mediasift.sources.lists import split_lines

_LABEL_KEYS = ("names", "id2label", "labels", "classes", "class_names")

_PIXEL_FORMATS = {"Gray8": "gray", "Rgb8": "rgb", "Bgr8": "bgr", "Rgba8": "rgb", "Bgra8": "bgr"}
_PIXEL_RANGES = {
    "NominalRange_0_255": ("1", "0", "1"),
    "Normalized_0_1": ("1/255", "0", "1"),
    "Normalized_1_1": ("1/127.5", "1", "1"),
}
_MAX_TEXT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the file says of its input and labels; None or empty where it says nothing.

    Attributes:
        labels: In the order of the outputs.
        size: (width, height).
        layout: NCHW or NHWC, by the place of the channels in the graph's input.
        colour: rgb, bgr or gray.
        scaling: (scale, mean, std), as `models describe` takes them.
    """

    labels: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    layout: str | None = None
    colour: str | None = None
    scaling: tuple[str, str, str] | None = None


def read_hints(path: Path, input_name: str | None = None) -> Hints:
    """What the file says.

    Args:
        path: An ONNX file.
        input_name: The graph's input; None takes the only one.

    Raises:
        ModelError: It is no usable ONNX file.
    """
    facts = read_facts(path)
    name = input_name or (facts.inputs[0] if len(facts.inputs) == 1 else "")
    layout, size, gray = _from_shape(facts.shapes.get(name, ()))
    colour = _PIXEL_FORMATS.get(facts.metadata.get("Image.BitmapPixelFormat", ""))
    return Hints(
        labels=next((found for key in _LABEL_KEYS if (found := _labels(_value(facts.metadata.get(key, ""))))), ()),
        size=size or _imgsz(facts.metadata.get("imgsz", "")),
        layout=layout,
        colour=colour or ("gray" if gray else None),
        scaling=_PIXEL_RANGES.get(facts.metadata.get("Image.NominalPixelRange", "")),
    )


def from_ultralytics(metadata: Mapping[str, str], path: Path) -> ModelDescription | None:
    """The description of a detector; None when the file is none of Ultralytics' or says too little.

    Raises:
        DescriptionError: It says what cannot be, or is no detector.
    """
    if not {"names", "imgsz", "task"} <= set(metadata):
        return None
    if metadata["task"] != "detect":
        raise DescriptionError(
            f"{path}: a model of Ultralytics to {metadata['task']}; of theirs, only detectors describe themselves well "
            f"enough. Write a description with: mediasift models describe {path} ..."
        )
    names = _literal(metadata["names"])
    labels = _labels({place: str(name) for place, name in names.items()}) if isinstance(names, dict) else ()
    if not labels:
        raise DescriptionError(
            f"{path}: metadata 'names' cannot be understood: it must number the labels from 0, found "
            f"{metadata['names']!r:.80}"
        )
    if (size := _imgsz(metadata["imgsz"])) is None:
        raise DescriptionError(f"{path}: metadata 'imgsz' must be [height, width], found {metadata['imgsz']!r:.80}")
    picture = InputDescription(
        width=size[0], height=size[1], fit="pad", pad_value=114, resample="bilinear", scale=1 / 255
    )
    kept = ("description", "author", "license", "version", "date")
    return ModelDescription(
        task="detect",
        labels=labels,
        input=picture,
        output=OutputDescription(values="boxes", kind="multilabel", decoder="yolov8"),
        provenance={name: metadata[name] for name in kept if name in metadata},
    )


def _labels(data: Any) -> tuple[str, ...]:
    try:
        return labels_from_json(data)[0]
    except (ValueError, KeyError, TypeError):
        return ()


def _literal(text: str) -> Any:
    """JSON, or a Python literal (Ultralytics writes `{0: 'person'}`); None where it is neither."""
    for read in (json.loads, ast.literal_eval) if len(text) <= _MAX_TEXT else ():
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _value(text: str) -> Any:
    """A literal, or a list separated by commas or lines."""
    if (found := _literal(text)) is not None:
        return found
    return [part.strip() for part in (split_lines(text) if "\n" in text else text.split(",")) if part.strip()]


def _imgsz(text: str) -> tuple[int, int] | None:
    """(width, height) of Ultralytics' `[height, width]`."""
    found = _literal(text)
    if isinstance(found, list) and len(found) == 2 and all(type(side) is int for side in found):
        return found[1], found[0]
    return None


def _from_shape(shape: Axes) -> tuple[str | None, tuple[int, int] | None, bool]:
    """(layout, (width, height), whether it has one channel) of a graph's input, as far as it is fixed."""
    match shape:
        case (_, (1 | 3) as channels, height, width):
            layout = "NCHW"
        case (_, height, width, (1 | 3) as channels):
            layout = "NHWC"
        case _:
            return None, None, False
    return layout, (width, height) if width and height else None, channels == 1
