"""A wrong recipe is found by a labelled folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binom

from mediasift.cli import main
from mediasift.engines.onnx.checking import _tail, check_description
from mediasift.engines.onnx.description import METADATA_KEY
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import InputError
from mediasift.sources.labelled import Labelled, read_labelled
from tests.pictures import save, solid
from tests.tiny_models import COLOURS, integer, integers, mean_colour, model, node, value_info, write


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, colour in {"red": (250, 20, 10), "green": (30, 240, 20), "blue": (10, 20, 250)}.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(10):
            save(tmp_path / "photos" / name / f"{number}.png", solid(colour))
    return tmp_path / "photos"


def test_swapped_channels_are_named(tmp_path: Path, photos: Path):
    wrong = replace(COLOURS, input=replace(COLOURS.input, colour="bgr"))
    report = check_description(OnnxModel(write(tmp_path, mean_colour()), wrong), read_labelled(photos))
    assert report.given.accuracy == pytest.approx(1 / 3)
    assert report.given.like_chance
    assert (report.better.options, report.better.accuracy) == ("--color rgb", 1.0)


def test_a_right_description_is_left_alone(tmp_path: Path, photos: Path):
    report = check_description(load_model(write(tmp_path, mean_colour())), read_labelled(photos))
    assert (report.given.accuracy, report.given.like_chance, report.better) == (1.0, False, None)


@pytest.fixture(scope="module")
def sample(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Labelled:
    """36 of the ImageNet photographs, labelled by the WordNet id in their name."""
    files = sorted((test_data / "imagenet-photos").iterdir())[::4]
    lines = ["path,label", *(f"{file},{file.name.partition('_')[0]}" for file in files)]
    table = tmp_path_factory.mktemp("check") / "labels.csv"
    table.write_text("\n".join(lines))
    return read_labelled(table)


def test_a_real_networks_right_recipe_is_confirmed(mobilenet: Path, sample: Labelled):
    report = check_description(load_model(mobilenet), sample)
    assert report.given.accuracy >= 0.75
    assert not report.given.like_chance
    assert report.better is None


def test_a_real_networks_wrong_scale_is_found(mobilenet: Path, sample: Labelled):
    """Pixels 0..255 where it wants them standardised: it runs, and is nearly always wrong."""
    model = load_model(mobilenet)
    given = replace(model.description.input, scale=1.0, mean=(0.0,), std=(1.0,))
    report = check_description(OnnxModel(mobilenet, replace(model.description, input=given)), sample)
    assert report.given.accuracy < 0.5
    assert report.better.options == "--scale 1/255 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
    assert report.better.accuracy >= 0.75


def test_labels_that_are_not_the_models(tmp_path: Path, photos: Path):
    model = load_model(write(tmp_path, mean_colour()))
    (photos / "red").rename(photos / "crimson")
    with pytest.raises(InputError, match="'crimson' is not one of the model's: red, green, blue"):
        check_description(model, read_labelled(photos))


def test_pictures_that_cannot_be_read(tmp_path: Path, photos: Path):
    model = load_model(write(tmp_path, mean_colour()))
    for file in photos.rglob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match="none of the pictures"):
        check_description(model, read_labelled(photos))


def test_the_command_warns_and_names_the_recipe(tmp_path: Path, photos: Path):
    path = write(tmp_path, mean_colour(None))
    (tmp_path / "l.txt").write_text("red\ngreen\nblue\n")
    arguments = ["models", "describe", str(path), "--labels", str(tmp_path / "l.txt"), "--color", "bgr"]
    done = CliRunner().invoke(main, [*arguments, "--check", str(photos)], catch_exceptions=False)
    assert done.exit_code == 4
    assert "Warning: that looks like chance (0.333)" in done.stderr
    assert "Warning: 1.000 are right with: --color rgb" in done.stderr
    former = CliRunner().invoke(
        main, [*arguments[:-2], "--colour", "bgr", "--check", str(photos), "--force"], catch_exceptions=False
    )
    assert former.stderr == f"Warning: --colour is now --color; the old name will go\n{done.stderr}"


def test_labels_in_another_order_look_like_chance(tmp_path: Path, photos: Path):
    shuffled = replace(COLOURS, labels=("green", "blue", "red"), label_ids=())
    report = check_description(OnnxModel(write(tmp_path, mean_colour()), shuffled), read_labelled(photos))
    assert not np.any(report.given.right)
    assert report.given.like_chance
    assert report.better is None or report.better.accuracy < 0.5


def test_a_recipe_that_drives_the_model_out_of_its_range_is_passed_over(tmp_path: Path, photos: Path):
    """e to the power of the means: right for 0..1, infinite for 0..255, which is tried as well."""
    means = node("ReduceMean", ("x",), ("m",), attributes=integers("axes", (2, 3)) + integer("keepdims", 0))
    metadata = {METADATA_KEY: COLOURS.to_json()}
    nodes = [means, node("Exp", ("m",), ("y",))]
    data = model(nodes, [value_info("x", ("N", 3, 8, 8))], [value_info("y", ("N", 3))], metadata=metadata)
    report = check_description(load_model(write(tmp_path, data)), read_labelled(photos))
    assert report.given.accuracy == 1
    assert report.better is None


@pytest.mark.parametrize(
    ("hits", "count", "chance"), [(3, 3, 0.5), (20, 143, 0.1), (1_100, 10_000, 0.1), (260, 50_000, 0.005), (0, 5, 0.5)]
)
def test_how_likely_so_many_right_are_by_chance_is_scipys_answer(hits: int, count: int, chance: float):
    assert _tail(hits, count, chance) == pytest.approx(binom.sf(hits - 1, count, chance), rel=1e-6)
