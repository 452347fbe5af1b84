"""Parts whose clocks begin again make one film, and its sound stays with its pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediasift.media.clock import clocked
from tests.videos import numbered


def part(path: Path, start_s: float, *, frames: int = 25, sound_s: float = 1.0) -> bytes:
    """A transport stream of numbered frames, 25 a second, and sound, both beginning at `start_s`."""
    with av.open(str(path), "w", format="mpegts") as container:
        picture = container.add_stream("mpeg2video", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("mp2", rate=16000, layout="mono")
        for number, image in enumerate(numbered(frames)):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = round(start_s * 25) + number, Fraction(1, 25)
            container.mux(picture.encode(frame))
        for block in range(round(sound_s * 16000) // 1152):
            heard = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            heard.sample_rate, heard.pts = 16000, round(start_s * 16000) + 1152 * block
            heard.time_base = Fraction(1, 16000)
            container.mux(sound.encode(heard))
        for stream in (picture, sound):
            container.mux(stream.encode(None))
    return path.read_bytes()


def stamps(path: Path) -> dict[str, list[float]]:
    """Kind of stream → the times of its packets in order of presentation, in seconds."""
    times: dict[str, list[float]] = {}
    with av.open(str(path)) as container:
        streams: list[Any] = [one for one in container.streams if one.type in ("video", "audio")]
        for packet in clocked(container, streams):
            times.setdefault(packet.stream.type, []).append(float(packet.pts * packet.time_base))
    return {kind: sorted(one) for kind, one in times.items()}


@settings(max_examples=12)
@given(starts=st.lists(st.integers(0, 90_000), min_size=2, max_size=4))
def test_joined_parts_follow_each_other_whatever_their_clocks_say(tmp_path_factory, starts: list[int]):
    folder = tmp_path_factory.mktemp("joined")
    starts = [start for number, start in enumerate(starts) if not number or abs(start - starts[number - 1]) > 12]
    data = [part(folder / f"{number}.ts", float(start)) for number, start in enumerate(starts)]
    (folder / "all.ts").write_bytes(b"".join(data))
    times = stamps(folder / "all.ts")
    assert len(times["video"]) == 25 * len(starts)
    assert np.allclose(np.diff(times["video"]), 0.04, atol=1e-4)
    alone = stamps(folder / "0.ts")
    assert len(times["audio"]) == len(alone["audio"]) * len(starts)
    for number in range(len(starts)):  # in each part, the sound lies beside the pictures as in the first
        sound = times["audio"][number * len(alone["audio"])]
        picture = times["video"][25 * number]
        assert sound - picture == pytest.approx(alone["audio"][0] - alone["video"][0], abs=1e-3)


def test_short_sound_leaves_a_gap_and_does_not_pull_the_pictures(tmp_path: Path):
    (tmp_path / "a.ts").write_bytes(2 * part(tmp_path / "one.ts", 3.0, sound_s=0.4))
    times = stamps(tmp_path / "a.ts")
    assert np.allclose(np.diff(times["video"]), 0.04, atol=1e-4)
    assert max(np.diff(times["audio"])) == pytest.approx(1.0 - 0.4 + 0.072, abs=0.08)


def test_a_clock_that_goes_on_is_left_alone(tmp_path: Path):
    """Also where it makes a long pause in one stream only, or a short one in both."""
    data = part(tmp_path / "a.ts", 3.0), part(tmp_path / "b.ts", 9.0)
    (tmp_path / "ab.ts").write_bytes(b"".join(data))
    times = stamps(tmp_path / "ab.ts")["video"]
    assert times[25] - times[0] == pytest.approx(6.0)


def test_segments_that_overlap_by_some_frames_keep_their_times(tmp_path: Path):
    data = part(tmp_path / "a.ts", 3.0), part(tmp_path / "b.ts", 3.92)
    (tmp_path / "ab.ts").write_bytes(b"".join(data))
    times = stamps(tmp_path / "ab.ts")["video"]
    assert len(times) == 50
    assert times[-1] - times[0] == pytest.approx(1.88)


@pytest.mark.parametrize(("name", "pictures", "last"), [
    ("cat_reset.ts", 150, 7.44), ("cat_speech.ts", 150, 7.44), ("hls_joined_ok.ts", 150, 7.44), ("wrap.ts", 60, 1.58),
])  # fmt: skip
def test_public_reports(test_data: Path, name: str, pictures: int, last: float):
    times = stamps(test_data / "reports" / "av" / name)
    assert len(times["video"]) == pictures
    assert times["video"][-1] == pytest.approx(last, abs=0.01)
    if name == "cat_speech.ts":  # the second phrase begins as far behind its pictures as the first
        gap = int(np.argmax(np.diff(times["audio"])))
        assert times["audio"][gap + 1] - times["audio"][0] == pytest.approx(3.0, abs=0.07)
