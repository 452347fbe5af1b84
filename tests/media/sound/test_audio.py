"""Sound in any container becomes mono clips that follow each other exactly; strange sound is dealt with."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mediasift.errors import ItemError
from mediasift.items import Clip, FailedItem
from mediasift.media.sound.audio import SAMPLE_RATE_HZ, SoundTrack, cut, duration_s, read_clips
from mediasift.sources.content import LocalFile

RATE = SAMPLE_RATE_HZ


@pytest.fixture(autouse=True)
def _detector(package):
    package("webrtcvad", "speech")


def wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """int16 (N, channels) or (N,) as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def tone(seconds: float, rate: int = RATE, hertz: float = 440) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("<i2")


def voice(seconds: float, hertz: float = 200) -> NDArray[np.int16]:
    """A vowel that never ends: a tone and its harmonics, which the voice detector takes for speech, unlike a tone."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (4000 * sum(np.sin(2 * np.pi * hertz * k * time_s) / k for k in range(1, 12))).astype("<i2")


def clips(path: Path, **options) -> list[Clip]:
    items = list(read_clips(LocalFile(path), path.name, **options))
    read = [item for item in items if isinstance(item, Clip)]
    assert read == items
    return read


def whole(path: Path, **options) -> np.ndarray:
    return np.concatenate([clip.waveform for clip in clips(path, **options)])


def test_a_wav_comes_out_as_its_own_samples(test_data: Path):
    path = test_data / "speech" / "jfk.wav"
    with wave.open(str(path)) as file:
        expected = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    samples = whole(path, piece_s=4)
    assert samples.dtype == np.float32
    assert (samples == expected).all()


def test_flac_and_wav_of_one_recording_agree(test_data: Path):
    """The wav was made from the flac (44.1 kHz, two channels) by FFmpeg; a step of 16 bits is 3e-5."""
    flac, wave_ = (whole(test_data / "speech" / f"jfk.{form}") for form in ("flac", "wav"))
    assert flac.shape == wave_.shape
    assert np.abs(flac - wave_).max() < 2 / 32768


def test_raw_samples_need_their_rate(test_data: Path):
    folder = test_data / "speech"
    assert (whole(folder / "google-audio.raw", raw_rate=16000) == whole(folder / "google-audio.wav")).all()
    with pytest.raises(ItemError, match="--raw-rate"):
        clips(folder / "google-audio.raw")
    assert duration_s(LocalFile(folder / "google-audio.raw"), raw_rate=16000) == pytest.approx(1.811, abs=0.001)


@pytest.mark.parametrize("name", ["mono-24-bit-44100Hz.wav", "mono-8-bit-44100Hz.wav", "stereo-16-bit-44100Hz.flac"])
def test_odd_encodings_are_read(test_data: Path, name: str):
    sound = whole(test_data / "speech" / "numbers" / f"audio-{name}")
    assert sound.size / RATE == pytest.approx(2.745, abs=0.001)
    assert 0.3 < np.abs(sound).max() <= 1


def test_the_sound_track_of_a_video_is_read(test_data: Path):
    path = test_data / "video" / "obama_speech.mp4"
    assert whole(path).size / RATE == pytest.approx(8.73, abs=0.05)
    assert duration_s(LocalFile(path)) == pytest.approx(8.7, abs=0.1)
    with pytest.raises(ItemError, match="no sound track"):
        clips(test_data / "video" / "delayed_start.mp4")


def test_channels_are_mixed_or_chosen(tmp_path: Path):
    left, right = tone(1), np.zeros(RATE, "<i2")
    path = wav(tmp_path / "two.wav", np.stack([left, right], axis=1))
    expected = left.astype(np.float32) / 32768
    assert np.abs(whole(path) - expected / 2).max() < 1e-6
    assert np.abs(whole(path, channel=1) - expected).max() < 1e-6
    assert not whole(path, channel=2).any()
    with pytest.raises(ItemError, match="it has 2 channels; there is no channel 3"):
        clips(path, channel=3)


@pytest.mark.parametrize(("rate", "channels"), [(192_000, 1), (48_000, 6), (8_000, 1), (11_025, 2)])
def test_any_rate_and_number_of_channels(tmp_path: Path, rate: int, channels: int):
    sound = np.repeat(tone(1.5, rate)[:, None], channels, axis=1)
    samples = whole(wav(tmp_path / "a.wav", sound, rate))
    assert samples.size == pytest.approx(1.5 * RATE, abs=2)
    spectrum = np.abs(np.fft.rfft(samples))
    assert spectrum.argmax() / 1.5 == pytest.approx(440, abs=1)


def test_nothing_one_sample_and_silence(tmp_path: Path):
    (failed,) = read_clips(LocalFile(wav(tmp_path / "nothing.wav", np.zeros(0))), "nothing.wav")
    assert isinstance(failed, FailedItem)
    assert failed.error.as_cell() == "empty: the sound track has no samples"
    (one,) = clips(wav(tmp_path / "one.wav", np.full(1, 1000)))
    assert one.waveform.size == 1
    (silent,) = clips(wav(tmp_path / "silent.wav", np.zeros(RATE * 3)))
    assert not silent.waveform.any()


def test_a_truncated_mp3_gives_what_is_there(test_data: Path, tmp_path: Path):
    data = (test_data / "speech" / "jfk.mp3").read_bytes()
    path = tmp_path / "cut.mp3"
    path.write_bytes(data[: len(data) // 2])
    items = list(read_clips(LocalFile(path), "cut.mp3"))
    assert 4 < sum(clip.waveform.size for clip in items if isinstance(clip, Clip)) / RATE < 6.5


def test_broken_flacs_never_crash_and_never_lose_their_row(test_data: Path):
    for path in sorted((test_data / "malformed" / "audio").rglob("*.flac")):
        try:
            items = list(read_clips(LocalFile(path), path.name))
        except ItemError as error:
            assert str(error)
        else:
            assert items, path


def test_packets_that_do_not_decode_are_reported_behind_the_rest(test_data: Path):
    path = test_data / "malformed" / "audio" / "flac" / "uncommon" / "04 - changing bitdepth.flac"
    *good, last = read_clips(LocalFile(path), path.name)
    assert good
    assert "did not decode" in last.error.as_cell()


@given(
    lengths=st.lists(st.integers(0, 40_000), max_size=12),
    seed=st.integers(0, 1000),
    piece_s=st.floats(2, 6),
)
@settings(max_examples=25)
def test_pieces_follow_each_other_without_overlap_or_gap(lengths: list[int], seed: int, piece_s: float):
    rng = np.random.default_rng(seed)
    blocks = [(rng.random(length, np.float32) - 0.5) * rng.choice([0, 0.01, 1]) for length in lengths]
    blocks = [block.astype(np.float32) for block in blocks]
    pieces = list(cut(iter(blocks), rate=RATE, piece_s=piece_s))
    expected = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    joined = np.concatenate([piece for _, piece, _ in pieces]) if pieces else np.empty(0, np.float32)
    assert (joined == expected).all()
    starts = np.cumsum([0, *(piece.size for _, piece, _ in pieces)])[:-1]
    assert [start for start, *_ in pieces] == starts.tolist()
    assert all(0 < piece.size <= round(piece_s * RATE) + RATE * 0.03 for _, piece, _ in pieces)


def test_a_recording_is_cut_in_its_pause(test_data: Path):
    """google-audio says something for 1.8 s; three times, with a second between, it is cut in the seconds between."""
    speech = whole(test_data / "speech" / "google-audio.wav")
    pause = np.zeros(RATE, np.float32)
    sound = np.concatenate([speech, pause, speech, pause, speech])
    pieces = list(cut(iter([sound]), rate=RATE, piece_s=4))
    starts = [start / RATE for start, *_ in pieces][1:]
    assert len(starts) == 2
    one = speech.size / RATE
    assert one < starts[0] < one + 1
    assert 2 * one + 1 < starts[1] < 2 * one + 2


def test_where_nobody_pauses_it_is_cut_at_the_quietest_point():
    rng = np.random.default_rng(0)
    hum = np.sin(2 * np.pi * 150 * np.arange(10 * RATE) / RATE) * (1 + rng.random(10 * RATE)) / 3
    hum[round(3.5 * RATE) : round(3.7 * RATE)] *= 0.5
    (_, first, _), *_ = cut(iter([hum.astype(np.float32)]), rate=RATE, piece_s=4)
    assert 3.5 <= first.size / RATE <= 3.75


def test_no_piece_is_longer_than_allowed_however_long_the_silence():
    block = np.zeros(RATE, np.float32)
    pieces = [piece.size for _, piece, _ in cut((block for _ in range(600)), rate=RATE, piece_s=30)]
    assert sum(pieces) == 600 * RATE
    assert max(pieces) <= 30 * RATE


def test_a_gap_in_the_clock_becomes_silence(tmp_path: Path):
    path = tmp_path / "gap.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for begin in (0, 3):
            frame = av.AudioFrame.from_ndarray(tone(1)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, begin * RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    sound = whole(path)
    assert sound.size / RATE == pytest.approx(4, abs=0.01)
    assert not sound[round(1.1 * RATE) : round(2.9 * RATE)].any()
    assert SoundTrack(LocalFile(path), rate=RATE).damaged == 0
