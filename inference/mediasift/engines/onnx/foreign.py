"""What other exporters write into an ONNX file, as far as it helps to describe it.

Known are: Ultralytics (`task`, `names` as a Python dictionary, `imgsz` as [height, width], `channels`, `end2end` and
`args`; see its `ultralytics/engine/exporter.py`), the ONNX metadata for images (`Image.BitmapPixelFormat` and
`Image.NominalPixelRange`, see https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md), lists of labels under
`labels`, `classes`, `class_names`, `id2label` or `character` (models of PaddlePaddle as RapidAI converts them), the
labels in scikit-learn's classifiers, and type and size that stand in the graph's input.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from mediasift.engines.onnx.decoders import anchor_boxes
from mediasift.engines.onnx.description import InputDescription, ModelDescription, ModelTask, OutputDescription
from mediasift.engines.onnx.labels import labels_from_json
from mediasift.engines.onnx.meaning import ending_of
from mediasift.engines.onnx.onnx_file import Axes, OnnxFacts, read_facts
from mediasift.errors import DescriptionError
from mediasift.media.pictures.transforms import Fit
from mediasift.sources.lists import split_lines

_LABEL_KEYS = ("names", "id2label", "labels", "classes", "class_names", "character")

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
        label_source: Where they stand.
        size: (width, height).
        layout: By the place of the channels in the graph's input; `flat` where it has but one axis.
        dtype: Of the graph's input.
        colour: rgb, bgr or gray.
        scaling: (scale, mean, std), as `models describe` takes them.
    """

    labels: tuple[str, ...] = ()
    label_source: str = ""
    size: tuple[int, int] | None = None
    layout: str | None = None
    dtype: str | None = None
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
    pictures = facts.inputs if len(facts.inputs) == 1 else [one for one in facts.inputs if len(facts.shapes[one]) == 4]
    name = input_name or (pictures[0] if len(pictures) == 1 else "")
    layout, size, gray = _from_shape(facts.shapes.get(name, ()))
    colour = _PIXEL_FORMATS.get(facts.metadata.get("Image.BitmapPixelFormat", ""))
    labels, source = _labels_in(facts)
    return Hints(
        labels=labels,
        label_source=source,
        size=size or _imgsz(facts.metadata.get("imgsz", "")),
        layout=layout,
        dtype=facts.types.get(name),
        colour=colour or ("gray" if gray else None),
        scaling=_PIXEL_RANGES.get(facts.metadata.get("Image.NominalPixelRange", "")),
    )


def _labels_in(facts: OnnxFacts) -> tuple[tuple[str, ...], str]:
    """Labels, and where they stand: the metadata, else an attribute of a classifier of ai.onnx.ml."""
    for key in _LABEL_KEYS:
        if labels := _labels(_value(facts.metadata.get(key, ""))):
            return labels, f"metadata {key}"
    listed = (one for node in reversed(facts.nodes) for one in node.texts.items() if one[0] != "post_transform")
    return next(((labels, f"attribute {name}") for name, labels in listed if labels), ((), ""))


def needed_options(path: Path) -> str:
    """What `models describe` needs for this file, besides how pixels are scaled, with the graph's own numbers."""
    hints, facts = read_hints(path), read_facts(path)
    count = next((size for name in facts.outputs for size in facts.shapes[name][1:2] if size), "ALL")
    labels = "" if hints.labels else f"--labels FILE_OF_{count}_LABELS "
    return labels + (f"--size {hints.size[0]}x{hints.size[1]} " if hints.size else "--size WIDTHxHEIGHT ")


def from_ultralytics(facts: OnnxFacts, path: Path) -> ModelDescription | None:
    """The description of what detects, segments or classifies; None where the file says too little.

    How pictures are prepared is not in the file: it is how Ultralytics does it, and stands in the description's
    provenance as `assumed`. Source: `LetterBox` and `classify_transforms` in its `data/augment.py`.

    Raises:
        DescriptionError: It says what cannot be, or is for another task.
    """
    metadata = facts.metadata
    if not {"names", "imgsz", "task"} <= set(metadata):
        return None
    if metadata["task"] not in ("detect", "classify", "segment"):
        raise DescriptionError(
            f"{path}: a model of Ultralytics to {metadata['task']}; only detectors, segmenting models and "
            "classifiers describe themselves well enough. Write a description with: mediasift models describe "
            f"{path} ..."
        )
    names = _literal(metadata["names"])
    if isinstance(names, dict):
        names = {place: str(name) for place, name in names.items()}
    labels = _labels(names)
    if not labels:
        raise DescriptionError(
            f"{path}: metadata 'names' cannot be understood: it must number the labels from 0, found "
            f"{metadata['names']!r:.80}"
        )
    if (size := _imgsz(metadata["imgsz"])) is None:
        raise DescriptionError(f"{path}: metadata 'imgsz' must be [height, width], found {metadata['imgsz']!r:.80}")
    picture, output, how = _preparation(facts, len(labels), size, path)
    kept = ("description", "author", "license", "version", "date")
    return ModelDescription(
        task=cast("ModelTask", metadata["task"]),
        labels=labels,
        input=picture,
        output=output,
        provenance={
            **{name: metadata[name] for name in kept if name in metadata},
            "assumed": f"prepared as Ultralytics does: {how}, {picture.colour}, pixels / 255",
        },
    )


def _preparation(
    facts: OnnxFacts, labels: int, size: tuple[int, int], path: Path
) -> tuple[InputDescription, OutputDescription, str]:
    """How Ultralytics prepares pictures for such a model, what the numbers are, and both in words."""
    given = facts.inputs[0] if facts.inputs else ""
    gray = facts.metadata.get("channels") == "1" or _from_shape(facts.shapes.get(given, ()))[2]
    picture = InputDescription(
        width=size[0], height=size[1], fit="crop", resample="bilinear", scale=1 / 255, colour="gray" if gray else "rgb",
        dtype="float16" if facts.types.get(given) == "float16" else "float32",
    )  # fmt: skip
    if facts.metadata["task"] == "classify":
        softmax = bool(facts.outputs) and ending_of(facts, facts.outputs[0]) == "softmax"
        output = OutputDescription(values="probabilities" if softmax else "logits")
        if size[0] != size[1]:
            picture = replace(picture, fit="stretch")
        how = f"{'the middle of the picture' if picture.fit == 'crop' else 'stretched'}, bilinear"
    else:
        decoder = _seg_head(facts) if facts.metadata["task"] == "segment" else _head(facts, labels, size, path)
        output = OutputDescription(values="boxes", kind="multilabel", decoder=decoder)
        fit: Fit = "stretch" if output.decoder == "rtdetr" else "pad"
        picture = replace(picture, fit=fit, pad_value=114, resample="linear")
        how = f"{'padded with grey 114' if fit == 'pad' else 'stretched'}, OpenCV's linear, decoder {output.decoder}"
    return picture, output, how


def _chooses(metadata: Mapping[str, str]) -> bool:
    """Whether a YOLO chooses among its boxes itself, as its metadata states."""
    args = _literal(metadata.get("args", ""))
    inside = isinstance(args, dict) and (args.get("nms") or args.get("end2end"))
    return bool(inside) or metadata.get("end2end", "").lower() in ("true", "1")


def _seg_head(facts: OnnxFacts) -> str:
    """The decoder of a segmenting model: (N, boxes, 6 + coefficients) where it chooses among its boxes itself."""
    return "yolo-seg-end2end" if _chooses(facts.metadata) else "yolo-seg"


def _head(facts: OnnxFacts, labels: int, size: tuple[int, int], path: Path) -> str:
    """The decoder of one of Ultralytics' detectors: as its metadata states, else by the shape of the output.

    YOLO gives (N, 4 + labels, boxes), RT-DETR (N, boxes, 4 + labels), and NMS inside, or none needed, (N, boxes, 6).
    """
    metadata, shape = facts.metadata, facts.shapes.get(facts.outputs[0] if facts.outputs else "", ())
    if _chooses(metadata):
        return "yolo-end2end"
    if "rtdetr" in metadata.get("description", "").lower():
        return "rtdetr"
    if len(shape) != 3 or shape[1] == 4 + labels:
        return "yolov8"
    if shape[2] == 6 and labels == 2:
        raise DescriptionError(
            f"{path}: an output {shape} with two labels may be RT-DETR's, or of a YOLO that chooses among its boxes. "
            f"Settle it with: mediasift models describe {path} --decoder yolo-end2end, or rtdetr"
        )
    if shape[2] == 4 + labels:
        return "rtdetr"
    is_chosen = shape[2] == 6 and (labels != 1 or shape[1] not in anchor_boxes(*size))
    return "yolo-end2end" if is_chosen else "yolov8"


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
    if (literal := _literal(text)) is not None:
        return literal
    return [part.strip() for part in (split_lines(text) if "\n" in text else text.split(",")) if part.strip()]


def _imgsz(text: str) -> tuple[int, int] | None:
    """(width, height) of Ultralytics' `[height, width]`."""
    sides = _literal(text)
    if isinstance(sides, list) and len(sides) == 2 and all(type(side) is int for side in sides):
        return sides[1], sides[0]
    return None


def _from_shape(shape: Axes) -> tuple[str | None, tuple[int, int] | None, bool]:
    """(layout, (width, height), whether it has one channel) of a graph's input, as far as it is fixed."""
    match shape:
        case (_, _):
            return "flat", None, False
        case (_, height, width):
            return "NHW", (width, height) if width and height else None, True
        case (_, (1 | 3) as channels, height, width):
            layout = "NCHW"
        case (_, height, width, (1 | 3) as channels):
            layout = "NHWC"
        case _:
            return None, None, False
    return layout, (width, height) if width and height else None, channels == 1
