"""What is spoken in a clip: words and phrases with their times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

from mediasift.engines.engine import Engine
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
    """What was spoken in one go, and its words where the engine knows them."""

    words: tuple[Spoken, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LanguageSettings(Settings):
    """Options of an engine that is given the language."""

    language: Annotated[str | None, Option("A BCP-47 tag, e.g. en-US.", metavar="TAG", default="the engine's")] = None


@dataclass(frozen=True, kw_only=True)
class ModelSettings(LanguageSettings):
    """Options of an engine with several models."""

    model: Annotated[
        str | None, Option("For onnx: the folder of a speech model. For google: a name, e.g. long.", short="-m")
    ] = None


class SpeechEngine(Engine, Protocol):
    """`run` takes `Clip`s, or `RemoteSound`, and gives for each the `Phrase`s in it; an empty list for silence."""

    settings: ClassVar[type[Settings]]
    piece_s: ClassVar[float]
    """Longest clip that it takes, seconds."""

    def __init__(self, settings: Any, *, threads: int, timeout_s: float | None) -> None:
        """Make it ready; `timeout_s` is for one clip."""

    def run(self, batch: Sequence[Clip | RemoteSound]) -> Sequence[Sequence[Phrase]]:
        """What is spoken in each clip."""


def local(clip: Clip | RemoteSound) -> Clip:
    """The clip, for engines that read what is here.

    Raises:
        Unsupported: It is an address.
    """
    if isinstance(clip, RemoteSound):
        raise Unsupported("an address of remote sound; --engine google reads those")
    return clip


def is_silent(clip: Clip) -> bool:
    """Whether it is too short for a word, or digital silence, which some engines take for noise."""
    return clip.waveform.size < clip.sample_rate // 10 or not clip.waveform.any()
