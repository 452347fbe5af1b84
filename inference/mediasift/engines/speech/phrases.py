"""What is spoken in a clip: words and phrases with their times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from mediasift.engines.engine import Engine, Resources
from mediasift.errors import Unsupported
from mediasift.items import Clip, RemoteSound
from mediasift.settings import Option, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A word or phrase.

    Attributes:
        text: The words.
        start_s, end_s: In seconds of the clip; of the recording, for one that stays remote.
        confidence: 0..1; None where none is known.
        speaker: Who speaks, where speakers are distinguished.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase(Spoken):
    """What was spoken in one go, its words where the engine knows them, and the language it heard."""

    words: tuple[Spoken, ...] = ()
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class LanguageSettings(Settings):
    """Options of an engine that is given the language."""

    language: Annotated[
        str | None,
        Option("A BCP-47 tag, e.g. en-US; auto finds out, with whisper.", metavar="TAG", default="the engine's"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ModelSettings(LanguageSettings):
    """Options of an engine with several models."""

    model: Annotated[
        str | None,
        Option(
            "For whisper: a folder, or a name of models list, whisper-base unless given. For onnx: the folder of a "
            "speech model. For google: a name, e.g. long.",
            short="-m",
        ),
    ] = None


class SpeechEngine(Engine):
    """`run` takes `Clip`s, or `RemoteSound`, and gives for each the `Phrase`s in it; an empty list for silence.

    Attributes:
        piece_s: Longest clip that it takes, seconds.
        doubt_below: Mean confidence of the words of a recording, below which the rows warn with `doubt`.
        doubt: What to think of such rows.
    """

    piece_s: ClassVar[float]
    doubt_below: ClassVar[float] = 0.0
    doubt: ClassVar[str] = ""

    def __init__(self, settings: Any, resources: Resources) -> None:
        """Make it ready."""

    def answer(self, request: Clip | RemoteSound) -> Sequence[Phrase]:
        """What is spoken in a clip that is here, where anybody speaks in it.

        Raises:
            Unsupported: It is an address.
        """
        if isinstance(request, RemoteSound):
            raise Unsupported("an address of remote sound; --engine google reads those")
        return () if is_silent(request) else self.phrases(request)

    def phrases(self, clip: Clip) -> Sequence[Phrase]:
        """What is spoken in a clip that is not silent."""
        raise NotImplementedError  # an engine has this, or an `answer` of its own


def is_silent(clip: Clip) -> bool:
    """Whether it is too short for a word, or without a voice: many engines hear words in silence and noise."""
    return not clip.has_speech or clip.waveform.size < clip.sample_rate // 10 or not any(linear16(clip))


def linear16(clip: Clip) -> bytes:
    """The samples as 16-bit integers, little-endian."""
    return np.round(clip.waveform * 32768).clip(-32768, 32767).astype("<i2").tobytes()


def phrase_of(words: Sequence[Spoken], text: str) -> Phrase:
    """The phrase that the words make, of which there is one at least; its confidence is their mean."""
    known = [word.confidence for word in words if word.confidence is not None]
    return Phrase(
        text=text,
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        confidence=sum(known) / len(known) if known else None,
        words=tuple(words),
    )
