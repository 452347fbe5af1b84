from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
from mediasift.engines.onnx.session import load_model
from mediasift.errors import DescriptionError, ModelNotFound, UsageError
from mediasift.media.pictures.images import decode
from mediasift.tasks.classify import Classify, to_scores
from tests.conftest import IMAGENET_INPUT
from tests.pictures import BLUE, GREEN, RED, save, scene, solid
from tests.tiny_models import COLOURS, mean_colour, write


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    return write(tmp_path, mean_colour())


def test_the_label_is_the_most_of_the_colours(colours: Path):
    rows = list(ms.classify([solid(RED), solid(GREEN), solid(BLUE)], model=colours))
    assert [(row.label, row.label_id, row.rank) for row in rows] == [
        ("red", "c1", 1),
        ("green", "c2", 1),
        ("blue", "c3", 1),
    ]
    assert [row.path for row in rows] == ["array[0]", "array[1]", "array[2]"]


def test_scores_are_the_softmax_of_the_logits(colours: Path):
    rows = list(ms.classify(solid(RED), model=colours, top=0))
    logits = np.array(RED) / 255
    expected = np.exp(logits) / np.exp(logits).sum()
    assert [row.label for row in rows] == ["red", "blue", "green"]
    assert [row.score for row in rows] == pytest.approx([expected[0], expected[2], expected[1]], abs=1e-6)


def test_top_and_min_score(colours: Path):
    assert len(list(ms.classify(solid(RED), model=colours, top=2))) == 2
    assert [row.label for row in ms.classify(solid(RED), model=colours, top=0, min_score=0.4)] == ["red"]
    (nothing,) = ms.classify(solid(RED), model=colours, min_score=0.99)
    assert (nothing.rank, nothing.label, nothing.score, nothing.error) == (None, None, None, "")
    assert nothing.found == 0
    assert [row.found for row in ms.classify(solid(RED), model=colours, top=2)] == [2, 2]
    (failed,) = ms.classify(b"\x89PNG\r\n\x1a\n", model=colours)
    assert failed.error
    assert failed.found is None  # it was not looked at
    parts = ms.classify(solid(RED), model=colours, top=0, min_score=0.4, crops=[(0, 0, 1, 1), (0, 0, 0.5, 1)])
    assert [row.found for row in parts] == [1, 1]  # of each crop, not of the picture


def test_each_crop_on_its_own(colours: Path):
    picture = np.concatenate([solid(RED), solid(BLUE)], axis=1)
    rows = list(ms.classify([picture, solid(GREEN)], model=colours, crops=[(0, 0, 0.5, 1), (0.5, 0, 1, 1)]))
    assert [(row.path, row.crop, row.label) for row in rows] == [
        ("array[0]", "0,0,0.5,1", "red"),
        ("array[0]", "0.5,0,1,1", "blue"),
        ("array[1]", "0,0,0.5,1", "green"),
        ("array[1]", "0.5,0,1,1", "green"),
    ]


def test_a_crop_is_taken_from_every_pixel_not_from_a_reduced_decode(colours: Path, tmp_path: Path):
    """Of a large JPEG, of which the whole is decoded at an eighth, as a model for 8 x 8 pixels needs no more."""
    picture = solid(RED, 640, 640)
    picture[324:332, 324:332] = BLUE
    save(tmp_path / "a.jpg", picture, quality=95, subsampling=0)
    box = (0.50625, 0.50625, 0.51875, 0.51875)
    (item,) = decode((tmp_path / "a.jpg").read_bytes())
    (alone,) = ms.classify(np.ascontiguousarray(item.image[324:332, 324:332]), model=colours)
    (row,) = ms.classify(tmp_path / "a.jpg", model=colours, crops=[box])
    assert (row.label, row.score) == (alone.label, alone.score) == ("blue", pytest.approx(alone.score))
    (whole,) = ms.classify(tmp_path / "a.jpg", model=colours)
    assert whole.label == "red"


def test_the_books_two_crops_of_its_picture(test_data: Path, mobilenet: Path):
    picture = test_data / "book-pictures" / "259_3_32_15.jpg"
    boxes = [(0, 0, 0.3, 0.3), (0.35, 0.1, 0.95, 0.8)]
    rows = list(ms.classify(picture, model=mobilenet, crops=boxes))
    whole = next(iter(decode(picture.read_bytes()))).image
    parts = [whole[0:136, 0:242], whole[45:362, 282:765]]
    alone = list(ms.classify(parts, model=mobilenet))
    assert [row.crop for row in rows] == ["0,0,0.3,0.3", "0.35,0.1,0.95,0.8"]
    assert [(row.label, row.score) for row in rows] == [(row.label, row.score) for row in alone]


def test_invert(colours: Path):
    (row,) = ms.classify(solid((10, 250, 250)), model=colours, invert=True)
    assert row.label == "red"


@pytest.mark.parametrize(
    ("kind", "values", "numbers", "expected"),
    [
        ("single", "logits", [[0, 0, 0]], [1 / 3, 1 / 3, 1 / 3]),
        ("single", "logits", [[1000, 0, -1000]], [1, 0, 0]),
        ("single", "probabilities", [[0.2, 0.3, 0.5]], [0.2, 0.3, 0.5]),
        ("multilabel", "logits", [[0, 100, -100]], [0.5, 1, 0]),
        ("binary", "probabilities", [[0.2]], [0.8, 0.2]),
        ("binary", "probabilities", [[0.8, 0.2]], [0.8, 0.2]),
        ("binary", "logits", [[0]], [0.5, 0.5]),
        ("binary", "logits", [[0, 0]], [0.5, 0.5]),
        ("single", "probabilities", [[0, 1.004, -0.004]], [0, 1, 0]),
    ],
)
def test_the_description_says_what_numbers_mean(tmp_path: Path, kind, values, numbers, expected):
    model = load_model(write(tmp_path, mean_colour()))
    labels = ("no", "yes") if kind == "binary" else COLOURS.labels
    model.description = replace(
        COLOURS, output=OutputDescription(values=values, kind=kind), labels=labels, label_ids=()
    )
    assert to_scores(np.array(numbers, np.float32), model)[0] == pytest.approx(expected, abs=1e-6)


def test_set_up_fails_before_the_first_file(tmp_path: Path, colours: Path):
    with pytest.raises(ModelNotFound):
        ms.classify("missing.png", model=tmp_path / "no.onnx")
    with pytest.raises(UsageError):
        ms.classify("missing.png", model=colours, min_score=2)
    with pytest.raises(UsageError, match="crop box"):
        ms.classify("missing.png", model=colours, crops=[(0.5, 0, 0.2, 1)])
    embedder = ModelDescription(task="embed", input=COLOURS.input, output=OutputDescription(values="embedding"))
    with pytest.raises(DescriptionError, match="to embed, not to classify"):
        ms.classify("missing.png", model=write(tmp_path, mean_colour(embedder)))
    wrong = replace(COLOURS, labels=("a", "b"), label_ids=())
    with pytest.raises(DescriptionError, match="2 of them, but the model gives 3"):
        ms.classify("missing.png", model=write(tmp_path, mean_colour(wrong)))


def test_settings_are_plain_values():
    assert Classify(crops=((0, 0, 1, 1),)).crops == ((0, 0, 1, 1),)
    assert Classify().model == "efficientnet-lite0-int8"


def wordnet_id(path: str) -> str:
    return Path(path).name.split("_")[0]


def test_imagenet_accuracy_from_the_command_line(test_data: Path, mobilenet: Path, tmp_path: Path):
    from mediasift.cli import main

    photos = test_data / "imagenet-photos"
    model = tmp_path / "described.onnx"
    shutil.copyfile(mobilenet, model)
    describe = [
        "models", "describe", str(model), "--labels", str(test_data / "models" / "imagenet_class_index.json"),
        "--size", "224x224", "--fit", "crop", "--shorter-side", "256", "--resample", "bilinear", "--scale", "1/255",
        "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225",
    ]  # fmt: skip
    main(describe, standalone_mode=False)
    out = tmp_path / "labels.csv"
    main(["classify", str(photos), "-m", str(model), "--top", "5", "-o", str(out), "--quiet"], standalone_mode=False)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = [int(row["rank"]) for row in rows if row["label_id"] == wordnet_id(row["path"])]
    assert len(rows) == 5 * 143
    assert sum(rank == 1 for rank in right) / 143 >= 0.80
    assert len(right) / 143 >= 0.95


def test_imagenet_accuracy_from_arrays_and_with_the_registrys_description(test_data: Path, mobilenet: Path):
    photos = sorted((test_data / "imagenet-photos").iterdir())
    arrays = [next(iter(decode(path.read_bytes()))).image for path in photos]
    rows = list(ms.classify(arrays, model=ms.load_model(mobilenet), top=5))
    expected = {f"array[{index}]": wordnet_id(path.name) for index, path in enumerate(photos)}
    right = [row.rank for row in rows if row.label_id == expected[row.path]]
    assert sum(rank == 1 for rank in right) / 143 >= 0.80
    assert len(right) / 143 >= 0.95


def test_reduced_decoding_costs_no_accuracy(test_data: Path, mobilenet: Path, tmp_path: Path):
    """Every third photo, enlarged so that nearly all are decoded at half scale: within one of 48."""
    model = ms.load_model(mobilenet)
    right = {"full": 0, "reduced": 0}
    reduced = 0
    photos = sorted((test_data / "imagenet-photos").iterdir())[::3]
    for path in photos:
        picture = cv2.imread(str(path))
        factor = 1600 / max(picture.shape)
        large = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_LANCZOS4)
        file = tmp_path / "large.jpg"
        cv2.imwrite(str(file), large, [cv2.IMWRITE_JPEG_QUALITY, 90])
        whole = next(iter(decode(file.read_bytes()))).image
        reduced += next(iter(decode(file.read_bytes(), needs=(256, 256)))).image.shape[0] < whole.shape[0]
        (full_row,), (reduced_row,) = (ms.classify(source, model=model, jobs=0) for source in (whole, file))
        right["full"] += full_row.label_id == wordnet_id(path.name)
        right["reduced"] += reduced_row.label_id == wordnet_id(path.name)
    assert reduced > 40
    assert right["reduced"] >= right["full"] - 1


def test_the_nine_orientations_get_one_label(test_data: Path, mobilenet: Path, tmp_path: Path):
    """The whole scene is shown to the model: in its middle alone the labels hang on the files' JPEG noise."""
    whole = InputDescription(**{**_fields(IMAGENET_INPUT), "fit": "pad", "shorter_side": None, "resample": "bicubic"})
    path = tmp_path / "whole.onnx"
    shutil.copyfile(mobilenet, path)
    ms.describe_model(path, replace(ms.load_model(mobilenet).description, input=whole))
    rows = list(ms.classify(test_data / "exif-orientation", model=path))
    assert len(rows) == 9
    assert len({row.label for row in rows}) == 1


def _fields(description: InputDescription) -> dict:
    return {name: getattr(description, name) for name in description.__dataclass_fields__}


def test_every_odd_file_named_one_by_one_yields_a_row(test_data: Path, mobilenet: Path):
    for folder in ("valid-images", "malformed/images", "exif-orientation"):
        files = sorted(path for path in (test_data / folder).rglob("*") if path.is_file())
        rows = list(ms.classify(files, model=mobilenet))
        assert {row.path for row in rows} == {str(path) for path in files}
        assert all(row.error or row.label for row in rows)


def test_the_projects_own_models_read_the_examples():
    examples = Path(__file__).resolve().parents[2] / "examples"
    rows = list(ms.classify(examples / "garments", model="fashion-mlp"))
    names = {"ankle-boot": "Ankle boot", "bag": "Bag", "dress": "Dress", "t-shirt": "T-shirt/top", "trouser": "Trouser"}
    assert {Path(row.path).stem: row.label for row in rows} == names
    digits = [row for row in ms.classify(examples / "digits", model="digits-forest") if not row.error]
    assert sum(Path(row.path).stem == row.label for row in digits) >= 9
    paper = list(ms.classify(examples / "paper", model="digits-forest", invert=True))
    assert all(Path(row.path).stem == row.label for row in paper)


def test_png_and_array_of_the_same_picture_agree(tmp_path: Path, mobilenet: Path):
    path = save(tmp_path / "a.png", scene(300, 300))
    (from_file,) = ms.classify(path, model=mobilenet)
    (from_array,) = ms.classify(scene(300, 300), model=mobilenet)
    assert (from_file.label, from_file.score) == (from_array.label, from_array.score)


@pytest.mark.parametrize("how", ["stretch", "crop", "pad"])
def test_fit_for_a_run_overrides_the_description_and_stands_in_the_manifest(tmp_path: Path, how: str):
    """Green left and right of a red middle: the middle alone is red, the whole is green."""
    recipe = replace(
        COLOURS.input, fit="crop" if how != "crop" else "stretch", shorter_side=10 if how != "crop" else None
    )
    model = write(tmp_path, mean_colour(replace(COLOURS, input=recipe)))
    picture = np.zeros((20, 60, 3), np.uint8)
    picture[:, :, 1], picture[:, 20:40] = 250, (250, 0, 0)
    save(tmp_path / "a.png", picture)
    (usual,), (chosen,) = (ms.classify(tmp_path / "a.png", model=model, **more) for more in ({}, {"fit": how}))
    assert (usual.label, chosen.label) == (("green", "red") if how == "crop" else ("red", "green"))
    done = CliRunner().invoke(
        main, ["classify", str(tmp_path / "a.png"), "-m", str(model), "--fit", how, "-o", str(tmp_path / "t.csv")]
    )
    assert done.exit_code == 0, done.output
    manifest = json.loads((tmp_path / "t.csv.run.json").read_text())
    assert manifest["settings"]["fit"] == how
    assert manifest["model"]["fit"] == how
