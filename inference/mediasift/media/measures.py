"""What is measured on the frames of a stretch of video: change, brightness, colours, motion, sharpness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mediasift.media.candidates import Candidate, Candidates
from mediasift.media.frames import Frame, Picture
from mediasift.media.transforms import sharpness
from mediasift.optional import lazily

if TYPE_CHECKING:
    import cv2
else:
    cv2 = lazily("cv2")


@dataclass(frozen=True, slots=True)
class Values:
    """Measures of a frame.

    Attributes:
        number, time_s: The frame's.
        change: Mean difference of hue, saturation and value from the frame before it, 0..255; 0 for the first.
        mean: Of all channels, 0..255.
        brightness: Mean luma, 0..1.
        colourfulness: See `colourfulness`.
        motion: Mean difference of luma from the frame before it, 0..1; 0 for the first.
    """

    number: int
    time_s: float
    change: float
    mean: float
    brightness: float
    colourfulness: float
    motion: float


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a frame looks like, small: uint8 (h, w, 3) hue, saturation and value, and uint8 (h, w) luma."""

    hsv: Picture
    gray: Picture

    def since(self, before: Look | None) -> tuple[float, float]:
        """(change, motion) from the frame before it, see `Values`; 0 where it had another size."""
        if before is None or before.hsv.shape != self.hsv.shape:
            return 0.0, 0.0
        pixels = self.gray.size
        change = cv2.norm(self.hsv, before.hsv, cv2.NORM_L1) / (3 * pixels)
        return change, cv2.norm(self.gray, before.gray, cv2.NORM_L1) / (255 * pixels)


@dataclass(frozen=True, slots=True, eq=False)
class Measures:
    """Of a stretch of frames.

    Attributes:
        values: Of each; the first one's change and motion are 0, as what comes before is not known here.
        first, last: For comparing it with its neighbours; None when there is no frame.
        candidates: For key frames, where asked for.
    """

    values: list[Values]
    first: Look | None
    last: Look | None
    candidates: list[Candidate]

    def joined_to(self, before: Look | None) -> list[Values]:
        """The values, the first ones compared with the frame before the stretch."""
        if self.first is None:
            return []
        change, motion = self.first.since(before)
        return [replace(self.values[0], change=change, motion=motion), *self.values[1:]]


def measured(frames: Iterable[Frame], *, colours: bool, keyframes: bool) -> Measures:
    """The measures of a stretch.

    Args:
        frames: In order.
        colours: Measure colourfulness, which costs more than all else; without, it is 0.
        keyframes: Measure sharpness, and keep a few frames.
    """
    values, candidates = [], Candidates()
    first = before = None
    for frame in frames:
        bgr = frame.small()
        look = Look(
            hsv=np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV), dtype=np.uint8),
            gray=np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8),
        )
        change, motion = look.since(before)
        pixels = look.gray.size
        values.append(
            Values(
                number=frame.number,
                time_s=frame.time_s,
                change=change,
                mean=cv2.norm(bgr, cv2.NORM_L1) / (3 * pixels),
                brightness=cv2.norm(look.gray, cv2.NORM_L1) / (255 * pixels),
                colourfulness=colourfulness(bgr) if colours else 0.0,
                motion=motion,
            )
        )
        if keyframes:
            candidates.add(frame, sharpness(look.gray))
        first, before = first or look, look
    return Measures(values=values, first=first, last=before, candidates=list(candidates))


def colourfulness(bgr: Picture) -> float:
    """Hasler and Süsstrunk's M3 of a uint8 (H, W, 3) BGR picture; 0 for grey."""
    blue, green, red = (channel.astype(np.float32) for channel in cv2.split(bgr))
    means, deviations = zip(*(cv2.meanStdDev(one) for one in (red - green, (red + green) / 2 - blue)), strict=True)
    return float(np.hypot(*np.ravel(deviations)) + 0.3 * np.hypot(*np.ravel(means)))
