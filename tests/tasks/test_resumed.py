"""Vectors and converted pictures: a run that was cut off goes on, and a finished table is added to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.errors import UsageError
from mediasift.run.table import Table
from tests.pictures import save, scene
from tests.stand_ins import cut_short


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for number in range(1, 7):
        save(folder / f"{number}.png", scene(seed=number))
    return folder


def embed(photos: Path) -> Table:
    return ms.embed(photos, model="fashion-mlp", batch_size=1, jobs=0)


@pytest.mark.parametrize("suffix", ["npz", "parquet", "csv", "jsonl"])
@pytest.mark.parametrize("after", [1, 4])
def test_vectors_are_those_of_a_run_that_nothing_interrupted(photos: Path, tmp_path: Path, suffix: str, after: int):
    out, whole = tmp_path / f"out.{suffix}", tmp_path / f"whole.{suffix}"
    embed(photos).write(whole)
    cut_short(embed(photos), out, after)
    again = embed(photos)
    again.write(out)
    assert again.summary.taken_over == after
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("suffix", ["npz", "parquet", "csv", "jsonl"])
@pytest.mark.parametrize("known", [["0.png"], ["0.png", "1.png", "2.png"]])
def test_vectors_are_added_to_a_finished_table(photos: Path, tmp_path: Path, suffix: str, known: list[str]):
    out, whole = tmp_path / f"out.{suffix}", tmp_path / f"whole.{suffix}"
    embed(photos).write(whole)
    ms.embed([photos / name for name in known], model="fashion-mlp", batch_size=1, jobs=0).write(out)
    again = embed(photos)
    again.write(out, update=True)
    assert again.summary.taken_over == len(known)
    assert out.read_bytes() == whole.read_bytes()


def test_vectors_from_a_worker_are_the_same(photos: Path, tmp_path: Path):
    embed(photos).write(tmp_path / "here.npz")
    ms.embed(photos, model="fashion-mlp", batch_size=1, isolate=True).write(tmp_path / "there.npz")
    assert (tmp_path / "here.npz").read_bytes() == (tmp_path / "there.npz").read_bytes()


def convert(photos: Path, folder: Path, **options) -> Table:
    every = {"size": (12, 8), "fit": "pad", "background": "1,2,3", "crop": (0, 0, 0.5, 1), "flip": "h", "rotate": 30}
    return ms.convert(photos, folder, to="npy", jobs=0, **{**every, **options})


def test_conversion_goes_on_where_it_ended(photos: Path, tmp_path: Path):
    out, folder = tmp_path / "out.csv", tmp_path / "copies"
    cut_short(convert(photos, folder), out, 4)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = convert(photos, folder)
    again.write(out)
    assert again.summary.taken_over == 4
    assert sorted(path.name for path in folder.iterdir()) == [f"{number}.png.npy" for number in range(1, 7)]
    for number in (1, 2, 3):
        assert (folder / f"{number}.png.npy").stat().st_mtime_ns == before[f"{number}.png.npy"]
    with pytest.raises(UsageError, match=r"rotate was 30.*--restart"):
        convert(photos, folder, rotate=0).write(out)


def test_conversion_in_a_worker_has_all_its_settings(photos: Path, tmp_path: Path):
    here, there = tmp_path / "here", tmp_path / "there"
    list(convert(photos, here))
    list(convert(photos, there, isolate=True))
    for number in range(1, 7):
        np.testing.assert_array_equal(np.load(here / f"{number}.png.npy"), np.load(there / f"{number}.png.npy"))


def test_info_goes_on_where_it_ended(photos: Path, tmp_path: Path):
    out, whole = tmp_path / "out.csv", tmp_path / "whole.csv"
    ms.info(photos, isolate=True).write(whole)
    cut_short(ms.info(photos), out, 3)
    again = ms.info(photos)
    again.write(out)
    assert again.summary.taken_over == 3
    assert out.read_bytes() == whole.read_bytes()
