from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.pictures import save, solid
from tests.tiny_models import mean_colour, write
from training.evaluate import main


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for label, colour in {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            save(tmp_path / "data" / label / f"{number}.png", solid(colour))
    save(tmp_path / "data" / "red" / "wrong.png", solid((0, 0, 250)))
    return tmp_path / "data"


def test_a_folder_per_label_and_a_report(tmp_path: Path, pictures: Path):
    done = call(write(tmp_path, mean_colour()), "--data", pictures, "-o", tmp_path / "report")
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader((tmp_path / "report" / "measures.csv").read_text().splitlines()))
    measures = {(row["measure"], row["label"]): float(row["value"]) for row in rows}
    assert (measures["accuracy", ""], measures["recall", "red"]) == (0.9, 0.75)
    assert (tmp_path / "report" / "mistakes.png").is_file()
    assert "accuracy" in done.stdout


def test_folders_named_by_identifiers(tmp_path: Path, pictures: Path):
    for name, identifier in (("red", "c1"), ("green", "c2"), ("blue", "c3")):
        (pictures / name).rename(pictures / identifier)
    done = call(write(tmp_path, mean_colour()), "--data", pictures)
    assert "0.9000" in done.stdout


def test_labels_that_the_model_does_not_know(tmp_path: Path, pictures: Path):
    done = call(write(tmp_path, mean_colour()), "--data", pictures.parent)
    assert done.exit_code == 3
    assert "none of the data's labels (data ...)" in done.stderr


def test_the_shipped_model_on_mnist_has_its_accuracy(test_data: Path, tmp_path: Path):
    done = call("digits-forest", "--data", test_data / "mnist", "-o", tmp_path / "report")
    assert done.exit_code == 0, done.output
    measures = (tmp_path / "report" / "measures.csv").read_text()
    assert "\naccuracy,,0.9705," in measures
    assert "\npictures,,10000," in measures
    assert (tmp_path / "report" / "mistakes.png").stat().st_size > 20_000
