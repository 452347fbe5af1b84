"""Stretches decoded side by side give what reading through gives, and leave nothing behind."""

from __future__ import annotations

import gc
import hashlib
import shutil
import threading
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mediasift.errors import ItemError, TooLarge
from mediasift.media.video import decoder as decoder_module
from mediasift.media.video import video as video_module
from mediasift.media.video.every import Timetable, parse_every
from mediasift.media.video.footage import chosen_frames, measured_cells, open_footage
from mediasift.media.video.shots import find_shots, measured
from mediasift.media.video.stretches import side_by_side, stretches
from mediasift.sources.content import LocalFile
from tests.conftest import WHOLE
from tests.pictures import scene
from tests.videos import beginning, make_video, numbered, shown

FRAMES = 330
TICK = Fraction(1, 25)


def seen(frame: Any) -> tuple[int, float, str]:
    return frame.number, frame.time_s, hashlib.sha256(frame.rgb().tobytes()).hexdigest()


def each(frames: Iterable[Any]) -> Iterator[tuple[int, float, str]]:
    return map(seen, frames)


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch):
    """Lets a test say how many cores there are."""
    return lambda count: monkeypatch.setattr(video_module, "available_cores", lambda: count)


@pytest.mark.parametrize(("name", "codec", "options"), [
    ("a.mp4", "libx264", {}), ("a.mkv", "libx264", {"x264-params": "open-gop=1:bframes=3:b-pyramid=normal"}),
    ("a.ts", "libx264", {"x264-params": "open-gop=1:bframes=3"}), ("a.flv", "libx264", {}), ("a.avi", "mpeg4", {}),
    ("a.mov", "mjpeg", {}), ("a.webm", "libvpx-vp9", {}), ("a.wmv", "wmv2", {}), ("a.mpg", "mpeg2video", {}),
    ("b.mp4", "libx264", {"x264-params": "intra-refresh=1:bframes=2"}),
])  # fmt: skip
def test_stretches_hold_the_frames_of_reading_through(tmp_path: Path, cores, name: str, codec: str, options):
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    pictures = [np.asarray(image + np.uint8(i % 30)) for i, image in enumerate(numbered(FRAMES))]
    path = make_video(tmp_path / name, pictures, range(FRAMES), codec=codec, pixels=pixels, options=options,
                      time_base=TICK, keyframe_distance=25)  # fmt: skip
    with open_footage(LocalFile(path)) as footage:
        expected = list(each(footage.frames()))
        assert [number for number, _, _ in expected] == list(range(FRAMES))
        for count in (1, 3):
            cores(count)
            assert list(footage.side_by_side(each, ahead=4)) == expected
        assert footage.complaint() is None


@pytest.mark.parametrize("name", ["testvideo.mp4", "bikes.mp4", "obama_speech.mp4", "delayed_start.mp4"])
def test_the_same_holds_for_real_clips(test_data: Path, tmp_path: Path, cores, name: str):
    cores(3)
    path = test_data / "video" / name
    if name == "testvideo.mp4" and not WHOLE:
        path = beginning(path, tmp_path / name, 8)  # two of its three stretches
    with open_footage(LocalFile(path)) as footage:
        assert list(footage.side_by_side(each, ahead=8)) == list(each(footage.frames()))


def test_a_stretch_begins_at_an_iframe_and_is_not_too_short():
    table = Timetable(ticks=range(500), keys=[0, 40, 95, 96, 300, 470], seeks=[], time_base=TICK)
    assert stretches(table) == [(0, 96), (96, 300), (300, 470), (470, 500)]
    table = Timetable(ticks=range(500), keys=[7], seeks=[], time_base=TICK)
    assert stretches(table) == [(0, 500)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    return make_video(path, numbered(FRAMES), range(FRAMES), time_base=TICK, keyframe_distance=25)


def test_where_jumping_misleads_the_rest_is_read_through(clip: Path, cores, monkeypatch: pytest.MonkeyPatch):
    """The third jump lands elsewhere; what was found before it stays, and nothing is given twice."""
    cores(2)
    read_through = []
    rest = video_module.Video.rest
    monkeypatch.setattr(
        video_module.Video, "rest", lambda video, first: read_through.append(first) or rest(video, first)
    )
    with open_footage(LocalFile(clip)) as footage:
        third, _ = stretches(footage.timetable)[2]
        key = footage.timetable.key_before(third)
        seeks: Any = footage.timetable.seeks
        seeks[key] = seeks[key + 2]
        numbers = []
        for frame in footage.side_by_side(list_of_one, ahead=4):
            numbers.append(shown(frame.rgb()))
            if frame.number == 320:  # other frames can be asked for all the while
                assert [shown(other.rgb()) for other in footage.at([5])] == [5]
        assert footage.complaint() is None
    assert numbers == list(range(FRAMES))
    assert read_through == [third]


def list_of_one(frames: Iterable[Any]) -> Iterator[Any]:
    yield from frames


def test_missing_frames_are_told_as_when_reading_through(test_data: Path, cores):
    cores(3)
    with open_footage(LocalFile(test_data / "malformed" / "video" / "corrupted.mp4")) as footage:
        expected = [frame.number for frame in footage.frames()]
        complaint = str(footage.complaint())
    with open_footage(LocalFile(test_data / "malformed" / "video" / "corrupted.mp4")) as footage:
        assert [number for number, _, _ in footage.side_by_side(each, ahead=4)] == expected
        assert str(footage.complaint()) == complaint


def test_what_a_thread_raises_is_raised_and_no_thread_or_file_stays(clip: Path, cores):
    cores(3)
    before = threading.active_count()

    def too_large(frames: Iterable[Any]) -> Iterator[int]:
        for frame in frames:
            if frame.number == 150:
                raise TooLarge("for this test")
            yield frame.number

    with open_footage(LocalFile(clip)) as footage:
        numbers: list[int] = []
        with pytest.raises(TooLarge, match="for this test"):
            numbers.extend(footage.side_by_side(too_large, ahead=4))
        given = iter(footage.side_by_side(each, ahead=4))
        assert next(given)[0] == 0
        given.close()
        del given
    gc.collect()
    assert threading.active_count() == before
    assert not any(clip.name in str(link.resolve()) for link in Path("/proc/self/fd").iterdir() if link.exists())


def test_little_is_done_ahead_of_what_is_taken(clip: Path):
    """A stretch that comes later waits once it has as many results as may wait."""
    with open_footage(LocalFile(clip)) as footage:
        begun: list[int] = []

        def noted(frames: Iterable[Any]) -> Iterator[int]:
            for frame in frames:
                begun.append(frame.number)
                yield frame.number

        for count, number in enumerate(side_by_side(footage, noted, cores=3, ahead=5), start=1):
            assert number == count - 1
            assert len(begun) <= count + 4 * (5 + 2)
    assert sorted(begun) == list(range(FRAMES))


def test_shots_and_key_frames_do_not_depend_on_the_number_of_cores(tmp_path: Path, cores):
    pictures, number = [], 0
    rng = np.random.default_rng(4)
    for seed, length in enumerate((40, 90, 17, 120, 61, 200, 4)):
        for _ in range(length):
            noise = rng.integers(0, 1 + (number * 7) % 23, (48, 64, 3), dtype=np.uint8)
            pictures.append(np.asarray(scene(64, 48, seed) // 2 + noise, dtype=np.uint8))
            number += 1
    path = make_video(tmp_path / "a.mp4", pictures, range(number), time_base=TICK, keyframe_distance=33)
    results = []
    for count in (1, 2, 5):
        cores(count)
        with open_footage(LocalFile(path)) as footage:
            shots = [(shot.first, shot.frames, shot.motion, shot.colourfulness) for shot in
                     find_shots(measured_cells(footage))]  # fmt: skip
            key_frames = [(frame.number, shot) for frame, shot in chosen_frames(footage, parse_every("shot"))]
        results.append((shots, key_frames))
    with open_footage(LocalFile(path)) as footage:
        through = list(find_shots(measured(footage.frames(), keyframes=True)))
    assert [shot.first for shot in through] == [0, 40, 130, 147, 267, 328, 528]
    assert results[0] == results[1] == results[2]
    assert results[0][0] == [(shot.first, shot.frames, shot.motion, shot.colourfulness) for shot in through]
    assert [shot for _, shot in results[0][1]] == [1, 2, 3, 4, 5, 6, 7]
    for shot, (key_frame, _) in zip(through, results[0][1], strict=True):
        assert shot.first <= key_frame < shot.first + shot.frames
        assert shot.keyframe is not None
        assert shot.keyframe.number == key_frame


def test_a_copy_that_vanishes_between_is_an_error_of_its_own(clip: Path, tmp_path: Path, cores):
    cores(3)
    copy = Path(shutil.copy(clip, tmp_path / "b.mp4"))
    with open_footage(LocalFile(copy)) as footage:
        copy.unlink()
        with pytest.raises(ItemError):
            list(footage.side_by_side(each, ahead=4))


def test_videos_that_are_read_at_the_same_time_share_the_cores(clip: Path):
    def threads() -> int:
        return sum(thread.name.startswith("mediasift-stretch") for thread in threading.enumerate())

    before = threads()
    with open_footage(LocalFile(clip)) as first, open_footage(LocalFile(clip)) as second:
        one: Any = iter(side_by_side(first, each, cores=2, ahead=4))
        next(one)
        assert threads() == before + 2
        other: Any = iter(side_by_side(second, each, cores=2, ahead=4))
        next(other)
        assert threads() == before + 3
        one.close()
        other.close()
        list(side_by_side(first, each, cores=2, ahead=4))
    assert threads() == before


def test_whoever_waits_hears_that_it_goes_on_however_long_a_result_takes(clip: Path, monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(decoder_module, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    heard: list[int] = []
    with open_footage(LocalFile(clip), alive=lambda: heard.append(1)) as footage:
        before = len(heard)
        counts = list(side_by_side(footage, lambda frames: iter([sum(1 for _ in frames)]), cores=1, ahead=1))
    assert sum(counts) == FRAMES
    assert len(heard) - before > FRAMES / 4
