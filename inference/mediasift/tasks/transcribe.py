"""What is said in a recording, and when."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from mediasift.engines.speech.engine import Engine, EngineSettings, Phrase, Spoken
from mediasift.engines.speech.google import LONGEST_S, GoogleSpeech
from mediasift.engines.speech.onnx import OnnxSpeech
from mediasift.engines.speech.pocketsphinx import PocketSphinx
from mediasift.errors import UsageError
from mediasift.items import Clip, RemoteSound
from mediasift.media.settings import SoundSettings
from mediasift.media.sound.audio import check_detector
from mediasift.rows import Row
from mediasift.system.machine import available_cores
from mediasift.tasks.task import EngineRunSettings, Reads, Resources, Started

LEVELS = ("segment", "word")

ENGINES: dict[str, Callable[[EngineSettings], Engine]] = {
    "pocketsphinx": PocketSphinx,
    "onnx": OnnxSpeech,
    "google": GoogleSpeech,
}
"""Name → engine."""

PIECES_S: dict[str, float] = {"pocketsphinx": 30.0, "onnx": 25.0, "google": LONGEST_S}
"""Engine → longest piece of sound it is given: Whisper hears 30 seconds at most."""


_OWN = ("model_kind", "project", "location", "endpoint", "diarize", "parallel", "paid", "timeout_s")
"""Settings that only some engine knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Row):
    """A phrase or word; a piece in which nobody speaks is one row with an empty `text`.

    Attributes:
        level: segment or word.
        start_s, end_s: In the recording, seconds; on the container's clock in a video.
        text: What was said.
        confidence: 0..1, the engine's own.
        speaker: Who said it, where the engine tells speakers apart.
    """

    level: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
    confidence: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, kw_only=True)
class Transcribe(SoundSettings, EngineRunSettings):
    """Settings of a transcription.

    Attributes:
        engine: See `ENGINES`.
        language: A BCP-47 tag, e.g. `en-US`; None for the engine's default.
        model: The engine's model: a folder for `onnx`.
        model_kind: For `onnx`, where the folder does not tell.
        level: segment or word.
        project, location, endpoint: For `google`: who pays, where, and another address of the service.
        diarize: For `google`: tell speakers apart.
        parallel: For `google`: requests at a time; None for its default.
        paid: For `google`: folder in which paid answers are kept.
        timeout_s: For `google`: longest time for a request with all its repetitions.
    """

    name: ClassVar[str] = "transcribe"
    reads: ClassVar[Reads] = "sound"
    row: ClassVar[type[Row]] = Segment

    engine: str = "pocketsphinx"
    language: str | None = None
    model: str | None = None
    model_kind: str | None = None
    level: str = "segment"
    project: str | None = None
    location: str | None = None
    endpoint: str | None = None
    diarize: bool = False
    parallel: int | None = None
    paid: str | None = None

    def start(self, resources: Resources) -> StartedTranscribe:
        """Find the engine.

        Raises:
            EngineError: A package is missing.
            ModelError: The model is missing or does not load.
            UsageError: A setting is none of those there are, or the engine lacks the language.
        """
        for what, chosen, known in (("engine", self.engine, ENGINES), ("level", self.level, LEVELS)):
            if chosen not in known:
                raise UsageError(f"no {what} {chosen!r}; there are {', '.join(known)}")
        check_detector()
        settings = EngineSettings(
            language=self.language,
            model=self.model,
            threads=resources.threads or available_cores(),
            options={name: getattr(self, name) for name in _OWN},
        )
        return StartedTranscribe(self, ENGINES[self.engine](settings))


class StartedTranscribe(Started):
    """An engine and the settings; see `tasks.task.Started`.

    Clips are heard by a pool of the engine's size, begun in `prepare` and waited for in `infer`.
    """

    batch_size = 1
    needs = None

    def __init__(self, settings: Transcribe, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.facts: Mapping[str, Any] = engine.facts
        self._pool = ThreadPoolExecutor(engine.workers, thread_name_prefix="mediasift-speech")
        self._room = threading.Semaphore(2 * engine.workers)
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)

    def prepare(self, item: Clip | RemoteSound) -> Future[list[Row]]:
        """The promise of a clip's rows."""
        self._room.acquire()
        promise = self._pool.submit(self._rows, item)
        promise.add_done_callback(lambda _: self._room.release())
        return promise

    def infer(self, batch: Sequence[Future[list[Row]]]) -> list[list[Row]]:
        """The rows of each clip."""
        return [promise.result() for promise in batch]

    def _rows(self, clip: Clip | RemoteSound) -> list[Row]:
        offset, length = (
            (clip.start_s, clip.waveform.size / clip.sample_rate) if isinstance(clip, Clip) else (0.0, None)
        )
        phrases = self.engine.hear(clip)
        parts: list[Spoken] = []
        for phrase in phrases:
            parts += self._parts(phrase)
        rows: list[Row] = [self._row(part, offset) for part in parts]
        if not rows:
            end = None if length is None else round(offset + length, 3)
            rows = [Segment(level=self.settings.level, start_s=round(offset, 3), end_s=end, text="")]
        return rows

    def _parts(self, phrase: Phrase) -> Sequence[Spoken]:
        return phrase.words if self.settings.level == "word" and phrase.words else (phrase,)

    def _row(self, part: Spoken, offset: float) -> Segment:
        start = round(offset + part.start_s, 3)
        return Segment(
            time_s=start,
            level=self.settings.level,
            start_s=start,
            end_s=round(offset + part.end_s, 3),
            text=part.text,
            confidence=None if part.confidence is None else round(part.confidence, 4),
            speaker=part.speaker,
        )
