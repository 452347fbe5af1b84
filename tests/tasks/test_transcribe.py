"""Transcribing with real engines: words, times, formats, bad input."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import UsageError
from tests.conftest import ROOT, skip
from tests.media.sound.test_audio import RATE, tone, wav
from tests.null_speech import long_recording
from tests.speech_models import language_teller
from tests.videos import beginning
from tests.words import wer

JFK = "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country"
BRIDGE = "how old is the Brooklyn Bridge"


@pytest.fixture(autouse=True)
def _engine(package):
    package("pocketsphinx", "speech")
    package("webrtcvad", "speech")


def words(path: Path | list[Path], **options) -> list:
    rows = list(ms.transcribe(path, level="word", **options))
    assert not [row.error for row in rows if row.error]
    return rows


@cache
def heard(path: Path) -> tuple:
    """The words of a recording that several tests look at."""
    return tuple(words(path))


def said(rows: Iterable) -> str:
    return " ".join(row.text for row in rows)


def test_an_mp3_gives_nearly_the_words_of_the_wav(test_data: Path):
    """FLAC has the very samples of the WAV: `tests/media/sound/test_audio.py`."""
    from_wav, from_mp3 = (heard(test_data / "speech" / f"jfk.{form}") for form in ("wav", "mp3"))
    rates = [wer(JFK, said(rows)) for rows in (from_wav, from_mp3)]
    print(f"word error rate: wav {rates[0]:.3f}, mp3 {rates[1]:.3f}")
    assert abs(rates[0] - rates[1]) <= 0.10
    assert rates[0] <= 0.35  # measured: 0.227


def test_a_clear_question_is_understood_from_wav_and_raw(test_data: Path):
    folder = test_data / "speech"
    from_wav, from_raw = heard(folder / "google-audio.wav"), words(folder / "google-audio.raw", raw_rate=16000)
    assert wer(BRIDGE, said(from_wav)) == 0
    assert [(row.text, row.start_s) for row in from_wav] == [(row.text, row.start_s) for row in from_raw]
    assert all(0 <= row.confidence <= 1 and row.time_s == row.start_s < row.end_s for row in from_wav)


def test_the_odd_encodings_and_a_video_are_heard(test_data: Path):
    for path in sorted((test_data / "speech" / "numbers").iterdir()):
        assert "three" in said(words(path)), path
    speech = said(words(test_data / "video" / "obama_speech.mp4"))
    assert "united states" in speech
    assert "international" in speech


def test_times_are_those_of_the_whole_recording(test_data: Path, tmp_path: Path):
    """The same question after 40 seconds of silence, two pieces later, is heard exactly 40 seconds later."""
    with wave.open(str(test_data / "speech" / "google-audio.wav")) as file:
        question = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    rows = words(wav(tmp_path / "late.wav", np.concatenate([np.zeros(40 * RATE), question])))
    early = heard(test_data / "speech" / "google-audio.wav")
    assert [(row.text, row.start_s) for row in rows if row.text] == [
        (row.text, pytest.approx(40 + row.start_s, abs=0.02)) for row in early
    ]


def test_segments_hold_the_same_words(test_data: Path):
    path = test_data / "speech" / "google-audio.wav"
    segments = list(ms.transcribe(path))
    assert said(segments) == said(heard(path))
    assert all(before.end_s <= after.start_s for before, after in itertools.pairwise(segments))


def test_silence_noise_and_one_sample_are_rows_without_error(tmp_path: Path):
    wav(tmp_path / "silence.wav", np.zeros(3 * RATE))
    wav(tmp_path / "noise.wav", np.random.default_rng(0).integers(-9000, 9000, 2 * RATE))
    wav(tmp_path / "one.wav", np.full(1, 500))
    wav(tmp_path / "high.wav", tone(1, 192_000), 192_000)
    wav(tmp_path / "six.wav", np.repeat(tone(1)[:, None], 6, axis=1))
    wav(tmp_path / "zero.wav", np.zeros(0))
    rows = list(ms.transcribe(tmp_path))
    by_name: dict[str, list] = {}
    for row in rows:
        by_name.setdefault(Path(row.path).name, []).append(row)
    assert set(by_name) == {"silence.wav", "noise.wav", "one.wav", "high.wav", "six.wav", "zero.wav"}
    assert [(row.text, row.start_s, row.end_s) for row in by_name["silence.wav"]] == [("", 0.0, 3.0)]
    assert [(row.text, row.found) for row in by_name["one.wav"]] == [("", 0)]
    assert [row.error for row in by_name.pop("zero.wav")] == ["empty: the sound track has no samples"]
    assert not [row.error for of_one in by_name.values() for row in of_one if row.error]


def test_a_truncated_mp3_is_transcribed_as_far_as_it_goes(test_data: Path, tmp_path: Path):
    data = (test_data / "speech" / "jfk.mp3").read_bytes()
    (tmp_path / "cut.mp3").write_bytes(data[: len(data) // 3])
    assert "fellow" in said(list(ms.transcribe(tmp_path / "cut.mp3")))


def test_long_sound_needs_no_more_memory_than_short(tmp_path: Path):
    """The whole way with an engine that understands nothing; ten hours are in benchmarks/bench_speech_memory.py."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "inference"), str(ROOT)])}

    def transcribed(seconds: int) -> dict:
        path = long_recording(tmp_path / f"{seconds}.wav", seconds)
        command = [sys.executable, "-m", "tests.null_speech", str(path)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    short, long = transcribed(120), transcribed(1500)
    assert (short["heard_s"], long["heard_s"]) == (120, 1500)
    assert long["rows"] > 10 * short["rows"]
    assert long["peak_mib"] < short["peak_mib"] + 20  # measured: 4 more; all of it is 92 MiB of floats


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "parrot"}, "engine 'parrot': must be one of pocketsphinx, whisper, onnx, google"),
        ({"level": "letter"}, "level 'letter'"),
        ({"language": "de-DE"}, r"English only, not de-DE; engines that may have it: onnx .* google"),
        ({"model": "folder"}, "-m is for whisper, onnx and google"),
        ({"diarize": True}, "--diarize is for google"),
        ({"engine": "google", "model_kind": "whisper"}, "--model-kind is for onnx"),
        ({"engine": "onnx"}, "-m FOLDER"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        ms.transcribe("a.wav", **options)


def test_a_language_that_the_engine_lacks_exits_2(test_data: Path):
    done = CliRunner().invoke(main, ["transcribe", str(test_data / "speech" / "jfk.wav"), "--language", "de-DE"])
    assert done.exit_code == 2
    assert "onnx" in done.stderr


def test_a_picture_is_no_sound(test_data: Path):
    (row,) = ms.transcribe(test_data / "ocr" / "136.tif")
    assert row.error == "unsupported: a picture file (tiff); this command reads sound"


def test_subtitles_and_plain_text(test_data: Path, tmp_path: Path):
    source = str(test_data / "speech" / "google-audio.wav")
    made = {}
    for form in ("srt", "vtt", "txt", "csv"):
        out = tmp_path / f"talk.{form}"
        done = CliRunner().invoke(main, ["transcribe", source, "-o", str(out), "--quiet"], catch_exceptions=False)
        assert done.exit_code == 0
        made[form] = out.read_text()
    assert made["txt"] == "how old is the brooklyn bridge\n"
    assert re.fullmatch(r"1\n00:00:00,\d{3} --> 00:00:01,\d{3}\nhow old is the brooklyn bridge\n\n", made["srt"])
    assert re.fullmatch(r"WEBVTT\n\n00:00:00\.\d{3} --> 00:00:01\.\d{3}\nhow old is the brooklyn bridge\n", made["vtt"])
    (row,) = csv.DictReader(io.StringIO(made["csv"]))
    assert row["text"] == "how old is the brooklyn bridge"


def test_subtitles_of_several_recordings_are_refused_before_the_work(tmp_path: Path, test_data: Path):
    folder = str(test_data / "speech" / "cards")
    for inputs in ([folder], [f"{folder}/001.wav", f"{folder}/002.wav"]):
        done = CliRunner().invoke(main, ["transcribe", *inputs, "-o", str(tmp_path / "a.srt")])
        assert done.exit_code == 2
        assert "one recording" in done.stderr


def test_a_table_without_text_is_not_written_as_text(tmp_path: Path):
    examples = Path(__file__).resolve().parents[2] / "examples" / "garments"
    done = CliRunner().invoke(main, ["classify", str(examples), "-m", "fashion-mlp", "-o", str(tmp_path / "a.txt")])
    assert done.exit_code == 2
    assert "no column text" in done.stderr


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("cat_speech.ts", [1.55, 4.55]), ("gap90.mkv", [0.08, 91.88]), ("late_mjpeg.mov", [4.07]),
        ("late_h264.mp4", [4.07]), ("two_audio.mkv", [0.07]), ("wav_ffffffff.wav", [0.07]),
        ("wav_7fffffff.wav", [0.07]), ("bwf24.wav", [0.07]), ("audio_only.mp4", [0.06]),
        ("wrap_speech.ts", [-5.25]),
    ],
)  # fmt: skip
def test_speech_is_placed_where_it_is_heard(test_data: Path, name: str, starts: list[float]):
    """Joined streams, muted time however long, late sound, the default track, odd headers; by FFmpeg's packets."""
    rows = [row for row in ms.transcribe(test_data / "reports/av" / name) if row.text]
    assert [row.text for row in rows] == ["how old is the brooklyn bridge"] * len(starts)
    assert [row.start_s for row in rows] == [pytest.approx(start, abs=0.1) for start in starts]
    assert all(row.end_s - row.start_s < 1.8 for row in rows)


def test_another_sound_track_is_one_option_away_and_several_are_noted(test_data: Path):
    path = test_data / "reports/av/two_audio.mkv"
    (chosen,) = ms.transcribe(path)
    assert chosen.note == "sound track 2 of 2 was heard; --stream chooses"
    (tone_alone,) = ms.transcribe(path, stream=1)
    assert (tone_alone.text, tone_alone.note) == ("", None)
    (missing,) = ms.transcribe(path, stream=3)
    assert missing.error == "unsupported: it has 2 sound tracks; there is no track 3"


def test_channels_that_cancel_give_the_speech_and_a_note(test_data: Path, tmp_path: Path):
    first = beginning(test_data / "reports/av/phase.flac", tmp_path / "phase.flac", 5)
    rows = [row for row in ms.transcribe(first) if row.text]
    assert "my fellow american" in said(rows)
    assert all("the channels cancel each other" in row.note for row in rows)


def test_pieces_without_speech_reach_no_engine(test_data: Path, tmp_path: Path):
    """A stand-in Whisper that says hello to whatever it hears hears nothing in the hiss of a room."""
    (tmp_path / "model").mkdir()
    folder = language_teller(tmp_path / "model")
    for name in ("room_hiss.flac", "silence.flac", "short50ms.wav"):
        (row,) = ms.transcribe(test_data / "reports/av" / name, engine="onnx", model=str(folder))
        assert (row.text, row.found) == ("", 0), name
    (row,) = ms.transcribe(test_data / "speech/google-audio.wav", engine="onnx", model=str(folder))
    assert row.text == "hello"


def test_subtitles_count_from_the_beginning_as_players_do(test_data: Path, tmp_path: Path):
    source = test_data / "reports/av/wrap_speech.ts"  # its clock begins at -5.38 s
    (row,) = ms.transcribe(source)
    assert (row.start_s, row.origin_s) == (pytest.approx(-5.25, abs=0.05), pytest.approx(-5.38, abs=0.01))
    for form, mark in (("srt", ","), ("vtt", ".")):
        ms.transcribe(source).write(tmp_path / f"a.{form}")
        written = (tmp_path / f"a.{form}").read_text()
        assert f"00:00:00{mark}1" in written
        assert f"--> 00:00:01{mark}7" in written
        assert "-5" not in written


def test_a_language_that_pocketsphinx_does_not_know_is_not_passed_over(test_data: Path, tmp_path: Path):
    if shutil.which("espeak-ng") is None:
        skip("no espeak-ng: apt-get install espeak-ng")
    path = tmp_path / "german.wav"
    text = "Die Regierung hat gestern beschlossen, dass die neuen Schulen im Herbst geöffnet werden."
    subprocess.run(["espeak-ng", "-v", "de", "-w", str(path), text], check=True)
    for level in ("segment", "word"):
        rows = list(ms.transcribe(path, level=level))
        assert all("pocketsphinx knows clear English only" in (row.note or "") for row in rows)
    assert not [row.note for row in ms.transcribe(test_data / "speech/google-audio.wav") if row.note]
