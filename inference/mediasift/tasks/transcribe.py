"""What is spoken in a recording, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from mediasift.engines.engine import Resources, check_options
from mediasift.engines.speech import ENGINES, SpeechEngines
from mediasift.engines.speech.google import GoogleSpeech
from mediasift.engines.speech.phrases import Phrase, SpeechEngine, Spoken
from mediasift.items import Clip, RemoteSound
from mediasift.media.settings import SoundSettings
from mediasift.media.sound.audio import check_detector, duration_s
from mediasift.rows import Finding, Row
from mediasift.settings import Option
from mediasift.sources.content import Content
from mediasift.tasks.task import EngineRunSettings, Reads, Started

LEVELS = ("segment", "word")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Finding):
    """A phrase or word; a piece without speech is one row with an empty `text`.

    Attributes:
        level: segment or word.
        start_s, end_s: In the recording, seconds; on the container's clock in a video.
        text: The words.
        confidence: 0..1, the engine's own.
        speaker: Who speaks, where the engine distinguishes speakers.
        found: How many segments (words) there are in the same piece of the recording; 0 for one without speech.
    """

    level: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
    confidence: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, kw_only=True)
class Transcribe(SpeechEngines, SoundSettings, EngineRunSettings):
    """Transcribe the speech in sound and video: a row for each segment or word, with times.

    -o NAME.srt and .vtt make subtitles of one recording, .txt the text alone.
    """

    name: ClassVar[str] = "transcribe"
    reads: ClassVar[Reads] = "sound"
    row: ClassVar[type[Row]] = Segment

    engine: Annotated[
        str,
        Option(
            "pocketsphinx: English, offline, one word in four wrong on clear speech, more on telephones. onnx: a model "
            "of yours, -m FOLDER. google: sent to Google, and paid for.",
            choices=ENGINES.keys,
        ),
    ] = "pocketsphinx"
    level: Annotated[str, Option("A row for each of these.", choices=LEVELS)] = "segment"

    @property
    def piece_s(self) -> float:
        """Longest piece of sound that the engine takes, seconds."""
        return ENGINES[self.engine].piece_s

    @property
    def is_paid(self) -> bool:
        """Whether the engine's answers cost money."""
        return hasattr(ENGINES[self.engine], "price_usd")

    def estimate_usd(self, content: Content | None) -> float | None:
        """What a recording costs at most, by the length that its container states."""
        length_s = None if content is None else duration_s(content, raw_rate=self.raw_rate)
        return None if length_s is None else GoogleSpeech.usd(self, length_s)

    def start(self, resources: Resources) -> StartedTranscribe:
        """Find the engine.

        Raises:
            EngineError: A package is missing.
            ModelError: The model is missing or does not load.
            UsageError: Options do not go together, or the engine lacks the language.
        """
        check_options(self, self.engine, ENGINES)
        check_detector()
        patience_s = min(self.request_timeout_s, resources.engine_timeout_s or self.request_timeout_s)
        return StartedTranscribe(self, ENGINES[self.engine](self, resources), patience_s)


class StartedTranscribe(Started):
    """See `tasks.task.Started`."""

    def __init__(self, settings: Transcribe, engine: SpeechEngine, patience_s: float) -> None:
        self.level, self.engine, self.patience_s = settings.level, engine, patience_s
        self.facts, self.concurrency = engine.facts, engine.concurrency

    def infer(self, batch: Sequence[Clip | RemoteSound]) -> list[list[Row]]:
        """The rows of each clip."""
        return [self._rows(clip, phrases) for clip, phrases in zip(batch, self.engine.run(batch), strict=True)]

    def _rows(self, clip: Clip | RemoteSound, phrases: Sequence[Phrase]) -> list[Row]:
        offset_s = clip.start_s if isinstance(clip, Clip) else 0.0
        by_word = self.level == "word"
        parts = [part for phrase in phrases for part in ((by_word and phrase.words) or (phrase,))]
        if not parts:
            end_s = round(offset_s + clip.waveform.size / clip.sample_rate, 3) if isinstance(clip, Clip) else None
            return [Segment(level=self.level, start_s=round(offset_s, 3), end_s=end_s, text="", found=0)]
        return [self._row(part, offset_s, len(parts)) for part in parts]

    def _row(self, part: Spoken, offset_s: float, count: int) -> Segment:
        start_s = round(offset_s + part.start_s, 3)
        confidence = None if part.confidence is None else round(part.confidence, 4)
        return Segment(time_s=start_s, level=self.level, start_s=start_s, end_s=round(offset_s + part.end_s, 3),
                       text=part.text, confidence=confidence, speaker=part.speaker, found=count)  # fmt: skip
