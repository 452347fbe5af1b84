from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.decoders import DECODERS
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.registry import exported_models, find_description
from mediasift.engines.onnx.session import load_model
from mediasift.errors import DescriptionError, InferenceFailed
from tests.tiny_models import constants, integer, integers, model, node, stored, value_info, write


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


NAMES = {"names": "{0: 'person', 1: \"child's bicycle\"}", "imgsz": "[48, 64]", "task": "detect", "stride": "32"}

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


def softmax(numbers: np.ndarray) -> np.ndarray:
    weights = np.exp(numbers - numbers.max())
    return weights / weights.sum()


def reference_nanodet(output: np.ndarray, width: int, height: int, labels: int, *, plus: bool):
    """Boxes by plain loops, as NanoDet's demo for NCNN decodes them."""
    bins = (output.shape[1] - labels) // 4
    boxes, position = [], 0
    for stride in (8, 16, 32, 64) if plus else (8, 16, 32):
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                x, y = (column * stride, row * stride) if plus else ((column + 0.5) * stride, (row + 0.5) * stride)
                sides = [
                    sum(k * part for k, part in enumerate(softmax(output[position, labels + i * bins :][:bins])))
                    * stride
                    for i in range(4)
                ]
                left, top = max(x - sides[0], 0), max(y - sides[1], 0)
                boxes.append([left, top, min(x + sides[2], width), min(y + sides[3], height)])
                position += 1
    assert position == len(output)
    return boxes


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_nanodet_equals_a_plain_reference(plus: bool, apart: bool):
    width, height, labels, bins = 72, 64, 3, 8
    counts = [math.ceil(width / s) * math.ceil(height / s) for s in ((8, 16, 32, 64) if plus else (8, 16, 32))]
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(2, sum(counts), labels + 4 * bins)).astype(np.float32)
    whole[..., :labels] = rng.random((2, sum(counts), labels))
    outputs = [whole]
    if apart:  # as the demo's own export: scores of all strides, then distributions of all
        levels = np.split(whole, np.cumsum(counts)[:-1], axis=1)
        outputs = [level[..., :labels] for level in levels] + [level[..., labels:] for level in levels]
    boxes, scores = DECODERS["nanodet"](outputs, (width, height), labels)
    for i in range(2):
        assert np.allclose(boxes[i], reference_nanodet(whole[i], width, height, labels, plus=plus), atol=1e-3)
    assert np.allclose(scores, whole[..., :labels])


def reference_centerface(heat: np.ndarray, scale: np.ndarray, offset: np.ndarray, size: tuple[int, int]):
    """As `decode` of CenterFace's `centerface.py` (height, width) there: every cell, in order."""
    boxes = []
    for row in range(heat.shape[0]):
        for column in range(heat.shape[1]):
            s0, s1 = np.exp(scale[0, row, column]) * 4, np.exp(scale[1, row, column]) * 4
            o0, o1 = offset[0, row, column], offset[1, row, column]
            x1, y1 = max(0, (column + o1 + 0.5) * 4 - s1 / 2), max(0, (row + o0 + 0.5) * 4 - s0 / 2)
            x1, y1 = min(x1, size[1]), min(y1, size[0])
            boxes.append([x1, y1, min(x1 + s1, size[1]), min(y1 + s0, size[0])])
    return boxes


def test_centerface_equals_a_plain_reference():
    rng = np.random.default_rng(0)
    heat, scale, offset = rng.random((2, 1, 8, 16)), rng.normal(size=(2, 2, 8, 16)), rng.random((2, 2, 8, 16))
    outputs = [one.astype(np.float32) for one in (heat, scale, offset, rng.random((2, 10, 8, 16)))]
    boxes, scores = DECODERS["centerface"](outputs, (64, 32), 1)
    for i in range(2):
        expected = reference_centerface(heat[i, 0], scale[i], offset[i], (32, 64))
        assert np.allclose(boxes[i], expected, atol=1e-3)
        assert np.allclose(scores[i, :, 0], heat[i].reshape(-1))


QUERIES, SIGMOID = np.random.default_rng(1).random((2, 5, 4)).astype(np.float32), np.random.default_rng(2)
LOGITS = SIGMOID.normal(size=(2, 5, 3)).astype(np.float32) * 4


def reference_detr(logits: np.ndarray, boxes: np.ndarray, size: tuple[int, int], count: int):
    """As Transformers' and the authors' post-processing: sigmoid, the best of all (query, label), boxes times size."""
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    best = np.argsort(-scores.ravel(), kind="stable")[:count]
    x, y, wide, high = (boxes[best // logits.shape[1]] * [*size, *size]).T
    corners = np.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], axis=1)
    return list(zip(best % logits.shape[1], scores.ravel()[best], corners.tolist(), strict=True))


@pytest.mark.parametrize("decoder", ["rtdetr", "dfine"])
@pytest.mark.parametrize("form", ["transformers", "transformers, other order", "ultralytics", "deployed"])
def test_every_export_of_rt_detr_gives_the_published_answer(decoder: str, form: str):
    size, chances = (64, 48), 1 / (1 + np.exp(-LOGITS))
    pixels = QUERIES * np.array([*size, *size], np.float32)
    corners = np.concatenate([pixels[..., :2] - pixels[..., 2:] / 2, pixels[..., :2] + pixels[..., 2:] / 2], axis=2)
    outputs = {
        "transformers": [LOGITS, QUERIES], "transformers, other order": [QUERIES, LOGITS],
        "ultralytics": [np.concatenate([QUERIES, chances], axis=2)],
        "deployed": [chances.argmax(axis=2), corners, chances.max(axis=2).astype(np.float32)],
    }[form]  # fmt: skip
    boxes, scores = DECODERS[decoder](outputs, size, 3)
    for i in range(2):
        for label, score, box in reference_detr(LOGITS[i], QUERIES[i], size, 1):
            query = int(scores[i].max(axis=1).argmax())
            assert scores[i, query].argmax() == label
            assert scores[i, query, label] == pytest.approx(score, abs=1e-5)
            assert boxes[i, query] == pytest.approx(box, abs=1e-3)
        assert np.allclose(scores[i].max(axis=1), chances[i].max(axis=1), atol=1e-5)


def test_four_labels_are_not_taken_for_boxes():
    logits = np.full((1, 2, 4), -9, np.float32)
    boxes, scores = DECODERS["rtdetr"]([logits, QUERIES[:1, :2]], (64, 48), 4)
    assert scores.max() < 1e-3
    assert boxes.max() > 1


END_TO_END = np.array([[[8, 16, 12, 24, 0.9, 1], [0, 0, 64, 64, 0.4, 0], [0, 0, 0, 0, 0, 0]]], np.float32)


def test_an_end_to_end_head_has_one_label_for_each_box():
    boxes, scores = DECODERS["yolo-end2end"]([END_TO_END], (64, 48), 2)
    assert boxes[0].tolist() == END_TO_END[0, :, :4].tolist()
    assert scores[0] == pytest.approx(np.array([[0, 0.9], [0.4, 0], [0, 0]]))


@pytest.mark.parametrize("number", [2, -1, 0.5, np.nan])
def test_a_label_number_that_no_label_has_is_an_error(number: float):
    wrong = END_TO_END.copy()
    wrong[0, 0, 5] = number
    with pytest.raises(InferenceFailed, match="label numbers"):
        DECODERS["yolo-end2end"]([wrong], (64, 48), 2)


def test_one_label_and_six_numbers_are_yolov5s_only_with_yolov5s_boxes():
    many = 3 * (8 * 6 + 4 * 3 + 2 * 1)
    DECODERS["yolov8"]([np.zeros((1, many, 6), np.float32)], (64, 48), 1)
    with pytest.raises(DescriptionError, match="yolo-end2end"):
        DECODERS["yolov8"]([np.zeros((1, 300, 6), np.float32)], (64, 48), 1)


def test_boxes_that_a_model_chose_itself_are_all_kept_unless_asked(tmp_path: Path):
    twice = np.array([[[8, 8, 40, 40, 0.9, 0], [8, 8, 40, 40, 0.8, 0]]], np.float32)
    names = {"names": "{0: 'a'}", "imgsz": "[48, 64]", "task": "detect", "end2end": "True"}
    path = write(tmp_path, constants({"output0": twice}, size=(64, 48), metadata=names))
    picture = np.zeros((48, 64, 3), np.uint8)
    assert [row.score for row in ms.detect(picture, model=path)] == pytest.approx([0.9, 0.8])
    assert [row.score for row in ms.detect(picture, model=path, iou=0.5)] == pytest.approx([0.9])


def test_a_graph_of_rt_detr_that_wants_the_size_gets_width_and_height(tmp_path: Path):
    """As the authors export it; the boxes of this one are the size that it was given."""
    nodes = [
        node("Cast", ("orig_target_sizes",), ("f",), attributes=integer("to", 1)),
        node("Concat", ("zero", "f"), ("c",), attributes=integer("axis", 1)),
        node("Unsqueeze", ("c", "one"), ("boxes",)),
        node("Identity", ("l",), ("labels",)),
        node("Identity", ("s",), ("scores",)),
    ]
    data = model(
        nodes,
        [value_info("images", (1, 3, 48, 64)), value_info("orig_target_sizes", (1, 2), 7)],
        [value_info("labels", (1, 1), 7), value_info("boxes", (1, 1, 4)), value_info("scores", (1, 1))],
        initializers=(
            stored("zero", np.zeros((1, 2), np.float32)), stored("one", np.array([1], np.int64)),
            stored("l", np.array([[1]], np.int64)), stored("s", np.array([[0.75]], np.float32)),
        ),
    )  # fmt: skip
    path = write(tmp_path, data)
    describe_model(
        path,
        ModelDescription(
            task="detect",
            input=InputDescription(width=64, height=48, fit="stretch"),
            output=OutputDescription(values="boxes", decoder="dfine"),
            labels=("a", "b"),
        ),
    )
    (row,) = ms.detect(np.zeros((96, 128, 3), np.uint8), model=path)
    assert (row.label, row.score, row.width_px, row.height_px) == ("b", 0.75, 128, 96)


@pytest.mark.parametrize(
    ("change", "shape", "decoder"),
    [
        ({"args": "{'nms': True}"}, (1, 300, 6), "yolo-end2end"),
        ({"end2end": "True"}, (1, 300, 6), "yolo-end2end"),
        ({"description": "Ultralytics rtdetr-l model"}, (1, 300, 6), "rtdetr"),
        ({"names": "{0: 'a', 1: 'b', 2: 'c'}"}, (1, 300, 7), "rtdetr"),
        ({"names": "{0: 'a', 1: 'b', 2: 'c'}"}, (1, 300, 6), "yolo-end2end"),
        ({"names": "{0: 'a'}"}, (1, 300, 6), "yolo-end2end"),
        ({"names": "{0: 'a'}"}, (1, 186, 6), "yolov8"),
        ({}, (1, 6, 8400), "yolov8"),
    ],
)
def test_the_head_of_an_ultralytics_detector_follows_from_metadata_and_shape(
    tmp_path: Path, change: dict[str, str], shape: tuple[int, ...], decoder: str
):
    path = write(tmp_path, constants({"y": np.zeros(shape, np.float32)}, size=(64, 48), metadata={**NAMES, **change}))
    described = find_description(path)
    assert described.output.decoder == decoder
    assert described.input.fit == ("stretch" if decoder == "rtdetr" else "pad")
    assert "as Ultralytics does" in described.provenance["assumed"]


def test_a_head_that_may_be_two_things_is_refused_with_the_option(tmp_path: Path):
    path = write(tmp_path, constants({"y": np.zeros((1, 300, 6), np.float32)}, size=(64, 48), metadata=NAMES))
    with pytest.raises(DescriptionError, match="--decoder yolo-end2end, or rtdetr"):
        find_description(path)
    done = CliRunner().invoke(
        main, ["models", "describe", str(path), "--task", "detect", "--decoder", "yolo-end2end", "--scale", "1/255"]
    )
    assert done.exit_code == 0, done.output
    assert "assumed, as neither you nor the file says it: --fit stretch" in done.stderr


def test_describing_a_file_of_ultralytics_says_what_is_assumed_of_it(tmp_path: Path):
    head = np.hstack([CENTRES, SCORES]).T[None]
    path = write(tmp_path, constants({"output0": head}, size=(64, 48), metadata=NAMES))
    done = CliRunner().invoke(main, ["models", "describe", str(path)])
    assert done.exit_code == 0, done.output
    stated, assumed = done.stderr.splitlines()[:2]
    assert "2 labels" in stated
    assert "--decoder yolov8" in stated
    assert "--fit pad, --pad-value 114, --resample linear, --scale 1/255" in assumed
    assert load_model(path).description.input.resample == "linear"


def test_a_classifier_of_ultralytics_has_its_own_recipe(tmp_path: Path):
    metadata = {"names": "{0: 'r', 1: 'g', 2: 'b'}", "imgsz": "[8, 8]", "task": "classify"}
    means = node("ReduceMean", ("images",), ("m",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0))
    nodes = [means, node("Softmax", ("m",), ("output0",))]
    data = model(nodes, [value_info("images", (1, 3, 8, 8))], [value_info("output0", (1, 3))], metadata=metadata)
    path = write(tmp_path, data)
    described = find_description(path)
    assert (described.input.fit, described.input.resample, described.input.scale) == ("crop", "bilinear", 1 / 255)
    assert described.output.values == "probabilities"
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, 8:24, 1] = 255  # green in the middle, which is what the centre crop sees
    (row,) = ms.classify(picture, model=path)
    assert (row.label, row.score) == ("g", pytest.approx(np.exp(1) / (np.exp(1) + 2), abs=0.05))


def test_what_ultralytics_writes_is_understood(tmp_path: Path):
    head = np.hstack([CENTRES, SCORES]).T[None]
    path = write(tmp_path, constants({"output0": head}, size=(64, 48), metadata={**NAMES, "author": "Ultralytics"}))
    description = load_model(path).description
    assert description.labels == ("person", "child's bicycle")
    assert (description.input.width, description.input.height) == (64, 48)
    assert (description.input.fit, description.input.pad_value, description.input.colour) == ("pad", 114, "rgb")
    assert description.input.scale == pytest.approx(1 / 255)
    assert description.output.decoder == "yolov8"
    assert description.provenance["author"] == "Ultralytics"


@pytest.mark.parametrize(("change", "message"), [
    ({"task": "pose"}, "to pose"), ({"names": "{0: 'a', 2: 'b'}"}, "from 0"), ({"names": "{"}, "understood"),
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
