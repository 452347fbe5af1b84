"""OpenAI's Whisper, run by faster-whisper: about 100 languages, offline once the model is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.onnx_file import sha256
from mediasift.engines.onnx.registry import find_folder
from mediasift.engines.speech.phrases import ModelSettings, Phrase, SpeechEngine, Spoken, phrase_of
from mediasift.errors import InferenceFailed, ModelError, UsageError, did_you_mean
from mediasift.items import Clip
from mediasift.system.network import no_telemetry
from mediasift.system.optional import require

DEFAULT_MODEL = "whisper-base"

_NEEDED = ("model.bin", "config.json", "tokenizer.json")
"""Without the tokenizer, the library asks a hub for it, even where it must not."""


class Whisper(SpeechEngine):
    """A model of the registry by its name, or a folder with one that was converted for CTranslate2.

    What it hears is decided by the model alone, at temperature 0: the same recording gives the same words.

    Raises:
        UsageError: The model does not have the language.
        ModelNotFound: The model is not here; the message says how to get it.
        ModelError: Files are missing in it, or do not load.
    """

    settings = ModelSettings
    piece_s = 30.0  # what Whisper looks at in one go

    def __init__(self, settings: ModelSettings, resources: Resources) -> None:
        no_telemetry()
        faster_whisper = require("faster_whisper", extra="whisper")
        logging.getLogger("faster_whisper").setLevel(logging.ERROR)
        folder = find_folder(settings.model or DEFAULT_MODEL)
        if missing := [name for name in _NEEDED if not (folder / name).is_file()]:
            raise ModelError(
                f"{folder}: {', '.join(missing)} is missing; -m names a folder with a model for CTranslate2"
            )
        try:
            self._model = faster_whisper.WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=resources.cores, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelError(f"{folder}: does not load as a Whisper model ({error})") from error
        self._language = self._checked(settings.language, folder.name)
        self.facts = {
            "engine": "whisper", "version": metadata.version("faster-whisper"), "model": folder.name,
            "model_sha256": sha256(folder / "model.bin"), "language": self._language or "auto",
        }  # fmt: skip

    def _checked(self, language: str | None, model: str) -> str | None:
        """The language as Whisper names it; None to find out."""
        known = self._model.supported_languages
        if language is None or language.lower() == "auto":
            return None if len(known) > 1 else str(known[0])
        name = language.replace("_", "-").split("-")[0].lower()
        if name not in known:
            raise UsageError(
                f"language {language!r}: {model} has auto, {', '.join(sorted(known))}{did_you_mean(language, known)}"
            )
        return name

    def phrases(self, clip: Clip) -> Sequence[Phrase]:
        """See `SpeechEngine`."""
        try:
            segments, about = self._model.transcribe(
                clip.waveform, language=self._language, temperature=0.0, word_timestamps=True, vad_filter=True,
                condition_on_previous_text=False, beam_size=5,
            )  # fmt: skip
            return [_phrase(segment, about.language) for segment in segments if segment.text.strip()]
        except (RuntimeError, ValueError) as error:
            raise InferenceFailed(f"Whisper failed: {error}") from error


def _phrase(segment: Any, language: str) -> Phrase:
    words = tuple(
        Spoken(
            text=word.word.strip(), start_s=float(word.start), end_s=float(word.end), confidence=float(word.probability)
        )
        for word in segment.words or ()
        if word.word.strip()
    )
    text = segment.text.strip()
    if not words:
        return Phrase(text=text, start_s=float(segment.start), end_s=float(segment.end), language=language)
    return replace(phrase_of(words, text), language=language)
