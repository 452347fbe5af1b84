"""CMU PocketSphinx with the English model of its wheel: offline, small, and often wrong."""

from __future__ import annotations

from importlib import metadata

from mediasift.engines.engine import Resources
from mediasift.engines.speech.phrases import LanguageSettings, Phrase, SpeechEngine, Spoken, linear16, phrase_of
from mediasift.errors import UsageError
from mediasift.items import Clip
from mediasift.system.optional import require

_FRAMES_PER_S = 100
_NO_WORDS = ("<", "[", "++")
"""Silences and noises."""
_LONGEST_PAUSE_S = 0.7
"""Between two words of one phrase."""


class PocketSphinx(SpeechEngine):
    """The decoder with US English; other languages are a UsageError."""

    settings = LanguageSettings
    piece_s = 30.0
    doubt_below = 0.45  # clear English has 0.54 to 0.74, a telephone call 0.42, German, French and Russian 0.18 to 0.43
    doubt = "most of it is a guess: pocketsphinx knows clear English only; --engine whisper knows about 100 languages"

    def __init__(self, settings: LanguageSettings, resources: Resources) -> None:  # noqa: ARG002  (as every engine)
        language = settings.language or "en-US"
        if language.lower().split("-")[0] != "en":
            raise UsageError(
                f"pocketsphinx knows English only, not {language}; engines that may have it: onnx (with a model of "
                "that language, -m FOLDER), whisper (about 100 languages) and google"
            )
        pocketsphinx = require("pocketsphinx", extra="speech")
        self._decoder = pocketsphinx.Decoder(loglevel="FATAL", samprate=16000.0)
        self._cmn = self._decoder.get_cmn(False)
        self.facts = {"engine": "pocketsphinx", "version": metadata.version("pocketsphinx"), "language": "en-US"}

    def phrases(self, clip: Clip) -> list[Phrase]:
        """See `SpeechEngine`. Each clip is decoded on its own: what came before does not change it."""
        decoder = self._decoder
        decoder.reinit_feat()
        decoder.set_cmn(self._cmn)
        decoder.start_utt()
        decoder.process_raw(linear16(clip), no_search=False, full_utt=True)
        decoder.end_utt()
        groups: list[list[Spoken]] = []
        for part in decoder.seg() or ():
            if part.word.startswith(_NO_WORDS):
                continue
            word = Spoken(
                text=part.word.partition("(")[0],
                start_s=part.start_frame / _FRAMES_PER_S,
                end_s=(part.end_frame + 1) / _FRAMES_PER_S,
                confidence=min(1.0, max(0.0, float(part.prob))),
            )
            if groups and word.start_s - groups[-1][-1].end_s <= _LONGEST_PAUSE_S:
                groups[-1].append(word)
            else:
                groups.append([word])
        return [phrase_of(words, " ".join(word.text for word in words)) for words in groups]
