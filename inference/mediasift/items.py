"""What reading yields: pictures and clips of sound that know where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from mediasift.errors import ItemError
    from mediasift.sources.content import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an item comes from: the first four columns of every table.

    Attributes:
        path: The input as typed plus the path relative to it.
        page: Page of a PDF or multi-page TIFF, from 1; None where it does not apply.
        frame: Frame in presentation order, from 0; None where it does not apply.
        time_s: The container's clock, in seconds; None where it does not apply.
    """

    path: str
    page: int | None = None
    frame: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item(Place):
    """One picture: uint8 (H, W, 3), upright, in sRGB, on a background where it was transparent.

    A task that keeps transparency is given uint8 (H, W, 4) RGBA instead.

    Attributes:
        original_size: (width, height) of the upright picture in the file, before any reduced-scale
            decoding; equal to the array's own size when nothing was reduced.
        shot: For a frame that stands for a shot of a video: the shot's number, from 1.
        content: What it was read from; None for a caller's array.
        note: How it was read, where a reader of the table should know.
        part: Of a box of a picture: its number among those of that picture, from 1.
    """

    image: NDArray[np.uint8]
    original_size: tuple[int, int]
    shot: int | None = None
    content: Content | None = None
    note: str = ""
    part: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyItem(Place):
    """A picture that holds nothing to look at: one in which no box was found, where boxes are the inputs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip(Place):
    """A piece of sound: float32 (N,), mono, -1..1.

    Attributes:
        start_s: Where it begins, on the container's clock.
        origin_s: Where that clock begins.
        has_speech: Whether anybody speaks in it, as far as the voice detector knows.
        note: How it was read, where a reader of the table should know.
    """

    start_s: float
    origin_s: float = 0.0
    has_speech: bool = True
    note: str = ""
    waveform: NDArray[np.float32] = field(repr=False)
    sample_rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TextItem(Place):
    """A text of a table; `path` names the table and the row, e.g. `posts.csv#row=3`."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextWord:
    """A word of a text layer; its box (left, top, width, height) is in pixels of the rendered page."""

    text: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPage(Place):
    """A page whose text is in the file already; `picture` is what else it shows, where that may hold more text."""

    lines: tuple[tuple[TextWord, ...], ...]
    picture: Item | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSound(Place):
    """A recording that stays where it is; `path` is its address, e.g. `gs://bucket/talk.flac`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer(Place):
    """What a service once answered about a picture, as another program kept it.

    Attributes:
        service: Which.
        answer: JSON values.
    """

    service: str
    answer: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile(Place):
    """A whole file, for tasks that read it themselves; nothing of it is read yet but its first bytes.

    Attributes:
        content: What it holds.
        alive: Called now and then by the reader: it goes on, however long the file is.
    """

    content: Content
    alive: Callable[[], None] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedItem(Place):
    """An item that could not be read, between others that could."""

    error: ItemError
