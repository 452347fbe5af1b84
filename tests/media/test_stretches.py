from __future__ import annotations

import threading
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from mediasift.media import stretches
from mediasift.media.footage import open_footage
from mediasift.media.shots import shots_of
from mediasift.media.stretches import in_turn, side_by_side
from tests.pictures import scene
from tests.videos import make_video, numbered


def seen(frames) -> list[tuple[int, float, bytes]]:
    return [(frame.number, frame.time_s, frame.small().tobytes()) for frame in frames]


@pytest.fixture(autouse=True)
def several_decoders(monkeypatch: pytest.MonkeyPatch):
    """Also on a machine with one processor."""
    monkeypatch.setattr(stretches, "available_cores", lambda: 3)


@pytest.mark.parametrize(("name", "codec", "options", "apart"), [
    ("a.mp4", "libx264", {}, True), ("a.mkv", "libx264", {"bf": "3"}, True), ("a.mov", "mpeg4", {"bf": "2"}, None),
    ("a.webm", "libvpx-vp9", {"deadline": "realtime"}, True), ("a.webm", "libvpx", {"deadline": "realtime"}, True),
    ("b.mp4", "libx264", {"x264-params": "open-gop=1:bframes=3:b-adapt=0"}, None),
    ("c.mp4", "libx264", {"x264-params": "intra-refresh=1:bframes=0"}, None),
    ("a.avi", "mpeg4", {"bf": "2"}, False), ("a.ts", "libx264", {}, False), ("a.gif", "gif", {}, False),
])  # fmt: skip
def test_frames_side_by_side_are_those_of_reading_through(tmp_path: Path, name: str, codec: str, options, apart):
    path = make_video(
        tmp_path / name, numbered(200), range(200), codec=codec, options=options, keyframe_distance=30,
        time_base=Fraction(1, 25), pixels="rgb8" if codec == "gif" else "yuv420p",
    )  # fmt: skip
    with open_footage(path) as footage:
        expected = seen(footage.frames())
        assert footage.complaint() is None
    with open_footage(path) as footage:
        starts = footage.timetable.starts
        parts = list(side_by_side(footage, seen))
        assert footage.complaint() is None
        assert footage._wanted == 200
    assert [frame for part in parts for frame in part] == expected
    assert [part[0][0] for part in parts] == list(starts)
    if apart is not None:
        assert (len(starts) > 3) == apart


def test_uneven_times_and_long_stretches_come_in_order(tmp_path: Path):
    times = np.cumsum(np.random.default_rng(3).integers(1, 90, 300)).tolist()
    frames = [scene(96, 64, seed) for seed in range(6) for _ in range(50)]
    path = make_video(tmp_path / "a.mp4", frames, times, keyframe_distance=250, options={"bf": "2"})
    with open_footage(path) as footage:
        found = [frame for part in side_by_side(footage, seen) for frame in part]
        assert found == seen(footage.frames())
        assert [round(time_s * 1000) for _, time_s, _ in found] == times


@pytest.mark.parametrize("name", ["bikes.mp4", "testvideo.mp4", "obama_speech.mp4"])
def test_shots_do_not_depend_on_the_number_of_processors(test_data: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    def found(cores: int) -> list:
        monkeypatch.setattr(stretches, "available_cores", lambda: cores)
        with open_footage(test_data / "video" / name) as footage:
            return [
                (shot.first, shot.frames, shot.brightness, shot.motion, shot.colourfulness, shot.keyframe.number)
                for shot in shots_of(footage, keyframes=True)
            ]

    assert found(1) == found(2) == found(4)


def test_damaged_frames_are_missed_once(tmp_path: Path):
    path = make_video(
        tmp_path / "a.mp4", numbered(150), range(150), keyframe_distance=30, time_base=Fraction(1, 25),
        options={"x264-params": "bframes=0:scenecut=0"},
    )  # fmt: skip
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    broken = packets[70]
    for at in range(broken.pos + 5, broken.pos + broken.size):
        data[at] = 0xFF
    path.write_bytes(bytes(data))

    def numbers(frames) -> list[int]:
        return [frame.number for frame in frames]

    with open_footage(path) as footage:
        whole = numbers(footage.frames())
        told = footage.missing
    with open_footage(path) as footage:
        parts = [number for part in side_by_side(footage, numbers) for number in part]
        assert footage.missing == [(number, number / 25) for number in range(150) if number not in parts]
    assert len(told) == 150 - len(whole)
    assert parts == sorted(parts)


def test_where_jumps_lead_astray_the_rest_is_read_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = make_video(tmp_path / "a.mp4", numbered(200), range(200), keyframe_distance=25, time_base=Fraction(1, 25))
    with open_footage(path) as footage:
        expected = seen(footage.frames())
        last = footage.timetable.seeks[-1]
        for place in range(len(footage.timetable.seeks)):  # every jump goes to the last I-frame
            footage.timetable.seeks[place] = last
        assert [frame for part in side_by_side(footage, seen) for frame in part] == expected
        assert footage.complaint() is None


def test_whoever_stops_early_leaves_no_thread_and_no_open_file(tmp_path: Path):
    path = make_video(tmp_path / "a.mp4", numbered(250), range(250), keyframe_distance=25, time_base=Fraction(1, 25))
    with open_footage(path) as footage:
        reading = side_by_side(footage, seen)
        assert [part[0][0] for part in islice(reading, 2)] == list(footage.timetable.starts[:2])
        reading.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("mediasift-decoder")]
    open_files = [link.resolve().name for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert "a.mp4" not in open_files


def test_an_error_in_a_thread_reaches_the_caller_after_what_came_before(tmp_path: Path):
    path = make_video(tmp_path / "a.mp4", numbered(200), range(200), keyframe_distance=25, time_base=Fraction(1, 25))

    with open_footage(path) as footage:
        starts = footage.timetable.starts

        def look(frames) -> int:
            first = next(frames).number
            if first == starts[3]:
                raise KeyError(first)
            return first

        reading = side_by_side(footage, look)
        got = [next(reading) for _ in range(3)]
        with pytest.raises(KeyError):
            next(reading)
    assert got == list(starts[:3])


def test_in_turn_parts_at_the_starts():
    class Numbered:
        def __init__(self, number: int) -> None:
            self.number = number

    parts = in_turn((Numbered(n) for n in range(10)), [0, 4, 9], lambda frames: [frame.number for frame in frames])
    assert list(parts) == [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9]]
