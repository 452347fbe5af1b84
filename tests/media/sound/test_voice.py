from __future__ import annotations

import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

import mediasift as ms
from mediasift.media.sound.voice import Voice, measured, pitches_of, summarised
from mediasift.sources.content import LocalFile
from tests.conftest import skip

RATE = 16_000


def tone(pitch_hz: float, seconds: float = 2.0, harmonics: int = 5, level: float = 0.3) -> np.ndarray:
    """A tone with harmonics that fall by 6 dB, as a voice's roughly do."""
    time = np.arange(round(seconds * RATE)) / RATE
    parts = [np.sin(2 * np.pi * pitch_hz * number * time) / number for number in range(1, harmonics + 1)]
    return (level * np.sum(parts, axis=0)).astype(np.float32)


def voice(*pieces: np.ndarray, blocks: int = 7) -> Voice:
    return summarised(measured(np.array_split(np.concatenate(pieces), blocks)))


@pytest.mark.parametrize("pitch_hz", [80, 110, 147.3, 220.5, 330, 440, 587])
@pytest.mark.parametrize("harmonics", [1, 6])
def test_the_pitch_of_a_tone(pitch_hz: float, harmonics: int):
    heard = voice(tone(pitch_hz, harmonics=harmonics))
    assert heard.pitch_hz == pytest.approx(pitch_hz, rel=0.003)
    assert heard.pitch_low_hz == pytest.approx(pitch_hz, rel=0.01)
    assert heard.pitch_high_hz == pytest.approx(pitch_hz, rel=0.01)
    assert heard.voiced is not None
    assert heard.voiced > 0.97


def test_a_missing_fundamental_is_heard():
    """As of a telephone: 2nd to 6th harmonic of 120 Hz, at 20 dB above noise."""
    time = np.arange(2 * RATE) / RATE
    sound = sum(np.sin(2 * np.pi * 120 * number * time) / number for number in range(2, 7))
    noise = np.random.default_rng(0).standard_normal(len(time)) * np.std(sound) / 10
    assert voice(((sound + noise) * 0.2).astype(np.float32)).pitch_hz == pytest.approx(120, rel=0.005)


def test_a_glide_is_followed_and_its_range_is_the_percentiles():
    time = np.arange(4 * RATE) / RATE
    pitch = 100 + 50 * time  # 100 to 300 Hz
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    heard = voice((0.3 * np.sin(phase) + 0.15 * np.sin(2 * phase)).astype(np.float32))
    assert heard.pitch_hz == pytest.approx(200, rel=0.01)
    assert heard.pitch_low_hz == pytest.approx(110, rel=0.02)
    assert heard.pitch_high_hz == pytest.approx(290, rel=0.02)


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.1
    heard = voice(noise)
    assert (heard.pitch_hz, heard.voiced, heard.pauses) == (None, 0, 0)
    assert heard.loudness_db == pytest.approx(-20, abs=0.1)
    assert voice(np.zeros(RATE, np.float32)) == Voice()
    assert voice(np.zeros(0, np.float32)) == Voice()


def test_pauses_and_loudness_without_them():
    """1 s of sound, 0.5 s of silence, 1 s, 0.2 s that is too short, 0.5 s; silence around it is no pause."""
    quiet = np.zeros(RATE, np.float32)
    sound = tone(150, 1.0, harmonics=1)
    heard = voice(quiet, sound, quiet[: RATE // 2], sound, quiet[: RATE // 5], sound[: RATE // 2], quiet)
    assert heard.pauses == 1
    assert heard.pauses_s == pytest.approx(0.5, abs=0.03)
    power = 0.3**2 / 2 * 2.5 / 2.7
    assert heard.loudness_db == pytest.approx(10 * np.log10(power), abs=0.2)


def test_blocks_of_any_size_give_the_same_frames():
    sound = np.concatenate([tone(150, 1.3), tone(210, 6.1)])
    whole, parts = measured([sound]), measured(np.array_split(sound, 211))
    assert all(np.array_equal(one, other) for one, other in zip(whole, parts, strict=True))
    assert len(whole.peaks) == len(sound) // 160
    assert np.median(pitches_of(whole)[:100]) == pytest.approx(150, rel=0.01)


def spoken(folder: Path, pitch: int, name: str) -> Path:
    if shutil.which("espeak-ng") is None:
        skip("espeak-ng is not installed: apt-get install espeak-ng")
    path = folder / f"{name}.wav"
    text = "The quick brown fox jumps over the lazy dog."
    subprocess.run(["espeak-ng", "-v", "en", "-p", str(pitch), "-w", str(path), text], check=True)
    return path


def test_speech_has_the_pitch_that_its_voice_is_made_with(tmp_path: Path):
    """espeak-ng's voices go from 82 to 118 Hz (`pitch 82 118`) at its pitch 50, and higher beyond."""
    usual, high, highest = ms.info([spoken(tmp_path, pitch, f"{pitch}") for pitch in (50, 80, 99)], voice=True)
    for row in (usual, high, highest):
        assert row.pitch_hz is not None
        assert row.voiced is not None
        assert 0.5 < row.voiced < 0.8
        assert -30 < (row.loudness_db or 0) < -10
    assert (usual.pitch_low_hz or 0) > 80
    assert (usual.pitch_high_hz or 0) < 120
    assert (usual.pitch_hz or 0) * 1.2 < (high.pitch_hz or 0) < (highest.pitch_hz or 0) / 1.1


def test_two_sentences_have_a_pause(tmp_path: Path):
    with wave.open(str(spoken(tmp_path, 50, "one")), "rb") as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    with wave.open(str(tmp_path / "two.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(data + bytes(2 * rate) + data)
    one, two = ms.info([tmp_path / "one.wav", tmp_path / "two.wav"], voice=True)
    assert one.pauses is not None
    assert two.pauses == 2 * one.pauses + 1
    assert (two.pauses_s or 0) - 2 * (one.pauses_s or 0) >= 1.0
    assert two.pitch_hz == pytest.approx(one.pitch_hz, rel=0.02)


def test_without_the_option_nothing_is_heard(tmp_path: Path):
    (row,) = ms.info(spoken(tmp_path, 50, "one"))
    assert (row.pitch_hz, row.loudness_db, row.pauses) == (None, None, None)
    assert LocalFile(tmp_path / "one.wav").size == row.bytes
