"""What public bug reports show on videos: each frame once, on one clock, as a viewer sees it."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import mediasift as ms
from mediasift.media.video.decoder import Viewing
from mediasift.media.video.footage import open_footage
from mediasift.sources.content import LocalFile


@pytest.fixture(scope="module")
def av_reports(test_data: Path) -> Path:
    return test_data / "reports" / "av"


def first_frame(path: Path, **viewing) -> np.ndarray:
    with open_footage(LocalFile(path), Viewing(**viewing)) as footage:
        return next(frame.rgb() for frame in footage.frames())


@pytest.mark.parametrize(("name", "frames", "borders", "seconds"), [
    ("cat_reset.ts", 150, [0, 50, 100], 6.0), ("cat_speech.ts", 150, [0, 75], 6.0),
    ("overlap2.ts", 100, [0, 50], 3.92), ("paff.ts", 25, [0, 12], 1.0), ("hls_joined_ok.ts", 150, [0], 6.0),
    ("wrap.ts", 60, [0], 6.0), ("avi_bframes.avi", 40, [0], 4.0), ("cut_copy.mp4", 68, [0], 6.8),
    ("live.mkv", 60, [0], 6.0), ("cover_first.mp4", 60, [0], 6.0), ("cover_first.mkv", 60, [0], 6.0),
    ("init_plus_2nd.m4s", 20, [0], 2.0), ("mpeg2_program_stream.mpg", 240, [0, 128], 9.6),
])  # fmt: skip
def test_every_frame_once(av_reports: Path, name: str, frames: int, borders: list[int], seconds: float):
    shots = list(ms.shots(av_reports / name, detector="content"))
    assert [row.error for row in shots] == [""] * len(borders)
    assert [row.frame for row in shots] == borders
    assert sum(row.frames for row in shots) == frames
    assert shots[-1].end_s - shots[0].start_s == pytest.approx(seconds, abs=0.01)
    each = list(ms.keyframes(av_reports / name, every="1f"))
    assert [row.frame for row in each] == list(range(frames))
    assert all(a.time_s < b.time_s for a, b in pairwise(each))
    fifth = list(ms.keyframes(av_reports / name, every="5f"))  # the same frame and time, whichever way it is reached
    assert [(row.frame, row.time_s, row.sharpness) for row in fifth] == [
        (row.frame, row.time_s, row.sharpness) for row in each[::5]
    ]
    seconds_apart = list(ms.keyframes(av_reports / name, every="1s"))
    assert len(seconds_apart) == pytest.approx(seconds, abs=1)
    (info,) = ms.info(av_reports / name)
    assert info.error == ""
    if name.endswith(".ts"):
        assert info.duration_s == pytest.approx(seconds, abs=0.1)


def test_a_jump_shows_what_reading_through_shows(av_reports: Path, tmp_path: Path):
    """The program stream stamps only some of its packets."""
    path = av_reports / "mpeg2_program_stream.mpg"
    with open_footage(LocalFile(path)) as footage:
        through = [(frame.number, frame.time_s, frame.rgb().tobytes()) for frame in footage.frames()]
    with open_footage(LocalFile(path)) as footage:
        reached = [(frame.number, frame.time_s, frame.rgb().tobytes()) for frame in footage.at([58, 116, 232])]
    assert reached == [through[number] for number in (58, 116, 232)]


@pytest.mark.parametrize(("name", "frames", "why"), [
    ("frag_cut.mp4", 40, "1 of 41 frames do not decode"), ("nomoov.mp4", 0, r"its index \(moov\) is missing"),
    ("segment_only.m4s", 0, r"index \(moov\) is missing: it is a segment"),
])  # fmt: skip
def test_files_that_are_not_whole_say_so_in_words(av_reports: Path, name: str, frames: int, why: str):
    rows = list(ms.keyframes(av_reports / name, every="1f"))
    assert len(rows) == frames + 1
    assert rows[-1].error.startswith("damaged: ")
    assert re.search(why, rows[-1].error)
    (info,) = ms.info(av_reports / name)
    assert bool(info.error) == (not frames)
    assert "Errno" not in info.error
    assert "file:" not in info.error


def test_pixels_are_square(av_reports: Path, tmp_path: Path):
    path = av_reports / "sar_64_45.mp4"
    image = first_frame(path)
    ground = image[0, 0].astype(int)
    rows, columns = np.nonzero(np.abs(image.astype(int) - ground).max(axis=2) > 90)
    assert image.shape == (576, 1024, 3)
    assert np.ptp(columns) + 1 == pytest.approx(np.ptp(rows) + 1, abs=3)
    assert first_frame(path, as_stored=True).shape == (576, 720, 3)
    (info,) = ms.info(path)
    assert (info.width, info.height, info.pixel_aspect) == (1024, 576, "64:45")
    (still,) = ms.keyframes(path, every="100f", directory=tmp_path)
    with Image.open(still.image_path) as picture:
        assert picture.size == (1024, 576)


def test_high_dynamic_range_is_mapped_to_what_a_screen_shows(av_reports: Path):
    image = first_frame(av_reports / "hdr_pq.mp4")
    colours = {tuple(int(one) for one in image[y, x]) for y in (30, 90) for x in range(20, 320, 40)}

    def near(red: int, green: int, blue: int) -> bool:
        return any(max(abs(a - b) for a, b in zip(one, (red, green, blue), strict=True)) <= 2 for one in colours)

    assert near(254, 254, 254)  # 203 nits
    assert near(198, 31, 59)
    assert first_frame(av_reports / "hdr_pq.mp4", as_stored=True).max() < 200
    (info,) = ms.info(av_reports / "hdr_pq.mp4")
    assert info.transfer == "pq"


def test_a_ticker_on_an_interlaced_broadcast_is_read(av_reports: Path):
    path = av_reports / "interlaced_ticker.ts"
    rows = list(ms.timeline(path, parts=("ocr",), every="0.4s"))
    assert any("TALKS RESUME IN GENEVA" in (row.text or "") for row in rows)
    (info,) = ms.info(path)
    assert info.interlaced is True
    with open_footage(LocalFile(path)) as footage:
        woven = [frame.rgb() for frame in footage.frames()]
        reached = [frame.rgb() for frame in footage.at([7, 20])]
    assert np.array_equal(reached[0], woven[7])
    assert np.array_equal(reached[1], woven[20])

    def combing(image: np.ndarray) -> float:
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(int)
        return float(np.abs(2 * luma[1:-1] - luma[:-2] - luma[2:]).mean())

    assert combing(woven[7]) < combing(first_frame(path, as_stored=True)) / 2


@pytest.mark.parametrize("name", ["alpha_prores.mov", "alpha_qtrle.mov", "alpha_vp9.webm", "alpha_anim.webp"])
def test_what_is_transparent_shows_the_background(av_reports: Path, name: str):
    image = first_frame(av_reports / name)
    assert image[110, 150].tolist() == [255, 255, 255]
    assert np.abs(image[5, 5].astype(int) - (255, 0, 0)).max() <= 3
    assert first_frame(av_reports / name, background="#0000ff")[110, 150].tolist() == [0, 0, 255]


@pytest.mark.parametrize("name", ["col_709_tv.mp4", "col_709_pc.mp4", "col_601_tv.mp4", "col_601_pc_444.mp4"])
def test_colours_of_every_matrix_and_range(av_reports: Path, name: str):
    image = first_frame(av_reports / name)
    assert np.abs(image[image.shape[0] // 2, image.shape[1] // 2].astype(int) - (200, 30, 60)).max() <= 3


def test_an_odd_size_is_that_of_ffmpeg(av_reports: Path):
    assert first_frame(av_reports / "odd853.mkv").shape == (480, 853, 3)


@pytest.mark.parametrize(("name", "count", "seconds"), [
    ("zero_delay.webp", 5, 0.5), ("zero_delay.gif", 5, 0.5), ("gif_1cs.gif", 20, 2.0),
])  # fmt: skip
def test_delays_of_animations_are_those_of_browsers(av_reports: Path, name: str, count: int, seconds: float):
    (shot, *_) = ms.shots(av_reports / name, min_shot="60s")
    assert (shot.frames, shot.start_s, shot.end_s) == (count, 0.0, pytest.approx(seconds))


def test_late_pictures_and_sound_keep_their_distance(av_reports: Path):
    (info,) = ms.info(av_reports / "late_mjpeg.mov")
    assert (info.width, info.fps, info.video_streams) == (160, 5.0, 1)
    assert next(iter(ms.keyframes(av_reports / "late_h264.mp4", every="1s"))).time_s == 0.0
