"""What is spoken in a recording, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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

_SOME_WORDS = 3
"""Fewer say nothing of a whole recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment(Finding):
    """A phrase or word; a piece without speech is one row with an empty `text`.

    Attributes:
        level: segment or word.
        start_s, end_s: In the recording, seconds; on the container's clock in a video.
        text: The words.
        confidence: 0..1, the engine's own.
        speaker: Who speaks, where the engine distinguishes speakers.
        language: What the engine heard it to be, or was given: a tag such as de.
        origin_s: Where the container's clock begins, if not at 0; subtitles count from there.
        note: How it was read, or why to doubt it.
        found: How many segments (words) there are in the same piece of the recording; 0 for one without speech.
    """

    level: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None
    confidence: float | None = None
    speaker: str | None = None
    language: str | None = None
    origin_s: float | None = None
    note: str | None = None


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
            "pocketsphinx: English, offline, one word in four wrong on clear speech, more on telephones. whisper: "
            "about 100 languages, offline once its model is here. onnx: a model of yours, -m FOLDER. google: sent to "
            "Google, and paid for.",
            choices=ENGINES.keys,
        ),
    ] = "pocketsphinx"
    level: Annotated[str, Option("A row for each of these.", choices=LEVELS)] = "segment"

    @property
    def piece_s(self) -> float:
        """Longest piece of sound that the engine takes, seconds."""
        return ENGINES[self.engine].piece_s

    @property
    def hears_addresses(self) -> bool:
        """See `SoundSettings`."""
        return ENGINES[self.engine] is GoogleSpeech

    @property
    def is_paid(self) -> bool:
        """Whether the engine's answers cost money."""
        return hasattr(ENGINES[self.engine], "price_usd")

    def estimate_usd(self, content: Content | None) -> float | None:
        """What a recording costs at most, by the length that its container states."""
        stays = content is None or content.name.startswith("gs://")  # then Google alone knows
        length_s = None if content is None or stays else duration_s(content, raw_rate=self.raw_rate)
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
        self.doubts = type(engine)
        self.facts, self.concurrency = engine.facts, engine.concurrency

    def infer(self, batch: Sequence[Clip | RemoteSound]) -> list[list[Row]]:
        """The rows of each clip."""
        return [self._rows(clip, phrases) for clip, phrases in zip(batch, self.engine.run(batch), strict=True)]

    def arranged(self, path: str, rows: Sequence[Row]) -> Sequence[Row]:  # noqa: ARG002  (as every Started)
        """The same rows, with a warning where the engine believes little of all it has heard."""
        segments = [row for row in rows if isinstance(row, Segment)]
        words = [(row.confidence, len(row.text.split())) for row in segments if row.text and row.confidence is not None]
        count = sum(number for _, number in words)
        mean = sum(confidence * number for confidence, number in words) / max(1, count)
        if count < _SOME_WORDS or mean >= self.doubts.doubt_below:
            return rows
        warning = f"{self.doubts.doubt} (confidence {mean:.2f})"
        noted = [replace(row, note=f"{row.note}; {warning}" if row.note else warning) for row in segments if row.text]
        return [noted.pop(0) if isinstance(row, Segment) and row.text else row for row in rows]

    def _rows(self, clip: Clip | RemoteSound, phrases: Sequence[Phrase]) -> list[Row]:
        offset_s, blank = 0.0, Segment(level=self.level, start_s=0.0, text="")
        if isinstance(clip, Clip):
            offset_s, origin_s = clip.start_s, round(clip.origin_s, 3) or None
            end_s = round(offset_s + clip.waveform.size / clip.sample_rate, 3)
            blank = replace(blank, start_s=round(offset_s, 3), end_s=end_s, origin_s=origin_s, note=clip.note or None)
        parts = [
            (part, phrase.language)
            for phrase in phrases
            for part in ((self.level == "word" and phrase.words) or (phrase,))
        ]
        blank = replace(blank, found=len(parts))
        return [self._row(blank, part, language, offset_s) for part, language in parts] or [blank]

    def _row(self, blank: Segment, part: Spoken, language: str | None, offset_s: float) -> Segment:
        start_s, end_s = (round(offset_s + time_s, 3) for time_s in (part.start_s, part.end_s))
        confidence = None if part.confidence is None else round(part.confidence, 4)
        return replace(blank, time_s=start_s, start_s=start_s, end_s=end_s, text=part.text, confidence=confidence,
                       speaker=part.speaker, language=language)  # fmt: skip
