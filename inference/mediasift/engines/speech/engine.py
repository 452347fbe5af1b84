"""What a speech engine is: a clip in, words or phrases with times out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mediasift.items import Clip, RemoteSound


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A word or phrase.

    Attributes:
        text: What was said.
        start_s, end_s: In seconds of the clip; of the recording, for one that stays remote.
        confidence: 0..1; None where none is known.
        speaker: Who said it, where speakers are told apart.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase(Spoken):
    """What was said in one go, and its words where the engine knows them."""

    words: tuple[Spoken, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What engines are made from.

    Attributes:
        language: A BCP-47 tag, e.g. `en-US`.
        model: Of the engine: a folder for `onnx`, a name for `google`.
        threads: How many cores may be used.
        options: The engine's own, by name.
    """

    language: str | None
    model: str | None
    threads: int
    options: Mapping[str, Any]


class Engine(Protocol):
    """An engine ready to work; called from `workers` threads at a time at most."""

    @property
    def workers(self) -> int:
        """How many clips it hears at a time."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Name, version, language."""

    def hear(self, clip: Clip | RemoteSound) -> Sequence[Phrase]:
        """What is said in a clip; nothing for silence.

        Raises:
            ItemError: It cannot.
        """
