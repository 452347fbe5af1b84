"""Google Cloud Speech-to-Text v2: the recording, or its address, leaves this machine, and is paid for."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from mediasift.engines.engine import Paid, PaidSettings, Resources
from mediasift.engines.speech.phrases import (
    ModelSettings,
    Phrase,
    SpeechEngine,
    Spoken,
    is_silent,
    linear16,
    phrase_of,
)
from mediasift.errors import EngineError, InferenceFailed, TryAgain, UsageError
from mediasift.items import Clip, RemoteSound
from mediasift.settings import Option
from mediasift.system.machine import cache_folder
from mediasift.system.network import refuse_if_offline
from mediasift.system.optional import require

USD_PER_MINUTE = 0.016
"""List price of standard recognition (https://cloud.google.com/speech-to-text/pricing); billed by the second."""

_BATCH_S = 3600.0
_FORMAT = 1
"""Of the paid answers that are kept; a change makes old ones unknown."""


@dataclass(frozen=True, kw_only=True)
class GoogleSpeechSettings(ModelSettings, PaidSettings):
    """Options of Google Cloud Speech-to-Text."""

    project: Annotated[str | None, Option("For google: the project that pays.")] = None
    location: Annotated[str, Option("For google: a region.")] = "global"
    endpoint: Annotated[
        str | None, Option("For google: another address; http://HOST:PORT is plain text, for a test server.")
    ] = None
    diarize: Annotated[bool, Option("For google: distinguish speakers.")] = False

    @property
    def usd_per_s(self) -> float:
        """Price of a second of sound."""
        return (USD_PER_MINUTE if self.price is None else self.price) / 60


class GoogleSpeech(SpeechEngine, Paid):
    """A client with application-default credentials.

    Raises:
        UsageError: The project or the language is missing.
        EngineError: No credentials, or the service refuses them.
    """

    settings = GoogleSpeechSettings
    piece_s = 55.0  # a synchronous request holds one minute of sound and 10 MB at most; a minute of ours is 1.9 MB

    def __init__(self, settings: GoogleSpeechSettings, resources: Resources) -> None:
        if not settings.project or not settings.language:
            raise UsageError("--engine google needs --project and --language, a BCP-47 tag such as de-DE")
        refuse_if_offline("Google Speech-to-Text")
        self._language, self._diarize, self._usd_per_s = settings.language, settings.diarize, settings.usd_per_s
        self._speech = require("google.cloud.speech_v2", extra="google")
        self._errors = require("google.api_core.exceptions", extra="google")
        self._recognizer = f"projects/{settings.project}/locations/{settings.location}/recognizers/_"
        self._model = settings.model or "long"
        limit_s = resources.engine_timeout_s or math.inf
        self._timeout_s, self._batch_s = min(settings.request_timeout_s, limit_s), min(_BATCH_S, limit_s)
        self._client = self._connect(settings.location, settings.endpoint)
        self.folder = Path(settings.paid or cache_folder() / "google-speech")
        self.concurrency = settings.parallel
        self.facts = {
            "engine": "google", "version": metadata.version("google-cloud-speech"), "model": self._model,
            "language": self._language, "location": settings.location,
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

    def answer(self, request: Clip | RemoteSound) -> Sequence[Phrase]:
        """See `SpeechEngine`; an address, too."""
        return self._batch(request.path) if isinstance(request, RemoteSound) else super().answer(request)

    def close(self) -> None:
        """End the connection."""
        self._client.transport.close()

    @staticmethod
    def usd(settings: GoogleSpeechSettings, seconds: float) -> float:
        """What a recording costs at most: every piece is billed in whole seconds, and is half the longest at least."""
        pieces = max(1, math.ceil(seconds / (GoogleSpeech.piece_s / 2)))
        return (math.ceil(seconds) + pieces - 1) * settings.usd_per_s

    def price_usd(self, request: Clip | RemoteSound) -> float | None:
        """See `Paid`; silence is not sent; how long a recording in the cloud is, is not known."""
        if isinstance(request, RemoteSound):
            return None
        return 0.0 if is_silent(request) else math.ceil(request.waveform.size / request.sample_rate) * self._usd_per_s

    def key(self, request: Clip | RemoteSound) -> str:
        """See `Paid`."""
        asked = request.path.encode() if isinstance(request, RemoteSound) else linear16(request)
        question = [_FORMAT, self._recognizer, self._model, self._language, self._diarize]
        return hashlib.sha256(json.dumps(question).encode() + b"\0" + asked).hexdigest()

    def answer_to_json(self, answer: Sequence[Phrase]) -> list[dict[str, Any]]:
        """See `Paid`."""
        return [asdict(phrase) for phrase in answer]

    def answer_from_json(self, data: Sequence[Mapping[str, Any]]) -> list[Phrase]:
        """See `Paid`."""
        return [Phrase(**{**one, "words": tuple(Spoken(**word) for word in one["words"])}) for one in data]

    def _config(self, **decoding: Any) -> Any:
        speech = self._speech
        enabled = ("enable_word_time_offsets", "enable_word_confidence", "enable_automatic_punctuation")
        features = speech.RecognitionFeatures(**dict.fromkeys(enabled, True))
        if self._diarize:
            features.diarization_config = speech.SpeakerDiarizationConfig(min_speaker_count=1, max_speaker_count=6)
        return speech.RecognitionConfig(
            model=self._model, language_codes=[self._language], features=features, **decoding
        )

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
            raise InferenceFailed(f"Google does not take it ({error.message})", unpaid=True) from error
        except errors.ResourceExhausted as error:
            raise TryAgain(f"Google's quota is used up ({error.message})", unpaid=True) from error
        except (errors.ServiceUnavailable, errors.InternalServerError, errors.Aborted) as error:
            raise TryAgain(f"Google did not answer ({error.message})") from error
        except errors.GoogleAPICallError as error:
            raise InferenceFailed(f"Google failed ({error})") from error

    def phrases(self, clip: Clip) -> list[Phrase]:
        """See `SpeechEngine`."""
        speech, sound, rate = self._speech, linear16(clip), clip.sample_rate
        encoding = speech.ExplicitDecodingConfig.AudioEncoding.LINEAR16
        decoding = speech.ExplicitDecodingConfig(encoding=encoding, sample_rate_hertz=rate, audio_channel_count=1)
        request = speech.RecognizeRequest(
            recognizer=self._recognizer, config=self._config(explicit_decoding_config=decoding), content=sound
        )
        answer = self._call(lambda: self._client.recognize(request, retry=None, timeout=self._timeout_s))
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
        begun = self._call(lambda: self._client.batch_recognize(request, retry=None, timeout=self._timeout_s))
        answer = self._call(lambda: begun.result(timeout=self._batch_s)).results[uri]
        if answer.error.code:
            raise InferenceFailed(f"Google does not take it ({answer.error.message})", unpaid=True)
        return _phrases(answer.inline_result.transcript.results, None)


def _phrases(results: Sequence[Any], end_s: float | None) -> list[Phrase]:
    phrases: list[Phrase] = []
    before_s = 0.0
    for result in results:
        if not result.alternatives or not (text := result.alternatives[0].transcript.strip()):
            continue
        best = result.alternatives[0]
        words = tuple(map(_spoken, best.words))
        after_s = result.result_end_offset.total_seconds() or end_s or before_s
        whole = phrase_of(words, text) if words else Phrase(text=text, start_s=before_s, end_s=after_s)
        speakers = {word.speaker for word in words}
        speaker = speakers.pop() if len(speakers) == 1 else None
        phrases.append(replace(whole, confidence=best.confidence or None, speaker=speaker))
        before_s = after_s
    return phrases


def _spoken(word: Any) -> Spoken:
    start_s, end_s = word.start_offset.total_seconds(), word.end_offset.total_seconds()
    return Spoken(text=word.word, start_s=start_s, end_s=end_s, confidence=word.confidence or None,
                  speaker=word.speaker_label or None)  # fmt: skip
