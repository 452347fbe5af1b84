"""What the numbers of segmenting models mean: raw outputs → a map of labels, or objects with a mask each.

Nothing is thresholded, suppressed or resized here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.decoders import Arrays, anchor_boxes, yolo_end2end, yolov8
from mediasift.errors import DescriptionError, InferenceFailed

if TYPE_CHECKING:
    from mediasift.engines.onnx.description import ModelDescription, OutputDescription

Masks = Callable[[int], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Objects:
    """What one picture has.

    Attributes:
        boxes: float32 (n, 4) as left, top, right, bottom in pixels of the model's input.
        scores: float32 (n, labels), 0..1.
        mask: Number of a box → float32 (H, W), its mask's grid.
        threshold: Numbers of the grid above it are the object.
        in_box: Whether the grid covers the box alone, else the model's input.
        cut: Whether the mask ends where the box does.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    mask: Masks
    threshold: float
    in_box: bool
    cut: bool


Segmenter = Callable[[Arrays, tuple[int, int], int], Sequence[Objects]]
"""(outputs, (width, height) of the model's input, number of labels) → the objects of each picture."""


def yolo_seg(outputs: Arrays, size: tuple[int, int], labels: int, *, is_chosen: bool = False) -> list[Objects]:
    """YOLOv5, v8, v11 and later for segmentation, as Ultralytics exports them.

    One output is a detector's with a number of coefficients more for each box, the other has as many prototypes, (N,
    coefficients, H, W); a mask is their sum, and the object is where it is above 0, within its box. Source:
    Ultralytics, `utils/ops.py`, `process_mask_native`.

    Args:
        is_chosen: The model chooses among its boxes itself; they are corners, score, label number, coefficients.
    """
    arrays = [np.asarray(one, dtype=np.float32) for one in outputs]
    grids = next((one for one in arrays if one.ndim == 4), None)
    rows = next((one for one in arrays if one.ndim == 3), None)
    if grids is None or rows is None or len(arrays) != 2:
        raise DescriptionError(
            "decoder yolo-seg: needs boxes (N, numbers, boxes) and prototypes (N, coefficients, H, W), found "
            f"{_shapes(outputs)}"
        )
    count = grids.shape[1]
    if is_chosen and rows.shape[2] == 6 + count:
        boxes, scores = yolo_end2end([rows[..., :6]], size, labels)
        shares = rows[..., 6:]
    elif rows.shape[1] == 4 + labels + count:
        boxes, scores = yolov8([rows[:, : 4 + labels]], size, labels)
        shares = rows[:, 4 + labels :].transpose(0, 2, 1)
    elif rows.shape[2] == 5 + labels + count:
        if labels == 1 and rows.shape[1] not in anchor_boxes(*size):
            raise DescriptionError(
                f"field output.decoder: {rows.shape[1]} boxes are none of YOLOv5; if the model chooses among its boxes "
                "itself: --decoder yolo-seg-end2end"
            )
        boxes, scores = yolov8([rows[..., : 5 + labels]], size, labels)
        shares = rows[..., 5 + labels :]
    else:
        wanted = f"(N, boxes, {6 + count})" if is_chosen else f"(N, {4 + labels + count}, boxes)"
        raise DescriptionError(
            f"field output.decoder: boxes of shape {rows.shape}; for {labels} labels and {count} prototypes it must be "
            f"{wanted}. Are the labels complete?"
        )

    def mask(picture: int, box: int) -> NDArray[np.float32]:
        return np.asarray(np.tensordot(shares[picture, box], grids[picture], axes=1), dtype=np.float32)

    return [
        Objects(boxes[i], scores[i], partial(mask, i), threshold=0.0, in_box=False, cut=True) for i in range(len(rows))
    ]


def mask_rcnn(outputs: Arrays, size: tuple[int, int], labels: int) -> list[Objects]:
    """Mask R-CNN as torchvision exports it: boxes (n, 4), label numbers (n,), scores (n,), masks (n, 1, H, W), 0..1.

    There is no axis for pictures; label 0 is the background. Masks are those of the boxes (28 x 28), or as large as the
    model's input. Source: torchvision, `models/detection/roi_heads.py`.
    """
    arrays = [np.asarray(one) for one in outputs]
    masks = next((one for one in arrays if one.ndim == 4 and one.shape[1] == 1), None)
    boxes = next((one for one in arrays if one.ndim == 2 and one.shape[1] == 4), None)
    numbers = next((one for one in arrays if one.ndim == 1 and one.dtype.kind in "iu"), None)
    scores = next((one for one in arrays if one.ndim == 1 and one.dtype.kind == "f"), None)
    if masks is None or boxes is None or numbers is None or scores is None:
        raise DescriptionError(
            "decoder mask-rcnn: needs boxes (n, 4), label numbers (n,), scores (n,) and masks (n, 1, H, W), found "
            f"{_shapes(outputs)}"
        )
    if len({len(one) for one in (masks, boxes, numbers, scores)}) > 1:
        raise DescriptionError(f"decoder mask-rcnn: outputs of different lengths, {_shapes(outputs)}")
    _check_numbers(numbers, labels)
    spread = np.zeros((len(boxes), labels), np.float32)
    spread[np.arange(len(boxes)), numbers] = scores
    in_box = masks.shape[2:] != (size[1], size[0])
    grids = masks[:, 0].astype(np.float32)
    return [Objects(boxes.astype(np.float32), spread, grids.__getitem__, threshold=0.5, in_box=in_box, cut=False)]


SEGMENTERS: dict[str, Segmenter] = {
    "yolo-seg": yolo_seg,
    "yolo-seg-end2end": partial(yolo_seg, is_chosen=True),
    "mask-rcnn": mask_rcnn,
}
"""Name in a description's `output.decoder` → decoder of objects with masks."""

CLASS_MAP = "class-map"
"""The decoder of a label for each pixel, see `class_map`."""

CHOSEN_OBJECTS = frozenset({"yolo-seg-end2end", "mask-rcnn"})
"""Decoders of models that choose among their boxes themselves."""

UNBATCHED = frozenset({"mask-rcnn"})
"""Decoders of graphs whose outputs have no axis for pictures: one goes in at a time."""


def class_map(outputs: Arrays, labels: int, output: OutputDescription) -> NDArray[Any]:
    """What a model gives for each pixel: DeepLab, SegFormer, U-Net and the like.

    Returns:
        float32 (N, labels, H, W), the described logits or probabilities; or int64 (N, H, W), label numbers.

    Raises:
        DescriptionError: The output has another shape or type.
        InferenceFailed: A label number is none of the labels'.
    """
    if len(outputs) != 1:
        raise DescriptionError(f"field output.name: the graph has {len(outputs)} outputs; name the map (--output-name)")
    grids = np.asarray(outputs[0])
    if output.values == "numbers":
        if grids.ndim == 4 and 1 in (grids.shape[1], grids.shape[3]):
            grids = grids.squeeze(1 if grids.shape[1] == 1 else 3)
        if grids.ndim != 3 or grids.dtype.kind not in "iu":
            raise DescriptionError(
                f"field output.values: numbers, but the output is {grids.dtype} {grids.shape}, no whole numbers (N, H, "
                "W): --output-values logits or probabilities"
            )
        _check_numbers(grids, labels)
        return grids.astype(np.int64)
    if grids.dtype.kind != "f":
        raise DescriptionError(
            f"field output.values: {output.values}, but the output gives whole numbers ({grids.dtype}). If they are "
            "label numbers: --output-values numbers; if they are scores: --output-scale"
        )
    if grids.ndim == 3 and labels == 1:
        grids = grids[:, None]
    if grids.ndim != 4 or labels not in (grids.shape[1], grids.shape[3]):
        raise DescriptionError(
            f"decoder {CLASS_MAP}: the output has shape {grids.shape}; for {labels} labels it must be (N, {labels}, H, "
            f"W) or (N, H, W, {labels}). Are the labels complete?"
        )
    if grids.shape[1] != labels:
        grids = grids.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(grids, dtype=np.float32)


def segment_scores(outputs: Arrays, description: ModelDescription) -> list[NDArray[np.float32]]:
    """What a proving run gives that must be probabilities, once its shapes are as described.

    Raises:
        DescriptionError: They are not, or logits that are described are probabilities.
    """
    wanted, output, labels = description.input, description.output, len(description.labels)
    if output.decoder != CLASS_MAP:
        pictures = SEGMENTERS[str(output.decoder)](outputs, (wanted.width, wanted.height), labels)
        return [one.scores for one in pictures]
    grids = class_map(outputs, labels, output)
    if output.values == "probabilities":
        return [grids]
    is_inside = output.values == "logits" and grids.size and grids.min() >= 0 and grids.max() <= 1
    if is_inside and is_single(output, labels) and np.allclose(grids.sum(axis=1), 1, atol=1e-3):
        raise DescriptionError(
            "field output.values: logits, but the numbers lie within 0..1 and sum to 1 for every pixel tried: "
            "--output-values probabilities"
        )
    return []


def is_single(output: OutputDescription, labels: int) -> bool:
    """Whether a pixel has one label of many, rather than each label for itself."""
    return output.kind == "single" and labels > 1


def pixel_probabilities(grids: NDArray[np.float32], output: OutputDescription) -> NDArray[np.float32]:
    """The map of one picture as probabilities, float32 (labels, H, W), 0..1."""
    if output.values == "probabilities":
        return grids.clip(0, 1)
    if not is_single(output, len(grids)):
        return np.asarray(0.5 * (1 + np.tanh(grids / 2)), dtype=np.float32)
    numbers = np.exp(grids - grids.max(axis=0))
    return np.asarray(numbers / numbers.sum(axis=0), dtype=np.float32)


def _check_numbers(numbers: NDArray[Any], labels: int) -> None:
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    if low < 0 or high >= labels:
        raise InferenceFailed(
            f"the model gives label numbers from {low} to {high}, but its description has {labels} labels. Are they "
            "complete, with the background first?"
        )


def _shapes(outputs: Arrays) -> str:
    return ", ".join(str(np.shape(one)) for one in outputs)
