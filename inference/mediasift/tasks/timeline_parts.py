"""What a timeline is made of: moments, and the tasks that find them in frames and in sound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mediasift.engines.engine import Resources
from mediasift.errors import ItemError
from mediasift.items import Clip, Item
from mediasift.rows import Finding, Row
from mediasift.tasks.task import Started

SHOT, KEYFRAME, END = "shot", "keyframe", "end"
"""Kinds of moments that no task finds; `END`, where the pictures end, is never in a table."""


PICTURE_TASKS: dict[str, tuple[str, str, Callable[[Any], dict[str, Any]]]] = {
    "classify": (
        "label", "mediasift.tasks.classify:Classify",
        lambda s: {"model": s.classify_model, "device": s.device, "top": s.top, "min_score": s.min_score},
    ),
    "detect": (
        "object", "mediasift.tasks.detect:Detect",
        lambda s: {"model": s.detect_model, "device": s.device, "labels": s.labels, "min_score": s.min_score},
    ),
    "ocr": (
        "text", "mediasift.tasks.ocr:Ocr",
        lambda s: {"engine": s.ocr_engine, "language": s.ocr_language, "level": "line",
                   "min_confidence": s.min_confidence},
    ),
}  # fmt: skip
"""Tasks on single frames → what a moment of theirs is called; their settings, by module and name, as no timeline pays
for parts that it does not have; and what these are, by the timeline's."""

SOUND_TASKS = {
    "transcribe": (
        "speech", "mediasift.tasks.transcribe:Transcribe",
        lambda s: {"engine": s.speech_engine, "model": s.speech_model},
    ),
}  # fmt: skip
"""The same for tasks on the sound track."""

PARTS = ("shots", "keyframes", *PICTURE_TASKS, *SOUND_TASKS)
"""What a timeline can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Finding):
    """Something that is so from one time to another. `frame` and `time_s` are those of its first frame.

    Attributes:
        kind: shot, keyframe, label, object, text or speech.
        start_s, end_s: The container's clock. What was seen in a frame lasts until the next one that was looked at.
        shot: The shot it falls into, from 1, where shots were asked for.
        label: How a shot begins, or what was seen.
        text: What was written or spoken.
        score: 0..1, where there is one; of a key frame its sharpness.
        left, top, right, bottom: A box as fractions 0..1 of width and height.
        found: Of a label, object or text, how many the frame has, of speech how many segments the piece of sound has; 0
            in the one row of a frame without any.
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


class StartedPart(Started):
    """A started task whose rows are moments; those that report that nothing was written or spoken, too."""

    def __init__(self, kind: str, task: Started) -> None:
        self.kind, self.task = kind, task
        self.batch_size, self.concurrency, self.patience_s = task.batch_size, task.concurrency, task.patience_s
        self.facts = task.facts

    def prepare(self, item: Item | Clip) -> tuple[tuple[int, int], Any]:
        """What the task makes of the item, and the size of a frame."""
        return item.original_size if isinstance(item, Item) else (1, 1), self.task.prepare(item)

    def infer(self, batch: Sequence[tuple[tuple[int, int], Any]]) -> list[list[Row] | ItemError]:
        """The moments of each frame or clip."""
        results = self.task.infer([prepared for _, prepared in batch])
        return [
            rows if isinstance(rows, ItemError) else [self._moment(row, size) for row in rows or [Row()]]
            for (size, _), rows in zip(batch, results, strict=True)
        ]

    def failed(self, row_type: type[Row], error: ItemError) -> Row:  # noqa: ARG002  (as every Started)
        """A moment of this kind that has nothing but the error."""
        return Moment(kind=self.kind, error=error.as_cell())

    def close(self) -> None:
        """Close the task."""
        self.task.close()

    def _moment(self, row: Row, size: tuple[int, int]) -> Moment:
        """A row as a moment: the columns that both have, and boxes in pixels as fractions of (width, height)."""
        names = ("time_s", "start_s", "end_s", "label", "text", "score", "left", "top", "right", "bottom", "found",
                 "error")  # fmt: skip
        values = {name: getattr(row, name) for name in names if getattr(row, name, None) is not None}
        if (confidence := getattr(row, "confidence", None)) is not None:
            values["score"] = confidence
        box: Any = row
        if "left" not in values and getattr(row, "left_px", None) is not None:
            values["left"], values["right"] = (round(x / size[0], 6) for x in (box.left_px, box.left_px + box.width_px))
            values["top"], values["bottom"] = (round(y / size[1], 6) for y in (box.top_px, box.top_px + box.height_px))
        return Moment(kind=self.kind, **values)


def started_parts(settings: Any, names: Sequence[str], resources: Resources) -> dict[str, StartedPart]:
    """Name → the started part, for those that are tasks.

    Raises:
        SetupError: One of them cannot start.
    """
    parts = {}
    for name, (kind, home, chosen) in {**PICTURE_TASKS, **SOUND_TASKS}.items():
        if name in names:
            module, _, task = home.partition(":")
            made = getattr(import_module(module), task)(**chosen(settings))
            parts[name] = StartedPart(kind, made.start(resources))
    return parts
