from __future__ import annotations

import numpy as np
import pytest

from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.segmenters import (
    SEGMENTERS,
    class_map,
    mask_rcnn,
    pixel_probabilities,
    segment_scores,
    yolo_seg,
)
from mediasift.errors import DescriptionError, InferenceFailed

RANDOM = np.random.default_rng(7)
LOGITS = OutputDescription(values="logits", decoder="class-map")
NUMBERS = OutputDescription(values="numbers", decoder="class-map")


def described(output: OutputDescription, labels: int, size: int = 64) -> ModelDescription:
    names = tuple(f"label {number}" for number in range(labels))
    picture = InputDescription(width=size, height=size, fit="stretch")
    return ModelDescription(task="segment", input=picture, output=output, labels=names)


def yolo(boxes: int = 5, labels: int = 3, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Centres and sizes, scores, coefficients, as (2, numbers, boxes); and prototypes."""
    rows = RANDOM.random((2, 4 + labels + count, boxes)).astype(np.float32)
    rows[:, :4] *= 64
    return rows, RANDOM.standard_normal((2, count, 16, 16)).astype(np.float32)


@pytest.mark.parametrize("swap", [False, True])
def test_a_mask_of_yolo_is_the_sum_of_its_prototypes(swap: bool):
    rows, grids = yolo()
    first, second = yolo_seg([grids, rows] if swap else [rows, grids], (64, 64), 3)
    for number, picture in enumerate((first, second)):
        assert np.array_equal(picture.scores, rows[number, 4:7].T)
        for box in range(5):
            x, y, width, height = rows[number, :4, box]
            assert picture.boxes[box] == pytest.approx([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
            expected = np.einsum("c,chw->hw", rows[number, 7:, box].astype(float), grids[number].astype(float))
            assert np.allclose(picture.mask(box), expected, atol=1e-5)
    assert (first.threshold, first.in_box, first.cut) == (0.0, False, True)


def test_yolov5_has_objectness_and_boxes_first():
    rows, grids = yolo()
    older = np.concatenate([rows[:, :4], np.full((2, 1, 5), 0.5, np.float32), rows[:, 4:]], axis=1).transpose(0, 2, 1)
    (first, _), (expected, _) = yolo_seg([older, grids], (64, 64), 3), yolo_seg([rows, grids], (64, 64), 3)
    assert np.allclose(first.scores, expected.scores * 0.5)
    assert np.allclose(first.boxes, expected.boxes)
    assert np.allclose(first.mask(2), expected.mask(2))


def test_a_yolo_that_chooses_itself_gives_corners_and_label_numbers():
    rows = np.zeros((1, 2, 10), np.float32)
    rows[0, 0] = [1, 2, 30, 40, 0.9, 2, 1, 0, 0, -1]
    grids = RANDOM.standard_normal((1, 4, 16, 16)).astype(np.float32)
    (picture,) = SEGMENTERS["yolo-seg-end2end"]([rows, grids], (64, 64), 3)
    assert picture.boxes[0].tolist() == [1, 2, 30, 40]
    assert picture.scores[0] == pytest.approx([0, 0, 0.9])
    assert np.allclose(picture.mask(0), grids[0, 0] - grids[0, 3], atol=1e-6)


def test_a_yolo_of_one_label_that_chooses_itself_is_not_taken_for_yolov5():
    rows, grids = np.zeros((1, 300, 10), np.float32), np.zeros((1, 4, 16, 16), np.float32)
    with pytest.raises(DescriptionError, match="yolo-seg-end2end"):
        yolo_seg([rows, grids], (64, 64), 1)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ([np.zeros((1, 11, 5))], "prototypes"),
        ([np.zeros((1, 9, 5)), np.zeros((1, 4, 16, 16))], r"must be \(N, 11, boxes\)"),
    ],
)
def test_other_shapes_are_no_yolo(outputs: list[np.ndarray], message: str):
    with pytest.raises(DescriptionError, match=message):
        yolo_seg(outputs, (64, 64), 3)


def rcnn(side: int = 28) -> list[np.ndarray]:
    boxes = np.array([[1, 2, 30, 40], [5, 5, 9, 9]], np.float32)
    masks = RANDOM.random((2, 1, side, side)).astype(np.float32)
    return [boxes, np.array([2, 1], np.int64), np.array([0.9, 0.4], np.float32), masks]


@pytest.mark.parametrize("side", [28, 64])
def test_mask_rcnn_has_no_axis_for_pictures(side: int):
    outputs = rcnn(side)
    (picture,) = mask_rcnn(outputs, (64, 64), 3)
    assert picture.scores.tolist() == [[0, 0, pytest.approx(0.9)], [0, pytest.approx(0.4), 0]]
    assert np.array_equal(picture.boxes, outputs[0])
    assert np.array_equal(picture.mask(1), outputs[3][1, 0])
    assert (picture.in_box, picture.threshold) == (side == 28, 0.5)


def test_mask_rcnn_without_objects_and_with_wrong_outputs():
    empty = [one[:0] for one in rcnn()]
    (picture,) = mask_rcnn(empty, (64, 64), 3)
    assert picture.boxes.shape == (0, 4)
    with pytest.raises(InferenceFailed, match="from 0 to 2, but its description has 2 labels"):
        mask_rcnn(rcnn(), (64, 64), 2)
    with pytest.raises(DescriptionError, match="different lengths"):
        mask_rcnn([*rcnn()[:3], rcnn()[3][:1]], (64, 64), 3)
    with pytest.raises(DescriptionError, match="mask-rcnn: needs boxes"):
        mask_rcnn(rcnn()[:3], (64, 64), 3)


def test_maps_have_their_labels_second_or_last():
    numbers = RANDOM.standard_normal((2, 3, 4, 5)).astype(np.float16)
    assert np.array_equal(class_map([numbers], 3, LOGITS), numbers)
    assert np.array_equal(class_map([numbers.transpose(0, 2, 3, 1)], 3, LOGITS), numbers)
    assert class_map([numbers[:, 0]], 1, LOGITS).shape == (2, 1, 4, 5)
    with pytest.raises(DescriptionError, match="for 7 labels"):
        class_map([numbers], 7, LOGITS)
    with pytest.raises(DescriptionError, match="--output-name"):
        class_map([numbers, numbers], 3, LOGITS)


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 1, 4, 5), (2, 4, 5, 1)])
def test_label_numbers_are_taken_as_they_are(shape: tuple[int, ...]):
    numbers = RANDOM.integers(0, 3, shape).astype(np.uint8)
    assert np.array_equal(class_map([numbers], 3, NUMBERS), numbers.reshape(2, 4, 5))
    with pytest.raises(InferenceFailed, match="description has 2 labels"):
        class_map([np.full(shape, 2, np.int64)], 2, NUMBERS)
    with pytest.raises(DescriptionError, match="--output-values numbers"):
        class_map([numbers], 3, LOGITS)
    with pytest.raises(DescriptionError, match="no whole numbers"):
        class_map([numbers.astype(np.float32)], 3, NUMBERS)


def test_probabilities_by_softmax_or_by_sigmoid():
    numbers = RANDOM.standard_normal((3, 4, 5)).astype(np.float32) * 10
    powers = np.exp(numbers.astype(float))
    assert np.allclose(pixel_probabilities(numbers, LOGITS), powers / powers.sum(axis=0), atol=1e-6)
    several = OutputDescription(values="logits", decoder="class-map", kind="multilabel")
    for grids, output in ((numbers, several), (numbers[:1], LOGITS)):
        assert np.allclose(pixel_probabilities(grids, output), 1 / (1 + np.exp(-grids.astype(float))), atol=1e-6)


def test_what_is_described_as_logits_and_sums_to_one_is_refused():
    numbers = RANDOM.standard_normal((2, 3, 4, 5)).astype(np.float32)
    shares = pixel_probabilities(numbers.transpose(1, 0, 2, 3), LOGITS).transpose(1, 0, 2, 3)
    assert segment_scores([numbers], described(LOGITS, 3)) == []
    with pytest.raises(DescriptionError, match="--output-values probabilities"):
        segment_scores([shares], described(LOGITS, 3))
    as_shares = OutputDescription(values="probabilities", decoder="class-map")
    assert np.array_equal(segment_scores([shares], described(as_shares, 3))[0], shares)


def test_descriptions_of_segmenting_models_are_checked():
    with pytest.raises(DescriptionError, match="must be one of class-map, yolo-seg"):
        described(OutputDescription(values="boxes", decoder="yolov8"), 3)
    with pytest.raises(DescriptionError, match="boxes; for segment: logits, probabilities, numbers"):
        described(OutputDescription(values="boxes", decoder="class-map"), 3)
    with pytest.raises(DescriptionError, match=r"output.kind: binary"):
        described(OutputDescription(values="logits", decoder="class-map", kind="binary"), 2)
    with pytest.raises(DescriptionError, match=r"output.decoder: for task detect or segment.*class-map"):
        described(OutputDescription(values="logits"), 3)
