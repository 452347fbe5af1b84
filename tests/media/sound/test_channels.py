"""What mixing would lose is noticed, in whole and in part, and what it keeps is mixed."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mediasift.media.sound.audio import SoundTrack, read_clips
from mediasift.media.sound.channels import best_channel
from mediasift.sources.content import LocalFile

RATE = 16_000
Planes = NDArray[np.float32]


@pytest.fixture(scope="module")
def speech(test_data: Path) -> Planes:
    with av.open(str(test_data / "speech" / "jfk.wav")) as file:
        frames = [frame.to_ndarray()[0].astype(np.float32) / 32768 for frame in file.decode(audio=0)]
    return np.concatenate(frames)


def noise(seed: int, count: int, level: float = 0.05) -> Planes:
    return (np.random.default_rng(seed).normal(0, level, count)).astype(np.float32)


def test_channels_that_cancel_are_noticed_also_in_part(speech: Planes):
    other = noise(1, len(speech))
    cases = {
        "opposite": ([speech, -speech], 1),
        "quieter": ([speech, -0.5 * speech], 1),
        "noise in one": ([-speech + other, speech], 2),
        "music in phase": ([speech + noise(2, len(speech), 0.03), -speech + noise(2, len(speech), 0.03)], None),
        "5.1": ([speech, -speech, *np.zeros((4, len(speech)), np.float32)], 1),
    }
    for name, (planes, expected) in cases.items():
        channel = best_channel(np.stack(planes), RATE)
        assert channel is not None, name
        assert expected in (None, channel), name


def test_channels_that_do_not_cancel_are_mixed(speech: Planes):
    half = len(speech) // 2
    zeros = np.zeros_like(speech)
    first, second = speech.copy(), speech[::-1].copy()
    first[half:], second[:half] = 0, 0
    cases = {
        "same": [speech, speech], "one": [speech, zeros], "unlike": [noise(1, half), noise(2, half)],
        "two speakers": [first, second], "together": [speech, second],
        "5.1": [0.3 * noise(3, len(speech)), 0.3 * noise(4, len(speech)), speech, zeros, noise(5, len(speech)),
                noise(6, len(speech))],
        "silence": [zeros, zeros],
    }  # fmt: skip
    for name, planes in cases.items():
        assert best_channel(np.stack(planes), RATE) is None, name


def test_a_recording_that_cancels_later_is_heard_throughout_and_says_where(tmp_path: Path, speech: Planes):
    path = tmp_path / "later.wav"
    planes = np.stack([np.tile(speech, 2), np.concatenate([speech, -speech])])
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray((planes.T * 32767).astype("<i2").reshape(1, -1)), format="s16", layout="stereo"
        )
        frame.sample_rate = RATE
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    sound = np.concatenate(list(SoundTrack(LocalFile(path), rate=RATE)))
    assert len(sound) == 2 * len(speech)
    assert np.abs(np.abs(sound) - np.abs(planes[0])).max() < 1e-3
    clips = list(read_clips(LocalFile(path), path.name, piece_s=5))
    notes = [getattr(clip, "note", "") for clip in clips]
    assert notes[0] == ""
    assert notes[-1] == "the channels cancel each other: channel 1 was taken"
    assert not any(getattr(clip, "note", "") for clip in read_clips(LocalFile(path), path.name, channel=2))
