"""The task protocol: settings that can be written down, and a started task with two halves.

A task is a frozen dataclass of JSON values (its settings). `start` does all set-up that can fail:
it loads the model or finds the engine, and raises a `SetupError` before the first file is read.
What it returns has two halves. `prepare` is CPU work on one item; it runs in reader threads, several
at a time, and may raise an `ItemError` for that item. `infer` is the model call on a batch; it runs in
one thread. Reading, batching, order, progress, journal, output and errors are `run`'s, and no task
knows of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from mediasift.rows import Row

Reads = Literal["pictures", "frames", "sound", "video", "files"]
"""Pictures (and chosen frames of videos), chosen frames of what moves, clips of sound, whole videos, files of any kind
of which nothing but headers is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a task may use of the machine.

    Attributes:
        batch_size: Items per model call; None lets the task choose.
        threads: Threads of the model; None takes every core this process may use.
    """

    batch_size: int | None = None
    threads: int | None = None


class StartedTask(Protocol):
    """A task ready to work. Attributes are read once, when the run starts."""

    @property
    def batch_size(self) -> int:
        """Prepared items per `infer` call."""

    @property
    def needs(self) -> tuple[int, int] | None:
        """Smallest (width, height) a picture may be reduced to while decoding; None: full size."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What produced the rows (model sha256, provider, engine version), for journal and manifest."""

    def prepare(self, item: Any) -> Any:
        """Cheap work on one item (an Item, Clip, VideoFile or MediaFile, as the task `reads`)."""

    def infer(self, batch: Sequence[Any]) -> Sequence[Sequence[Row]]:
        """The rows of each prepared item, in order, without their place. No rows: one empty row is made."""


class Task(Protocol):
    """The settings of a job; a frozen dataclass whose fields are JSON values."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    name: ClassVar[str]
    reads: ClassVar[Reads]
    row: ClassVar[type[Row]]

    def start(self, resources: Resources) -> StartedTask:
        """Set up whatever the task needs, or raise a SetupError."""
