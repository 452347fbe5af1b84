"""Engines that transcribe speech."""

from __future__ import annotations

from dataclasses import dataclass

from mediasift.engines.speech.google import GoogleSpeech, GoogleSpeechSettings
from mediasift.engines.speech.onnx import OnnxSpeech, OnnxSpeechSettings
from mediasift.engines.speech.phrases import SpeechEngine
from mediasift.engines.speech.pocketsphinx import PocketSphinx
from mediasift.engines.speech.whisper import Whisper

ENGINES: dict[str, type[SpeechEngine]] = {
    "pocketsphinx": PocketSphinx, "whisper": Whisper, "onnx": OnnxSpeech, "google": GoogleSpeech,
}  # fmt: skip
"""Name → engine."""

OFFLINE = tuple(name for name, engine in ENGINES.items() if not hasattr(engine, "price_usd"))
"""Those that send nothing away and cost nothing."""


@dataclass(frozen=True, kw_only=True)
class SpeechEngines(OnnxSpeechSettings, GoogleSpeechSettings):
    """Options of all of them."""
