"""Where one shot ends and the next begins: rules over one number per frame, and what a viewer takes for an edit.

The rules `content` and `adaptive` are those of PySceneDetect (https://www.scenedetect.com, B. Castellano), with its
defaults: the one compares neighbouring frames, the other compares that difference with those around it, so that fast
movement is no cut. `combined` is both, and the best of them by `benchmarks/bench_cuts.py`. What a rule finds is an edit
only where a shot follows that lasts: a flash is none, and strong changes that follow each other too closely are one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import numpy as np

from mediasift.media.pictures.transforms import Picture

DEFAULT_DETECTOR = "combined"

MIN_SHOT_S = 0.3
"""Shortest shot, seconds: fast montages have shots of a third of a second, flashes are shorter."""

CONTENT_THRESHOLD = 27.0
"""Smallest mean change of hue, saturation and value, 0..255, that is a cut; 0 would be no change."""

ADAPTIVE_RATIO = 3.0
"""Smallest ratio of a frame's change to that of the frames around it."""

ADAPTIVE_MIN_CHANGE = 15.0
"""Smallest change, 0..255, that can be a cut however still the frames around it are."""

ADAPTIVE_WINDOW = 2
"""Frames on either side that a change is compared with."""

COMBINED_RATIO = 1.75
"""The same ratio for changes that reach the threshold of `content`."""

DARK, LIGHT = 12.0, 243.0
"""Mean of all channels, 0..255, below which the picture counts as black, and above which as white."""

_PLAIN = 10.0
"""Largest deviation within a white picture: a page of text is as bright as a fade."""

_MOMENT_S = 1.0
"""A shorter stretch of black or white is no shot by itself."""

_RETURNS = 0.5
"""A picture that comes back is nearer to the one before a flash than this share of what the flash changed."""


class Glance(NamedTuple):
    """What decides of a frame.

    Attributes:
        number: Ascends.
        time_s: Its time.
        change: From the frame before it, of hue, saturation and value, 0..255; 0 for the first.
        mean: Of all channels, 0..255.
        tiny: uint8 (h, w, 3), the picture so small that movement does not show.
    """

    number: int
    time_s: float
    change: float
    mean: float
    tiny: Picture

    @property
    def is_blank(self) -> bool:
        """Whether it counts as black or white."""
        return self.mean < DARK or (self.mean > LIGHT and float(np.std(self.tiny)) < _PLAIN)


class CutRule(Protocol):
    """Decides, from the change at each frame, where cuts may be."""

    def add(self, number: int, change: float) -> list[int]:
        """The frames, this or earlier ones, that are now known to differ from the one before as a cut does.

        Args:
            number: Of the frame; ascends.
            change: From the frame before it, 0..255; 0 for the first.
        """


class ContentRule:
    """A cut is where the change reaches a threshold."""

    def __init__(self, threshold: float = CONTENT_THRESHOLD) -> None:
        self._threshold = threshold

    def add(self, number: int, change: float) -> list[int]:
        """See `CutRule`."""
        return [number] if change >= self._threshold else []


class AdaptiveRule:
    """A cut is where the change is several times that of the frames around it."""

    def __init__(self, ratio: float = ADAPTIVE_RATIO, *, strong_ratio: float | None = None) -> None:
        self._ratio, self._strong_ratio = ratio, ratio if strong_ratio is None else strong_ratio
        self._recent: deque[tuple[int, float]] = deque(maxlen=2 * ADAPTIVE_WINDOW + 1)

    def add(self, number: int, change: float) -> list[int]:
        """See `CutRule`; a cut is known `ADAPTIVE_WINDOW` frames after it."""
        self._recent.append((number, change))
        if len(self._recent) < 2 * ADAPTIVE_WINDOW + 1:
            return []
        middle, strength = self._recent[ADAPTIVE_WINDOW]
        around = (sum(one for _, one in self._recent) - strength) / (2 * ADAPTIVE_WINDOW)
        ratio = self._strong_ratio if strength >= CONTENT_THRESHOLD else self._ratio
        return [middle] if strength >= max(ADAPTIVE_MIN_CHANGE, ratio * around) else []


class Fade(NamedTuple):
    """A dark or white stretch between two shots: its first frame, and the first one after it, with its time."""

    out: int
    back: int
    back_s: float

    @property
    def middle(self) -> int:
        """The frame that begins the next shot."""
        return self.out + round((self.back - self.out) / 2)


class FadeRule:
    """Finds stretches of black and of white; what is seen on both sides of one are two shots."""

    def __init__(self, min_shot_s: float = MIN_SHOT_S) -> None:
        self._min_shot_s = min_shot_s
        self._since: int | None = None
        self._last_s: float | None = None

    def add(self, glance: Glance) -> list[Fade]:
        """The stretch that ended with this frame, if one did."""
        if self._last_s is None:
            self._last_s = glance.time_s
        since = self._since
        if glance.is_blank:
            self._since = glance.number if since is None else since
            return []
        self._since = None
        if since is None or glance.time_s - self._last_s < self._min_shot_s:
            return []
        self._last_s = glance.time_s
        return [Fade(since, glance.number, glance.time_s)]


class Cut(NamedTuple):
    """A frame that begins a shot, and how it does."""

    number: int
    how: Literal["cut", "fade"]


@dataclass(slots=True)
class _Burst:
    """Strong changes that follow each other within the shortest shot, each with the picture before it."""

    changes: list[tuple[Glance, Picture]] = field(default_factory=list)
    seen: list[Glance] = field(default_factory=list)
    flashes: list[tuple[int, int]] = field(default_factory=list)  # first frame, and the first one after

    def cut(self, min_shot_s: float) -> list[int]:
        """The strongest of them, where it leads somewhere: after a flash, the picture before it comes back."""
        lasting = list[Glance]()
        ground, near, back = None, 0.0, -1  # the picture that comes back after a flash, how near, and when
        for glance, before in self.changes:
            if glance.number <= back or (ground is not None and _difference(glance.tiny, ground) < near):
                continue
            ground, near = before, _RETURNS * _difference(glance.tiny, before)
            again = (
                one.number
                for one in self.seen
                if glance.number < one.number
                and one.time_s - glance.time_s < min_shot_s
                and _difference(one.tiny, ground) < near
            )
            back = next(again, -1)
            if back < 0:
                ground = None
                lasting.append(glance)
            elif 2 * DARK < float(ground.mean()) < LIGHT - DARK:  # else it is the middle of a fade
                self.flashes.append((glance.number, back))
        return [max(lasting, key=lambda one: one.change).number] if lasting else []


def _difference(one: Picture, other: Picture) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean()) if one.shape == other.shape else 255.0


class Cuts:
    """Hard cuts by a rule, and fades beside them.

    A dark or white stretch that begins or ends with a hard cut is no fade: the cut stands for it.
    """

    def __init__(self, detector: str = DEFAULT_DETECTOR, *, fades: bool = True, min_shot_s: float = MIN_SHOT_S) -> None:
        self._detector, self._rule, self._min_shot_s = (
            detector,
            DETECTORS[detector](),
            min_shot_s - 1e-6,
        )  # times are rounded
        self._fades = FadeRule(min_shot_s) if fades else None
        self._recent: deque[Glance] = deque(maxlen=2 * ADAPTIVE_WINDOW + 2)
        self._burst: _Burst | None = None
        self._hard: deque[int] = deque(maxlen=64)
        self._flashes: deque[tuple[int, int]] = deque(maxlen=64)
        self._waiting: list[Fade] = []
        self._blank: deque[tuple[Glance, Glance]] = deque(maxlen=8)
        self._begin_s: float | None = None
        self._last = 0

    def add(self, glance: Glance) -> list[Cut]:
        """The cuts that are now known, ascending."""
        if self._begin_s is None:
            self._begin_s = glance.time_s
        self._recent.append(glance)
        if self._burst is not None:
            self._burst.seen.append(glance)
        if glance.is_blank:
            self._note_blank(glance)
        hard = [cut for number in self._rule.add(glance.number, glance.change) for cut in self._strong(number)]
        hard += self._ended(self._recent[max(0, len(self._recent) - 1 - ADAPTIVE_WINDOW)].time_s)  # rules look ahead
        if self._fades is not None:
            self._waiting += self._fades.add(glance)
        patience = 2 * self._min_shot_s
        ready = [fade for fade in self._waiting if self._burst is None and glance.time_s - fade.back_s >= patience]
        return self._decided(hard, ready)

    def finish(self) -> list[Cut]:
        """What the end of the video decides."""
        return self._decided(self._ended(float("inf")), self._waiting)

    def _note_blank(self, glance: Glance) -> None:
        if not self._blank or self._blank[-1][-1].number + 1 < glance.number:
            self._blank.append((glance, glance))
        self._blank[-1] = self._blank[-1][0], glance

    def _strong(self, number: int) -> list[int]:
        """Consider a change that may be a cut; what it ends. One too near to the beginning of the video is none."""
        recent = list(self._recent)
        place = next(index for index, one in enumerate(recent) if one.number == number)
        glance = recent[place]
        # In the dark hue is noise, which PySceneDetect takes for change.
        is_noise = glance.is_blank and glance.change < CONTENT_THRESHOLD and self._detector != "adaptive"
        if not place or is_noise or glance.time_s - (self._begin_s or 0.0) < self._min_shot_s:
            return []
        hard = self._ended(glance.time_s)
        if self._burst is None:
            self._burst = _Burst(seen=recent[place:])
        self._burst.changes.append((glance, recent[place - 1].tiny))
        return hard

    def _ended(self, now_s: float) -> list[int]:
        """The cut of a burst that is over: nothing strong follows for as long as the shortest shot."""
        if self._burst is None or now_s - self._burst.changes[-1][0].time_s < self._min_shot_s:
            return []
        burst, self._burst = self._burst, None
        cut = burst.cut(self._min_shot_s)
        self._flashes.extend(burst.flashes)
        return [number for number in cut if not self._is_second(number)]

    def _is_second(self, number: int) -> bool:
        """Whether nothing but a moment of black or white lies between a cut and the one before it."""
        last = self._hard[-1] if self._hard else -9
        return any(
            until.time_s - since.time_s < _MOMENT_S
            and all(since.number - 1 <= one <= until.number + 2 for one in (last, number))
            for since, until in self._blank
        )

    def _decided(self, hard: list[int], fades: list[Fade]) -> list[Cut]:
        """Hard cuts and the fades that no hard cut stands for, in order, each number once."""
        if not hard and not fades:
            return []
        self._hard.extend(hard)
        self._waiting = [fade for fade in self._waiting if fade not in fades]
        others = [*((number, number) for number in self._hard), *self._flashes]
        true = [one for one in fades if not any(one.out <= end and begin <= one.back for begin, end in others)]
        decided = []
        for cut in sorted([Cut(number, "cut") for number in hard] + [Cut(fade.middle, "fade") for fade in true]):
            if cut.number > self._last:
                self._last = cut.number
                decided.append(cut)
        return decided


def combined_rule() -> AdaptiveRule:
    """`AdaptiveRule` that asks less of changes which are as strong as a cut by `ContentRule`."""
    return AdaptiveRule(strong_ratio=COMBINED_RATIO)


DETECTORS: dict[str, Callable[[], CutRule]] = {
    "content": ContentRule, "adaptive": AdaptiveRule, "combined": combined_rule,
}  # fmt: skip
"""Name of a detector of hard cuts → its rule."""
