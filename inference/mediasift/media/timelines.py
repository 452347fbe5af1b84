"""A film as a timeline takes it: frames, key frames, shots and sound, the pictures from one decode."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from mediasift.errors import ItemError
from mediasift.items import FailedItem, Item, Place
from mediasift.media.pictures.images import Admit
from mediasift.media.sound.audio import read_clips
from mediasift.media.video.every import DEFAULT_EVERY, Every, chosen_numbers, parse_every
from mediasift.media.video.footage import Footage, open_footage
from mediasift.media.video.frames import Frame
from mediasift.media.video.shots import Shot, ShotFinder, measured
from mediasift.sources.content import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmShot(Place):
    """A shot, located at its first frame; it has no key frame."""

    shot: Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmEnd(Place):
    """The end of the pictures, at `time_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostSound(Place):
    """Sound that could not be read, where there should be some."""

    error: ItemError


class Wanted(Protocol):
    """What to read of a film, and how; see `media.settings`."""

    @property
    def every(self) -> str | None: ...  # noqa: D102
    @property
    def detector(self) -> str: ...  # noqa: D102
    @property
    def max_megapixels(self) -> float: ...  # noqa: D102
    @property
    def fades(self) -> bool: ...  # noqa: D102
    @property
    def channel(self) -> int | None: ...  # noqa: D102

    @property
    def shots(self) -> bool:
        """Shots."""

    @property
    def keyframes(self) -> bool:
        """A key frame for each shot."""

    @property
    def looks(self) -> bool:
        """The frames that `every` chooses."""

    @property
    def piece_s(self) -> float | None:
        """Longest piece of sound, seconds; None for no sound."""


def read_timeline(content: Content, path: str, wanted: Wanted, admit: Admit) -> Iterator[Place]:
    """All that is wanted of a film.

    Args:
        content: A video or animated picture.
        path: What its rows say in the `path` column.
        wanted: What, and how.
        admit: Called before each conversion to pixels, with its megapixels, and with 0 as a sign of life.

    Yields:
        `Item` without `shot` for a frame to look at, with it for a key frame; `FilmShot`, `FilmEnd`; `Clip`, or
        `LostSound`; a last `FailedItem` where some frames did not decode.

    Raises:
        ItemError: It cannot be read.
    """
    film = _Film(path, wanted, admit)
    with open_footage(content, max_megapixels=wanted.max_megapixels, alive=lambda: admit(0.0)) as footage:
        yield from film.pictures(footage)
        yield FilmEnd(path=path, time_s=film.end_s)
        complaint = footage.complaint()
    if wanted.piece_s is not None:
        yield from _sound(content, path, wanted, admit)
    if complaint is not None:
        yield FailedItem(path=path, error=complaint)


def _sound(content: Content, path: str, wanted: Wanted, admit: Admit) -> Iterator[Place]:
    """The sound track, which is read by itself, as its packets lie elsewhere."""
    try:
        for clip in read_clips(content, path, piece_s=wanted.piece_s or 0.0, channel=wanted.channel):
            admit(0.0)
            yield LostSound(path=path, time_s=clip.time_s, error=clip.error) if isinstance(clip, FailedItem) else clip
    except ItemError as error:
        yield LostSound(path=path, error=error)


class _Film:
    """Its frames and shots as items.

    Attributes:
        end_s: Where its pictures end, once they were read.
    """

    def __init__(self, path: str, wanted: Wanted, admit: Admit) -> None:
        self._path, self._wanted, self._admit = path, wanted, admit
        self._by_shot = False
        self.end_s = 0.0

    def pictures(self, footage: Footage) -> Iterator[Place]:
        """Decoded once: shots as they end, while the chosen frames pass by."""
        wanted, every = self._wanted, parse_every(self._wanted.every or DEFAULT_EVERY)
        self._by_shot = wanted.looks and every.unit == "shot"
        chosen = _chosen(footage, every) if wanted.looks else []
        self.end_s = footage.timetable.time_s(len(footage.timetable.ticks) - 1)
        if wanted.shots or wanted.keyframes or self._by_shot:
            yield from self._with_shots(footage, set(chosen))
        else:
            for frame in footage.iframes() if every.unit == "iframe" else footage.at(chosen):
                yield from self._items(frame)

    def _with_shots(self, footage: Footage, chosen: set[int]) -> Iterator[Place]:
        passing: deque[Frame] = deque()
        without: list[Shot] = []
        finder = ShotFinder(detector=self._wanted.detector, fades=self._wanted.fades)
        wants_keyframes = self._wanted.keyframes or self._by_shot
        frames = _tapped(footage.frames(), chosen, passing)
        for cell in measured(frames, colours=False, keyframes=wants_keyframes):
            while passing:
                yield from self._items(passing.popleft())
            for shot in finder.add(cell):
                yield from self._shot(shot, without)
        for shot in finder.finish():
            yield from self._shot(shot, without)
        if wants_keyframes:
            numbers = {shot.middle: shot for shot in without}
            late: Iterable[Frame] = footage.at(list(numbers))
            for frame in late:
                yield from self._keyframe(frame, numbers[frame.number])

    def _shot(self, shot: Shot, without: list[Shot]) -> Iterator[Place]:
        self.end_s = shot.end_s
        if shot.keyframe is not None:
            yield from self._keyframe(shot.keyframe, shot)
            shot = replace(shot, keyframe=None)
        else:
            without.append(shot)
        yield FilmShot(path=self._path, frame=shot.first, time_s=shot.start_s, shot=shot)

    def _keyframe(self, frame: Frame, shot: Shot) -> Iterator[Place]:
        """Looked at, where those of shots are to be looked at; and a key frame, where those are wanted."""
        for item in self._items(frame):
            if self._by_shot:
                yield item
            if self._wanted.keyframes:
                yield replace(item, shot=shot.number) if isinstance(item, Item) else item

    def _items(self, frame: Frame) -> Iterator[Place]:
        width, height = frame.size
        self._admit(width * height / 1e6)
        try:
            image = frame.rgb()
        except ItemError as error:
            yield FailedItem(path=self._path, frame=frame.number, time_s=frame.time_s, error=error)
        else:
            yield Item(
                path=self._path,
                frame=frame.number,
                time_s=frame.time_s,
                image=image,
                original_size=(width, height),
            )


def _chosen(footage: Footage, every: Every) -> list[int]:
    """Numbers of the frames to look at; none for a rule that knows them only while it decodes."""
    table = footage.timetable
    if every.unit == "iframe":
        return [table.number(ticks) for ticks in table.keys]
    return [] if every.unit == "shot" else chosen_numbers(every, table.ticks, table.time_base)


def _tapped(frames: Iterable[Frame], chosen: set[int], passing: deque[Frame]) -> Iterator[Frame]:
    """The same frames; the chosen ones are also put aside."""
    for frame in frames:
        if frame.number in chosen:
            chosen.discard(frame.number)
            passing.append(frame)
        yield frame
