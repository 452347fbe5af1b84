"""The frames of a video by number, time and place, as far as the packets' headers tell."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Every frame of a video, read from the packets' headers without decoding.

    Attributes:
        ticks: Presentation times in units of `time_base`, ascending; position is the frame's number.
        keys: Those of the I-frames, ascending.
        seeks: Where to jump to for each of them.
        time_base: Seconds per tick.
        problem: Why reading ended early; empty when it did not.
    """

    ticks: Sequence[int]
    keys: Sequence[int]
    seeks: Sequence[int]
    time_base: Fraction
    problem: str = ""

    def number(self, ticks: int) -> int:
        """Number of the frame shown at that time."""
        return bisect_left(self.ticks, ticks)

    def time_s(self, number: int) -> float:
        """Presentation time of a frame, in seconds."""
        return self.seconds(self.ticks[number])

    def seconds(self, ticks: int) -> float:
        """A time, rounded to the microsecond."""
        return round(float(ticks * self.time_base), 6)

    def key_before(self, number: int) -> int:
        """Position in `keys` of the last I-frame at or before a frame; -1 when there is none."""
        return bisect_right(self.keys, self.ticks[number]) - 1
