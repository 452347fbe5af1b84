"""What other exporters write into an ONNX file, as far as it helps to describe it.

Known are: Ultralytics (`names`, `imgsz`), the ONNX metadata for images (`Image.BitmapPixelFormat` and
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

from mediasift.engines.onnx.labels import labels_from_json
from mediasift.engines.onnx.onnx_file import read_facts, read_input_shape

_LABEL_KEYS = ("names", "id2label", "labels", "classes", "class_names")

_PIXEL_FORMATS = {"Gray8": "gray", "Rgb8": "rgb", "Bgr8": "bgr", "Rgba8": "rgb", "Bgra8": "bgr"}
_PIXEL_RANGES = {
    "NominalRange_0_255": ("1", "0", "1"),
    "Normalized_0_1": ("1/255", "0", "1"),
    "Normalized_1_1": ("1/127.5", "1", "1"),
}


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
    metadata = read_facts(path).metadata
    layout, size, gray = _from_shape(read_input_shape(path, input_name))
    colour = _PIXEL_FORMATS.get(metadata.get("Image.BitmapPixelFormat", ""))
    return Hints(
        labels=_labels(metadata),
        size=size or _imgsz(metadata.get("imgsz", "")),
        layout=layout,
        colour=colour or ("gray" if gray else None),
        scaling=_PIXEL_RANGES.get(metadata.get("Image.NominalPixelRange", "")),
    )


def _labels(metadata: Mapping[str, str]) -> tuple[str, ...]:
    for key in _LABEL_KEYS:
        if key in metadata:
            try:
                return labels_from_json(_value(metadata[key]))[0]
            except (ValueError, KeyError, TypeError):
                continue
    return ()


def _value(text: str) -> Any:
    """JSON, a Python literal (Ultralytics writes `{0: 'person'}`), or a list parted by commas or lines."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    parts = text.splitlines() if "\n" in text else text.split(",")
    return [part.strip() for part in parts if part.strip()]


def _imgsz(text: str) -> tuple[int, int] | None:
    """Ultralytics' `[height, width]`."""
    found = _value(text) if text else None
    if isinstance(found, list) and len(found) == 2 and all(type(side) is int and side > 0 for side in found):
        return found[1], found[0]
    return None


def _from_shape(shape: tuple[int | None, ...]) -> tuple[str | None, tuple[int, int] | None, bool]:
    """(layout, (width, height), whether it has one channel) of a graph's input, as far as it is fixed."""
    if len(shape) != 4:
        return None, None, False
    _, second, third, fourth = shape
    if second in (1, 3):
        layout, height, width, channels = "NCHW", third, fourth, second
    elif fourth in (1, 3):
        layout, height, width, channels = "NHWC", second, third, fourth
    else:
        return None, None, False
    return layout, (width, height) if width and height else None, channels == 1
