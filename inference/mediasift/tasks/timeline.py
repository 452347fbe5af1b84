"""One table per video on one clock: shots, key frames, and what other tasks find, from one decode."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, ClassVar, cast

from mediasift.engines.engine import Resources
from mediasift.engines.ocr import OFFLINE as OCR_OFFLINE
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR
from mediasift.engines.onnx.settings import DeviceSettings
from mediasift.engines.speech import ENGINES as SPEECH_ENGINES
from mediasift.engines.speech import OFFLINE
from mediasift.errors import ItemError, UsageError
from mediasift.items import Item, Place
from mediasift.media.pictures.transforms import sharpness
from mediasift.media.settings import FrameSettings
from mediasift.media.timelines import FilmEnd, FilmShot, LostSound
from mediasift.media.video.webvtt import webvtt
from mediasift.rows import Row
from mediasift.settings import Option
from mediasift.system.files import fitting, need_folder, path_below, write_file
from mediasift.tasks.task import EngineRunSettings, Fork, Reads, Started
from mediasift.tasks.timeline_parts import (
    END,
    KEYFRAME,
    PARTS,
    PICTURE_TASKS,
    SHOT,
    SOUND_TASKS,
    Moment,
    StartedPart,
    started_parts,
)  # fmt: skip

_LOOKED = {kind for kind, *_ in PICTURE_TASKS.values()}


@dataclass(frozen=True, kw_only=True)
class Timeline(DeviceSettings, FrameSettings, EngineRunSettings):
    """Put shots, key frames, labels, objects, text and speech of videos into one table on one clock, decoding once."""

    name: ClassVar[str] = "timeline"
    reads: ClassVar[Reads] = "timeline"
    row: ClassVar[type[Row]] = Moment

    parts: Annotated[Sequence[str], Option("What it holds.", choices=PARTS, flag="--with", metavar="A,B")] = (
        "shots",
        "keyframes",
    )
    classify_model: Annotated[str | Path, Option("For classify.", metavar="MODEL")] = DEFAULT_CLASSIFIER
    detect_model: Annotated[str | Path, Option("For detect.", metavar="MODEL")] = DEFAULT_DETECTOR
    top: Annotated[int, Option("Labels per frame; 0 for all.", least=0)] = 1
    min_score: Annotated[float, Option("Leave out lower scores.", least=0, most=1)] = 0.3
    labels: Annotated[Sequence[str], Option("Only these objects.", metavar="A,B", default="all")] = ()
    ocr_engine: Annotated[str, Option("For ocr.", choices=OCR_OFFLINE)] = "tesseract"
    ocr_language: Annotated[str | None, Option("For ocr, e.g. eng+deu.", metavar="LANG")] = None
    min_confidence: Annotated[
        float,
        Option("For ocr: leave out lines read with less; pictures hold much that looks like letters.", least=0, most=1),
    ] = 0.6
    speech_engine: Annotated[str, Option("For transcribe.", choices=OFFLINE)] = "pocketsphinx"
    speech_model: Annotated[
        str | Path | None,
        Option("For transcribe: a name, with whisper, or the folder of a speech model.", metavar="DIR"),
    ] = None
    channel: Annotated[
        int | None, Option("For transcribe: only this channel, from 1.", least=1, default="the mean of all")
    ] = None
    vtt: Annotated[str | Path | None, Option("Also write a WebVTT file per video.", metavar="DIR", writes=True)] = None

    @property
    def shots(self) -> bool:
        """Whether shots are wanted."""
        return "shots" in self.parts

    @property
    def keyframes(self) -> bool:
        """Whether key frames are wanted."""
        return "keyframes" in self.parts

    @property
    def looks(self) -> bool:
        """Whether frames are looked at."""
        return any(name in PICTURE_TASKS for name in self.parts)

    @property
    def piece_s(self) -> float | None:
        """Longest piece of sound, seconds; None for no sound."""
        return SPEECH_ENGINES[self.speech_engine].piece_s if set(SOUND_TASKS) & set(self.parts) else None

    def start(self, resources: Resources) -> StartedTimeline:
        """Start every part.

        Raises:
            SetupError: One of them cannot start, or the folder cannot be made.
        """
        if not self.parts:
            raise UsageError(f"a timeline of nothing; choose some of {', '.join(PARTS)}")
        if self.vtt is not None:
            need_folder(self.vtt)
        return StartedTimeline(self, started_parts(self, self.parts, resources))


class StartedTimeline(Started):
    """Parts that get the frames and clips of a film, each in batches of its own; see `tasks.task.Started`."""

    def __init__(self, settings: Timeline, parts: dict[str, StartedPart]) -> None:
        self.settings, self.parts = settings, parts
        self.facts = {name: dict(part.facts) for name, part in parts.items()}

    def prepare(self, item: Place) -> Fork:
        """What each part makes of a frame or clip; a shot, key frame or the end is a moment already."""
        match item:
            case FilmShot(shot=shot):
                moment = Moment(kind=SHOT, start_s=shot.start_s, end_s=shot.end_s, label=shot.begins)
                return Fork(rows=[moment])
            case FilmEnd(origin_s=origin_s):
                return Fork(rows=[Moment(kind=END, start_s=origin_s)])
            case Item() if item.shot is not None:
                return Fork(rows=[Moment(kind=KEYFRAME, score=round(sharpness(item.image), 3))])
            case LostSound(error=error):
                return Fork(
                    rows=[part.failed(Moment, error) for name, part in self.parts.items() if name in SOUND_TASKS]
                )
        prepared: dict[str, Any] = {}
        rows: list[Row] = []
        for name in PICTURE_TASKS if isinstance(item, Item) else SOUND_TASKS:
            if name in self.parts:
                try:
                    prepared[name] = self.parts[name].prepare(item)
                except ItemError as error:
                    rows.append(self.parts[name].failed(Moment, error))
        return Fork(prepared=prepared, rows=rows)

    def arranged(self, path: str, rows: Sequence[Row]) -> Sequence[Row]:
        """The moments of a film by time, with their ends and the shots they fall into; its WebVTT file is written."""
        moments = cast("Sequence[Moment]", rows)
        ended = [(one.time_s or 0.0, one.start_s or 0.0) for one in moments if one.kind == END]
        end_s, origin_s = ended[0] if ended else (0.0, 0.0)
        arranged = self._arranged(moments, end_s)
        if self.settings.vtt is not None and ended:
            _write_vtt(str(self.settings.vtt), path, arranged, origin_s)
        return arranged

    def _arranged(self, moments: Sequence[Moment], end_s: float) -> list[Moment]:
        boundaries = sorted(_start(one) for one in moments if one.kind == SHOT)
        looked = sorted({_start(one) for one in moments if one.kind in _LOOKED})
        whole: list[Moment] = []
        for one in moments:
            is_shown = one.kind != END and (self.settings.shots or one.kind != SHOT)
            if not is_shown or (one.text == "" and not one.error):  # nothing was written or spoken
                continue
            start, until = _start(one), one.end_s
            if one.kind in _LOOKED:
                until = next(iter(looked[bisect_right(looked, start) :]), max(end_s, start))
            elif one.kind == KEYFRAME:
                until = start
            shot = max(1, bisect_right(boundaries, start)) if boundaries and one.kind is not None else None
            is_timed = one.kind is not None and one.time_s is not None
            whole.append(replace(one, start_s=start if is_timed else one.start_s, end_s=until, shot=shot))
        return sorted(whole, key=_order)


def _start(moment: Moment) -> float:
    return (moment.time_s or 0.0) if moment.start_s is None else moment.start_s


def _order(moment: Moment) -> tuple[bool, float, int, str]:
    """By time; shots and key frames before what is seen in them; what has no time and is nothing at the end."""
    is_last = moment.kind is None and moment.time_s is None
    return is_last, _start(moment), {SHOT: 0, KEYFRAME: 1}.get(str(moment.kind), 2), str(moment.kind)


def _write_vtt(folder: str, path: str, moments: Sequence[Moment], origin_s: float) -> None:
    """A cue for all moments of a kind that begin together, counted from the beginning as players do."""
    shown = [one for one in moments if one.label is not None or one.text is not None or one.kind == KEYFRAME]
    cues = []
    for (start, kind), group in groupby(shown, key=lambda one: (_start(one), str(one.kind))):
        together = list(group)
        texts = ", ".join(_cue(moment) for moment in together)
        end = together[0].end_s or start
        cues.append((start - origin_s, end - origin_s, f"{kind} {texts}".strip()))
    source = path_below(folder, path)
    write_file(fitting(source.with_name(f"{source.name}.vtt")), webvtt(cues).encode("utf-8", "surrogateescape"))


def _cue(moment: Moment) -> str:
    if moment.kind == SHOT:
        return f"{moment.shot} ({moment.label})"
    if moment.text is not None:
        return moment.text
    return "" if moment.label is None else f"{moment.label} {moment.score:.2f}"
