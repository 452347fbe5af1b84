"""Pieces of films and recordings: the frames that are shown in a stretch, and the sound that is heard."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from mediasift.errors import ItemError
from mediasift.media.video.excerpt import SIDE, excerpts
from mediasift.sources.content import LocalFile
from tests.videos import make_video, numbered, shown, sounding

RATE = 44_100


def frames_of(data: bytes) -> list[tuple[int, float]]:
    """(number that the frame shows, time_s) of each frame of a piece."""
    with av.open(io.BytesIO(data)) as container:
        return [(shown(frame.to_ndarray(format="rgb24")), float(frame.time)) for frame in container.decode(video=0)]


def sound_of(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def clicks(seconds: float, *at_s: float) -> np.ndarray:
    waveform = np.zeros(round(seconds * RATE), np.float32)
    for moment in at_s:
        waveform[round(moment * RATE) :][:200] = 0.9
    return waveform


def test_a_piece_shows_the_frames_of_its_stretch_at_their_times(tmp_path: Path):
    film = sounding(tmp_path / "f.mkv", numbered(100), clicks(4))
    (piece,) = excerpts(LocalFile(film), [(1.0, 2.0)])
    frames = frames_of(piece.data)
    assert (piece.kind, piece.suffix) == ("film", ".mp4")
    assert [number for number, _ in frames[:-1]] == list(range(25, 50))
    assert np.allclose([time_s for _, time_s in frames[:-1]], np.arange(25) / 25, atol=0.002)
    assert frames[-1][0] == 49  # once more at the end, as it is seen until then
    assert abs(frames[-1][1] - 0.999) < 0.002


def test_the_frame_that_is_shown_when_it_begins_is_in_it(tmp_path: Path):
    """Variable frame rate: frame 1 is shown from 1 s to 3 s."""
    film = make_video(tmp_path / "f.mp4", numbered(4), [0, 1000, 3000, 3500])
    (piece,) = excerpts(LocalFile(film), [(2.0, 3.2)])
    assert [(number, round(time_s, 2)) for number, time_s in frames_of(piece.data)] == [(1, 0), (2, 1.0), (2, 1.2)]
    first, still = excerpts(LocalFile(film), [(0.0, 1.0), (1.2, 1.4)])
    assert {number for number, _ in frames_of(first.data)} == {0}
    assert {number for number, _ in frames_of(still.data)} == {1}


def test_sound_and_pictures_begin_together(tmp_path: Path):
    film = sounding(tmp_path / "f.mkv", numbered(100), clicks(4, 1.5, 3.25))
    early, late = excerpts(LocalFile(film), [(1.0, 2.0), (3.0, 4.0)])
    for piece, moment in ((early, 0.5), (late, 0.25)):
        heard = np.abs(sound_of(piece.data))
        assert abs(int(np.argmax(heard > 0.3)) / RATE - moment) < 0.05  # AAC's own delay is a frame or two
        assert abs(len(heard) / RATE - 1) < 0.06


def test_recordings_become_wav(tmp_path: Path):
    samples = (np.sin(np.arange(16000 * 2) * 0.3) * 10000).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    first, second = excerpts(LocalFile(tmp_path / "a.wav"), [(0.25, 0.75), (1.5, 9.0)])
    for piece, part in ((first, samples[4000:12000]), (second, samples[24000:])):
        with wave.open(io.BytesIO(piece.data)) as file:
            assert (piece.kind, file.getframerate(), file.getnchannels()) == ("sound", 16000, 1)
            read = np.frombuffer(file.readframes(10**6), "<i2")
        assert len(read) == len(part)
        assert np.abs(read.astype(int) - part).max() <= 100
    missing, there = excerpts(LocalFile(tmp_path / "a.wav"), [(5.0, 6.0), (0.0, 1.0)])
    assert str(missing) == "there is no sound from 5 to 6 s"
    assert there.kind == "sound"


def test_a_large_film_becomes_small_with_even_sides(tmp_path: Path):
    film = make_video(tmp_path / "f.mp4", [np.full((1000, 998, 3), 90, np.uint8)] * 3, [0, 40, 80])
    (piece,) = excerpts(LocalFile(film), [(0.0, 0.1)])
    with av.open(io.BytesIO(piece.data)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (638, SIDE)
        assert not container.streams.audio


def test_what_is_no_film_is_the_item_s_error(tmp_path: Path):
    (tmp_path / "f.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    with pytest.raises(ItemError):
        list(excerpts(LocalFile(tmp_path / "f.mp4"), [(0.0, 1.0)]))


def test_a_chosen_channel_is_heard(tmp_path: Path):
    both = np.stack([np.full(16000, 8000), np.full(16000, -3000)], axis=1).astype("<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        file.writeframes(both.tobytes())
    for channel, level in ((1, 8000), (2, -3000)):
        (piece,) = excerpts(LocalFile(tmp_path / "a.wav"), [(0.0, 1.0)], channel=channel)
        with wave.open(io.BytesIO(piece.data)) as file:
            assert abs(np.median(np.frombuffer(file.readframes(16000), "<i2")) - level) < 50
