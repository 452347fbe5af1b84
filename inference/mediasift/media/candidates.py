"""Which frames of a shot may stand for it: a few, spread evenly, each the sharpest around."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from mediasift.media.frames import Frame

_HELD_MEGAPIXELS = 18.0
"""Frames held as candidates: nearly a dozen of full HD, four of 4K."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """So many frames in a row and the sharpest of them."""

    frame: Frame
    sharpness: float
    frames: int = 1


@dataclass(slots=True, eq=False)
class Candidates:
    """A few frames spread evenly over what has been added, each the sharpest of its neighbourhood.

    Where the middle of a shot is, is known only when it ends. So all of it is kept as at most a dozen neighbourhoods;
    when there would be more, the two neighbours that are shortest together are joined.
    """

    _slots: list[Candidate] = field(default_factory=list)

    def __iter__(self) -> Iterator[Candidate]:
        """In order."""
        return iter(self._slots)

    def add(self, frame: Frame, sharpness: float, frames: int = 1) -> None:
        """Consider a frame, the sharpest of `frames` neighbours; their numbers ascend."""
        slots = self._slots
        slots.append(Candidate(frame, sharpness, frames))
        width, height = frame.size
        if len(slots) > min(12, max(4, _HELD_MEGAPIXELS / (width * height / 1e6))):
            lengths = [one.frames + two.frames for one, two in pairwise(slots)]
            at = lengths.index(min(lengths))
            slots[at : at + 2] = [_joined(slots[at], slots[at + 1])]

    def take(self, first: int, end: int) -> Frame | None:
        """The sharpest candidate in the middle half of the frames first..end-1, else the one nearest to the middle.

        What lies before `end` is forgotten.
        """
        middle, reach = (first + end - 1) / 2, (end - first) / 4
        inside = [slot for slot in self._slots if first <= slot.frame.number < end]
        self._slots = [slot for slot in self._slots if slot.frame.number >= end]
        near = [slot for slot in inside if abs(slot.frame.number - middle) <= reach]
        if near:
            return max(near, key=lambda slot: slot.sharpness).frame
        return min(inside, key=lambda slot: abs(slot.frame.number - middle)).frame if inside else None


def _joined(first: Candidate, second: Candidate) -> Candidate:
    best = first if first.sharpness >= second.sharpness else second
    return Candidate(best.frame, best.sharpness, first.frames + second.frames)
