from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.media.pictures.transforms import sharpness
from mediasift.media.video.cuts import AdaptiveRule, ContentRule, Cut, Cuts, FadeRule
from mediasift.media.video.footage import measured_cells, open_footage
from mediasift.media.video.frames import PictureFrame, small_bgr
from mediasift.media.video.shots import Candidates, colourfulness, find_shots, measured
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


@pytest.mark.parametrize("video", ["testvideo.mp4", "counter.mp4"])
def test_rules_find_the_golden_cuts_of_pyscenedetect(test_data: Path, video: str):
    numbers = numbers_of(test_data / "video" / video)
    rules: dict[str, Any] = {
        "ContentDetector.default": ContentRule(),
        "ContentDetector.t30": ContentRule(threshold=30),
        "AdaptiveDetector.default": AdaptiveRule(),
        "AdaptiveDetector.t5": AdaptiveRule(ratio=5),
    }
    for name, rule in rules.items():
        cuts = [cut for number, (change, _) in enumerate(numbers) for cut in rule.add(number, change)]
        assert cuts == golden(test_data, video, name), name
    fades = FadeRule()
    middles = [fade.middle for number, (_, mean) in enumerate(numbers) for fade in fades.add(number, mean)]
    expected = golden(test_data, video, "ThresholdDetector.default")
    assert len(middles) == len(expected)
    assert all(abs(a - b) <= 1 for a, b in zip(middles, expected, strict=True))


@pytest.mark.parametrize(("video", "detector", "cuts"), [
    ("testvideo.mp4", "content", [30, 180, 394]), ("counter.mp4", "content", []),
    ("testvideo.mp4", "adaptive", [30, 180, 394, 691]), ("counter.mp4", "adaptive", [20]),
])  # fmt: skip
def test_shots_of_the_clips_begin_at_the_golden_cuts(test_data: Path, video: str, detector: str, cuts: list[int]):
    with open_footage(LocalFile(test_data / "video" / video)) as footage:
        shots = list(find_shots(measured_cells(footage), detector=detector))
    assert [shot.first for shot in shots] == [0, *cuts]
    assert [shot.begins for shot in shots] == ["start"] + ["cut"] * len(cuts)
    assert sum(shot.frames for shot in shots) == len(footage.timetable.ticks)
    assert all(a.end_s == b.start_s for a, b in pairwise(shots))


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


def test_a_flash_is_no_shot_and_a_burst_of_cuts_is_one():
    rule = ContentRule()
    changes = [0.0] * 200
    changes[50] = 90  # the first cut
    for number in (100, 104, 108, 112, 116, 120):  # a burst, after the first cut
        changes[number] = 90
    assert [cut for number, change in enumerate(changes) for cut in rule.add(number, change)] == [50, 100, 120]


@given(
    st.lists(st.sampled_from([0.0, 5.0, 26.9, 27.0, 80.0]), max_size=300), st.sampled_from([ContentRule, AdaptiveRule])
)
def test_cuts_ascend_and_shots_are_never_too_short(changes: list[float], kind):
    rule = kind()
    cuts = [cut for number, change in enumerate(changes) for cut in rule.add(number, change)]
    assert cuts == sorted(set(cuts))
    if kind is AdaptiveRule:
        assert all(b - a >= 15 for a, b in zip([0, *cuts], cuts, strict=False))


def faded(length: int, dark_from: int, dark_to: int) -> list[tuple[float, float]]:
    """(change, brightness) of a picture that fades out, stays black and fades in, without any hard cut."""
    bright = np.interp(range(length), [0, dark_from - 20, dark_from, dark_to, dark_to + 20], [120, 120, 0, 0, 120])
    return [(float(abs(b - a)), float(b)) for a, b in zip([bright[0], *bright], bright, strict=False)]


def cuts_of(cuts: Cuts, numbers: list[tuple[float, float]]) -> list[Cut]:
    places = [cut for number, (change, mean) in enumerate(numbers) for cut in cuts.add(number, change, mean)]
    return places + cuts.finish()


def test_a_fade_through_black_parts_two_shots():
    numbers = faded(150, 60, 80)
    (cut,) = cuts_of(Cuts(), numbers)
    assert cut.how == "fade"
    assert abs(cut.number - 70) <= 1
    assert cuts_of(Cuts(fades=False), numbers) == []


def test_black_that_begins_or_ends_with_a_hard_cut_is_that_cut():
    numbers = faded(150, 60, 80)
    numbers[80] = (70.0, 120.0)
    assert cuts_of(Cuts(), numbers) == [Cut(80, "cut")]


def test_a_fade_at_the_very_end_is_found():
    assert [cut.how for cut in cuts_of(Cuts(), faded(95, 60, 80))] == ["fade"]


def test_measures_of_known_pictures():
    grey = np.full((40, 60, 3), 100, np.uint8)
    frames = [PictureFrame(image=grey + np.uint8(10 * (i % 2)), number=i, time_s=i * 0.5) for i in range(20)]
    (shot,) = find_shots(measured(frames))
    assert (shot.frames, shot.start_s, shot.end_s, shot.begins) == (20, 0.0, 10.0, "start")
    assert shot.brightness == pytest.approx(105 / 255, abs=1e-4)
    assert shot.motion == pytest.approx(10 / 255, abs=1e-4)
    assert shot.colourfulness == 0


def test_colourfulness_is_hasler_and_suesstrunks_formula():
    image = scene(90, 70, 5)
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
