"""CMU PocketSphinx with the English model of its wheel: offline, small, and often wrong."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from mediasift.engines.engine import Resources
from mediasift.engines.speech.phrases import LanguageSettings, Phrase, SpeechEngine, Spoken, linear16, phrase_of
from mediasift.errors import EngineError, InferenceFailed, UsageError
from mediasift.items import Clip
from mediasift.system.optional import require
from mediasift.system.trust import trusted_environment

_FRAMES_PER_S = 100
_NO_WORDS = ("<", "[", "++")
"""Silences and noises."""
_LONGEST_PAUSE_S = 0.7
"""Between two words of one phrase."""


class PocketSphinx(SpeechEngine):
    """Decoders with US English, a process for each core; other languages are a UsageError."""

    settings = LanguageSettings
    piece_s = 30.0
    doubt_below = 0.45  # clear English has 0.54 to 0.74, a telephone call 0.42, German, French and Russian 0.18 to 0.43
    doubt = "most of it is a guess: pocketsphinx knows clear English only; --engine whisper knows about 100 languages"

    def __init__(self, settings: LanguageSettings, resources: Resources) -> None:
        language = settings.language or "en-US"
        if language.lower().split("-")[0] != "en":
            raise UsageError(
                f"pocketsphinx knows English only, not {language}; engines that may have it: onnx (with a model of "
                "that language, -m FOLDER), whisper (about 100 languages) and google"
            )
        require("pocketsphinx", extra="speech")
        self.concurrency = resources.cores
        self._idle: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        self._idle.put(_Decoder())
        self.facts = {"engine": "pocketsphinx", "version": metadata.version("pocketsphinx"), "language": "en-US"}

    def close(self) -> None:
        """End the processes."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def phrases(self, clip: Clip) -> list[Phrase]:
        """See `SpeechEngine`. Each clip is decoded on its own: what came before does not change it."""
        try:
            decoder = self._idle.get_nowait()
        except queue.Empty:
            decoder = _Decoder()
        try:
            spoken = decoder.words(linear16(clip))
        except BaseException:
            decoder.close()
            raise
        self._idle.put(decoder)
        groups: list[list[Spoken]] = []
        for text, first, last, probability in spoken:
            if text.startswith(_NO_WORDS):
                continue
            word = Spoken(
                text=text.partition("(")[0],
                start_s=first / _FRAMES_PER_S,
                end_s=(last + 1) / _FRAMES_PER_S,
                confidence=min(1.0, max(0.0, probability)),
            )
            if groups and word.start_s - groups[-1][-1].end_s <= _LONGEST_PAUSE_S:
                groups[-1].append(word)
            else:
                groups.append([word])
        return [phrase_of(words, " ".join(word.text for word in words)) for words in groups]


class _Decoder:
    """A process that decodes, see `sphinx_process`.

    Raises:
        EngineError: It does not start.
    """

    def __init__(self) -> None:
        program = Path(__file__).with_name("sphinx_process.py")
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and file)
            [sys.executable, "-P", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=trusted_environment(), start_new_session=True,
        )  # fmt: skip
        try:
            self._answer()
        except InferenceFailed as error:
            raise EngineError(f"{error} when it started; is the package pocketsphinx whole?") from error

    def words(self, sound: bytes) -> list[tuple[str, int, int, float]]:
        """(word, first frame, last frame, probability) of each.

        Raises:
            InferenceFailed: The process ended.
        """
        with suppress(OSError):  # it has ended, and does not answer either
            self._stdin.write(len(sound).to_bytes(4, "big") + sound)
            self._stdin.flush()
        return [(str(text), int(first), int(last), float(sure)) for text, first, last, sure in self._answer()]

    def close(self) -> None:
        """End it."""
        with suppress(OSError), self._process as process:  # which closes its pipes
            process.kill()

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    def _answer(self) -> list[Any]:
        out: Any = self._process.stdout
        line = out.readline()
        if not line.endswith(b"\n"):
            code = self._process.wait()
            raise InferenceFailed(f"the process of pocketsphinx ended with {code}")
        answer: list[Any] = json.loads(line)
        return answer
