"""A speech model in a local folder, run by onnx-asr on ONNX Runtime; nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.runtime import first_line, ort_errors, runtime, session_options
from mediasift.engines.speech.phrases import ModelSettings, Phrase, SpeechEngine, Spoken, phrase_of
from mediasift.errors import InferenceFailed, ModelError, ModelNotFound, UsageError
from mediasift.items import Clip
from mediasift.media.sound.audio import SAMPLE_RATE_HZ
from mediasift.media.sound.channels import Waveform
from mediasift.settings import Option
from mediasift.system.optional import require

KINDS = ("gigaam-v2-ctc", "gigaam-v2-rnnt", "gigaam-v3-ctc", "gigaam-v3-rnnt", "kaldi-rnnt", "nemo-conformer-ctc",
         "nemo-conformer-rnnt", "nemo-conformer-tdt", "nemo-conformer-aed", "t-one-ctc", "vosk", "whisper",
         "whisper-ort")  # fmt: skip
"""Kinds of model that onnx-asr reads from a folder."""

_ASK_LANGUAGE = ("whisper", "whisper-ort", "nemo-conformer-aed")
"""Kinds that are given the language; all others have the one, or those, that they were trained on."""

_FOREIGN = (OSError, ValueError, LookupError, RuntimeError, AttributeError, AssertionError, TypeError)
"""What onnx-asr raises, besides ONNX Runtime's own errors, at files that are not what it expects."""

_PARTS = (".onnx", ".ort", ".data", ".onnx_data", ".txt", ".json")
"""Suffixes of the files of a model."""

_SPACES = " ▁"

_TOKEN_S = 0.4
"""Longest that a token lasts: a slow syllable."""


@dataclass(frozen=True, kw_only=True)
class OnnxSpeechSettings(ModelSettings):
    """Options of models in a folder."""

    model_kind: Annotated[
        str | None, Option("For onnx, where the folder's config.json does not say which kind it is.", choices=KINDS)
    ] = None


class OnnxSpeech(SpeechEngine):
    """The model in the folder `-m`; its kind is in the folder's `config.json`, or given.

    It transcribes a second of silence before the first file: a folder with the wrong files fails early and whole.

    Raises:
        UsageError: No folder was named, or a language for a model that lacks it or cannot be given one.
        ModelNotFound: The folder is not there.
        ModelError: Files are missing in it, or do not load.
    """

    settings = OnnxSpeechSettings
    piece_s = 25.0  # Whisper takes 30 seconds at most

    def __init__(self, settings: OnnxSpeechSettings, resources: Resources) -> None:
        if settings.model is None:
            raise UsageError("--engine onnx needs a folder with a speech model: -m FOLDER")
        folder = Path(settings.model)
        if not folder.is_dir():
            raise ModelNotFound(f"{folder}: no such folder; -m names a folder with an ONNX speech model and its files")
        kind = settings.model_kind or _kind_of(folder)
        if kind not in KINDS:
            raise UsageError(f"{folder}: which kind of model is it? Type --model-kind with one of {', '.join(KINDS)}")
        if settings.language and kind not in _ASK_LANGUAGE:
            raise UsageError(
                f"a {kind} model has the languages it was trained on and cannot be given {settings.language}; leave "
                "--language out; engines that can be given one: onnx with a Whisper or Canary model, google, whisper"
            )
        language = (settings.language or "auto").split("-")[0].lower()
        self._language = None if language == "auto" else language
        self._errors: tuple[type[Exception], ...] = (*ort_errors(), *_FOREIGN)
        model, precision = self._load(kind, folder, resources.cores)
        self._model = model if kind in _ASK_LANGUAGE else model.with_timestamps()
        self._try(kind, folder)
        self.facts = {
            "engine": "onnx", "version": metadata.version("onnx-asr"), "model": folder.name, "kind": kind,
            "precision": precision, "model_sha256": _sha256(folder), "language": settings.language,
        }  # fmt: skip

    def _load(self, kind: str, folder: Path, threads: int) -> tuple[Any, str]:
        """The model and which of its files it is: those of full precision, else those of 8 bits."""
        onnx_asr = require("onnx_asr", extra="onnx-speech")
        options = {"sess_options": session_options(threads), "providers": ["CPUExecutionProvider"]}
        missing: FileNotFoundError | None = None
        for precision, quantization in (("full", None), ("int8", "int8")):
            try:
                model = onnx_asr.load_model(kind, folder, quantization=quantization, **options)
                _check_sessions(model.asr)
                return model, precision
            except FileNotFoundError as error:
                missing = missing or error
            except self._errors as error:
                raise ModelError(f"{folder}: does not load as a {kind} model ({first_line(error)})") from error
        raise ModelError(f"{folder}: does not load as a {kind} model ({missing})") from missing

    def _try(self, kind: str, folder: Path) -> None:
        try:
            self._recognize(np.zeros(SAMPLE_RATE_HZ, np.float32), SAMPLE_RATE_HZ)
        except self._errors as error:
            if self._language and error.args == (f"<|{self._language}|>",):
                raise UsageError(f"{folder}: the model does not have the language {self._language}") from error
            raise ModelError(f"{folder}: does not work as a {kind} model ({first_line(error)})") from error

    def _recognize(self, sound: Waveform, rate: int) -> Any:
        """Text, or text with tokens and their times, by the kind of model."""
        chosen = {"language": self._language} if self._language else {}
        return self._model.recognize(sound, sample_rate=rate, **chosen)

    def phrases(self, clip: Clip) -> Sequence[Phrase]:
        """See `SpeechEngine`."""
        try:
            spoken = self._recognize(clip.waveform, clip.sample_rate)
        except ort_errors() as error:
            raise InferenceFailed(f"the model failed: {first_line(error)}") from error
        end_s = clip.waveform.size / clip.sample_rate
        text = (spoken if isinstance(spoken, str) else spoken.text).strip()
        if not text:
            return ()
        if not isinstance(spoken, str):
            words = _words(spoken.tokens or (), spoken.timestamps or (), spoken.logprobs, end_s)
            if words:
                return (phrase_of(words, text),)
        return (Phrase(text=text, start_s=0.0, end_s=end_s),)


class _Checked:
    """A session of ONNX Runtime whose numbers are checked: a label that follows from NaN is none."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, *args: Any, **more: Any) -> Any:
        """As the session's; raises an InferenceFailed."""
        results = self._session.run(*args, **more)
        for array in results:  # minus infinity is the logarithm of 0
            if getattr(array, "dtype", np.dtype(int)).kind == "f" and not (array < np.inf).all():
                raise InferenceFailed("the model gives numbers that are NaN or infinite")
        return results


def _check_sessions(model: Any) -> None:
    """Put a check around each session that a model of onnx-asr holds."""
    for name, value in list(vars(model).items()):
        if isinstance(value, runtime().InferenceSession):
            setattr(model, name, _Checked(value))


def _sha256(folder: Path) -> str:
    """Of the names and digests of all files in the folder that could be part of the model."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in _PARTS and file.is_file())
    lines = [f"{sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _kind_of(folder: Path) -> str:
    try:
        data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(data.get("model_type", "")) if isinstance(data, dict) else ""


def _words(
    tokens: Sequence[str], times: Sequence[float], logprobs: Sequence[float] | None, end_s: float
) -> tuple[Spoken, ...]:
    """Words of tokens that begin with a space where a word begins.

    A model reports when tokens begin, not when they end: a word lasts until the next one begins, at most `_TOKEN_S`
    after its last token began.
    """
    words: list[list[int]] = []
    for index, token in enumerate(tokens):
        if not words or token[:1] in _SPACES:
            words.append([])
        if token.strip(_SPACES):  # a space may be a token of its own, spoken before its word
            words[-1].append(index)
    words = [word for word in words if word]
    spoken = []
    for word, next_word in itertools.zip_longest(words, words[1:]):
        next_s = float(times[next_word[0]]) if next_word else end_s
        known = None if logprobs is None else float(np.exp([logprobs[index] for index in word]).mean())
        spoken.append(
            Spoken(
                text="".join(tokens[index] for index in word).strip(_SPACES),
                start_s=float(times[word[0]]),
                end_s=min(next_s, float(times[word[-1]]) + _TOKEN_S),
                confidence=None if known is None else min(1.0, known),
            )
        )
    return tuple(spoken)
