from __future__ import annotations

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import DescriptionError, ModelNotFound, OutputError, UsageError
from mediasift.media.pictures.boxes import draw
from tests.engines.onnx.test_decoders import reference_yolox
from tests.pictures import scene
from tests.tiny_models import constants, value_info, write


def described(decoder: str, labels: tuple[str, ...], size: tuple[int, int] = (64, 64), **picture) -> ModelDescription:
    return ModelDescription(
        task="detect",
        input=InputDescription(width=size[0], height=size[1], fit="pad", **picture),
        output=OutputDescription(values="boxes", kind="multilabel", decoder=decoder),
        labels=labels,
    )


@pytest.fixture
def fixed(tmp_path: Path) -> OnnxModel:
    """A detector that always sees a cat, a cat beside itself, a faint dog, a dog, and boxes that are none."""
    rows = [[32, 32, 32, 16, 0.9, 0.1], [33, 32, 32, 16, 0.8, 0.1], [10, 32, 8, 8, 0.0, 0.2], [48, 32, 16, 8, 0.3, 0.6],
            [20, 32, np.nan, 8, 0.05, 0], [20, 2, 8, 2, 0.9, 0]]  # fmt: skip
    head = np.array(rows, np.float32).T[None]
    path = write(tmp_path, constants({"y": head}, size=(64, 64)))
    describe_model(path, described("yolov8", ("cat", "dog")))
    return load_model(path)


def test_boxes_in_pixels_and_as_fractions_best_first(fixed: OnnxModel):
    """A picture of 128 x 64 lies in the middle of the 64 x 64 input, at half its size."""
    rows = list(ms.detect(scene(128, 64), model=fixed))
    assert [(row.label, row.score) for row in rows] == [("cat", 0.9), ("dog", 0.6)]
    assert (rows[0].left_px, rows[0].top_px, rows[0].width_px, rows[0].height_px) == (32, 16, 64, 32)
    assert (rows[0].left, rows[0].top, rows[0].right, rows[0].bottom) == (0.25, 0.25, 0.75, 0.75)
    assert (rows[1].left_px, rows[1].top_px, rows[1].width_px, rows[1].height_px) == (80, 24, 32, 16)


def test_score_overlap_and_labels_choose(fixed: OnnxModel):
    picture = scene(128, 64)
    assert len(list(ms.detect(picture, model=fixed, iou=0.99))) == 3
    assert [row.label for row in ms.detect(picture, model=fixed, min_score=0.1)] == ["cat", "dog", "dog"]
    assert [row.label for row in ms.detect(picture, model=fixed, labels=["dog"])] == ["dog"]
    (nothing,) = ms.detect(picture, model=fixed, min_score=0.95)
    assert (nothing.label, nothing.score, nothing.left_px, nothing.error) == (None, None, None, "")
    assert nothing.found == 0
    assert [row.found for row in ms.detect([picture, picture], model=fixed, min_score=0.1)] == [3] * 6


def test_the_case_of_labels_is_forgiven_with_a_note(fixed: OnnxModel, caplog: pytest.LogCaptureFixture):
    table = ms.detect(scene(128, 64), model=fixed, labels=["DOG"])
    assert [row.label for row in table] == ["dog"]
    assert caplog.messages == [f"label 'DOG' is taken as 'dog', as {fixed.path.name} writes it"]
    with pytest.raises(UsageError, match="'horse'"):
        ms.detect(scene(128, 64), model=fixed, labels=["horse"])


def test_a_reduced_jpeg_has_boxes_in_its_own_pixels(fixed: OnnxModel, tmp_path: Path):
    Image.fromarray(scene(1280, 640)).save(tmp_path / "a.jpg")
    rows = list(ms.detect(tmp_path / "a.jpg", model=fixed))
    assert (rows[0].left_px, rows[0].top_px, rows[0].width_px, rows[0].height_px) == (320, 160, 640, 320)


def test_drawings_show_the_boxes(fixed: OnnxModel, tmp_path: Path):
    Image.fromarray(scene(128, 64)).save(tmp_path / "a.png")
    rows = list(ms.detect(tmp_path / "a.png", model=fixed, draw=tmp_path / "drawn"))
    (path,) = [one for one in (tmp_path / "drawn").rglob("*") if one.is_file()]
    assert path.name == "a.png.jpg"
    boxes = np.array([[r.left_px, r.top_px, r.left_px + r.width_px, r.top_px + r.height_px] for r in rows], np.float32)
    expected = draw(scene(128, 64), boxes, [f"{row.label} {row.score:.2f}" for row in rows])
    assert np.abs(np.asarray(Image.open(path)).astype(int) - expected).mean() < 8


def test_settings_are_checked_before_the_first_file(fixed: OnnxModel, tmp_path: Path):
    picture = scene()
    with pytest.raises(UsageError, match=r"'bird'.*cat, dog"):
        ms.detect(picture, model=fixed, labels=["bird"])
    with pytest.raises(UsageError, match="from 0 to 1"):
        ms.detect(picture, model=fixed, iou=2)
    with pytest.raises(DescriptionError, match="not to detect"):
        ms.detect(picture, model="fashion-mlp")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        ms.detect(picture, model=fixed, draw=tmp_path / "file")


def test_a_missing_detector_says_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    with pytest.raises(ModelNotFound, match=r"yolox-nano \(3\.7 MB, Apache-2\.0\)"):
        ms.detect(scene())


def test_a_wrong_description_is_refused_when_it_is_written(tmp_path: Path):
    path = write(tmp_path, constants({"y": np.zeros((1, 6, 5), np.float32)}, size=(64, 64)))
    with pytest.raises(DescriptionError, match=r"tiny\.onnx.*shape \(2, 6, 5\)"):
        describe_model(path, described("yolov8", ("cat", "dog", "bird")))
    with pytest.raises(DescriptionError, match="must be one of yolox"):
        described("yolo", ("cat",))
    other = write(
        tmp_path, constants({"y": np.zeros((1, 6, 5))}, size=(64, 64), extra_inputs=(value_info("z", (1, 2)),))
    )
    with pytest.raises(DescriptionError, match="another input, z"):
        describe_model(other, described("yolov8", ("cat", "dog"), name="x"))


def test_describe_takes_detectors_on_the_command_line(tmp_path: Path):
    path = write(tmp_path, constants({"y": np.zeros((1, 6, 5), np.float32)}, size=(64, 64)))
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    asked = ["models", "describe", str(path), "--task", "detect", "--labels", str(tmp_path / "labels.txt"),
             "--size", "64x64", "--fit", "pad", "--pad-value", "114", "--decoder", "yolov8"]  # fmt: skip
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    assert load_model(path).description.output.decoder == "yolov8"


def test_the_zoos_yolov3_gets_the_size_it_asks_for(tmp_path: Path):
    boxes, scores = np.array([[[16, 8, 32, 24]]], np.float32), np.array([[[0.2], [0.8]]], np.float32)
    data = constants(
        {"boxes": boxes, "scores": scores}, size=(64, 64), batch="N", extra_inputs=(value_info("s", (1, 2)),)
    )
    path = write(tmp_path, data)
    describe_model(path, described("yolov3", ("cat", "dog"), name="x"))
    rows = list(ms.detect([scene(64, 64), scene(64, 64, 1)], model=path))
    assert [(row.label, row.left_px, row.top_px, row.width_px, row.height_px) for row in rows] == [
        ("dog", 8, 16, 16, 16), ("dog", 8, 16, 16, 16),
    ]  # fmt: skip


def test_faces_of_ultraface(tmp_path: Path):
    boxes, scores = np.array([[[0.25, 0.5, 0.5, 1.0]]], np.float32), np.array([[[0.1, 0.9]]], np.float32)
    path = write(tmp_path, constants({"scores": scores, "boxes": boxes}, size=(320, 240)))
    description = ModelDescription(
        task="detect",
        input=InputDescription(width=320, height=240, fit="stretch", mean=(127.0,), std=(128.0,)),
        output=OutputDescription(values="boxes", kind="multilabel", decoder="ultraface"),
        labels=("face",),
    )
    describe_model(path, description)
    (row,) = ms.detect(scene(200, 100), model=path)
    assert (row.label, row.left_px, row.top_px, row.width_px, row.height_px) == ("face", 50, 50, 50, 50)


# YOLOX-Nano and real pictures


@pytest.fixture
def nano(test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The detector by its name, as the registry describes it."""
    shutil.copyfile(test_data / "models" / "yolox_nano.onnx", tmp_path / "yolox_nano.onnx")
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    return "yolox-nano"


def test_dog_car_and_bicycle(test_data: Path, nano: str):
    rows = list(ms.detect(test_data / "detection" / "dog.jpg", min_score=0.7))
    assert sorted(row.label for row in rows) == ["bicycle", "car", "dog"]
    assert {row.label: row.label_id for row in rows} == {"dog": "18", "car": "3", "bicycle": "2"}
    dog = next(row for row in rows if row.label == "dog")
    assert (dog.left, dog.top, dog.right, dog.bottom) == pytest.approx((0.17, 0.37, 0.42, 0.94), abs=0.03)


def test_our_boxes_are_those_of_plain_numpy(test_data: Path, nano: str):
    """Recipe, decoding, letterbox and suppression by hand, in pixels of the original."""
    picture = np.asarray(Image.open(test_data / "detection" / "dog.jpg").convert("RGB"))
    height, width = picture.shape[:2]
    ratio = min(416 / width, 416 / height)
    small = Image.fromarray(picture).resize((round(width * ratio), round(height * ratio)), Image.Resampling.BILINEAR)
    padded = np.full((416, 416, 3), 114, np.uint8)
    padded[: small.height, : small.width] = np.asarray(small)
    output = load_model(nano).run(padded[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32))[0]
    boxes, scores = (np.array(values) for values in reference_yolox(output, 416))
    best, labels = scores.max(1), scores.argmax(1)
    likely = np.flatnonzero(best >= 0.3)
    sizes = boxes[likely].copy()
    sizes[:, 2:] -= sizes[:, :2]
    kept = cv2.dnn.NMSBoxesBatched(sizes.tolist(), best[likely].tolist(), labels[likely].tolist(), 0.3, 0.5)
    expected = sorted(
        ((float(best[i]), (boxes[i] / ratio).clip(0, [width, height, width, height])) for i in likely[np.ravel(kept)]),
        key=lambda pair: -pair[0],
    )
    rows = list(ms.detect(picture, model=nano))
    assert len(rows) == len(expected) == 4
    for row, (score, (left, top, right, bottom)) in zip(rows, expected, strict=True):
        assert row.score == pytest.approx(score, abs=1e-4)
        box = (row.left_px, row.top_px, row.left_px + row.width_px, row.top_px + row.height_px)
        assert box == pytest.approx((left, top, right, bottom), abs=0.1)


def test_persons_in_the_book_pictures_and_in_every_labelled_photo(test_data: Path, nano: str):
    rows = list(ms.detect(test_data / "book-pictures", labels=["person"], min_score=0.7))
    assert len({row.path for row in rows if row.label == "person"}) == 2
    labels = sorted((test_data / "detection" / "coco-person-labels").glob("*.txt"))
    assert len(labels) == 14
    photos = [test_data / "detection" / "coco" / f"{file.stem}.jpg" for file in labels]
    matched = total = 0
    persons = list(ms.detect(photos, labels=["person"], model=nano))
    for file, photo in zip(labels, photos, strict=True):
        boxes = np.array([[r.left, r.top, r.right, r.bottom] for r in persons if r.path == str(photo) and r.label])
        assert len(boxes), f"no person in {photo.name}"
        for line in file.read_text().splitlines():
            x, y, width, height = (float(value) for value in line.split()[1:5])
            truth = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
            inner = np.prod(
                np.maximum(np.minimum(boxes[:, 2:], truth[2:]) - np.maximum(boxes[:, :2], truth[:2]), 0), axis=1
            )
            overlap = inner / (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + width * height - inner)
            total += 1
            if overlap.max() >= 0.5:
                matched += 1
                boxes = np.delete(boxes, overlap.argmax(), axis=0)
                if not len(boxes):
                    boxes = np.zeros((1, 4))
    assert total == 46
    assert matched / total >= 0.6, f"recall {matched}/{total}"  # 30 of 46 when this was written


def test_frames_of_a_video_and_the_table(test_data: Path, nano: str, tmp_path: Path):
    output = tmp_path / "objects.csv"
    done = CliRunner().invoke(main, ["detect", str(test_data / "video" / "bikes.mp4"), "--every", "4s", "--labels",
                                     "bicycle,person", "-o", str(output), "--quiet"])  # fmt: skip
    assert done.exit_code == 0, done.output
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["time_s"] for row in rows} == {"0.0", "4.0", "8.0"}
    assert {row["label"] for row in rows} - {""} == {"person"}
