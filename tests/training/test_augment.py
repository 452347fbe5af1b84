from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.pictures import save, scene
from training.augment import Alteration, alter, main

STILL = Alteration(
    crop_left=0, crop_top=0, crop_share=1, flipped=False, rotate_degrees=0, zoom=1, brightness=0
)  # fmt: skip


def changed(**how) -> Alteration:
    from dataclasses import replace

    return replace(STILL, **how)


def call(*arguments: str | Path):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "in" / "cats").mkdir(parents=True)
    save(tmp_path / "in" / "cats" / "a.png", scene())
    save(tmp_path / "in" / "cats" / "a.jpg", scene(seed=1))
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path / "in"


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "augmented.csv").read_text().splitlines()))


def test_each_alteration_does_what_it_says():
    image = scene(40, 40)
    assert (alter(image, STILL) == image).all()
    assert (alter(image, changed(flipped=True)) == image[:, ::-1]).all()
    assert (alter(image, changed(brightness=300)) == 255).all()
    assert (alter(image, changed(crop_share=0.5, crop_left=0.25, crop_top=0.5)) == image[20:40, 10:30]).all()
    turned = alter(image, changed(rotate_degrees=90)).astype(int)
    clockwise = np.asarray(Image.fromarray(image).transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(turned - clockwise).max() <= 2
    assert np.abs(alter(image, changed(zoom=2.0)).astype(int)[20, 20] - image[20, 20]).max() < 30


def test_copies_lie_beside_their_class_and_the_table_says_what_was_done(tmp_path: Path, pictures: Path):
    out = tmp_path / "out"
    done = call(
        pictures, "-o", out, "--copies", "3", "--rotate", "45", "--flip", "--crop", "0.2", "--brightness", "0.2"
    )
    assert done.exit_code == 0, done.output
    rows = table(out)
    assert len(rows) == 2 * 3 + 1
    assert [row["error"].partition(":")[0] for row in rows if row["error"]] in (["damaged"], ["unsupported"])
    good = [row for row in rows if not row["error"]]
    assert {Path(row["path"]).name for row in good} == {f"a.{s}-{n}.png" for s in ("jpg", "png") for n in (1, 2, 3)}
    for row in good:
        how = Alteration(
            flipped=row["flipped"] == "True", brightness=int(row["brightness"]),
            **{n: float(row[n]) for n in ("crop_left", "crop_top", "crop_share", "rotate_degrees", "zoom")},
        )  # fmt: skip
        assert abs(how.rotate_degrees) <= 45
        if row["source"].endswith(".png"):
            with Image.open(row["path"]) as written:
                assert (np.asarray(written) == alter(scene(), how)).all()
    assert len({row["rotate_degrees"] for row in good}) == 6


def test_the_same_seed_gives_the_same_copies_whatever_lies_beside(tmp_path: Path, pictures: Path):
    for name, seed in (("one", "1"), ("two", "1"), ("three", "2")):
        if name == "two":
            save(pictures / "cats" / "0.png", scene(seed=5))
        call(pictures, "-o", tmp_path / name, "--copies", "2", "--rotate", "30", "--seed", seed)
    first, second, other = ((tmp_path / n / "cats" / "a.png-2.png").read_bytes() for n in ("one", "two", "three"))
    assert first == second != other


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere", "-o", "out"], 3, "no such folder"),
        (["in", "-o", "in/out"], 2, "lies inside"),
        (["empty", "-o", "out"], 3, "no pictures"),
    ],
)
def test_what_cannot_be_done(tmp_path: Path, pictures: Path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    done = call(*arguments)
    assert (done.exit_code, message in done.output) == (code, True)
