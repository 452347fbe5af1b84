from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.errors import OutputError, UsageError
from mediasift.items import Place
from mediasift.media.pictures.encode import STILLS, still_path
from mediasift.media.pictures.transforms import sharpness
from tests.videos import make_video, numbered, shown


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_video(tmp_path / "film.mp4", numbered(60), range(60), time_base=Fraction(1, 25))


def test_stills_are_named_by_video_time_and_frame_and_show_it(clip: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = list(ms.keyframes("film.mp4", every="20f", directory="stills"))
    assert [row.image_path for row in rows] == [
        "stills/film.mp4_00-00-00.000_f0.jpg",
        "stills/film.mp4_00-00-00.800_f20.jpg",
        "stills/film.mp4_00-00-01.600_f40.jpg",
    ]
    for row in rows:
        image = np.asarray(Image.open(row.image_path))
        assert shown(image) == row.frame
        assert row.time_s == pytest.approx(row.frame / 25)


@pytest.mark.parametrize("image_format", list(STILLS))
def test_each_format_of_stills(clip: Path, tmp_path: Path, image_format: str):
    (row,) = ms.keyframes(clip, every="100f", directory=tmp_path / "out", image_format=image_format)
    with Image.open(row.image_path) as still:
        assert still.format.lower() == image_format
        assert shown(np.asarray(still.convert("RGB"))) == 0


def test_a_second_run_writes_the_same_bytes(clip: Path, tmp_path: Path):
    first = {Path(row.image_path): None for row in ms.keyframes(clip, every="iframe", directory=tmp_path / "out")}
    before = {path: path.read_bytes() for path in first}
    list(ms.keyframes(clip, every="iframe", directory=tmp_path / "out"))
    assert {path: path.read_bytes() for path in first} == before


def test_one_row_per_shot_by_default(test_data: Path):
    rows = list(ms.keyframes(test_data / "video" / "testvideo.mp4"))
    assert [row.shot for row in rows] == [1, 2, 3, 4]
    assert all(row.image_path is None and row.sharpness > 0 for row in rows)
    adaptive = list(ms.keyframes(test_data / "video" / "testvideo.mp4", detector="adaptive"))
    assert len(adaptive) == 5


def test_sharpness_is_that_of_the_frame(clip: Path):
    (row,) = ms.keyframes(clip, every="100f")
    captured = cv2.VideoCapture(str(clip))
    _, bgr = captured.read()
    captured.release()
    assert row.sharpness == pytest.approx(sharpness(bgr[:, :, ::-1].copy()), rel=0.05)


def test_a_still_picture_is_refused_and_a_broken_video_is_a_row(test_data: Path, clip: Path):
    rows = list(ms.keyframes([test_data / "detection" / "dog.jpg", clip, "nowhere.mp4"], every="100f"))
    assert [row.error.partition(":")[0] for row in rows] == ["unsupported", "", "not-found"]


def test_settings_are_checked_before_the_first_file(clip: Path, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        ms.keyframes(clip, directory=tmp_path / "file")
    with pytest.raises(UsageError, match="jpeg, png, webp"):
        ms.keyframes(clip, image_format="bmp")
    with pytest.raises(UsageError, match="content, adaptive"):
        ms.keyframes(clip, detector="guess")
    with pytest.raises(UsageError, match="iframe or shot"):
        ms.keyframes(clip, every="often")


@pytest.mark.parametrize(("path", "expected"), [
    ("a/film.mp4", "a/film.mp4"), ("/a/film.mp4", "_root/a/film.mp4"), ("../film.mp4", "_up/film.mp4"),
    ("./a//b.mkv", "a/b.mkv"),
])  # fmt: skip
def test_stills_stay_inside_their_folder(path: str, expected: str):
    still = still_path("out", Place(path=path, frame=3, time_s=3661.5), "jpeg")
    assert still.as_posix() == f"out/{expected}_01-01-01.500_f3.jpg"
