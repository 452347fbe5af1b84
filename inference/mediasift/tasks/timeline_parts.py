"""What a timeline is made of: moments, and the tasks that see and hear them."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from mediasift.errors import ItemError
from mediasift.items import Clip, FailedItem, Item
from mediasift.media.pictures.transforms import sharpness
from mediasift.media.sound.audio import PIECE_S
from mediasift.media.video.frames import Frame
from mediasift.rows import Row
from mediasift.tasks.task import Started, Task

_CLIPS_AHEAD = 2
"""Pieces of sound that wait for their turn while earlier ones are heard."""

PICTURE_TASKS: dict[str, tuple[str, str]] = {
    "classify": ("mediasift.tasks.classify:Classify", "label"),
    "detect": ("mediasift.tasks.detect:Detect", "object"),
    "ocr": ("mediasift.tasks.ocr:Ocr", "text"),
}
"""Tasks on single frames → (where their settings are, what a moment of theirs is called)."""

SOUND_TASKS: dict[str, tuple[str, str]] = {"transcribe": ("mediasift.tasks.transcribe:Transcribe", "speech")}
"""The same for tasks on the sound track."""

PARTS = ("shots", "keyframes", *PICTURE_TASKS, *SOUND_TASKS)
"""What a timeline can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Row):
    """Something that is so from one time to another. `frame` and `time_s` are those of its first frame.

    Attributes:
        kind: shot, keyframe, label, object, text or speech.
        start_s, end_s: The container's clock. What was seen in a frame lasts until the next one that was looked at.
        shot: The shot it falls into, from 1, where shots were asked for.
        label: How a shot begins, or what was seen.
        text: What was written or said.
        score: 0..1, where there is one; of a key frame its sharpness.
        left, top, right, bottom: A box as fractions 0..1 of width and height.
    """

    kind: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    shot: int | None = None
    label: str | None = None
    text: str | None = None
    score: float | None = None
    left: float | None = None
    top: float | None = None
    right: float | None = None
    bottom: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A task on single frames or on the sound.

    Attributes:
        name: Key of `PICTURE_TASKS` or `SOUND_TASKS`.
        settings: Its settings as JSON.
        piece_s: Longest piece of sound that it is given.
    """

    name: str
    settings: str = "{}"
    piece_s: float = PIECE_S

    def task(self) -> Task:
        """The task with these settings."""
        module, _, name = {**PICTURE_TASKS, **SOUND_TASKS}[self.name][0].partition(":")
        given = json.loads(self.settings)
        task: Task = getattr(import_module(module), name)(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        )
        return task


@dataclass(slots=True, eq=False)
class Look:
    """Hands frames to several tasks, in batches, and keeps what they see."""

    started: Mapping[str, Started]
    lock: threading.Lock
    moments: list[Moment] = field(default_factory=list)
    _waiting: dict[str, list[tuple[Moment, Any]]] = field(default_factory=dict)
    _size: tuple[int, int] = (1, 1)

    def at(self, frame: Frame) -> None:
        """Let every task look at a frame."""
        if not self.started:
            return
        item = Item(path="", frame=frame.number, time_s=frame.time_s, image=frame.rgb(), original_size=frame.size)
        self._size = frame.size
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
            self.moments.extend(_moment(place, row, self._size) for row in rows or [place] if not _is_empty(row))


def listen(task: Started, kind: str, clips: Iterable[Clip | FailedItem]) -> Iterator[Moment]:
    """What is said in clips of sound, one after the other; a few of them are heard at a time."""
    waiting: deque[Any] = deque()
    for clip in clips:
        if isinstance(clip, FailedItem):
            yield from _heard(task, kind, waiting)
            yield Moment(kind=kind, time_s=clip.time_s, start_s=clip.time_s, error=clip.error.as_cell())
        else:
            waiting.append(task.prepare(clip))
            if len(waiting) > _CLIPS_AHEAD:
                yield from _heard(task, kind, deque([waiting.popleft()]))
    yield from _heard(task, kind, waiting)


def _heard(task: Started, kind: str, waiting: deque[Any]) -> Iterator[Moment]:
    while waiting:
        for row in task.infer([waiting.popleft()])[0]:
            if not _is_empty(row):
                start = getattr(row, "start_s", None)
                end = getattr(row, "end_s", None)
                yield replace(_moment(Moment(kind=kind, time_s=start, start_s=start), row, (1, 1)), end_s=end)


def _is_empty(row: Row) -> bool:
    """Whether a row says that nothing was written or said."""
    return getattr(row, "text", None) == "" and not row.error


def _moment(place: Moment, row: Row, size: tuple[int, int]) -> Moment:
    """A task's row as a moment: the columns that both have, and boxes in pixels as fractions of (width, height)."""
    names = ("label", "text", "score", "left", "top", "right", "bottom", "error")
    found = {name: getattr(row, name) for name in names if getattr(row, name, None) is not None}
    confidence = getattr(row, "confidence", None)
    if confidence is not None:
        found["score"] = confidence
    if "left" not in found and getattr(row, "left_px", None) is not None:
        box: Any = row
        found["left"], found["right"] = (round(x / size[0], 6) for x in (box.left_px, box.left_px + box.width_px))
        found["top"], found["bottom"] = (round(y / size[1], 6) for y in (box.top_px, box.top_px + box.height_px))
    return replace(place, **found)
