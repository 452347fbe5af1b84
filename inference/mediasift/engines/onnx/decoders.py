"""What detectors' numbers mean: raw outputs → boxes in pixels of the model's input, and a score per label.

Each decoder takes the graph's outputs for a batch, checks their shapes and gives boxes float32 (N, boxes, 4) as left,
top, right, bottom, and scores float32 (N, boxes, labels), 0..1. Nothing is thresholded or suppressed here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import DescriptionError

Arrays = Sequence[NDArray[Any]]
Boxes = tuple[NDArray[np.float32], NDArray[np.float32]]
Decoder = Callable[[Arrays, tuple[int, int], int], Boxes]
"""(outputs, (width, height) of the model's input, number of labels) → (boxes, scores)."""

_LARGEST_LOG = 20.0
"""Of a size: e^20 strides are more than any picture, and not yet infinite."""


def yolox(outputs: Arrays, size: tuple[int, int], labels: int) -> Boxes:
    """One output (N, boxes, 5 + labels), as YOLOX exports it (Ge et al., YOLOX, 2021; its `demo_postprocess`).

    Centres are offsets from the cells of grids of strides 8, 16 and 32, sizes are logarithms, both in strides; then
    objectness and labels.
    """
    found = _only(outputs, labels, last=5 + labels).copy()
    cells = []
    for stride in (8, 16, 32):
        rows, columns = np.mgrid[: size[1] // stride, : size[0] // stride]
        cells.append(np.stack([columns, rows, np.full_like(rows, stride)], axis=-1).reshape(-1, 3))
    grid = np.concatenate(cells).astype(np.float32)
    if found.shape[1] != len(grid):
        raise DescriptionError(
            f"field output.decoder: {found.shape[1]} boxes, but yolox has {len(grid)} for {size[0]} x {size[1]}"
        )
    strides = grid[:, 2:]
    found[..., :2] = (found[..., :2] + grid[:, :2]) * strides
    found[..., 2:4] = np.exp(found[..., 2:4].clip(max=_LARGEST_LOG)) * strides
    return _corners(found[..., :4]), found[..., 5:] * found[..., 4:5]


def yolox_decoded(outputs: Arrays, _size: tuple[int, int], labels: int) -> Boxes:
    """As `yolox`, exported with `--decode_in_inference`: centres and sizes are pixels already."""
    found = _only(outputs, labels, last=5 + labels)
    return _corners(found[..., :4]), found[..., 5:] * found[..., 4:5]


def yolov8(outputs: Arrays, _size: tuple[int, int], labels: int) -> Boxes:
    """One output of the YOLOv5, v8 and v11 family: centre and size in pixels, then scores.

    v5 gives (N, boxes, 5 + labels) with objectness, v8 and v11 (N, 4 + labels, boxes) without.
    """
    (found,) = _shaped(outputs, 1)
    if found.ndim == 3 and found.shape[1] == 4 + labels:
        rows = found.transpose(0, 2, 1)
        return _corners(rows[..., :4]), np.ascontiguousarray(rows[..., 4:])
    if found.ndim == 3 and found.shape[2] == 5 + labels:
        return _corners(found[..., :4]), found[..., 5:] * found[..., 4:5]
    raise DescriptionError(
        f"decoder yolov8: the output has shape {found.shape}; for {labels} labels it must be (N, {4 + labels}, boxes) "
        f"or (N, boxes, {5 + labels}). Are the labels complete?"
    )


def yolov3(outputs: Arrays, _size: tuple[int, int], labels: int) -> Boxes:
    """Outputs of the ONNX Model Zoo's YOLOv3.

    Boxes (1, boxes, 4) as top, left, bottom, right in pixels, and scores (1, labels, boxes). The third output, the
    graph's own choice of boxes, has thresholds of its own and is not used.
    """
    boxes, scores = _by_shape(outputs, "yolov3", lambda one: one.shape[-1] == 4, lambda one: one.shape[1] == labels)
    return boxes[..., [1, 0, 3, 2]], np.ascontiguousarray(scores.transpose(0, 2, 1))


def ultraface(outputs: Arrays, size: tuple[int, int], labels: int) -> Boxes:
    """Outputs of UltraFace: boxes (N, boxes, 4), corners as fractions, and scores (N, boxes, 1 + labels).

    The first score is the background's.
    """
    boxes, scores = _by_shape(
        outputs, "ultraface", lambda one: one.shape[-1] == 4, lambda one: one.shape[-1] == 1 + labels
    )
    return boxes * np.array([*size, *size], dtype=np.float32), scores[..., 1:]


DECODERS: dict[str, Decoder] = {
    "yolox": yolox,
    "yolox-decoded": yolox_decoded,
    "yolov3": yolov3,
    "yolov8": yolov8,
    "ultraface": ultraface,
}
"""Name in a description's `output.decoder` → decoder."""


def _shaped(outputs: Arrays, count: int) -> list[NDArray[np.float32]]:
    if len(outputs) < count:
        raise DescriptionError(f"field output.decoder: needs {count} outputs, the graph has {len(outputs)}")
    if count == 1 and len(outputs) > 1:
        raise DescriptionError(f"field output.name: the graph has {len(outputs)} outputs; name the one with boxes")
    return [np.asarray(one, dtype=np.float32) for one in outputs]


def _only(outputs: Arrays, labels: int, *, last: int) -> NDArray[np.float32]:
    (found,) = _shaped(outputs, 1)
    if found.ndim != 3 or found.shape[2] != last:
        raise DescriptionError(
            f"field output.decoder: the output has shape {found.shape}, "
            f"but for {labels} labels it must be (N, boxes, {last})"
        )
    return found


def _by_shape(
    outputs: Arrays, decoder: str, *wanted: Callable[[NDArray[np.float32]], bool]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The outputs that have the wanted shapes; graphs order and name them differently."""
    arrays = [one for one in _shaped(outputs, 2) if one.ndim == 3]
    for first, second in itertools.permutations(arrays, 2):
        if wanted[0](first) and wanted[1](second):
            return first, second
    shapes = ", ".join(str(np.shape(one)) for one in outputs)
    raise DescriptionError(f"decoder {decoder}: no boxes and scores for these labels among outputs of shape {shapes}")


def _corners(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre and size → left, top, right, bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)
