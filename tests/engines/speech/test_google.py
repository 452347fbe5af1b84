"""Google's real client against a server on loopback: requests, failures, costs, and that nothing is paid twice."""

from __future__ import annotations

import collections
import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mediasift as ms
from mediasift.cli import main
from mediasift.errors import EngineError, UsageError
from tests.conftest import ROOT
from tests.media.sound.test_audio import RATE, voice, wav

grpc = pytest.importorskip("grpc")
speech_server = pytest.importorskip("tests.speech_server")
serving, Cable = speech_server.serving, speech_server.Cable
Code = grpc.StatusCode


@pytest.fixture
def google(package, tmp_path: Path):
    package("webrtcvad", "speech")
    with serving() as (server, endpoint):
        options = {"engine": "google", "project": "p", "language": "de-DE", "endpoint": endpoint,
                   "paid": tmp_path / "paid", "request_timeout_s": 8, "max_cost": 1}  # fmt: skip
        yield server, options


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return wav(tmp_path / "talk.wav", voice(1))


def test_a_recording_is_sent_as_it_should_be_and_comes_back_with_times(google, talk: Path):
    server, options = google
    rows = list(ms.transcribe(talk, level="word", diarize=True, model="chirp_2", location="eu", **options))
    assert [(row.text, row.start_s, row.end_s, row.confidence, row.speaker, row.error) for row in rows] == [
        ("Hello", 0.1, 0.3, 0.5, "1", ""), ("world.", 0.4, 0.6, 0.5, "2", ""),
    ]  # fmt: skip
    (request,) = server.requests
    assert request.recognizer == "projects/p/locations/eu/recognizers/_"
    assert (list(request.config.language_codes), request.config.model) == (["de-DE"], "chirp_2")
    decoding, features = request.config.explicit_decoding_config, request.config.features
    assert (decoding.sample_rate_hertz, decoding.audio_channel_count) == (RATE, 1)
    assert features.enable_word_time_offsets
    assert features.enable_automatic_punctuation
    assert features.diarization_config.max_speaker_count > 1
    assert request.content == voice(1).tobytes()


def test_long_recordings_go_in_pieces_below_one_minute_and_ten_megabytes(google, tmp_path: Path):
    server, options = google
    sound = np.concatenate([np.tile(np.concatenate([voice(4), np.zeros(RATE)]), 29), voice(5)])
    sound += np.random.default_rng(0).integers(-2, 3, sound.size)  # pieces alike would be sent once
    path = wav(tmp_path / "long.wav", sound)
    rows = list(ms.transcribe(path, **options))
    assert sum(len(request.content) for request in server.requests) == 150 * RATE * 2
    assert max(len(request.content) for request in server.requests) <= 60 * RATE * 2 < 10e6
    assert len(rows) == len(server.requests) > 2
    starts = [row.start_s for row in rows]
    assert starts == sorted(starts)
    assert starts[-1] > 100


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.INTERNAL])
def test_what_passes_by_itself_is_tried_again(google, talk: Path, code):
    server, options = google
    server.failures = [code]
    (row,) = ms.transcribe(talk, **options)
    assert (row.text, row.error) == ("Hello world.", "")
    assert len(server.requests) == 2


def test_what_does_not_pass_is_an_error_row_after_one_try(google, talk: Path):
    server, options = google
    server.failures = [Code.INVALID_ARGUMENT]
    (row,) = ms.transcribe(talk, **options)
    assert row.error == "inference: Google does not take it (planned: INVALID_ARGUMENT)"
    assert len(server.requests) == 1


def test_a_slow_answer_is_an_error_row(google, talk: Path):
    server, options = google
    server.delay_s = 3
    (row,) = ms.transcribe(talk, **{**options, "request_timeout_s": 0.5})
    assert row.error.startswith("inference: Google")


@pytest.fixture
def cable(google):
    """The way to the server goes through a cable that can be cut."""
    server, options = google
    server.cable = Cable(int(options["endpoint"].rpartition(":")[2]))
    yield server.cable, server, {**options, "endpoint": f"http://127.0.0.1:{server.cable.port}"}
    server.cable.close()


def test_a_connection_that_drops_is_made_again(cable, talk: Path):
    line, server, options = cable
    server.cuts = 1
    (row,) = ms.transcribe(talk, **options)
    assert (row.text, row.error) == ("Hello world.", "")
    assert (len(server.requests), line.connections) == (2, 2)


def test_a_connection_that_drops_again_and_again_is_an_error_row(cable, talk: Path):
    line, server, options = cable
    server.cuts = 1000
    (row,) = ms.transcribe(talk, **{**options, "request_timeout_s": 3})
    assert row.error.startswith("inference: Google did not answer")
    assert line.connections >= 2
    assert not list(options["paid"].glob("*.json"))


@pytest.mark.parametrize("code", [Code.UNAUTHENTICATED, Code.PERMISSION_DENIED])
def test_wrong_credentials_stop_the_run(google, talk: Path, code):
    server, options = google
    server.failures = [code]
    with pytest.raises(EngineError, match="gcloud auth application-default login"):
        list(ms.transcribe(talk, **options))


def test_no_credentials_stop_before_the_first_file(talk: Path, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    with pytest.raises(EngineError, match="no Google credentials"):
        ms.transcribe(talk, engine="google", project="p", language="en-US", max_cost=1)


def test_addresses_in_the_cloud_go_to_batch_recognition(google):
    server, options = google
    with pytest.raises(UsageError, match="1 of unknown length"):
        ms.transcribe("gs://bucket/talk.flac", **options)
    (row,) = ms.transcribe("gs://bucket/talk.flac", **{**options, "max_cost": None, "yes": True})
    assert (row.path, row.text, row.start_s, row.error) == ("gs://bucket/talk.flac", "Hello world.", 0.1, "")
    (request,) = server.requests
    assert [file.uri for file in request.files] == ["gs://bucket/talk.flac"]
    assert request.recognition_output_config.inline_response_config is not None


def test_requests_go_in_parallel_within_the_quota(google, tmp_path: Path):
    server, options = google
    server.delay_s = 0.3
    for number in range(6):
        wav(tmp_path / f"{number}.wav", voice(1, hertz=200 + 50 * number))
    list(ms.transcribe(sorted(tmp_path.glob("*.wav")), parallel=2, **options))
    assert server.busiest == 2


def test_what_was_paid_is_never_sent_again_but_other_questions_are(google, talk: Path):
    server, options = google
    first, again = list(ms.transcribe(talk, **options)), list(ms.transcribe(talk, **options))
    assert first == again
    assert len(server.requests) == 1
    list(ms.transcribe(talk, **{**options, "language": "fr-FR"}))
    assert len(server.requests) == 2


def test_silence_costs_nothing(google, tmp_path: Path):
    server, options = google
    (row,) = ms.transcribe(wav(tmp_path / "silence.wav", np.zeros(RATE)), **options)
    assert (row.text, row.error) == ("", "")
    assert not server.requests


def test_a_killed_run_continued_sends_nothing_again_that_was_paid(google, tmp_path: Path):
    server, options = google
    server.delay_s = 0.4
    folder = tmp_path / "talks"
    folder.mkdir()
    for number in range(8):
        wav(folder / f"{number}.wav", voice(1, hertz=200 + 50 * number))
    out, paid = tmp_path / "out.csv", options["paid"]
    command = [sys.executable, "-m", "mediasift", "transcribe", str(folder), "--engine", "google", "--project", "p",
               "--language", "de-DE", "--endpoint", options["endpoint"], "--paid", str(paid), "--parallel", "1",
               "--yes", "-o", str(out), "--quiet"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference")}
    run = subprocess.Popen(command, env=environment, start_new_session=True)
    until = time.monotonic() + 120
    while len(list(paid.glob("*.json")) if paid.is_dir() else []) < 3:
        assert run.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    time.sleep(1)  # what was in flight is answered by now
    kept = len(list(paid.glob("*.json")))
    sent_before = len(server.answered)
    assert 3 <= kept < 8
    assert sent_before - kept <= 1, "one request at a time was in flight"
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    times = collections.Counter(server.answered)
    assert len(times) == 8
    assert sum(times.values()) == 8 + (sent_before - kept)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [(Path(row["path"]).stem, row["text"]) for row in rows] == [(str(n), "Hello world.") for n in range(8)]


def test_nothing_is_sent_without_a_yes_or_above_the_limit(google, talk: Path):
    server, options = google
    command = ["transcribe", str(talk), "--engine", "google", "--project", "p", "--language", "de-DE", "--endpoint",
               options["endpoint"], "--paid", str(options["paid"])]  # fmt: skip
    asked = CliRunner().invoke(main, command)
    assert asked.exit_code == 2
    assert "type --yes" in asked.stderr
    dear = CliRunner().invoke(main, [*command, "--yes", "--max-cost", "1", "--price", "100"])
    assert dear.exit_code == 2
    assert "1.67 USD" in dear.stderr
    cloud = CliRunner().invoke(main, [*command, "gs://b/a.flac", "--yes", "--max-cost", "9"])
    assert "1 of unknown length" in cloud.stderr
    assert not server.requests
    assert CliRunner().invoke(main, [*command, "--yes", "--max-cost", "1"]).exit_code == 0
    assert len(server.requests) == 1


def test_google_needs_a_project_and_a_language(talk: Path):
    with pytest.raises(UsageError, match="--project and --language"):
        ms.transcribe(talk, engine="google", language="en-US")
