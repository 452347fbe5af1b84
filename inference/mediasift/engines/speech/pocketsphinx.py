"""CMU PocketSphinx with the English model of its wheel: offline, small, and often wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, ClassVar

import numpy as np

from mediasift.engines.speech.phrases import LanguageSettings, Phrase, Spoken, is_silent, local
from mediasift.errors import UsageError
from mediasift.items import Clip, RemoteSound
from mediasift.settings import Settings
from mediasift.system.optional import require

_SILENCES = ("<s>", "</s>", "<sil>")
_LONGEST_PAUSE_S = 0.7
"""Between two words of one phrase."""


class PocketSphinx:
    """The decoder with US English; other languages are a UsageError."""

    settings: ClassVar[type[Settings]] = LanguageSettings
    piece_s: ClassVar[float] = 30.0
    concurrency = 1  # its decoder is one object with a state

    def __init__(
        self,
        settings: LanguageSettings,
        *,
        threads: int,  # noqa: ARG002  (as every SpeechEngine)
        timeout_s: float | None = None,  # noqa: ARG002
    ) -> None:
        language = settings.language or "en-US"
        if language.lower().split("-")[0] != "en":
            raise UsageError(
                f"pocketsphinx knows English only, not {language}; engines that may have it: onnx (with a model of "
                "that language, -m FOLDER) and google"
            )
        pocketsphinx = require("pocketsphinx", extra="speech")
        self._decoder = pocketsphinx.Decoder(loglevel="FATAL", samprate=16000.0)
        self._cmn = self._decoder.get_cmn(False)
        self._frames_per_s = 100
        self.facts: Mapping[str, Any] = {
            "engine": "pocketsphinx", "version": metadata.version("pocketsphinx"), "language": "en-US",
        }  # fmt: skip

    def run(self, batch: Sequence[Clip | RemoteSound]) -> list[list[Phrase]]:
        """See `SpeechEngine`. Each clip is decoded on its own: what came before does not change it."""
        return [self._decoded(local(clip)) for clip in batch]

    def close(self) -> None:
        """Nothing is held."""

    def _decoded(self, clip: Clip) -> list[Phrase]:
        samples = np.round(clip.waveform * 32768).clip(-32768, 32767).astype("<i2")
        if is_silent(clip) or not samples.any():
            return []
        decoder = self._decoder
        decoder.reinit_feat()
        decoder.set_cmn(self._cmn)
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        decoder.end_utt()
        words = [self._spoken(part) for part in decoder.seg() or () if _is_word(part.word)]
        return [_phrase(group) for group in _groups(words)]

    def _spoken(self, part: Any) -> Spoken:
        return Spoken(
            text=part.word.partition("(")[0],
            start_s=part.start_frame / self._frames_per_s,
            end_s=(part.end_frame + 1) / self._frames_per_s,
            confidence=min(1.0, max(0.0, float(part.prob))),
        )


def _is_word(word: str) -> bool:
    return word not in _SILENCES and not word.startswith(("[", "<", "++"))


def _groups(words: Sequence[Spoken]) -> list[list[Spoken]]:
    """Words, split at pauses."""
    groups: list[list[Spoken]] = []
    for word in words:
        if groups and word.start_s - groups[-1][-1].end_s <= _LONGEST_PAUSE_S:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _phrase(words: Sequence[Spoken]) -> Phrase:
    known = [word.confidence for word in words if word.confidence is not None]
    return Phrase(
        text=" ".join(word.text for word in words),
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        confidence=sum(known) / len(known) if known else None,
        words=tuple(words),
    )
