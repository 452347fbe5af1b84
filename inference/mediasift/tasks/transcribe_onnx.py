"""A speech model in a local folder, run by onnx-asr on ONNX Runtime; nothing is ever downloaded."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.errors import ModelError, ModelNotFound, Unsupported, UsageError
from mediasift.items import Clip, RemoteSound
from mediasift.offline import no_telemetry
from mediasift.optional import require
from mediasift.tasks.transcribe_engine import EngineSettings, Phrase, Spoken

KINDS = ("gigaam-v2-ctc", "gigaam-v2-rnnt", "gigaam-v3-ctc", "gigaam-v3-rnnt", "kaldi-rnnt", "nemo-conformer-ctc",
         "nemo-conformer-rnnt", "nemo-conformer-tdt", "nemo-conformer-aed", "t-one-ctc", "vosk", "whisper",
         "whisper-ort")  # fmt: skip
"""Kinds of model that onnx-asr reads from a folder."""

_ASK_LANGUAGE = ("whisper", "whisper-ort", "nemo-conformer-aed")
"""Kinds that are told the language; all others have the one, or those, that they were trained on."""


class OnnxSpeech:
    """The model in the folder `-m`; its kind is in the folder's `config.json`, or given.

    Raises:
        UsageError: No folder was named, or a language for a model that cannot be told one.
        ModelNotFound: The folder is not there.
        ModelError: Files are missing in it, or do not load.
    """

    workers = 1  # ONNX Runtime uses all the threads by itself

    def __init__(self, settings: EngineSettings) -> None:
        if settings.model is None:
            raise UsageError("--engine onnx needs a folder with a speech model: -m FOLDER")
        folder = Path(settings.model)
        if not folder.is_dir():
            raise ModelNotFound(f"{folder}: no such folder; -m names a folder with an ONNX speech model and its files")
        kind = settings.options.get("model_kind") or _kind_of(folder)
        if kind not in KINDS:
            raise UsageError(f"{folder}: which kind of model is it? Type --model-kind with one of {', '.join(KINDS)}")
        if settings.language and kind not in _ASK_LANGUAGE:
            raise UsageError(
                f"a {kind} model has the languages it was trained on and cannot be told {settings.language}; leave "
                "--language out; engines that can be told: onnx with a Whisper or Canary model, google"
            )
        self._language = settings.language.split("-")[0].lower() if settings.language else None
        self._lock = threading.Lock()
        no_telemetry()
        onnx_asr = require("onnx_asr", extra="onnx-speech")
        quantization = None if list(folder.glob("*model.onnx")) or not list(folder.glob("*.int8.onnx")) else "int8"
        try:
            model = onnx_asr.load_model(kind, folder, quantization=quantization, providers=["CPUExecutionProvider"])
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ModelError(f"{folder}: does not load as a {kind} model ({error})") from error
        self._model = model if kind.startswith("whisper") or kind == "nemo-conformer-aed" else model.with_timestamps()
        self.facts: Mapping[str, Any] = {
            "engine": "onnx", "version": metadata.version("onnx-asr"), "model": folder.name, "kind": kind,
            "language": settings.language,
        }  # fmt: skip

    def hear(self, clip: Clip | RemoteSound) -> Sequence[Phrase]:
        """See `Engine`."""
        if isinstance(clip, RemoteSound):
            raise Unsupported("an address of remote sound; --engine google reads those")
        if clip.waveform.size < clip.sample_rate // 10 or not clip.waveform.any():
            return ()
        chosen = {"language": self._language} if self._language else {}
        with self._lock:
            found = self._model.recognize(clip.waveform, sample_rate=clip.sample_rate, **chosen)
        end_s = clip.waveform.size / clip.sample_rate
        if isinstance(found, str):
            return (Phrase(text=found.strip(), start_s=0.0, end_s=end_s),) if found.strip() else ()
        words = _words(found.tokens or (), found.timestamps or (), found.logprobs, end_s)
        text = found.text.strip()
        if not text:
            return ()
        known = [word.confidence for word in words if word.confidence is not None]
        return (
            Phrase(
                text=text,
                start_s=words[0].start_s if words else 0.0,
                end_s=words[-1].end_s if words else end_s,
                confidence=sum(known) / len(known) if known else None,
                words=words,
            ),
        )


def _kind_of(folder: Path) -> str:
    try:
        data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(data.get("model_type", "")) if isinstance(data, dict) else ""


def _words(
    tokens: Sequence[str], times: Sequence[float], logprobs: Sequence[float] | None, end_s: float
) -> tuple[Spoken, ...]:
    """Words of tokens that begin with a space where a word begins; each lasts until the next begins."""
    starts: list[tuple[str, float, list[float]]] = []
    for index, (token, time) in enumerate(zip(tokens, times, strict=True)):
        probability = [] if logprobs is None else [float(np.exp(logprobs[index]))]
        if not starts or token[:1] in (" ", "▁"):
            starts.append((token, float(time), probability))
        else:
            text, begin, before = starts[-1]
            starts[-1] = (text + token, begin, before + probability)
    ends = [begin for _, begin, _ in starts[1:]] + [end_s]
    return tuple(
        Spoken(
            text=text.strip(" ▁"),
            start_s=begin,
            end_s=end,
            confidence=sum(sure) / len(sure) if sure else None,
        )
        for (text, begin, sure), end in zip(starts, ends, strict=True)
        if text.strip(" ▁")
    )
