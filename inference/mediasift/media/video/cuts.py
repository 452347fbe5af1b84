"""Where one shot ends and the next begins: rules over one number per frame.

The rules are those of PySceneDetect (https://www.scenedetect.com, B. Castellano), with its defaults: `content` compares
neighbouring frames, `adaptive` compares that difference with those around it, so that fast movement is no cut, and
fades are found by darkness.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

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

    def __init__(self, threshold: float = CONTENT_THRESHOLD) -> None:
        self._threshold = threshold
        self._last_strong: int | None = None
        self._burst: int | None = None
        self._has_cut = False

    def add(self, number: int, change: float) -> list[int]:
        """See `CutRule`."""
        before = number if self._last_strong is None else self._last_strong
        far = number - before >= MIN_SHOT_FRAMES
        strong = change >= self._threshold
        self._last_strong = number if strong else before
        if self._burst is not None:
            if far and not strong and self._last_strong - self._burst >= MIN_SHOT_FRAMES:
                self._burst = None
                return [self._last_strong]
        elif strong and far:
            self._has_cut = True
            return [number]
        elif strong and self._has_cut:
            self._burst = number
        return []


class AdaptiveRule:
    """A cut is where the change is several times that of the frames around it."""

    def __init__(self, ratio: float = ADAPTIVE_RATIO) -> None:
        self._ratio = ratio
        self._recent: deque[tuple[int, float]] = deque(maxlen=2 * ADAPTIVE_WINDOW + 1)
        self._last_cut: int | None = None

    def add(self, number: int, change: float) -> list[int]:
        """See `CutRule`; a cut is known `ADAPTIVE_WINDOW` frames after it."""
        if self._last_cut is None:
            self._last_cut = number
        self._recent.append((number, change))
        if len(self._recent) < 2 * ADAPTIVE_WINDOW + 1:
            return []
        middle, strength = self._recent[ADAPTIVE_WINDOW]
        around = (sum(one for _, one in self._recent) - strength) / (2 * ADAPTIVE_WINDOW)
        stands_out = strength >= self._ratio * around if around >= 1e-5 else strength >= ADAPTIVE_MIN_CHANGE
        if stands_out and strength >= ADAPTIVE_MIN_CHANGE and middle - self._last_cut >= MIN_SHOT_FRAMES:
            self._last_cut = middle
            return [middle]
        return []


class Fade(NamedTuple):
    """A dark stretch between two shots: its first frame, and the first bright one after it."""

    out: int
    back: int

    @property
    def middle(self) -> int:
        """The frame that begins the next shot."""
        return self.out + round((self.back - self.out) / 2)


class FadeRule:
    """Finds stretches of black; what is bright on both sides of one are two shots."""

    def __init__(self) -> None:
        self._since: int | None = None
        self._last: int | None = None

    def add(self, number: int, brightness: float) -> list[Fade]:
        """The stretch that ended with this frame, if one did."""
        if self._last is None:
            self._last = number
        since = self._since
        if brightness < DARK:
            self._since = number if since is None else since
            return []
        self._since = None
        if since is None or number - self._last < MIN_SHOT_FRAMES:
            return []
        self._last = number
        return [Fade(since, number)]


class Cut(NamedTuple):
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
        return self._decided(hard, [one for one in self._waiting if number - one.back >= 2 * MIN_SHOT_FRAMES or hard])

    def finish(self) -> list[Cut]:
        """What the end of the video decides."""
        return self._decided([], self._waiting)

    def _decided(self, hard: list[int], fades: list[Fade]) -> list[Cut]:
        """Hard cuts and the fades that no hard cut stands for, in order, each number once."""
        self._waiting = [fade for fade in self._waiting if fade not in fades]
        true = [fade for fade in fades if not any(fade.out <= number <= fade.back for number in self._hard)]
        decided = []
        for cut in sorted([Cut(number, "cut") for number in hard] + [Cut(fade.middle, "fade") for fade in true]):
            if cut.number > self._last:
                self._last = cut.number
                decided.append(cut)
        return decided


DETECTORS: dict[str, Callable[[], CutRule]] = {"content": ContentRule, "adaptive": AdaptiveRule}
"""Name of a detector of hard cuts → its rule."""
