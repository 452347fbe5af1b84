"""Shots of a video: their borders, what they look like, and the frame that stands for each."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mediasift.media.cuts import Cut, Cuts
from mediasift.media.frames import Frame, Picture
from mediasift.media.transforms import sharpness
from mediasift.optional import lazily

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazily("cv2")

_HELD_MEGAPIXELS = 24.0
"""Frames held as candidates for a shot's key frame: a dozen of full HD, three of 4K."""


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
    detector: str = "content",
    fades: bool = True,
    colours: bool = True,
    keyframes: bool = False,
) -> Iterator[Shot]:
    """Each shot as soon as its end is known. One pass, memory for a few frames.

    Args:
        frames: Every frame of a video, in order.
        detector: Key of `cuts.DETECTORS`.
        fades: Whether black between two shots parts them, too.
        colours: Measure colourfulness, which costs more than finding cuts; without, it is 0.
        keyframes: Choose a frame for each shot.
    """
    cuts = Cuts(detector, fades=fades)
    current = _Current(Candidates() if keyframes else None, colours=colours)
    before: _Seen | None = None
    for frame in frames:
        seen = _Seen.of(frame.small(), before)
        current.add(frame, seen)
        for cut in cuts.add(frame.number, seen.change, seen.mean):
            yield from current.end_at(cut)
        before = seen
    for cut in cuts.finish():
        yield from current.end_at(cut)
    yield from current.finish()


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is measured on a small frame."""

    hsv: Picture
    gray: Picture
    mean: float
    change: float
    motion: float
    bgr: Picture

    @classmethod
    def of(cls, bgr: Picture, before: _Seen | None) -> _Seen:
        hsv = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV), dtype=np.uint8)
        gray = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        change = motion = 0.0
        if before is not None and before.hsv.shape == hsv.shape:
            change = cv2.norm(hsv, before.hsv, cv2.NORM_L1) / hsv.size
            motion = cv2.norm(gray, before.gray, cv2.NORM_L1) / (255 * gray.size)
        return cls(hsv, gray, cv2.norm(bgr, cv2.NORM_L1) / bgr.size, change, motion, bgr)


def colourfulness(bgr: Picture) -> float:
    """Hasler and Süsstrunk's M3 of a uint8 (H, W, 3) BGR picture; 0 for grey."""
    blue, green, red = (channel.astype(np.float32) for channel in cv2.split(bgr))
    means, deviations = zip(*(cv2.meanStdDev(one) for one in (red - green, (red + green) / 2 - blue)), strict=True)
    return float(np.hypot(*np.ravel(deviations)) + 0.3 * np.hypot(*np.ravel(means)))


class _Current:
    """The shot that is going on, and what came after a border that is not decided yet."""

    def __init__(self, candidates: Candidates | None, *, colours: bool) -> None:
        self._candidates = candidates
        self._colours = colours
        self._numbers = array("q")
        self._values = array("d")  # time, brightness, colourfulness, motion of each frame
        self._count = 0
        self._begins: Literal["start", "cut", "fade"] = "start"

    def add(self, frame: Frame, seen: _Seen) -> None:
        self._numbers.append(frame.number)
        colours = colourfulness(seen.bgr) if self._colours else 0.0
        self._values.extend((frame.time_s, cv2.mean(seen.gray)[0] / 255, colours, seen.motion))
        if self._candidates is not None:
            self._candidates.add(frame, sharpness(seen.gray))

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


@dataclass(slots=True, eq=False)
class _Slot:
    """A stretch of frames and the sharpest of them."""

    frame: Frame
    sharpness: float
    frames: int = 1


@dataclass(slots=True, eq=False)
class Candidates:
    """A few frames spread evenly over the shot that is going on, each the sharpest of its stretch.

    Where the middle of a shot is, is known only when it ends. So the shot is kept as at most a dozen stretches; when
    there would be more, neighbours are joined and the stretches become twice as long.
    """

    _slots: list[_Slot] = field(default_factory=list)
    _stretch: int = 1

    def add(self, frame: Frame, sharp: float) -> None:
        """Consider a frame."""
        slots = self._slots
        if slots and slots[-1].frames < self._stretch:
            slots[-1].frames += 1
            if sharp > slots[-1].sharpness:
                slots[-1].frame, slots[-1].sharpness = frame, sharp
            return
        width, height = frame.size
        most = int(min(12, max(4, _HELD_MEGAPIXELS / (width * height / 1e6)))) // 2 * 2
        if len(slots) >= most:
            self._slots = slots = [_joined(a, b) for a, b in zip(slots[::2], slots[1::2], strict=True)]
            self._stretch *= 2
        slots.append(_Slot(frame, sharp))

    def take(self, first: int, end: int) -> Frame | None:
        """The sharpest candidate in the middle half of the frames first..end-1, else the one nearest to the middle.

        What lies before `end` is forgotten.
        """
        middle, reach = (first + end - 1) / 2, (end - first) / 4
        inside = [slot for slot in self._slots if first <= slot.frame.number < end]
        self._slots = [slot for slot in self._slots if slot.frame.number >= end]
        self._stretch = 1
        near = [slot for slot in inside if abs(slot.frame.number - middle) <= reach]
        if near:
            return max(near, key=lambda slot: slot.sharpness).frame
        return min(inside, key=lambda slot: abs(slot.frame.number - middle)).frame if inside else None


def _joined(first: _Slot, second: _Slot) -> _Slot:
    best = first if first.sharpness >= second.sharpness else second
    return _Slot(best.frame, best.sharpness, first.frames + second.frames)
