from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mediasift as ms
from mediasift.media.pictures.style import colourfulness
from mediasift.media.pictures.transforms import sharpness
from mediasift.media.video.cuts import DETECTORS, AdaptiveRule, ContentRule, Cut, CutRule, Cuts, FadeRule, Glance
from mediasift.media.video.footage import measured_cells, open_footage
from mediasift.media.video.frames import PictureFrame, small_bgr
from mediasift.media.video.shots import Candidates, find_shots, measured
from mediasift.sources.content import LocalFile
from tests.pictures import scene
from tests.videos import make_video


def film(*shots: tuple[int, int], fps: int = 25):
    """Frames of shots (seed of the scene, length), each a still scene of its own."""
    number = 0
    for seed, length in shots:
        for _ in range(length):
            yield PictureFrame(image=scene(64, 48, seed), number=number, time_s=number / fps)
            number += 1


def golden(folder: Path, video: str, detector: str) -> list[int]:
    return json.loads((folder / "video" / "goldens" / f"{video}.{detector}.json").read_text())["cuts"]


def numbers_of(path: Path) -> list[tuple[float, float]]:
    """(change, mean of all channels) of each frame, the way PySceneDetect's documentation states it."""
    numbers, before = [], None
    with open_footage(LocalFile(path)) as footage:
        for frame in footage.frames():
            small = frame.small()
            hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV).astype(int)
            change = 0.0 if before is None else float(np.abs(hsv - before).mean(axis=(0, 1)).mean())
            numbers.append((change, float(small.mean())))
            before = hsv
    return numbers


PEERS_SHORTEST = {"testvideo.mp4": 15, "counter.mp4": 15}
"""Frames of PySceneDetect's own shortest shot, which is counted in frames; within it, its lists decide nothing."""


@pytest.mark.parametrize("video", ["testvideo.mp4", "counter.mp4"])
def test_rules_find_the_golden_cuts_of_pyscenedetect(test_data: Path, video: str):
    numbers = numbers_of(test_data / "video" / video)
    rules: dict[str, CutRule] = {
        "ContentDetector.default": ContentRule(),
        "ContentDetector.t30": ContentRule(threshold=30),
        "AdaptiveDetector.default": AdaptiveRule(),
        "AdaptiveDetector.t5": AdaptiveRule(ratio=5),
    }
    for name, rule in rules.items():
        cuts = [cut for number, (change, _) in enumerate(numbers) for cut in rule.add(number, change)]
        expected = golden(test_data, video, name)
        assert set(expected) <= set(cuts), name
        for cut in set(cuts) - set(expected):  # the peer leaves out what its shortest shot forbids
            assert min(abs(cut - one) for one in (0, *cuts) if one != cut) <= PEERS_SHORTEST[video], name
    fades, middles = FadeRule(), []
    plain = np.zeros((12, 16, 3), np.uint8)
    for number, (_, mean) in enumerate(numbers):
        middles += [fade.middle for fade in fades.add(Glance(number, number / 30, 0.0, mean, plain))]
    expected = golden(test_data, video, "ThresholdDetector.default")
    assert len(middles) == len(expected)
    assert all(abs(a - b) <= 1 for a, b in zip(middles, expected, strict=True))


@pytest.mark.parametrize(("video", "detector", "cuts"), [
    ("testvideo.mp4", "content", [30, 180, 394]), ("testvideo.mp4", "adaptive", [30, 180, 394, 691]),
    ("testvideo.mp4", "combined", [30, 180, 394]),
    # Ten frames a second of three grounds, one after the other: PySceneDetect's 15 frames hide what is to be seen.
    ("counter.mp4", "content", [10, 20]), ("counter.mp4", "adaptive", [10, 20]), ("counter.mp4", "combined", [10, 20]),
])  # fmt: skip
def test_shots_of_the_clips_begin_at_the_golden_cuts(test_data: Path, video: str, detector: str, cuts: list[int]):
    with open_footage(LocalFile(test_data / "video" / video)) as footage:
        shots = list(find_shots(measured_cells(footage), detector=detector))
    assert [shot.first for shot in shots] == [0, *cuts]
    assert [shot.begins for shot in shots] == ["start"] + ["cut"] * len(cuts)
    assert sum(shot.frames for shot in shots) == len(footage.timetable.ticks)
    assert all(a.end_s == b.start_s for a, b in pairwise(shots))


@pytest.mark.parametrize(("name", "first"), [
    ("montage8.mp4", [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88]), ("flash.mp4", [0]),
    ("s14_vfr.mkv", [0, 10, 26, 34, 67, 166]),
    ("fade_white.mp4", [0, 88]),
])  # fmt: skip
def test_public_reports(test_data: Path, name: str, first: list[int]):
    rows = list(ms.shots(test_data / "reports" / "av" / name))
    assert [row.frame for row in rows] == first
    assert not any(row.error for row in rows)
    if name == "s14_vfr.mkv":
        assert [row.start_s for row in rows] == [0.0, 1.2, 3.12, 4.08, 8.04, 12.0]
    if name == "montage8.mp4":
        (summary,) = ms.shot_summary(test_data / "reports" / "av" / name)
        assert (summary.shots, round(summary.cuts_per_minute)) == (12, 172)
        assert len(list(ms.shots(test_data / "reports" / "av" / name, min_shot="0.5s"))) == 2


@pytest.mark.parametrize(("codec", "pixels", "size"), [
    ("libx264", "yuv420p", (1280, 720)), ("libx264", "yuv420p", (1920, 1080)), ("mjpeg", "yuvj420p", (1920, 1080)),
    ("libx264", "yuv422p", (1280, 720)), ("libx264", "yuv444p", (640, 480)), ("libx264", "yuv420p", (320, 240)),
    ("libx264", "yuv420p", (720, 1280)), ("libx264", "yuv420p", (1000, 562)),
])  # fmt: skip
def test_small_frames_are_those_of_converting_whole_and_shrinking(
    tmp_path: Path, codec: str, pixels: str, size: tuple[int, int]
):
    image = np.asarray(cv2.resize(scene(160, 90, 3), size, interpolation=cv2.INTER_CUBIC))
    image = (image // 2 + np.random.default_rng(0).integers(0, 60, image.shape)).astype(np.uint8)
    path = make_video(tmp_path / "a.mov", [image] * 2, [0, 40], codec=codec, pixels=pixels)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.format.name == pixels
        whole = frame.reformat(format="bgr24").to_ndarray()
        small = small_bgr(frame)
    factor = max(size) / 256
    expected = cv2.resize(whole, (round(size[0] / factor), round(size[1] / factor)), interpolation=cv2.INTER_LINEAR)
    assert small.shape == expected.shape
    difference = np.abs(small.astype(int) - expected)
    blended = size[0] % 256 or (size[0] // 256) % 2 == 0  # else each small pixel is one pixel, and nothing may differ
    assert difference.max() <= (16 if blended else 0)
    assert difference.mean() <= (0.7 if blended else 0)


def glances(pictures: list[np.ndarray], fps: int = 25) -> list[Glance]:
    """What decides of plain or patterned uint8 (12, 16, 3) pictures."""
    changes = [0.0, *(float(np.abs(b.astype(int) - a).mean()) for a, b in pairwise(pictures))]
    return [
        Glance(number, number / fps, change, float(picture.mean()), picture)
        for number, (picture, change) in enumerate(zip(pictures, changes, strict=True))
    ]


def cuts_of(pictures: list[np.ndarray], **how) -> list[Cut]:
    cuts = Cuts(**how)
    return [cut for glance in glances(pictures) for cut in cuts.add(glance)] + cuts.finish()


def still(seed: int) -> np.ndarray:
    return scene(16, 12, seed)


WHITE = np.full((12, 16, 3), 255, np.uint8)


@pytest.mark.parametrize("detector", list(DETECTORS))
@pytest.mark.parametrize("light", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.6, 0.3), (0.7, 1.0, 0.7)])
def test_a_flash_that_returns_to_the_same_picture_is_no_cut(detector: str, light: tuple[float, ...]):
    flashed = [(still(1) * (1 - share) + WHITE * share).astype(np.uint8) for share in light]
    assert cuts_of([still(1)] * 40 + flashed + [still(1)] * 40, detector=detector) == []
    (cut,) = cuts_of([still(1)] * 40 + flashed + [still(2)] * 40, detector=detector)
    assert abs(cut.number - 41) <= len(light)


def test_changes_that_follow_each_other_within_the_shortest_shot_are_one_cut():
    short = [still(1)] * 40 + [still(2)] * 5 + [still(3)] * 40
    assert len(cuts_of(short)) == 1
    assert [cut.number for cut in cuts_of(short, min_shot_s=0.2)] == [40, 45]
    assert [cut.number for cut in cuts_of([still(1)] * 40 + [still(2)] * 8 + [still(3)] * 40)] == [40, 48]


def test_another_picture_that_lasts_as_long_as_a_shot_is_one_although_the_first_returns():
    there_and_back = [still(1)] * 40 + [still(2)] * 10 + [still(1)] * 40
    assert [cut.number for cut in cuts_of(there_and_back)] == [40, 50]


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=20), detector=st.sampled_from(list(DETECTORS)),
    min_shot_s=st.sampled_from([0.0, 0.2, 0.3, 1.0]),
)  # fmt: skip
def test_cuts_ascend_and_shots_are_never_too_short(lengths: list[int], detector: str, min_shot_s: float):
    pictures = [still(seed % 7) for seed, length in enumerate(lengths) for _ in range(length)]
    numbers = [cut.number for cut in cuts_of(pictures, detector=detector, min_shot_s=min_shot_s)]
    assert numbers == sorted(set(numbers))
    assert all((b - a) / 25 >= min_shot_s - 1e-9 for a, b in pairwise([0, *numbers]))


def faded(ground: int, *, out: int, stays: int, back: int, to: int = 2) -> list[np.ndarray]:
    """A picture that becomes a ground, which stays, and becomes another picture, without any hard cut."""

    def mixed(seed: int, share: float) -> np.ndarray:
        return (still(seed) * (1 - share) + ground * share).astype(np.uint8)

    return [
        *[still(1)] * 30, *(mixed(1, (step + 1) / out) for step in range(out)), *[mixed(1, 1)] * stays,
        *(mixed(to, 1 - (step + 1) / back) for step in range(back)), *[still(to)] * 30,
    ]  # fmt: skip


@pytest.mark.parametrize("ground", [0, 255])
def test_a_fade_through_black_or_white_parts_two_shots(ground: int):
    pictures = faded(ground, out=25, stays=10, back=25)
    (cut,) = cuts_of(pictures)
    assert cut.how == "fade"
    assert 53 <= cut.number <= 67
    assert cuts_of(pictures, fades=False) == []


def test_a_bright_page_of_text_is_no_fade():
    page = np.full((12, 16, 3), 255, np.uint8)
    page[::4, ::3] = 130
    assert page.mean() > 243
    shade = [(page * (0.9 + 0.1 * step / 20)).astype(np.uint8) for step in range(20)]
    assert cuts_of([*shade, *[page] * 30, *shade[::-1]]) == []


def test_black_that_begins_or_ends_with_a_hard_cut_is_that_cut():
    pictures = faded(0, out=25, stays=10, back=1)
    assert [cut.how for cut in cuts_of(pictures)] == ["cut"]


def test_a_moment_of_black_between_two_hard_cuts_is_one_boundary_and_a_long_one_a_shot():
    black = np.zeros((12, 16, 3), np.uint8)
    assert len(cuts_of([still(1)] * 40 + [black] * 15 + [still(2)] * 40)) == 1
    assert [cut.number for cut in cuts_of([still(1)] * 40 + [black] * 50 + [still(2)] * 40)] == [40, 90]


def test_a_fade_at_the_very_end_is_found():
    assert [cut.how for cut in cuts_of(faded(0, out=25, stays=10, back=25)[:-28])] == ["fade"]


def test_measures_of_known_pictures():
    grey = np.full((40, 60, 3), 100, np.uint8)
    frames = [PictureFrame(image=grey + np.uint8(10 * (i % 2)), number=i, time_s=i * 0.5) for i in range(20)]
    (shot,) = find_shots(measured(frames))
    assert (shot.frames, shot.start_s, shot.end_s, shot.begins) == (20, 0.0, 10.0, "start")
    assert shot.brightness == pytest.approx(105 / 255, abs=1e-4)
    assert shot.motion == pytest.approx(10 / 255, abs=1e-4)
    assert shot.colourfulness == 0


def half_red_half_blue() -> np.ndarray:
    """The largest sums: 8-bit differences of 255 in each of a small frame's pixels."""
    image = np.zeros((256, 256, 3), np.uint8)
    image[:, :128, 0] = image[:, 128:, 2] = 255
    return image


@pytest.mark.parametrize("image", [scene(90, 70, 5), half_red_half_blue()], ids=["scene", "extremes"])
def test_colourfulness_is_hasler_and_suesstrunks_formula(image: np.ndarray):
    red, green, blue = (image[:, :, i].astype(float) for i in range(3))
    rg, yb = red - green, 0.5 * (red + green) - blue
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert colourfulness(np.ascontiguousarray(image[:, :, ::-1])) == pytest.approx(expected, rel=1e-4)


def test_blur_is_less_sharp():
    image = scene(90, 70, 5)
    assert sharpness(cv2.GaussianBlur(image, (9, 9), 0)) < sharpness(image)


@dataclass
class Numbered:
    """A frame that is only a number and a size."""

    number: int
    size: tuple[int, int] = (1920, 1080)


@given(st.integers(1, 3000), st.integers(0, 2**32 - 1))
def test_candidates_hold_few_frames_and_give_a_sharp_one_near_the_middle(length: int, seed: int):
    sharp = np.random.default_rng(seed).random(length)
    candidates = Candidates()
    for number in range(length):
        candidates.add(Numbered(number), float(sharp[number]))
        assert len(candidates._slots) <= 12
    taken = candidates.take(0, length)
    assert taken is not None
    assert abs(taken.number - (length - 1) / 2) <= max(1, length / 4)
    if length > 24:
        assert sharp[taken.number] >= np.median(sharp)


def test_each_shot_gets_the_sharpest_frame_of_its_middle():
    frames = list(film((1, 40), (2, 60), (3, 41)))
    sharp = {20: 1, 70: 1, 120: 1}
    frames = [
        frame if frame.number in sharp else PictureFrame(
            image=cv2.GaussianBlur(frame.image, (5, 5), 0), number=frame.number, time_s=frame.time_s
        )
        for frame in frames
    ]  # fmt: skip
    shots = list(find_shots(measured(frames, keyframes=True)))
    assert [shot.first for shot in shots] == [0, 40, 100]
    assert [shot.keyframe.number for shot in shots] == [20, 70, 120]
