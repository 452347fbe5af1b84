"""Google Cloud Speech-to-Text v2: the recording, or its address, leaves this machine, and is paid for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.engines.speech.engine import EngineSettings, Phrase, Spoken
from mediasift.errors import EngineError, InferenceFailed, OutputError, UsageError
from mediasift.items import Clip, RemoteSound
from mediasift.system.machine import cache_folder
from mediasift.system.network import refuse_if_offline
from mediasift.system.optional import require

LONGEST_S = 55.0
"""A synchronous request holds one minute of sound and 10 MB at most; a minute of ours is 1.9 MB."""

USD_PER_MINUTE = 0.016
"""List price of standard recognition (https://cloud.google.com/speech-to-text/pricing); billed by the second."""

PARALLEL = 4
_BATCH_S = 3600.0
_FORMAT = 1
"""Of the paid answers that are kept; a change makes old ones unknown."""


def paid_folder() -> Path:
    """Where paid answers are kept unless told otherwise."""
    return cache_folder() / "google-speech"


class GoogleSpeech:
    """A client with application-default credentials.

    Every answer is kept in `options["paid"]`, named by a hash of the sound and of all that was asked, before its rows
    go anywhere: whatever happens afterwards, the same piece is never sent and paid again.

    Raises:
        UsageError: The project or the language is missing.
        EngineError: No credentials, or the service refuses them.
    """

    def __init__(self, settings: EngineSettings) -> None:
        options = settings.options
        project, self._language = options.get("project"), settings.language
        if not project or not self._language:
            raise UsageError("--engine google needs --project and --language, a BCP-47 tag such as de-DE")
        refuse_if_offline("Google Speech-to-Text")
        self._speech = require("google.cloud.speech_v2", extra="google")
        self._errors = require("google.api_core.exceptions", extra="google")
        location = options.get("location") or "global"
        self._recognizer = f"projects/{project}/locations/{location}/recognizers/_"
        self._model = settings.model or "long"
        self._diarize = bool(options.get("diarize"))
        self._timeout_s = float(options.get("timeout_s") or 120)
        self._client = self._connect(location, options.get("endpoint"))
        self._paid = Path(options.get("paid") or paid_folder())
        self.workers = int(options.get("parallel") or PARALLEL)
        self.facts: Mapping[str, Any] = {
            "engine": "google", "version": metadata.version("google-cloud-speech"), "model": self._model,
            "language": self._language, "location": location,
        }  # fmt: skip

    def _connect(self, location: str, endpoint: str | None) -> Any:
        """The client. An endpoint `http://HOST:PORT` is plain text without credentials, for a server of one's own."""
        if endpoint and endpoint.startswith("http://"):
            grpc = require("grpc", extra="google")
            transports = require("google.cloud.speech_v2.services.speech.transports", extra="google")
            channel = grpc.insecure_channel(endpoint.removeprefix("http://"))
            return self._speech.SpeechClient(transport=transports.SpeechGrpcTransport(channel=channel))
        host = endpoint or ("speech.googleapis.com" if location == "global" else f"{location}-speech.googleapis.com")
        auth = require("google.auth.exceptions", extra="google")
        try:
            return self._speech.SpeechClient(client_options={"api_endpoint": host})
        except auth.DefaultCredentialsError as error:
            raise EngineError(
                "no Google credentials were found; type: gcloud auth application-default login, or name a key file in "
                f"GOOGLE_APPLICATION_CREDENTIALS ({error})"
            ) from error

    def hear(self, clip: Clip | RemoteSound) -> Sequence[Phrase]:
        """See `Engine`."""
        if isinstance(clip, RemoteSound):
            asked = clip.path.encode()
            return self._once(asked, lambda: self._batch(clip.path))
        if clip.waveform.size < clip.sample_rate // 10 or not clip.waveform.any():
            return ()  # nothing to pay for
        sound = np.round(clip.waveform * 32768).clip(-32768, 32767).astype("<i2").tobytes()
        return self._once(sound, lambda: self._recognize(sound, clip.sample_rate))

    def _once(self, sound: bytes, ask: Callable[[], list[Phrase]]) -> list[Phrase]:
        """The answer that was paid before, else a new one, kept before it is used."""
        question = [_FORMAT, self._recognizer, self._model, self._language, self._diarize]
        name = hashlib.sha256(json.dumps(question).encode() + b"\0" + sound).hexdigest()
        file = self._paid / f"{name}.json"
        if file.is_file():
            return [_phrase(data) for data in json.loads(file.read_text(encoding="utf-8"))]
        phrases = ask()
        temporary = file.with_suffix(f".{os.getpid()}.part")
        try:
            self._paid.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as opened:
                json.dump([asdict(phrase) for phrase in phrases], opened, ensure_ascii=False)
                opened.flush()
                os.fsync(opened.fileno())
            temporary.replace(file)
        except OSError as error:
            raise OutputError(f"{file}: a paid answer cannot be kept ({error.strerror or error}); stopped") from error
        return phrases

    def _config(self, **decoding: Any) -> Any:
        speech = self._speech
        features = speech.RecognitionFeatures(
            enable_word_time_offsets=True, enable_word_confidence=True, enable_automatic_punctuation=True
        )
        if self._diarize:
            features.diarization_config = speech.SpeakerDiarizationConfig(min_speaker_count=1, max_speaker_count=6)
        return speech.RecognitionConfig(
            model=self._model, language_codes=[self._language], features=features, **decoding
        )

    def _retry(self) -> Any:
        """Again after 1, 2, 4 ... seconds, for what passes by itself: overload, quota, a lost connection."""
        retry = require("google.api_core.retry", extra="google")
        errors = self._errors
        passing = retry.if_exception_type(
            errors.ServiceUnavailable, errors.ResourceExhausted, errors.InternalServerError, errors.Aborted
        )
        return retry.Retry(predicate=passing, initial=1.0, maximum=30.0, multiplier=2.0, timeout=self._timeout_s)

    def _call(self, call: Callable[[], Any]) -> Any:
        """What the service answers; its errors as ours: those that all pieces would share stop the run."""
        errors = self._errors
        try:
            return call()
        except (errors.Unauthenticated, errors.PermissionDenied) as error:
            raise EngineError(
                f"Google refuses the credentials ({error.message}); type: gcloud auth application-default login, and "
                "see that the project has the Speech-to-Text API"
            ) from error
        except (errors.NotFound, errors.InvalidArgument) as error:
            raise InferenceFailed(f"Google does not take it ({error.message})") from error
        except errors.RetryError as error:
            raise InferenceFailed(f"Google did not answer within {self._timeout_s:g} s ({error.cause})") from error
        except errors.GoogleAPICallError as error:
            raise InferenceFailed(f"Google failed ({error})") from error

    def _recognize(self, sound: bytes, rate: int) -> list[Phrase]:
        speech = self._speech
        linear16 = speech.ExplicitDecodingConfig.AudioEncoding.LINEAR16
        decoding = speech.ExplicitDecodingConfig(encoding=linear16, sample_rate_hertz=rate, audio_channel_count=1)
        request = speech.RecognizeRequest(
            recognizer=self._recognizer, config=self._config(explicit_decoding_config=decoding), content=sound
        )
        answer = self._call(lambda: self._client.recognize(request, retry=self._retry(), timeout=self._timeout_s))
        return _phrases(answer.results, len(sound) / 2 / rate)

    def _batch(self, uri: str) -> list[Phrase]:
        """A whole recording in Cloud Storage; the answer comes back inline."""
        speech = self._speech
        request = speech.BatchRecognizeRequest(
            recognizer=self._recognizer,
            config=self._config(auto_decoding_config=speech.AutoDetectDecodingConfig()),
            files=[speech.BatchRecognizeFileMetadata(uri=uri)],
            recognition_output_config=speech.RecognitionOutputConfig(
                inline_response_config=speech.InlineOutputConfig()
            ),
        )
        begun = self._call(lambda: self._client.batch_recognize(request, retry=self._retry(), timeout=self._timeout_s))
        answer = self._call(lambda: begun.result(timeout=_BATCH_S)).results[uri]
        if answer.error.code:
            raise InferenceFailed(f"Google does not take it ({answer.error.message})")
        return _phrases(answer.inline_result.transcript.results, None)


def _phrases(results: Sequence[Any], end_s: float | None) -> list[Phrase]:
    phrases: list[Phrase] = []
    before = 0.0
    for result in results:
        if not result.alternatives or not result.alternatives[0].transcript.strip():
            continue
        best = result.alternatives[0]
        words = tuple(
            Spoken(
                text=word.word,
                start_s=word.start_offset.total_seconds(),
                end_s=word.end_offset.total_seconds(),
                confidence=word.confidence or None,
                speaker=word.speaker_label or None,
            )
            for word in best.words
        )
        end = result.result_end_offset.total_seconds() or end_s or before
        speakers = {word.speaker for word in words}
        phrases.append(
            Phrase(
                text=best.transcript.strip(),
                start_s=words[0].start_s if words else before,
                end_s=words[-1].end_s if words else end,
                confidence=best.confidence or None,
                speaker=speakers.pop() if len(speakers) == 1 else None,
                words=words,
            )
        )
        before = end
    return phrases


def _phrase(data: Mapping[str, Any]) -> Phrase:
    return Phrase(**{**data, "words": tuple(Spoken(**word) for word in data["words"])})
