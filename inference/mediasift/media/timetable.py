"""The frames of a video by number, time and place, as far as the packets' headers tell."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from mediasift.media.frames import seconds

_SHORTEST_STRETCH = 24
"""Frames: less is not worth a jump."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Every frame of a video, read from the packets' headers without decoding.

    Attributes:
        ticks: Presentation times in units of `time_base`, ascending; position is the frame's number.
        keys: Those of the I-frames, ascending.
        seeks: Where to jump to for each of them.
        starts: Numbers of the frames, ascending from 0, where decoding may begin: nothing from there on needs
            what comes before, nor the other way round.
        time_base: Seconds per tick.
        problem: Why reading ended early; empty when it did not.
    """

    ticks: Sequence[int]
    keys: Sequence[int]
    seeks: Sequence[int]
    time_base: Fraction
    starts: Sequence[int] = (0,)
    problem: str = ""

    def number(self, ticks: int) -> int:
        """Number of the frame shown at that time."""
        return bisect_left(self.ticks, ticks)

    def time_s(self, number: int) -> float:
        """Presentation time of a frame, in seconds."""
        return seconds(self.ticks[number], self.time_base)

    def key_before(self, number: int) -> int:
        """Position in `keys` of the last I-frame at or before a frame; -1 when there is none."""
        return bisect_right(self.keys, self.ticks[number]) - 1


def parting_starts(ticks: array[int], keys: array[int]) -> list[int]:
    """Numbers of the I-frames that part a video: all that is stored before one is shown before it.

    Args:
        ticks: Presentation times in the order of storage.
        keys: Positions in it of the I-frames.
    """
    times = np.frombuffer(ticks, dtype=np.int64)
    latest = np.maximum.accumulate(times)
    earliest = np.minimum.accumulate(times[::-1])[::-1]
    parting = [at for at in keys if at > 0 and latest[at - 1] < times[at] and earliest[at] == times[at]]
    starts = [0]
    for number in np.searchsorted(np.sort(times), times[parting]).tolist():
        if number - starts[-1] >= _SHORTEST_STRETCH:
            starts.append(number)
    return starts
