"""Speech models in a folder, run by onnx-asr: words, times over several pieces, languages, wrong folders."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.engine import Resources
from mediasift.engines.speech.onnx import _words
from mediasift.errors import ModelError, ModelNotFound, UsageError
from mediasift.tasks.transcribe import Transcribe
from tests.media.sound.test_audio import RATE, tone, wav
from tests.speech_models import FRAME_S, TONES, language_teller, tone_reader

SAID = [(3.0, "lower"), (7.5, "high"), (14.0, "low"), (21.3, "high"), (22.3, "lower"), (37.1, "low"), (44.0, "higher"),
        (53.2, "high"), (61.7, "lower")]  # fmt: skip
LENGTH_S = 65
TONE_S = 0.32


@pytest.fixture(autouse=True)
def _engine(package):
    package("onnx_asr", "onnx-speech")
    package("webrtcvad", "speech")
    package("onnx", "training")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "tones"
    folder.mkdir()
    return tone_reader(folder)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """`SAID` in tones, in the murmur of a quiet room."""
    sound = np.random.default_rng(0).normal(0, 30, LENGTH_S * RATE)
    for start_s, word in SAID:
        at = round(start_s * RATE)
        for token in (token for token in TONES if token.strip("▁") in word):
            note = tone(TONE_S, hertz=TONES[token])
            sound[at : at + note.size] += note
            at += note.size
    return wav(tmp_path / "talk.wav", sound)


def spoken(rows) -> list:
    """Those with words: a piece in which nobody speaks is a row too."""
    rows = list(rows)
    assert not [row.error for row in rows if row.error]
    return [row for row in rows if row.text]


def test_words_and_their_times_are_those_of_the_recording(model: Path, talk: Path):
    rows = spoken(ms.transcribe(talk, engine="onnx", model=model, level="word"))
    assert [row.text for row in rows] == [word for _, word in SAID]
    for row, (start_s, word) in zip(rows, SAID, strict=True):
        assert row.start_s == pytest.approx(start_s, abs=FRAME_S)
        spoken_s = TONE_S * (2 if word.endswith("er") else 1)
        assert start_s + spoken_s - FRAME_S < row.end_s < start_s + spoken_s + 0.4
        assert row.time_s == row.start_s
        assert 0.5 < row.confidence <= 1


def test_segments_are_the_pieces_that_the_recording_is_cut_into(model: Path, talk: Path):
    rows = spoken(ms.transcribe(talk, engine="onnx", model=model))
    assert " ".join(row.text for row in rows) == " ".join(word for _, word in SAID)
    assert len(rows) >= 3
    assert all(row.end_s - row.start_s <= 25 for row in rows)


def test_the_command_gives_the_same_words(model: Path, talk: Path, tmp_path: Path):
    out = tmp_path / "out.csv"
    command = [
        "transcribe",
        str(talk),
        "--engine",
        "onnx",
        "-m",
        str(model),
        "--level",
        "word",
        "-o",
        str(out),
        "--offline",
    ]
    done = CliRunner().invoke(main, [*command, "--quiet"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    expected = list(ms.transcribe(talk, engine="onnx", model=model, level="word"))
    assert [(row["text"], float(row["start_s"]), float(row["end_s"])) for row in rows] == [
        (row.text, row.start_s, row.end_s) for row in expected
    ]
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    facts = Transcribe(engine="onnx", model=str(model)).start(Resources()).facts
    assert facts.items() <= manifest["model"].items()


def test_silence_and_noise_are_rows_without_words(model: Path, tmp_path: Path):
    wav(tmp_path / "a.wav", np.zeros(RATE))
    wav(tmp_path / "b.wav", np.random.default_rng(1).normal(0, 30, 2 * RATE))
    wav(tmp_path / "c.wav", np.ones(1))
    rows = list(ms.transcribe(sorted(tmp_path.glob("*.wav")), engine="onnx", model=model))
    assert [(row.text, row.error) for row in rows] == [("", "")] * 3


def test_files_of_eight_bits_are_taken_where_there_are_no_others(model: Path, talk: Path):
    (model / "model.onnx").rename(model / "model.int8.onnx")
    assert Transcribe(engine="onnx", model=str(model)).start(Resources()).facts["precision"] == "int8"
    rows = spoken(ms.transcribe(talk, engine="onnx", model=model, level="word"))
    assert [row.text for row in rows] == [word for _, word in SAID]


@pytest.mark.parametrize(("language", "words"), [(None, "hello"), ("en-GB", "hello"), ("de-DE", "hallo")])
def test_whisper_is_told_the_language_and_gives_text(tmp_path: Path, language: str | None, words: str):
    folder = tmp_path / "whisper"
    folder.mkdir()
    path = wav(tmp_path / "a.wav", tone(2))
    (row,) = ms.transcribe(path, engine="onnx", model=language_teller(folder), language=language)
    assert (row.text, row.start_s, row.end_s, row.confidence, row.error) == (words, 0.0, 2.0, None, "")


def test_a_language_that_the_model_lacks_is_refused_before_the_first_file(tmp_path: Path):
    folder = tmp_path / "whisper"
    folder.mkdir()
    with pytest.raises(UsageError, match="does not have the language fr"):
        ms.transcribe("a.wav", engine="onnx", model=language_teller(folder), language="fr-FR")


def test_folders_that_hold_no_usable_model_are_refused(model: Path, tmp_path: Path):
    def refused(folder: Path, error: type[Exception], message: str, **options: str) -> None:
        with pytest.raises(error, match=message):
            ms.transcribe("a.wav", engine="onnx", model=folder, **options)

    refused(tmp_path / "nowhere", ModelNotFound, "no such folder")
    refused(model, UsageError, "cannot be given de-DE", language="de-DE")
    refused(model, ModelError, "beamsearch.onnx", model_kind="whisper-ort")
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(empty, UsageError, "--model-kind")
    refused(empty, ModelError, "does not load as a nemo-conformer-ctc model", model_kind="nemo-conformer-ctc")
    for name, content, message in (
        ("model.onnx", b"not a model", "does not load"),
        ("vocab.txt", b"no number\n", "does not load"),
        ("vocab.txt", b"a 0\nb 1\n", "does not work"),
        ("config.json", b'{"model_type": "nemo-conformer-ctc", "features_size": 17}', "does not load"),
    ):
        broken = tmp_path / f"{name}-{len(content)}"
        shutil.copytree(model, broken)
        (broken / name).write_bytes(content)
        refused(broken, ModelError, message)


def test_words_begin_at_their_first_letter_and_end_with_their_last():
    tokens, times = [" ", "h", "i", " ", "y", "o", "u"], [0.0, 1.0, 1.1, 1.2, 2.0, 2.1, 2.2]
    first, second = _words(tokens, times, None, 9.0)
    assert (first.text, first.start_s, first.end_s) == ("hi", 1.0, 1.5)
    assert (second.text, second.start_s, second.end_s) == ("you", 2.0, pytest.approx(2.6))
    assert first.confidence is None
    assert _words([" "], [1.0], None, 2.0) == ()


def test_numbers_that_are_none_are_an_error_row(tmp_path: Path, model: Path, talk: Path):
    """The first weight is NaN once a tone is loud: silence, which is tried first, does not show it."""
    import onnx
    from onnx import helper, numpy_helper

    graph = onnx.load(model / "model.onnx")
    last = graph.graph.node[-1]
    result, last.output[0] = last.output[0], "inner"
    graph.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    graph.graph.node.extend([
        helper.make_node("ReduceMax", ["scores"], ["loudest"], keepdims=0),
        helper.make_node("Sub", ["loudest", "twenty"], ["over"]),
        helper.make_node("Relu", ["over"], ["loud"]),
        helper.make_node("Div", ["loud", "loud"], ["ratio"]),
        helper.make_node("Greater", ["loud", "zero"], ["is_loud"]),
        helper.make_node("Sub", ["loud", "loud"], ["none"]),
        helper.make_node("Div", ["none", "none"], ["nan"]),
        helper.make_node("Where", ["is_loud", "nan", "inner"], [result]),
    ])  # fmt: skip
    graph.graph.initializer.append(numpy_helper.from_array(np.array(20, np.float32), "twenty"))
    onnx.save(graph, model / "model.onnx")
    rows = list(ms.transcribe(talk, engine="onnx", model=model))
    assert rows
    assert any("NaN or infinite" in row.error for row in rows)
    assert not any(row.text for row in rows if row.error)
