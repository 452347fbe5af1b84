"""The description that Ultralytics' exporter leaves in its ONNX files, as one of ours.

Its keys (`ultralytics/engine/exporter.py`): `task`, `names` as a Python dictionary, `imgsz` as [height, width].
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.errors import DescriptionError

_MAX_TEXT = 1_000_000


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
    names, size = _literal(metadata, "names", path), _literal(metadata, "imgsz", path)
    if not (isinstance(names, dict) and list(names) == list(range(len(names))) and names):
        raise DescriptionError(f"{path}: metadata 'names' must number the labels from 0, found {names!r:.80}")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size)):
        raise DescriptionError(f"{path}: metadata 'imgsz' must be [height, width], found {size!r:.80}")
    kept = {
        name: metadata[name] for name in ("description", "author", "license", "version", "date") if name in metadata
    }
    return ModelDescription(
        task="detect",
        labels=tuple(str(name) for name in names.values()),
        input=InputDescription(
            width=size[1], height=size[0], fit="pad", pad_value=114, resample="bilinear", scale=1 / 255
        ),
        output=OutputDescription(values="boxes", kind="multilabel", decoder="yolov8"),
        provenance=kept,
    )


def _literal(metadata: Mapping[str, str], name: str, path: Path) -> object:
    text = metadata[name]
    try:
        if len(text) > _MAX_TEXT:
            raise ValueError("too long")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DescriptionError(f"{path}: metadata {name!r} cannot be understood ({error})") from error
