"""The frames of a video by number and time, and which of them `--every 2s`, `1000f`, `iframe` or `shot` chooses."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mediasift.errors import UsageError

DEFAULT_EVERY = "1s"
"""A frame a second: enough to count what is seen how long, and seldom two frames of one movement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """A rule that chooses frames.

    Attributes:
        unit: `s` the frame shown every `amount` seconds, `f` every `amount`-th frame, `iframe` the frames the codec
            stored whole, `shot` the sharpest frame near the middle of each shot.
        amount: Seconds or frames; 1 where it does not apply.
    """

    unit: Literal["s", "f", "iframe", "shot"]
    amount: Fraction = Fraction(1)


_BY_CONTENT = {"iframe": Every(unit="iframe"), "shot": Every(unit="shot")}


def parse_every(text: str) -> Every:
    """The rule that `2s`, `0.5s`, `1000f`, `iframe` or `shot` names.

    Raises:
        UsageError: None of these.
    """
    if text in _BY_CONTENT:
        return _BY_CONTENT[text]
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([sf])", text, re.ASCII)
    amount = Fraction(match[1]) if match else Fraction(0)
    if match is None or amount == 0 or (match[2] == "f" and amount.denominator != 1):
        raise UsageError(f"every {text!r}: needs 2s or 0.5s (seconds), 1000f (whole number of frames), iframe or shot")
    return Every(unit="s" if match[2] == "s" else "f", amount=amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Every frame of a video.

    Attributes:
        ticks: Presentation times in units of `time_base`, ascending; position is the frame's number.
        keys: Numbers of the I-frames, ascending.
        seeks: Where to jump to for each of them; empty where the film can only be read through.
        time_base: Seconds per tick.
        problem: Why reading ended early; empty when it did not.
    """

    ticks: Sequence[int]
    keys: Sequence[int]
    seeks: Sequence[int]
    time_base: Fraction
    problem: str = ""

    def number(self, ticks: int) -> int | None:
        """Number of the frame with that stamp; None where there is no such frame."""
        number = bisect_left(self.ticks, ticks)
        return number if number < len(self.ticks) and self.ticks[number] == ticks else None

    def time_s(self, number: int) -> float:
        """Presentation time of a frame, in seconds."""
        return self.seconds(self.ticks[number])

    def seconds(self, ticks: int) -> float:
        """A time, rounded to the microsecond."""
        return round(ticks * self.time_base.numerator / self.time_base.denominator, 6)  # exact, without a new fraction

    def key_before(self, number: int) -> int:
        """Position in `keys` of the last I-frame at or before a frame; -1 when there is none."""
        return bisect_right(self.keys, number) - 1


def parse_s(text: str) -> float:
    """The seconds that `0.3s` names.

    Raises:
        UsageError: It names none.
    """
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", text, re.ASCII)
    if match is None:
        raise UsageError(f"{text!r}: needs seconds, such as 0.3s")
    return float(match[1])


def chosen_numbers(every: Every, ticks: Sequence[int], time_base: Fraction) -> list[int]:
    """Numbers of the frames that a rule in seconds or frames chooses, ascending.

    Args:
        every: With unit `s` or `f`.
        ticks: Presentation time of each frame in units of `time_base`, ascending.
        time_base: Seconds per tick.

    Seconds count from the first frame; at each such moment the frame then shown is taken, once.
    """
    if every.unit == "f":
        return list(range(0, len(ticks), int(every.amount)))
    step = every.amount / time_base
    chosen: list[int] = []
    for number, tick in enumerate(ticks):
        since = tick - ticks[0]
        moment = -(-since * step.denominator // step.numerator) * step  # the first one at or after this frame
        is_last = number + 1 == len(ticks)
        shown = (moment == since or not chosen) if is_last else moment < ticks[number + 1] - ticks[0]
        if shown:
            chosen.append(number)
    return chosen


Chosen = Sequence[int] | Callable[[Timetable], Sequence[int]]
"""Numbers of frames, ascending; or what chooses them, as the timetable may turn out to be another."""
