"""Shots of a video: their borders, what they look like, and the frame that stands for each."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.media.animation import Animation
from mediasift.media.candidates import Candidate, Candidates
from mediasift.media.cuts import Cut, Cuts
from mediasift.media.frames import Frame
from mediasift.media.measures import Look, Measures, Values, measured
from mediasift.media.stretches import in_turn, side_by_side
from mediasift.media.video import Video


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """One shot.

    Attributes:
        number: From 1.
        first: Number of its first frame.
        frames: How many it has.
        begins: `start` of the video, `cut`, or `fade`.
        start_s, end_s: The container's clock; it ends where the next one starts.
        brightness: Mean luma, 0..1.
        colourfulness: Mean of Hasler and Süsstrunk's M3 (Measuring colourfulness in natural images, SPIE 2003): 0 for
            grey, about 100 for the most colourful.
        motion: Mean change of luma from frame to frame, 0..1.
        keyframe: The sharpest frame near its middle, where it was asked for.
    """

    number: int
    first: int
    frames: int
    begins: Literal["start", "cut", "fade"]
    start_s: float
    end_s: float
    brightness: float
    colourfulness: float
    motion: float
    keyframe: Frame | None = None


def find_shots(
    frames: Iterable[Frame],
    *,
    starts: Sequence[int] = (0,),
    detector: str = "content",
    fades: bool = True,
    colours: bool = True,
    keyframes: bool = False,
) -> Iterator[Shot]:
    """Each shot as soon as its end is known. One pass, memory for a few frames.

    Args:
        frames: Every frame of a video, in order.
        starts: See `Timetable.starts`. They have a part in which frames are compared for sharpness.
        detector: Key of `cuts.DETECTORS`.
        fades: Whether black between two shots parts them, too.
        colours: Measure colourfulness, which costs more than finding cuts; without, it is 0.
        keyframes: Choose a frame for each shot.
    """
    look = partial(measured, colours=colours, keyframes=keyframes)
    yield from parted(in_turn(frames, starts, look), detector=detector, fades=fades, keyframes=keyframes)


def shots_of(
    video: Video | Animation,
    *,
    detector: str = "content",
    fades: bool = True,
    colours: bool = True,
    keyframes: bool = False,
) -> Iterator[Shot]:
    """The same from a video that is decoded for nothing else, several stretches of it at a time."""
    look = partial(measured, colours=colours, keyframes=keyframes)
    stretches = side_by_side(video, look) if isinstance(video, Video) else [look(video.frames())]
    yield from parted(stretches, detector=detector, fades=fades, keyframes=keyframes)


def parted(stretches: Iterable[Measures], *, detector: str, fades: bool, keyframes: bool) -> Iterator[Shot]:
    """The shots of a video that was measured in stretches, which come in order."""
    cuts = Cuts(detector, fades=fades)
    current = _Current(Candidates() if keyframes else None)
    before: Look | None = None
    for stretch in stretches:
        candidates = deque(stretch.candidates)
        for values in stretch.joined_to(before):
            while candidates and candidates[0].frame.number <= values.number:
                current.consider(candidates.popleft())
            current.add(values)
            for cut in cuts.add(values.number, values.change, values.mean):
                yield from current.end_at(cut)
        before = stretch.last or before
    for cut in cuts.finish():
        yield from current.end_at(cut)
    yield from current.finish()


class _Current:
    """The shot that is going on, and what came after a border that is not decided yet."""

    def __init__(self, candidates: Candidates | None) -> None:
        self._candidates = candidates
        self._numbers = array("q")
        self._values = array("d")  # time, brightness, colourfulness, motion of each frame
        self._count = 0
        self._begins: Literal["start", "cut", "fade"] = "start"

    def add(self, values: Values) -> None:
        self._numbers.append(values.number)
        self._values.extend((values.time_s, values.brightness, values.colourfulness, values.motion))

    def consider(self, candidate: Candidate) -> None:
        if self._candidates is not None:
            self._candidates.add(candidate.frame, candidate.sharpness, candidate.frames)

    def end_at(self, cut: Cut) -> Iterator[Shot]:
        """The shot that ends before a cut; nothing when it has no frame."""
        numbers = np.frombuffer(self._numbers, dtype=np.int64)
        length = int(np.searchsorted(numbers, cut.number))
        del numbers
        if 0 < length < len(self._numbers):
            yield self._shot(length, end_s=self._values[4 * length])
            del self._numbers[:length], self._values[: 4 * length]
            self._begins = cut.how

    def finish(self) -> Iterator[Shot]:
        """The last shot. It lasts until its last frame has been shown as long as the one before."""
        length = len(self._numbers)
        if length:
            last = self._values[4 * (length - 1)]
            shown = last - self._values[4 * (length - 2)] if length > 1 else 0.0
            yield self._shot(length, end_s=round(last + shown, 6))

    def _shot(self, length: int, end_s: float) -> Shot:
        table: NDArray[np.float64] = np.array(self._values[: 4 * length]).reshape(length, 4)
        first = self._numbers[0]
        keyframe = None
        if self._candidates is not None:
            keyframe = self._candidates.take(first, self._numbers[length - 1] + 1)
        self._count += 1
        motion = table[1:, 3].mean() if length > 1 else 0.0  # the first frame's change is the cut itself
        return Shot(
            number=self._count,
            first=first,
            frames=length,
            begins=self._begins,
            start_s=float(table[0, 0]),
            end_s=end_s,
            brightness=float(table[:, 1].mean()),
            colourfulness=float(table[:, 2].mean()),
            motion=float(motion),
            keyframe=keyframe,
        )
