"""Shots of a video: their borders, what they look like, and the frame that stands for each."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.media.libraries import cv2
from mediasift.media.pictures.style import colourfulness
from mediasift.media.pictures.transforms import Picture, sharpness
from mediasift.media.video.cuts import ADAPTIVE_MIN_CHANGE, DEFAULT_DETECTOR, MIN_SHOT_S, Cut, Cuts, Glance
from mediasift.media.video.frames import Frame

_CELL_FRAMES = 12
"""Frames of up to a megapixel of which only the sharpest may become a key frame: half a second, which is less than most
shots."""

_TINY_SIZE = (16, 12)

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
        keyframe: The sharpest frame near its middle; None where none was asked for, or, after a fade, where the
            sharpest frames of all its cells lie in the shots beside it.
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

    @property
    def middle(self) -> int:
        """Number of the frame in its middle."""
        return self.first + self.frames // 2


class _Seen(NamedTuple):
    """A small frame as the next one is compared with it: uint8 (h, w, 3) hue, saturation, value; uint8 (h, w) luma."""

    hsv: Picture
    gray: Picture

    def change(self, before: _Seen) -> tuple[float, float]:
        """Mean change of hue, saturation and value, 0..255, and of luma, 0..1, from an earlier frame."""
        if before.hsv.shape != self.hsv.shape:  # a film that changes its size
            size = self.gray.shape[1], self.gray.shape[0]
            before = _Seen(*(np.asarray(cv2.resize(one, size), dtype=np.uint8) for one in before))
        return (
            cv2.norm(self.hsv, before.hsv, cv2.NORM_L1) / self.hsv.size,
            cv2.norm(self.gray, before.gray, cv2.NORM_L1) / (255 * self.gray.size),
        )


class Look(NamedTuple):
    """What was measured on one frame.

    Attributes:
        mean: Of all channels, 0..255.
        brightness, colourfulness: See `Shot`.
        change, motion: From the frame before it: of hue, saturation and value, 0..255; of luma, 0..1.
        tiny: uint8 (12, 16, 3), the picture so small that movement does not show.
    """

    number: int
    time_s: float
    mean: float
    brightness: float
    colourfulness: float
    change: float
    motion: float
    tiny: Picture


@dataclass(slots=True, eq=False)
class Cell:
    """Neighbouring frames that were measured, and the sharpest of them.

    Attributes:
        number: The same for parts of one cell, and for those that a possible cut parts.
        looks: One for each frame, in order; the first one's change is from the frame before it, if that was in reach.
        first, last: The outermost frames, for comparing with those beyond.
        sharpest: None where it was not asked for.
        sharpness: Variance of the Laplacian of its small frame's luma; -1 where it was not asked for.
    """

    number: int
    first: _Seen
    last: _Seen
    looks: list[Look] = field(default_factory=list)
    sharpest: Frame | None = None
    sharpness: float = -1.0


def cell_frames(size: tuple[int, int]) -> int:
    """Frames in a cell: fewer of them are held where they are large."""
    return _CELL_FRAMES * max(1, round(size[0] * size[1] / 1e6))


def measured(frames: Iterable[Frame], *, colours: bool = True, keyframes: bool = False) -> Iterator[Cell]:
    """Measure frames in order, in cells that begin at multiples of `cell_frames` and wherever there may be a cut.

    Args:
        frames: Every frame of a video, or of a stretch of it.
        colours: Measure colourfulness, which costs more than finding cuts; without, it is 0.
        keyframes: Find the sharpest frame of each cell.
    """
    cell: Cell | None = None
    for frame in frames:
        bgr = frame.small()
        hsv = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV), dtype=np.uint8)
        gray = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        seen = _Seen(hsv, gray)
        change, motion = (0.0, 0.0) if cell is None else seen.change(cell.last)
        number = frame.number // cell_frames(frame.size)
        if cell is None or number != cell.number or change >= ADAPTIVE_MIN_CHANGE:
            if cell is not None:
                yield cell
            cell = Cell(number, first=seen, last=seen)
        cell.last = seen
        cell.looks.append(
            Look(
                number=frame.number,
                time_s=frame.time_s,
                mean=cv2.norm(bgr, cv2.NORM_L1) / bgr.size,
                brightness=cv2.mean(gray)[0] / 255,
                colourfulness=colourfulness(bgr) if colours else 0.0,
                change=change,
                motion=motion,
                tiny=np.asarray(cv2.resize(bgr, _TINY_SIZE, interpolation=cv2.INTER_AREA), dtype=np.uint8),
            )
        )
        if keyframes and (sharp := sharpness(gray)) > cell.sharpness:
            cell.sharpest, cell.sharpness = frame, sharp
    if cell is not None:
        yield cell


def find_shots(
    cells: Iterable[Cell], *, detector: str = DEFAULT_DETECTOR, fades: bool = True, min_shot_s: float = MIN_SHOT_S
) -> Iterator[Shot]:
    """Each shot as soon as its end is known. One pass, memory for a few frames.

    Args:
        cells: Of all frames of a video, in order; see `measured`.
        detector: Key of `cuts.DETECTORS`.
        fades: Whether black or white between two shots parts them, too.
        min_shot_s: Shortest shot, seconds.
    """
    finder = ShotFinder(detector=detector, fades=fades, min_shot_s=min_shot_s)
    for cell in cells:
        yield from finder.add(cell)
    yield from finder.finish()


class ShotFinder:
    """The same for somebody who has one cell after the other."""

    def __init__(self, *, detector: str = DEFAULT_DETECTOR, fades: bool = True, min_shot_s: float = MIN_SHOT_S) -> None:
        self._cuts = Cuts(detector, fades=fades, min_shot_s=min_shot_s)
        self._candidates = Candidates()
        self._before: Cell | None = None
        # The shot that is going on, and what came after a boundary that is not decided yet:
        self._numbers = array("q")
        self._values = array("d")  # time, brightness, colourfulness, motion of each frame
        self._count = 0
        self._begins: Literal["start", "cut", "fade"] = "start"

    def add(self, cell: Cell) -> Iterator[Shot]:
        """The shots whose end is known with this cell."""
        before, self._before = self._before, cell
        if before is not None:  # the cell may be the first of its stretch, where the frame before it is not known
            change, motion = cell.first.change(before.last)
            cell.looks[0] = cell.looks[0]._replace(change=change, motion=motion)
        for look in cell.looks:
            self._numbers.append(look.number)
            self._values.extend((look.time_s, look.brightness, look.colourfulness, look.motion))
            for cut in self._cuts.add(Glance(look.number, look.time_s, look.change, look.mean, look.tiny)):
                yield from self._end_at(cut)
        if cell.sharpest is not None:
            # Stretches may divide a cell; where there may be a cut, two cells have the same number.
            is_apart = cell.looks[0].change >= ADAPTIVE_MIN_CHANGE
            goes_on = before is not None and before.number == cell.number and not is_apart
            self._candidates.add(cell.sharpest, cell.sharpness, goes_on=goes_on, is_apart=is_apart)

    def finish(self) -> Iterator[Shot]:
        """The shots that are left. The last one lasts until its last frame has been shown as long as the one before."""
        for cut in self._cuts.finish():
            yield from self._end_at(cut)
        times = self._values[::4]
        if times:
            shown = times[-1] - times[-2] if len(times) > 1 else 0.0
            yield self._shot(len(times), end_s=round(times[-1] + shown, 6))

    def _end_at(self, cut: Cut) -> Iterator[Shot]:
        """The shot that ends before a cut; nothing when it has no frame."""
        length = bisect_left(self._numbers, cut.number)
        if 0 < length < len(self._numbers):
            yield self._shot(length, end_s=self._values[4 * length])
            del self._numbers[:length], self._values[: 4 * length]
            self._begins = cut.how

    def _shot(self, length: int, end_s: float) -> Shot:
        table: NDArray[np.float64] = np.array(self._values[: 4 * length]).reshape(length, 4)
        first = self._numbers[0]
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
            keyframe=self._candidates.take(first, self._numbers[length - 1] + 1),
        )


@dataclass(slots=True, eq=False)
class _Slot:
    """Some cells in a row and the sharpest frame of them."""

    frame: Frame
    sharpness: float
    cells: int = 1


_sharpness = attrgetter("sharpness")


@dataclass(slots=True, eq=False)
class Candidates:
    """A few frames spread evenly over the shot that is going on, each the sharpest of its stretch.

    Where the middle of a shot is, is known only when it ends. So the shot is kept as at most a dozen stretches of
    cells; when there would be more, neighbours are joined and the stretches become twice as long.
    """

    _slots: list[_Slot] = field(default_factory=list)
    _stretch: int = 1

    def add(self, frame: Frame, sharp: float, *, goes_on: bool = False, is_apart: bool = False) -> None:
        """Consider the sharpest frame of a cell; of a part of one where the cell before goes on, or after a cut."""
        slots = self._slots
        if slots and not is_apart and (goes_on or slots[-1].cells < self._stretch):
            slots[-1].cells += not goes_on
            if sharp > slots[-1].sharpness:
                slots[-1].frame, slots[-1].sharpness = frame, sharp
            return
        width, height = frame.size
        most = int(min(12, max(4, _HELD_MEGAPIXELS / (width * height / 1e6)))) // 2 * 2
        if len(slots) >= most:
            pairs = zip(slots[::2], slots[1::2], strict=True)
            self._slots = slots = [replace(max(a, b, key=_sharpness), cells=a.cells + b.cells) for a, b in pairs]
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
            return max(near, key=_sharpness).frame
        return min(inside, key=lambda slot: abs(slot.frame.number - middle)).frame if inside else None
