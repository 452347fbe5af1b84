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

from mediasift.errors import DescriptionError, InferenceFailed

Arrays = Sequence[NDArray[Any]]
Boxes = tuple[NDArray[np.float32], NDArray[np.float32]]
Decoder = Callable[[Arrays, tuple[int, int], int], Boxes]
"""(outputs, (width, height) of the model's input, number of labels) → (boxes, scores)."""

_STRIDES = (8, 16, 32, 64)

_LARGEST_LOG = 20.0
"""Of a size: e^20 strides are more than any picture, and not yet infinite."""


def yolox(outputs: Arrays, size: tuple[int, int], labels: int) -> Boxes:
    """One output (N, boxes, 5 + labels), as YOLOX exports it (Ge et al., YOLOX, 2021; its `demo_postprocess`).

    Centres are offsets from the cells of grids of strides 8, 16 and 32, sizes are logarithms, both in strides; then
    objectness and labels.
    """
    rows = _only(outputs, labels, last=5 + labels).copy()
    grid = _grid([(size[0] // stride, size[1] // stride, stride) for stride in _STRIDES[:3]])
    if rows.shape[1] != len(grid):
        raise DescriptionError(
            f"field output.decoder: {rows.shape[1]} boxes, but yolox has {len(grid)} for {size[0]} x {size[1]}"
        )
    strides = grid[:, 2:]
    rows[..., :2] = (rows[..., :2] + grid[:, :2]) * strides
    rows[..., 2:4] = np.exp(rows[..., 2:4].clip(max=_LARGEST_LOG)) * strides
    return _corners(rows[..., :4]), rows[..., 5:] * rows[..., 4:5]


def yolox_decoded(outputs: Arrays, _size: tuple[int, int], labels: int) -> Boxes:
    """As `yolox`, exported with `--decode_in_inference`: centres and sizes are pixels already."""
    rows = _only(outputs, labels, last=5 + labels)
    return _corners(rows[..., :4]), rows[..., 5:] * rows[..., 4:5]


def yolov8(outputs: Arrays, size: tuple[int, int], labels: int) -> Boxes:
    """One output of the YOLOv5, v8 and v11 family: centre and size in pixels, then scores.

    v5 gives (N, boxes, 5 + labels) with objectness, v8 and v11 (N, 4 + labels, boxes) without.
    """
    (rows,) = _shaped(outputs, 1)
    if rows.ndim == 3 and rows.shape[1] == 4 + labels:
        rows = rows.transpose(0, 2, 1)
        return _corners(rows[..., :4]), np.ascontiguousarray(rows[..., 4:])
    if rows.ndim == 3 and rows.shape[2] == 5 + labels:
        if labels == 1 and rows.shape[1] not in anchor_boxes(*size):
            raise DescriptionError(
                f"field output.decoder: {rows.shape[1]} boxes of 6 numbers are none of YOLOv5; if the model chooses "
                "among its boxes itself, they are corners, score and label number: --decoder yolo-end2end"
            )
        return _corners(rows[..., :4]), rows[..., 5:] * rows[..., 4:5]
    raise DescriptionError(
        f"decoder yolov8: the output has shape {rows.shape}; for {labels} labels it must be (N, {4 + labels}, boxes) "
        f"or (N, boxes, {5 + labels}). Are the labels complete?"
    )


def anchor_boxes(width: int, height: int) -> tuple[int, int]:
    """How many boxes YOLOv5 gives for this size: three for each cell of three strides, or four."""
    cells = [width // stride * (height // stride) for stride in _STRIDES]
    return 3 * sum(cells[:3]), 3 * sum(cells)


def yolo_end2end(outputs: Arrays, _size: tuple[int, int], labels: int) -> Boxes:
    """One output (N, boxes, 6) of YOLO with NMS inside, or that needs none (v10, 26): corners in pixels, score, label.

    Boxes that are filled up have the score 0. Source: Ultralytics, `utils/nms.py`, the case `end2end`.
    """
    boxes, scores, numbers = np.split(_only(outputs, labels, last=6), [4, 5], axis=2)
    return np.ascontiguousarray(boxes), _by_number(scores[..., 0], numbers[..., 0], labels)


def detr(outputs: Arrays, size: tuple[int, int], labels: int) -> Boxes:
    """RT-DETR and D-FINE, as they are exported in three ways; each query has one box.

    The authors' export gives label numbers (N, boxes), corners (N, boxes, 4) in pixels of the size that is its second
    input, and scores (N, boxes). Transformers gives logits (N, boxes, labels), which get a sigmoid, and boxes as centre
    and size in fractions; Ultralytics both in one output (N, boxes, 4 + labels), with scores. Sources: lyuwenyu/RT-DETR
    and Peterande/D-FINE, `RTDETRPostProcessor`; Transformers, `post_process_object_detection`; Ultralytics,
    `models/rtdetr/predict.py`.
    """
    pixels = np.array([*size, *size], dtype=np.float32)
    shapes = [np.shape(one) for one in outputs]
    if len(outputs) == 1 and len(shapes[0]) == 3 and shapes[0][2] == 4 + labels:
        rows = np.asarray(outputs[0], dtype=np.float32)
        return _corners(rows[..., :4] * pixels), np.ascontiguousarray(rows[..., 4:])
    numbers = [one for one in outputs if one.ndim == 2 and one.dtype.kind in "iu"]
    scores = [one for one in outputs if one.ndim == 2 and one.dtype.kind == "f"]
    cubes = [np.asarray(one, dtype=np.float32) for one in outputs if one.ndim == 3 and one.dtype.kind == "f"]
    if len(numbers) == len(scores) == len(cubes) == 1 and cubes[0].shape[2] == 4:
        return cubes[0], _by_number(scores[0], numbers[0], labels)
    logits = next((one for one in cubes if one.shape[2] == labels), None)
    boxes = next((one for one in cubes if one.shape[2] == 4 and one is not logits), None)
    if logits is None or boxes is None or logits.shape[1] != boxes.shape[1]:
        raise DescriptionError(
            f"decoder rtdetr: no boxes and scores for {labels} labels among outputs of shape "
            f"{', '.join(map(str, shapes))}. Are the labels complete?"
        )
    return _corners(boxes * pixels), np.asarray(0.5 * (1 + np.tanh(logits / 2)), dtype=np.float32)  # their sigmoid


def nanodet(outputs: Arrays, size: tuple[int, int], labels: int) -> Boxes:
    """NanoDet and NanoDet-Plus: scores, and for each side of a box a distribution over distances in strides.

    One output (N, points, labels + 4 * bins), or for each stride scores (N, points, labels) and distributions (N,
    points, 4 * bins). Three strides are NanoDet's, whose points are the middles of cells; four are NanoDet-Plus', whose
    points are their corners. Source: RangiLyu/nanodet, `model/head/nanodet_head.py`, `nanodet_plus_head.py` and
    `integral.py` (a softmax over the bins, then the mean distance).
    """
    points = [-(-size[0] // stride) * -(-size[1] // stride) for stride in _STRIDES]
    (rows,) = _joined([np.asarray(one, dtype=np.float32) for one in outputs], points, labels)
    count = next((n for n in (3, 4) if rows.ndim == 3 and rows.shape[1] == sum(points[:n])), 0)
    bins, rest = divmod(rows.shape[2] - labels, 4) if count else (0, 1)
    if rest or bins < 2:
        raise DescriptionError(
            f"decoder nanodet: for {labels} labels and {size[0]} x {size[1]} the output must be (N, {sum(points[:3])} "
            f"or {sum(points)}, {labels} + 4 * bins), found {', '.join(str(np.shape(one)) for one in outputs)}"
        )
    sides = rows[..., labels:].reshape(*rows.shape[:2], 4, bins)
    weights = np.exp(sides - sides.max(axis=-1, keepdims=True))
    grid = _grid([(-(-size[0] // stride), -(-size[1] // stride), stride) for stride in _STRIDES[:count]])
    distances = (weights / weights.sum(axis=-1, keepdims=True)) @ np.arange(bins, dtype=np.float32) * grid[:, 2:]
    middles = (grid[:, :2] + (0.5 if count == 3 else 0.0)) * grid[:, 2:]
    corners = np.concatenate([middles - distances[..., :2], middles + distances[..., 2:]], axis=-1)
    return corners.clip(0, np.array([*size, *size], dtype=np.float32)), rows[..., :labels]


def _joined(arrays: list[NDArray[np.float32]], points: Sequence[int], labels: int) -> list[NDArray[np.float32]]:
    """NanoDet's outputs for each stride as one, (N, points, labels + sides)."""
    if len(arrays) == 1:
        return arrays
    scores = {one.shape[1]: one for one in arrays if one.ndim == 3 and one.shape[2] == labels}
    sides = {one.shape[1]: one for one in arrays if one.ndim == 3 and one.shape[2] != labels}
    levels = [np.concatenate([scores[n], sides[n]], axis=2) for n in points if n in scores and n in sides]
    return [np.concatenate(levels, axis=1) if levels else np.zeros((0, 0, 0), np.float32)]


def centerface(outputs: Arrays, size: tuple[int, int], labels: int) -> Boxes:
    """CenterFace: a heat map, sizes as logarithms and offsets, of cells of 4 pixels; landmarks are left alone.

    Outputs (N, 1, H, W), (N, 2, H, W) and (N, 2, H, W) in this order, the two as height, width and row, column. Source:
    Star-Clouds/CenterFace, `prj-python/centerface.py`, `decode`.
    """
    arrays = [np.asarray(one, dtype=np.float32) for one in outputs if one.ndim == 4]
    heat = next((one for one in arrays if one.shape[1] == 1), None)
    pairs = [one for one in arrays if one.shape[1] == 2]
    if heat is None or len(pairs) != 2 or labels != 1:
        raise DescriptionError(
            "decoder centerface: needs one label, a heat map (N, 1, H, W), sizes and offsets (N, 2, H, W), found "
            f"{labels} labels and {', '.join(str(np.shape(one)) for one in outputs)}"
        )
    rows, columns = np.mgrid[: heat.shape[2], : heat.shape[3]].astype(np.float32)
    sizes, offsets = np.exp(pairs[0].clip(max=_LARGEST_LOG)) * 4, pairs[1]
    height, width = sizes[:, 0], sizes[:, 1]
    left = ((columns + offsets[:, 1] + 0.5) * 4 - width / 2).clip(0, size[0])
    top = ((rows + offsets[:, 0] + 0.5) * 4 - height / 2).clip(0, size[1])
    corners = [left, top, (left + width).clip(max=size[0]), (top + height).clip(max=size[1])]
    return np.stack(corners, axis=-1).reshape(len(heat), -1, 4), heat.reshape(len(heat), -1, 1)


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
    "yolo-end2end": yolo_end2end,
    "rtdetr": detr,
    "dfine": detr,
    "nanodet": nanodet,
    "centerface": centerface,
    "ultraface": ultraface,
}
"""Name in a description's `output.decoder` → decoder."""


CHOSEN = frozenset({"yolo-end2end", "rtdetr", "dfine"})
"""Decoders of models that choose among their boxes themselves, so that nothing needs to be suppressed."""

SIZED = {"yolov3": (1, 0), "rtdetr": (0, 1), "dfine": (0, 1)}
"""Decoders of graphs that may also want the picture's size → the order of (width, height) there."""


def _by_number(scores: NDArray[Any], numbers: NDArray[Any], labels: int) -> NDArray[np.float32]:
    """Scores (N, boxes) and label numbers (N, boxes) as scores of every label, (N, boxes, labels)."""
    whole = np.rint(numbers)
    if not ((np.abs(numbers - whole) <= 1e-3) & (whole >= 0) & (whole < labels))[scores > 0].all():
        raise InferenceFailed(
            f"the model gives label numbers from {numbers.min():g} to {numbers.max():g}, but its description has "
            f"{labels} labels. Are they complete?"
        )
    spread = np.zeros((*scores.shape, labels), dtype=np.float32)
    places = whole.clip(0, labels - 1).astype(np.int64)[..., None]
    np.put_along_axis(spread, places, scores[..., None].astype(np.float32), axis=2)
    return spread


def _grid(levels: Sequence[tuple[int, int, int]]) -> NDArray[np.float32]:
    """Column, row and stride of every cell, float32 (cells, 3), of grids of so many columns and rows."""
    cells = []
    for wide, high, stride in levels:
        rows, columns = np.mgrid[:high, :wide]
        cells.append(np.stack([columns, rows, np.full_like(rows, stride)], axis=-1).reshape(-1, 3))
    return np.concatenate(cells).astype(np.float32)


def _shaped(outputs: Arrays, count: int) -> list[NDArray[np.float32]]:
    if len(outputs) < count:
        raise DescriptionError(f"field output.decoder: needs {count} outputs, the graph has {len(outputs)}")
    if count == 1 and len(outputs) > 1:
        raise DescriptionError(f"field output.name: the graph has {len(outputs)} outputs; name the one with boxes")
    return [np.asarray(one, dtype=np.float32) for one in outputs]


def _only(outputs: Arrays, labels: int, *, last: int) -> NDArray[np.float32]:
    (rows,) = _shaped(outputs, 1)
    if rows.ndim != 3 or rows.shape[2] != last:
        raise DescriptionError(
            f"field output.decoder: the output has shape {rows.shape}, "
            f"but for {labels} labels it must be (N, boxes, {last})"
        )
    return rows


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
