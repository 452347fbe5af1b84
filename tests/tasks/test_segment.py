from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.path import Path as Outline
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.drafting import describe_model
from mediasift.errors import DescriptionError, OutputError, UsageError
from tests.media.pictures.test_masks import paste_masks_in_image
from tests.pictures import save, scene
from tests.tiny_models import constants, integers, model, node, stored, value_info, write

LABELS = ("background", "sky", "sea", "boat", "person")
PICTURE = {"width": 64, "height": 64, "scale": 1 / 255}


def network(folder: Path, *, labels: int = 5, stride: int = 4) -> Path:
    """A map of random weights, as SegFormer's form: (N, 3, 64, 64) → logits (N, labels, 16, 16)."""
    weights = (np.random.default_rng(0).standard_normal((labels, 3, stride, stride)) * 0.4).astype(np.float32)
    weights -= weights.mean(axis=(1, 2, 3), keepdims=True)  # so that no label wins by brightness alone
    conv = node("Conv", ("x", "w"), ("y",), attributes=integers("strides", (stride, stride)))
    cells = 64 // stride
    return write(folder, model([conv], [value_info("x", ("N", 3, 64, 64))],
                               [value_info("y", ("N", labels, cells, cells))],
                               initializers=(stored("w", weights),)))  # fmt: skip


def describe(path: Path, output: OutputDescription, labels: tuple[str, ...] = LABELS, **picture) -> Path:
    description = ModelDescription(
        task="segment", input=InputDescription(**{"fit": "stretch", **PICTURE, **picture}), output=output, labels=labels
    )
    describe_model(path, description)
    return path


LOGITS = OutputDescription(values="logits", decoder="class-map")


def logits(path: Path, picture: np.ndarray) -> np.ndarray:
    """The network's numbers for a prepared picture, by ONNX Runtime and numpy alone."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batch = (picture.astype(np.float32) / 255).transpose(2, 0, 1)[None]
    return np.asarray(session.run(None, {"x": batch})[0][0])


def masks_of(rows: list) -> dict[str, np.ndarray]:
    return {row.label: np.asarray(Image.open(row.mask)) for row in rows}


@pytest.mark.parametrize("how", ["stretch", "pad"])
def test_masks_are_those_of_a_reference_to_the_pixel(tmp_path: Path, how: str):
    """As Transformers' post_process_semantic_segmentation: logits resized to the picture, then the largest."""
    path = describe(network(tmp_path), LOGITS, fit=how, resample="linear")
    picture = scene(256, 128, 3)
    rows = list(ms.segment(picture, model=path, masks=tmp_path / "masks", min_score=0))
    if how == "stretch":
        numbers = logits(path, cv2.resize(picture, (64, 64), interpolation=cv2.INTER_LINEAR))
    else:
        padded = np.zeros((64, 64, 3), np.uint8)
        padded[16:48] = cv2.resize(picture, (64, 32), interpolation=cv2.INTER_LINEAR)
        numbers = logits(path, padded)[:, 4:12]  # of 16 rows of cells, 8 are the picture's
    resized = np.stack([cv2.resize(one, (256, 128), interpolation=cv2.INTER_LINEAR) for one in numbers])
    best = resized.argmax(axis=0)
    clear = np.diff(np.sort(resized, axis=0)[-2:], axis=0)[0] > 1e-5
    assert clear.mean() > 0.999
    shown = masks_of(rows)
    assert [LABELS.index(label) for label in shown] == sorted(np.unique(best), key=lambda i: -(best == i).sum())
    for label, mask in shown.items():
        assert mask.shape == best.shape
        assert set(np.unique(mask)) <= {0, 255}
        assert np.array_equal((mask == 255)[clear], (best == LABELS.index(label))[clear])


def test_shares_boxes_scores_and_outlines_are_those_of_the_masks(tmp_path: Path):
    path = describe(network(tmp_path), LOGITS)
    picture = np.random.default_rng(8).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    rows = list(ms.segment(picture, model=path, masks=tmp_path / "masks", polygons=True, min_score=0))
    numbers = np.exp(logits(path, cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)).astype(float))
    shares = numbers / numbers.sum(axis=0)
    centres = np.stack(np.meshgrid(np.arange(90) + 0.5, np.arange(70) + 0.5), -1).reshape(-1, 2)
    total = np.zeros((70, 90), int)
    for row, mask in zip(rows, masks_of(rows).values(), strict=True):
        y, x = np.nonzero(mask)
        total[y, x] += 1
        assert row.share == pytest.approx(len(x) / mask.size, abs=1e-6)
        box = (x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min())
        assert (row.left_px, row.top_px, row.width_px, row.height_px) == box
        assert (row.left, row.bottom) == pytest.approx((x.min() / 90, (y.max() + 1) / 70), abs=1e-6)
        resized = cv2.resize(shares[LABELS.index(row.label)], (90, 70), interpolation=cv2.INTER_LINEAR)
        assert row.score == pytest.approx(resized[y, x].mean(), abs=1e-4)
        inside = np.zeros(90 * 70, bool)
        for ring in json.loads(row.polygons):
            points = np.array(ring).reshape(-1, 2)
            inside ^= Outline([*points, points[0]], closed=True).contains_points(centres)
        assert np.array_equal(inside.reshape(70, 90), mask == 255)
        assert row.found == len(rows)
    assert (total == 1).all()
    assert sum(row.share for row in rows) == pytest.approx(1, abs=1e-5)


def test_label_numbers_are_enlarged_without_mixing(tmp_path: Path):
    grid = np.array([[[0, 3, 3, 1]] * 4], np.int64)
    data = model([node("Identity", ("c",), ("y",))], [value_info("x", (1, 3, 64, 64))],
                 [value_info("y", (1, 4, 4), 7)], initializers=(stored("c", grid),))  # fmt: skip
    path = describe(write(tmp_path, data), OutputDescription(values="numbers", decoder="class-map"))
    rows = list(ms.segment(scene(100, 30), model=path, masks=tmp_path / "masks"))
    assert [(row.label, row.share, row.score) for row in rows] == [
        ("boat", 0.5, None), ("background", 0.25, None), ("sky", 0.25, None),
    ]  # fmt: skip
    expected = np.repeat(np.repeat(grid[0], 25, axis=1), 8, axis=0)[:30]
    for label, mask in masks_of(rows).items():
        assert np.array_equal(mask == 255, expected == LABELS.index(label))


def test_labels_of_which_a_pixel_may_have_several(tmp_path: Path):
    grid = np.full((1, 2, 2, 2), -1, np.float32)
    grid[0, 0] = 2  # everywhere
    grid[0, 1, :, 1] = 1  # on the right
    path = write(tmp_path, constants({"y": grid}, size=(64, 64)))
    describe(path, OutputDescription(values="logits", decoder="class-map", kind="multilabel"), ("face", "skin"))
    face, skin = ms.segment(scene(80, 40), model=path)
    assert (face.label, face.share, face.score) == ("face", 1.0, pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6))
    assert (skin.label, skin.share, skin.left_px) == ("skin", 0.5, 40)
    nothing = np.full((1, 1, 2, 2), -1, np.float32)
    path = write(tmp_path, constants({"y": nothing}, size=(64, 64)), "none.onnx")
    describe(path, LOGITS, ("object",))
    (row,) = ms.segment(scene(80, 40), model=path)
    assert (row.found, row.label, row.share, row.error) == (0, None, None, "")


def test_only_what_is_asked_for(tmp_path: Path):
    path = describe(network(tmp_path), LOGITS)
    picture = np.random.default_rng(8).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    rows = {row.label: row for row in ms.segment(picture, model=path, min_score=0)}
    assert len(rows) > 2
    assert all(row.mask is row.polygons is None for row in rows.values())
    some = list(ms.segment(picture, model=path, min_score=0, labels=["SKY", "person"]))
    assert [row.label for row in some] == [one for one in rows if one in ("sky", "person")]
    least = sorted(row.share for row in rows.values())[1]
    large = list(ms.segment(picture, model=path, min_score=0, min_share=least))
    assert len(large) == len(rows) - 1 == large[0].found
    with pytest.raises(UsageError, match="'bird'"):
        ms.segment(picture, model=path, labels=["bird"])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        ms.segment(picture, model=path, masks=tmp_path / "file")
    with pytest.raises(DescriptionError, match="not to segment"):
        ms.segment(picture, model="fashion-mlp")


def yolo(folder: Path, **picture) -> tuple[Path, np.ndarray, np.ndarray]:
    """A YOLO that always sees a boat, the same boat again, and a person, with random prototypes of 16 x 16 cells."""
    random = np.random.default_rng(5)
    grids = random.standard_normal((1, 4, 16, 16)).astype(np.float32)
    boxes = np.array([[32, 32, 32, 16, 0, 0.9], [33, 32, 32, 16, 0, 0.8], [20, 30, 20, 20, 0.7, 0]], np.float32)
    rows = np.concatenate([boxes, random.standard_normal((3, 4)).astype(np.float32)], axis=1).T[None]
    path = write(folder, constants({"y": rows, "p": grids}, size=(64, 64)))
    describe(path, OutputDescription(values="boxes", kind="multilabel", decoder="yolo-seg"), ("person", "boat"),
             **picture)  # fmt: skip
    return path, rows[0], grids[0]


def test_masks_of_yolo_are_ultralytics_to_the_pixel(tmp_path: Path):
    """`process_mask_native`: prototypes weighed, the border cut off, resized, cut to the box, above 0."""
    path, rows, grids = yolo(tmp_path, fit="pad")
    table = list(ms.segment(scene(256, 128), model=path, masks=tmp_path / "masks", polygons=True))
    assert [(row.label, row.score) for row in table] == [("boat", 0.9), ("person", 0.7)]
    for row, place in zip(table, (0, 2), strict=True):
        x, y, width, height = rows[:4, place]
        box = np.array([x - width / 2, y - height / 2 - 16, x + width / 2, y + height / 2 - 16]) * 4
        box = box.clip(0, [256, 128, 256, 128])
        assert (row.left_px, row.top_px, row.width_px, row.height_px) == (*box[:2], *(box[2:] - box[:2]))
        numbers = np.tensordot(rows[6:, place], grids, axes=1)[4:12]
        resized = cv2.resize(numbers, (256, 128), interpolation=cv2.INTER_LINEAR)
        r, c = np.arange(256)[None], np.arange(128)[:, None]
        expected = (resized > 0) & (r >= box[0]) & (r < box[2]) & (c >= box[1]) & (c < box[3])
        mask = np.asarray(Image.open(row.mask)) == 255
        clear = np.abs(resized) > 1e-5
        assert 0 < mask.sum() < mask.size
        assert np.array_equal(mask[clear], expected[clear])
        assert row.share == pytest.approx(expected.mean(), abs=1e-4)


@pytest.mark.parametrize("side", [28, 64])
def test_masks_of_mask_rcnn_are_torchvisions_to_the_pixel(tmp_path: Path, side: int):
    """Two pictures, which go in one by one, as the graph has no axis for them."""
    boxes = np.array([[8, 8, 40, 32], [30, 20, 62.5, 60.25]], np.float32)
    masks = np.random.default_rng(6).random((2, 1, side, side)).astype(np.float32)
    arrays: dict[str, np.ndarray] = {
        "boxes": boxes, "labels": np.array([2, 1], np.int64), "scores": np.array([0.9, 0.6], np.float32),
        "masks": masks,
    }  # fmt: skip
    data = model([node("Identity", (f"{name}_value",), (name,)) for name in arrays],
                 [value_info("x", (1, 3, 64, 64))],
                 [value_info(name, one.shape, 7 if name == "labels" else 1) for name, one in arrays.items()],
                 initializers=tuple(stored(f"{name}_value", one) for name, one in arrays.items()))  # fmt: skip
    path = describe(write(tmp_path, data), OutputDescription(values="boxes", kind="multilabel", decoder="mask-rcnn"),
                    ("background", "person", "boat"))  # fmt: skip
    table = list(ms.segment([scene(128, 64), scene(96, 48)], model=path, masks=tmp_path / "masks"))
    assert [row.label for row in table] == ["boat", "person"] * 2
    for row, place, size in zip(table, (0, 1) * 2, ((128, 64),) * 2 + ((96, 48),) * 2, strict=True):
        if side == 28:
            scale = np.array([size[0] / 64, size[1] / 64] * 2, np.float32)
            expected = paste_masks_in_image(masks[place, 0], boxes[place] * scale, *size)
        else:
            expected = cv2.resize(masks[place, 0], size, interpolation=cv2.INTER_LINEAR)
        mask = np.asarray(Image.open(row.mask)) == 255
        clear = np.abs(expected - 0.5) > 1e-5
        assert np.array_equal(mask[clear], (expected > 0.5)[clear])


def test_a_reduced_jpeg_has_masks_of_its_own_size(tmp_path: Path):
    path, *_ = yolo(tmp_path, fit="pad")
    Image.fromarray(scene(1280, 640)).save(tmp_path / "a.jpg")
    rows = list(ms.segment(tmp_path / "a.jpg", model=path, masks=tmp_path / "masks"))
    assert [Path(row.mask).name for row in rows] == ["a.jpg.1.png", "a.jpg.2.png"]
    assert all(mask.shape == (640, 1280) for mask in masks_of(rows).values())
    assert (rows[0].left_px, rows[0].top_px, rows[0].width_px, rows[0].height_px) == (320, 160, 640, 320)


def test_drawings_show_the_regions(tmp_path: Path):
    path, *_ = yolo(tmp_path, fit="pad")
    save(tmp_path / "a.png", np.full((128, 256, 3), 128, np.uint8))
    (boat, _) = ms.segment(tmp_path / "a.png", model=path, draw=tmp_path / "drawn", masks=tmp_path / "masks")
    (path,) = (tmp_path / "drawn").rglob("a.png.jpg")
    drawn = np.asarray(Image.open(path)).astype(int)
    coloured = np.ptp(drawn, axis=2) > 30
    inside = np.asarray(Image.open(boat.mask)) == 255
    assert coloured[inside].mean() > 0.95
    assert coloured.mean() < 0.9


def test_the_command_line_and_the_table(tmp_path: Path):
    path = network(tmp_path)
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    asked = ["models", "describe", str(path), "--decoder", "class-map", "--labels", str(tmp_path / "labels.txt"),
             "--scale", "1/255"]  # fmt: skip
    refused = CliRunner().invoke(main, asked)
    assert refused.exit_code == 2
    assert "--output-values is needed for a map" in refused.stderr
    done = CliRunner().invoke(main, [*asked, "--output-values", "logits"])
    assert done.exit_code == 0, done.output
    save(tmp_path / "a.png", scene(90, 70, 1))
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    output = tmp_path / "regions.csv"
    done = CliRunner().invoke(main, ["segment", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-m", str(path),
                                     "--min-score", "0", "-o", str(output), "--quiet"])  # fmt: skip
    assert done.exit_code == 1, done.output
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["error"].startswith("damaged")
    assert [row["label"] for row in rows[:-1]] == [
        row.label for row in ms.segment(tmp_path / "a.png", model=path, min_score=0)
    ]
    assert CliRunner().invoke(main, ["segment", str(tmp_path / "a.png")]).exit_code == 2


def test_a_map_that_is_none_is_refused_when_it_is_described(tmp_path: Path):
    path = network(tmp_path)
    with pytest.raises(DescriptionError, match=r"tiny\.onnx.*for 3 labels"):
        describe(path, LOGITS, ("a", "b", "c"))
    with pytest.raises(DescriptionError, match="no probabilities"):
        describe(path, OutputDescription(values="probabilities", decoder="class-map"))


def test_ultralytics_own_files_describe_themselves(tmp_path: Path):
    path, *_ = yolo(tmp_path)
    Path(f"{path.with_suffix('')}.json").unlink()
    rows = np.zeros((1, 10, 3), np.float32)
    rows[0, :, 0] = [32, 32, 32, 32, 0.1, 0.9, 1, 1, 1, 1]
    grids = np.ones((1, 4, 16, 16), np.float32)
    metadata = {"names": "{0: 'person', 1: 'boat'}", "imgsz": "[64, 64]", "task": "segment"}
    write(tmp_path, constants({"output0": rows, "output1": grids}, size=(64, 64), metadata=metadata))
    (row,) = ms.segment(scene(128, 64), model=path)
    assert (row.label, row.share, row.score) == ("boat", 0.5, 0.9)
