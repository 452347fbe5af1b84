"""A film as a timeline takes it: frames, key frames, shots and sound, the pictures from one decode."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mediasift.errors import ItemError
from mediasift.items import FailedItem, Item, Place
from mediasift.media.containers import container_start_s
from mediasift.media.pictures.images import Admit
from mediasift.media.sound.audio import read_clips
from mediasift.media.video.every import DEFAULT_EVERY, chosen_numbers, parse_every
from mediasift.media.video.footage import Footage, chosen_frames, frame_item, open_footage
from mediasift.media.video.frames import Frame
from mediasift.media.video.shots import Shot, ShotFinder, measured
from mediasift.sources.content import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmShot(Place):
    """A shot, located at its first frame; it has no key frame."""

    shot: Shot


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmEnd(Place):
    """The end of the pictures, at `time_s`; the container's clock begins at `origin_s`."""

    origin_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LostSound(Place):
    """Sound that could not be read, where there should be some."""

    error: ItemError


def read_timeline(content: Content, path: str, wanted: Any, admit: Admit) -> Iterator[Place]:
    """All that is wanted of a film.

    Args:
        content: A video or animated picture.
        path: What its rows say in the `path` column.
        wanted: Settings of frames and sound (see `media.settings`), `fades`, and what to yield: `shots`; `keyframes`,
            one for each shot; `looks`, the frames that `every` chooses; sound, unless `piece_s` is None.
        admit: Called before each conversion to pixels, with its megapixels, and with 0 as a sign of life.

    Yields:
        `Item` without `shot` for a frame to look at, with it for a key frame; `FilmShot`, `FilmEnd`; `Clip`, or
        `LostSound`; a last `FailedItem` where some frames did not decode.

    Raises:
        ItemError: It cannot be read.
    """
    with open_footage(content, wanted.viewing, alive=lambda: admit(0.0)) as footage:
        film = _Film(footage, path, wanted, admit)
        yield from film.pictures()
        yield FilmEnd(path=path, time_s=film.end_s, origin_s=container_start_s(content))
        complaint = footage.complaint()
    if wanted.piece_s is not None:
        yield from _sound(content, path, wanted, admit)
    if complaint is not None:
        yield FailedItem(path=path, error=complaint)


def _sound(content: Content, path: str, wanted: Any, admit: Admit) -> Iterator[Place]:
    """The sound track, which is read by itself, as its packets lie elsewhere."""
    try:
        for clip in read_clips(content, path, piece_s=wanted.piece_s, channel=wanted.channel):
            admit(0.0)
            yield LostSound(path=path, time_s=clip.time_s, error=clip.error) if isinstance(clip, FailedItem) else clip
    except ItemError as error:
        yield LostSound(path=path, error=error)


class _Film:
    """Its frames and shots as items; its pictures end at `end_s`, once they were read."""

    def __init__(self, footage: Footage, path: str, wanted: Any, admit: Admit) -> None:
        self._footage, self._path, self._wanted = footage, path, wanted
        self._item = partial(frame_item, path=path, admit=admit, note=footage.note)
        self._every = parse_every(wanted.every or DEFAULT_EVERY)
        self._by_shot = wanted.looks and self._every.unit == "shot"
        self._without: list[Shot] = []
        self.end_s = footage.timetable.time_s(len(footage.timetable.ticks) - 1)

    def pictures(self) -> Iterator[Place]:
        """Decoded once: shots as they end, while the chosen frames pass by."""
        if self._wanted.shots or self._wanted.keyframes or self._by_shot:
            yield from self._with_shots()
        elif self._wanted.looks:
            for frame, _ in chosen_frames(self._footage, self._every):
                yield self._item(frame)

    def _chosen(self) -> list[int]:
        """Numbers of the frames to look at; none where shots choose them."""
        table, unit = self._footage.timetable, self._every.unit
        if unit == "iframe":
            return list(table.keys)
        return [] if unit == "shot" else chosen_numbers(self._every, table.ticks, table.time_base)

    def _with_shots(self) -> Iterator[Place]:
        passing: deque[Frame] = deque()
        chosen = set(self._chosen()) if self._wanted.looks else set()
        finder = ShotFinder(**self._wanted.editing)
        wants_keyframes = self._wanted.keyframes or self._by_shot
        frames = _tapped(self._footage.frames(), chosen, passing)
        for cell in measured(frames, colours=False, keyframes=wants_keyframes):
            while passing:
                yield self._item(passing.popleft())
            yield from self._shots(finder.add(cell))
        yield from self._shots(finder.finish())
        late = {shot.middle: shot for shot in self._without} if wants_keyframes else {}
        for frame in self._footage.at(list(late)):
            yield from self._keyframe(frame, late[frame.number])

    def _shots(self, shots: Iterable[Shot]) -> Iterator[Place]:
        for shot in shots:
            self.end_s = shot.end_s
            if shot.keyframe is None:
                self._without.append(shot)
            else:
                yield from self._keyframe(shot.keyframe, shot)
            yield FilmShot(path=self._path, frame=shot.first, time_s=shot.start_s, shot=replace(shot, keyframe=None))

    def _keyframe(self, frame: Frame, shot: Shot) -> Iterator[Place]:
        """Looked at, where those of shots are to be looked at; and a key frame, where those are wanted."""
        item = self._item(frame)
        if self._by_shot:
            yield item
        if self._wanted.keyframes:
            yield replace(item, shot=shot.number) if isinstance(item, Item) else item


def _tapped(frames: Iterable[Frame], chosen: set[int], passing: deque[Frame]) -> Iterator[Frame]:
    """The same frames; the chosen ones are also put aside."""
    for frame in frames:
        if frame.number in chosen:
            chosen.discard(frame.number)
            passing.append(frame)
        yield frame
