"""Where one shot ends and the next begins: rules over one number per frame.

The rules are those of PySceneDetect (https://www.scenedetect.com, B. Castellano), with its defaults: `content` compares
neighbouring frames, `adaptive` compares that difference with those around it, so that fast movement is no cut, and
fades are found by darkness.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

MIN_SHOT_FRAMES = 15
"""Shortest shot, in frames."""

CONTENT_THRESHOLD = 27.0
"""Smallest mean change of hue, saturation and value, 0..255, that is a cut; 0 would be no change."""

ADAPTIVE_RATIO = 3.0
"""Smallest ratio of a frame's change to that of the frames around it."""

ADAPTIVE_MIN_CHANGE = 15.0
"""Smallest change, 0..255, that can be a cut however still the frames around it are."""

ADAPTIVE_WINDOW = 2
"""Frames on either side that a change is compared with."""

DARK = 12.0
"""Mean of all channels, 0..255, below which the picture counts as black."""


class CutRule(Protocol):
    """Decides, from the change at each frame, where cuts are."""

    def add(self, number: int, change: float) -> list[int]:
        """The frames, this or earlier ones, that are now known to begin a shot.

        Args:
            number: Of the frame; ascends.
            change: From the frame before it, 0..255; 0 for the first.
        """


class ContentRule:
    """A cut is where the change reaches a threshold; cuts that follow too closely become one, at the last of them.

    Once a first cut was found, one that comes within the shortest shot opens a burst. A burst spans every strong
    change that follows, and ends in one cut as soon as it is as long as the shortest shot and as long again quiet.
    """

    def __init__(self, threshold: float = CONTENT_THRESHOLD, min_frames: int = MIN_SHOT_FRAMES) -> None:
        self._threshold = threshold
        self._min_frames = min_frames
        self._last_strong: int | None = None
        self._burst: int | None = None
        self._found_one = False

    def add(self, number: int, change: float) -> list[int]:
        """See `CutRule`."""
        before = number if self._last_strong is None else self._last_strong
        far = number - before >= self._min_frames
        strong = change >= self._threshold
        self._last_strong = number if strong else before
        if self._burst is not None:
            if far and not strong and self._last_strong - self._burst >= self._min_frames:
                self._burst = None
                return [self._last_strong]
        elif strong and far:
            self._found_one = True
            return [number]
        elif strong and self._found_one:
            self._burst = number
        return []


class AdaptiveRule:
    """A cut is where the change is several times that of the frames around it."""

    def __init__(
        self,
        ratio: float = ADAPTIVE_RATIO,
        min_change: float = ADAPTIVE_MIN_CHANGE,
        window: int = ADAPTIVE_WINDOW,
        min_frames: int = MIN_SHOT_FRAMES,
    ) -> None:
        self._ratio = ratio
        self._min_change = min_change
        self._window = window
        self._min_frames = min_frames
        self._recent: deque[tuple[int, float]] = deque(maxlen=2 * window + 1)
        self._last_cut: int | None = None

    def add(self, number: int, change: float) -> list[int]:
        """See `CutRule`; a cut is known `window` frames after it."""
        if self._last_cut is None:
            self._last_cut = number
        self._recent.append((number, change))
        if len(self._recent) < 2 * self._window + 1:
            return []
        middle, strength = self._recent[self._window]
        around = (sum(one for _, one in self._recent) - strength) / (2 * self._window)
        stands_out = strength >= self._ratio * around if around >= 1e-5 else strength >= self._min_change
        if stands_out and strength >= self._min_change and middle - self._last_cut >= self._min_frames:
            self._last_cut = middle
            return [middle]
        return []


@dataclass(frozen=True, slots=True)
class Fade:
    """A dark stretch between two shots: its first frame, and the first bright one after it."""

    out: int
    back: int

    @property
    def middle(self) -> int:
        """The frame that begins the next shot."""
        return self.out + round((self.back - self.out) / 2)


class FadeRule:
    """Finds stretches of black; what is bright on both sides of one are two shots."""

    def __init__(self, dark: float = DARK, min_frames: int = MIN_SHOT_FRAMES) -> None:
        self._dark = dark
        self._min_frames = min_frames
        self._since: int | None = None
        self._last: int | None = None

    def add(self, number: int, brightness: float) -> list[Fade]:
        """The stretch that ended with this frame, if one did."""
        if self._last is None:
            self._last = number
        if brightness < self._dark:
            self._since = number if self._since is None else self._since
            return []
        if self._since is None:
            return []
        fade, self._since = Fade(self._since, number), None
        if number - self._last < self._min_frames:
            return []
        self._last = number
        return [fade]


@dataclass(frozen=True, slots=True)
class Cut:
    """A frame that begins a shot, and how it does."""

    number: int
    how: Literal["cut", "fade"]


class Cuts:
    """Hard cuts by a rule, and fades beside them.

    A dark stretch that begins or ends with a hard cut is no fade: the cut stands for it.
    """

    def __init__(self, detector: str = "content", *, fades: bool = True) -> None:
        self._rule = DETECTORS[detector]()
        self._fades = FadeRule() if fades else None
        self._hard: deque[int] = deque(maxlen=64)
        self._waiting: list[Fade] = []
        self._last = 0

    def add(self, number: int, change: float, brightness: float) -> list[Cut]:
        """The cuts that are now known, ascending.

        Args:
            number: Of the frame; ascends.
            change: See `CutRule.add`.
            brightness: Mean of all channels, 0..255.
        """
        hard = self._rule.add(number, change)
        self._hard.extend(hard)
        if self._fades is not None:
            self._waiting.extend(self._fades.add(number, brightness))
        ripe = [fade for fade in self._waiting if number - fade.back >= 2 * MIN_SHOT_FRAMES or hard]
        self._waiting = [fade for fade in self._waiting if fade not in ripe]
        return self._in_order([Cut(one, "cut") for one in hard] + self._true_fades(ripe))

    def finish(self) -> list[Cut]:
        """What the end of the video decides."""
        ripe, self._waiting = self._waiting, []
        return self._in_order(self._true_fades(ripe))

    def _true_fades(self, ripe: list[Fade]) -> list[Cut]:
        return [
            Cut(fade.middle, "fade") for fade in ripe if not any(fade.out <= hard <= fade.back for hard in self._hard)
        ]

    def _in_order(self, cuts: list[Cut]) -> list[Cut]:
        kept = []
        for cut in sorted(cuts, key=lambda one: one.number):
            if cut.number > self._last:
                self._last = cut.number
                kept.append(cut)
        return kept


DETECTORS: dict[str, Callable[[], CutRule]] = {"content": ContentRule, "adaptive": AdaptiveRule}
"""Name of a detector of hard cuts → its rule."""
