from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mediasift.engines.onnx.decoders import DECODERS
from mediasift.engines.onnx.registry import exported_models, find_description
from mediasift.engines.onnx.session import load_model
from mediasift.errors import DescriptionError
from tests.tiny_models import constants, write


def reference_yolox(output: np.ndarray, size: int) -> tuple[list[list[float]], list[list[float]]]:
    """Boxes and scores by plain loops over the three grids, as YOLOX's paper states it."""
    boxes, scores, position = [], [], 0
    for stride in (8, 16, 32):
        for row in range(size // stride):
            for column in range(size // stride):
                x, y, log_width, log_height, objectness, *labels = (float(value) for value in output[position])
                x, y = (x + column) * stride, (y + row) * stride
                width, height = np.exp(log_width) * stride, np.exp(log_height) * stride
                boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
                scores.append([objectness * label for label in labels])
                position += 1
    assert position == len(output)
    return boxes, scores


def test_yolox_equals_a_plain_reference():
    rng = np.random.default_rng(0)
    output = rng.normal(size=(2, 21 * 4 + 0, 5 + 3)).astype(np.float32)  # 64 x 64: 64 + 16 + 4 cells
    output[..., 4:] = rng.random((2, 84, 4))
    boxes, scores = DECODERS["yolox"]([output], (64, 64), 3)
    for i in range(2):
        expected_boxes, expected_scores = reference_yolox(output[i], 64)
        assert np.allclose(boxes[i], expected_boxes, rtol=1e-5, atol=1e-4)
        assert np.allclose(scores[i], expected_scores, rtol=1e-5)


CENTRES = np.array([[10, 20, 4, 8], [32, 32, 64, 64]], np.float32)
CORNERS = np.array([[8, 16, 12, 24], [0, 0, 64, 64]], np.float32)
SCORES = np.array([[0.9, 0.1], [0.2, 0.7]], np.float32)
SURE = np.array([[0.5], [1.0]], np.float32)


@pytest.mark.parametrize(("decoder", "outputs", "scores"), [
    ("yolox-decoded", [np.hstack([CENTRES, SURE, SCORES])], SCORES * SURE),
    ("yolov8", [np.hstack([CENTRES, SURE, SCORES])], SCORES * SURE),
    ("yolov8", [np.hstack([CENTRES, SCORES]).T], SCORES),
    ("yolov3", [CORNERS[:, [1, 0, 3, 2]], SCORES.T, np.zeros((1, 3))], SCORES),
    ("yolov3", [SCORES.T, CORNERS[:, [1, 0, 3, 2]]], SCORES),
    ("ultraface", [np.hstack([1 - SCORES.sum(1, keepdims=True), SCORES]), CORNERS / [64, 48, 64, 48]], SCORES),
])  # fmt: skip
def test_every_head_gives_the_same_boxes(decoder: str, outputs: list[np.ndarray], scores: np.ndarray):
    boxes, decoded = DECODERS[decoder]([one[None] for one in outputs], (64, 48), 2)
    assert np.allclose(boxes[0], CORNERS)
    assert np.allclose(decoded[0], scores)


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_outputs_of_other_shapes_are_refused(decoder: str):
    shapes: Any = (
        [(1, 7, 3)],
        [(1, 7)],
        [],
        [(1, 7, 3), (1, 7, 3)],
        [(1, 5, 4), (1, 5, 9)],
        [(1, 85, 7)],
    )
    for wrong in shapes:
        with pytest.raises(DescriptionError, match=r"output|decoder"):
            DECODERS[decoder]([np.zeros(shape, np.float32) for shape in wrong], (64, 64), 4)


NAMES = {"names": "{0: 'person', 1: \"child's bicycle\"}", "imgsz": "[48, 64]", "task": "detect", "stride": "32"}


def test_what_ultralytics_writes_is_understood(tmp_path: Path):
    head = np.hstack([CENTRES, SCORES]).T[None]
    path = write(tmp_path, constants({"output0": head}, size=(64, 48), metadata={**NAMES, "author": "Ultralytics"}))
    model = load_model(path)
    description = model.description
    assert description.labels == ("person", "child's bicycle")
    assert (description.input.width, description.input.height) == (64, 48)
    assert (description.input.fit, description.input.pad_value, description.input.colour) == ("pad", 114, "rgb")
    assert description.input.scale == pytest.approx(1 / 255)
    assert description.output.decoder == "yolov8"
    assert description.provenance["author"] == "Ultralytics"


@pytest.mark.parametrize(("change", "message"), [
    ({"task": "segment"}, "to segment"), ({"names": "{0: 'a', 2: 'b'}"}, "from 0"), ({"names": "{"}, "understood"),
    ({"names": "__import__('os').getcwd()"}, "understood"), ({"imgsz": "640"}, "height, width"),
    ({"imgsz": "[0, 640]"}, "1 to 16384"), ({"names": "[" * 10_000}, "understood"),
])  # fmt: skip
def test_metadata_that_makes_no_sense_is_refused(tmp_path: Path, change: dict[str, str], message: str):
    path = write(tmp_path, constants({"y": np.zeros((1, 6, 2))}, metadata={**NAMES, **change}))
    with pytest.raises(DescriptionError, match=message):
        find_description(path)


def test_metadata_that_says_too_little_is_none(tmp_path: Path):
    path = write(tmp_path, constants({"y": np.zeros((1, 6, 2))}, metadata={"names": NAMES["names"], "stride": "32"}))
    with pytest.raises(DescriptionError, match="mediasift models describe"):
        find_description(path)


def test_the_labels_of_coco(test_data: Path):
    pairs = json.loads((exported_models() / "labels" / "coco-80.json").read_text())
    older_names = {"motorbike": "motorcycle", "aeroplane": "airplane", "sofa": "couch", "pottedplant": "potted plant",
                   "diningtable": "dining table", "tvmonitor": "tv"}  # fmt: skip
    listed = (test_data / "models" / "coco_classes.txt").read_text().split("\n")
    assert [label for _, label in pairs] == [older_names.get(name, name) for name in listed if name]
    assert (pairs[0], pairs[-1]) == (["1", "person"], ["90", "toothbrush"])
