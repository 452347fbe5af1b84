"""One table per video on one clock: shots, key frames, and what other tasks see, from one decode."""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

from mediasift.errors import ItemError, OutputError, UsageError
from mediasift.items import Item, VideoFile
from mediasift.media.every import DEFAULT_EVERY, Every, chosen_numbers, parse_every
from mediasift.media.footage import Footage, open_footage
from mediasift.media.frames import Frame
from mediasift.media.shots import Shot, find_shots
from mediasift.media.stills import write_text
from mediasift.media.transforms import sharpness
from mediasift.media.webvtt import webvtt
from mediasift.rows import Row
from mediasift.tasks.task import Reads, Resources, StartedTask, Task

PICTURE_TASKS: dict[str, tuple[str, str]] = {
    "classify": ("mediasift.tasks.classify:Classify", "label"),
    "detect": ("mediasift.tasks.detect:Detect", "object"),
}
"""Tasks on single frames → (where their settings are, what a moment of theirs is called)."""

PARTS = ("shots", "keyframes", *PICTURE_TASKS)
"""What a timeline can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Row):
    """Something that is so from one time to another. `frame` and `time_s` are those of its first frame.

    Attributes:
        kind: shot, keyframe, label or object.
        start_s, end_s: The container's clock. What was seen in a frame lasts until the next one that was looked at.
        shot: The shot it falls into, from 1, where shots were asked for.
        label: How a shot begins, or what was seen.
        score: 0..1, where there is one; of a key frame its sharpness.
        left, top, right, bottom: A box as fractions 0..1 of width and height.
    """

    kind: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    shot: int | None = None
    label: str | None = None
    score: float | None = None
    left: float | None = None
    top: float | None = None
    right: float | None = None
    bottom: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A task on single frames.

    Attributes:
        name: Key of `PICTURE_TASKS`.
        settings: Its settings as JSON.
    """

    name: str
    settings: str = "{}"

    def task(self) -> Task:
        """The task with these settings."""
        module, _, name = PICTURE_TASKS[self.name][0].partition(":")
        given = json.loads(self.settings)
        task: Task = getattr(import_module(module), name)(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        )
        return task


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Settings.

    Attributes:
        shots: Rows for shots.
        keyframes: Rows for the frame that stands for each shot.
        parts: What looks at the chosen frames.
        fades: Whether black between two shots parts them, too.
        vtt: Folder for a WebVTT file per video; None for none.
    """

    name: ClassVar[str] = "timeline"
    reads: ClassVar[Reads] = "video"
    row: ClassVar[type[Row]] = Moment

    shots: bool = True
    keyframes: bool = True
    parts: tuple[Part, ...] = ()
    fades: bool = True
    vtt: str | None = None

    def start(self, resources: Resources) -> StartedTimeline:
        """Start every part.

        Raises:
            SetupError: One of them cannot start, or the folder cannot be made.
        """
        if not (self.shots or self.keyframes or self.parts):
            raise UsageError(f"a timeline of nothing; choose some of {', '.join(PARTS)}")
        if self.vtt is not None:
            try:
                Path(self.vtt).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{self.vtt}: the folder cannot be made ({error.strerror})") from error
        return StartedTimeline(self, {part.name: part.task().start(resources) for part in self.parts})


class StartedTimeline:
    """See `tasks.task.StartedTask`.

    A video is one item, and it is worked on as it is decoded, in `prepare`: nothing but its moments is held. Several
    videos are decoded side by side, but only one of them at a time calls a model.
    """

    batch_size = 1
    needs = None

    def __init__(self, settings: Timeline, started: Mapping[str, StartedTask]) -> None:
        self.settings = settings
        self.started = started
        self.facts: Mapping[str, Any] = {name: dict(task.facts) for name, task in started.items()}
        self._lock = threading.Lock()

    def prepare(self, item: VideoFile) -> list[Row]:
        """The moments of a video, by time; its WebVTT file is written."""
        look = _Look(self.started, self._lock)
        with open_footage(item.file, max_megapixels=item.max_megapixels, alive=item.alive) as footage:
            shots = list(self._watched(footage, item, look))
            look.finish()
            complaint = footage.complaint()
            last = footage.timetable.time_s(len(footage.timetable.ticks) - 1)
        moments = self._ordered(shots, look.moments, shots[-1].end_s if shots else last)
        if complaint is not None and not moments:
            raise complaint
        if self.settings.vtt is not None:
            self._write_vtt(self.settings.vtt, item, moments)
        return [*moments, *([Moment(error=complaint.as_cell())] if complaint is not None else [])]

    def infer(self, batch: Sequence[list[Row]]) -> list[list[Row]]:
        """The rows are ready."""
        return list(batch)

    def _watched(self, footage: Footage, video: VideoFile, look: _Look) -> Iterator[Shot]:
        """Decode once: shots as they end, while the chosen frames are looked at."""
        settings, every = self.settings, parse_every(video.every or DEFAULT_EVERY)
        by_shot = bool(self.started) and every.unit == "shot"
        chosen = _chosen(footage, every) if self.started else []
        if not (settings.shots or settings.keyframes or by_shot):
            for frame in footage.iframes() if every.unit == "iframe" else footage.at(chosen):
                look.at(frame)
            return
        frames = _tapped(footage.frames(), set(chosen), look.at)
        for shot in find_shots(
            frames,
            starts=footage.timetable.starts,
            detector=video.detector,
            fades=settings.fades,
            colours=False,
            keyframes=settings.keyframes or by_shot,
        ):
            if shot.keyframe is not None:
                if by_shot:
                    look.at(shot.keyframe)
                if settings.keyframes:
                    look.keyframe(shot.keyframe)
            yield replace(shot, keyframe=None)

    def _ordered(self, shots: Sequence[Shot], seen: Sequence[Moment], end_s: float) -> list[Moment]:
        """All moments by time, with their ends and the shots they fall into."""
        starts = [shot.start_s for shot in shots]
        looked = sorted({moment.start_s or 0.0 for moment in seen if moment.kind != "keyframe"})
        moments = []
        if self.settings.shots:
            moments = [
                Moment(kind="shot", frame=s.first, time_s=s.start_s, start_s=s.start_s, end_s=s.end_s, label=s.begins)
                for s in shots
            ]
        for moment in seen:
            start = moment.start_s or 0.0
            after = bisect_right(looked, start)
            until = start if moment.kind == "keyframe" else looked[after] if after < len(looked) else max(end_s, start)
            moments.append(replace(moment, end_s=until))
        if shots:
            moments = [replace(one, shot=max(1, bisect_right(starts, one.start_s or 0.0))) for one in moments]
        order = {"shot": 0, "keyframe": 1}
        return sorted(moments, key=lambda one: (one.start_s or 0.0, order.get(str(one.kind), 2), str(one.kind)))

    def _write_vtt(self, folder: str, video: VideoFile, moments: Sequence[Moment]) -> None:
        """A cue for all moments of a kind that begin together."""
        shown = [moment for moment in moments if moment.label is not None or moment.kind == "keyframe"]
        cues = []
        for (start, kind), group in groupby(shown, key=lambda one: (one.start_s or 0.0, str(one.kind))):
            together = list(group)
            said = ", ".join(_said(moment) for moment in together)
            cues.append((start, together[0].end_s or start, f"{kind} {said}".strip()))
        write_text(folder, video.path, ".vtt", webvtt(cues))


def _said(moment: Moment) -> str:
    if moment.kind == "shot":
        return f"{moment.shot} ({moment.label})"
    return "" if moment.label is None else f"{moment.label} {moment.score:.2f}"


def _chosen(footage: Footage, every: Every) -> list[int]:
    """Numbers of the frames to look at; none for a rule that knows them only while it decodes."""
    table = footage.timetable
    if every.unit == "iframe":
        return [table.number(ticks) for ticks in table.keys]
    return [] if every.unit == "shot" else chosen_numbers(every, table.ticks, table.time_base)


def _tapped(frames: Iterable[Frame], wanted: set[int], look: Callable[[Frame], None]) -> Iterator[Frame]:
    """The same frames; the wanted ones are looked at as they pass."""
    for frame in frames:
        if frame.number in wanted:
            wanted.discard(frame.number)
            look(frame)
        yield frame


@dataclass(slots=True, eq=False)
class _Look:
    """Hands frames to several tasks, in batches, and keeps what they see."""

    started: Mapping[str, StartedTask]
    lock: threading.Lock
    moments: list[Moment] = field(default_factory=list)
    _waiting: dict[str, list[tuple[Moment, Any]]] = field(default_factory=dict)

    def at(self, frame: Frame) -> None:
        """Let every task look at a frame."""
        if not self.started:
            return
        item = Item(path="", frame=frame.number, time_s=frame.time_s, image=frame.rgb(), original_size=frame.size)
        for name, task in self.started.items():
            place = Moment(kind=PICTURE_TASKS[name][1], frame=frame.number, time_s=frame.time_s, start_s=frame.time_s)
            waiting = self._waiting.setdefault(name, [])
            try:
                waiting.append((place, task.prepare(item)))
            except ItemError as error:
                self.moments.append(replace(place, error=error.as_cell()))
            if len(waiting) >= task.batch_size:
                self._infer(name)

    def keyframe(self, frame: Frame) -> None:
        """Keep a shot's key frame."""
        sharp = round(sharpness(frame.rgb()), 3)
        self.moments.append(
            Moment(kind="keyframe", frame=frame.number, time_s=frame.time_s, start_s=frame.time_s, score=sharp)
        )

    def finish(self) -> None:
        """Look at what still waits."""
        for name in self._waiting:
            self._infer(name)

    def _infer(self, name: str) -> None:
        waiting, self._waiting[name] = self._waiting[name], []
        if not waiting:
            return
        try:
            with self.lock:
                results = self.started[name].infer([prepared for _, prepared in waiting])
        except ItemError as error:
            self.moments.extend(replace(place, error=error.as_cell()) for place, _ in waiting)
            return
        for (place, _), rows in zip(waiting, results, strict=True):
            self.moments.extend(_moment(place, row) for row in rows or [place])


def _moment(place: Moment, row: Row) -> Moment:
    """A task's row as a moment: the columns that both have."""
    names = ("label", "score", "left", "top", "right", "bottom", "error")
    return replace(place, **{name: getattr(row, name) for name in names if getattr(row, name, None) is not None})
