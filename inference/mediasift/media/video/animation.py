"""Animated WebP as a video: FFmpeg does not read it, Pillow does."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from mediasift.errors import Damaged
from mediasift.media.pictures.colors import Background, array_to_srgb
from mediasift.media.pictures.headers import PILLOW_ERRORS, check_size, guarded, open_lazily
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.pictures.probe import read_header
from mediasift.media.video.every import Chosen, Timetable
from mediasift.media.video.frames import PictureFrame


class Animation:
    """An animated WebP with the methods of `video.Video` but `side_by_side`, as there is nothing to jump to.

    Attributes:
        size: (width, height).
        timetable: Numbers and times of all frames.

    Raises:
        ItemError: It cannot be read.
    """

    def __init__(self, data: bytes, *, max_megapixels: float = MAX_MEGAPIXELS, background: str = "auto") -> None:
        header = read_header(data, "webp")
        check_size(header.width, header.height, max_megapixels)
        self.size = (header.width, header.height)
        self._problem, self._icc = "", header.icc
        self._ground = Background(background)
        with guarded("webp"):
            self._picture = open_lazily(data, "webp")
        self.timetable = self._read_timetable()

    def close(self) -> None:
        """Let go of the picture."""
        self._picture.close()

    def frames(self) -> Iterator[PictureFrame]:
        """Every frame in order."""
        return self.at(range(len(self.timetable.ticks)))

    def iframes(self) -> Iterator[PictureFrame]:
        """The first frame: the others may hold only what changed."""
        return self.at([0])

    def at(self, chosen: Chosen) -> Iterator[PictureFrame]:
        """The frames of these numbers, which ascend."""
        for number in chosen(self.timetable) if callable(chosen) else chosen:
            if not self._goes_to(number):
                return
            rgba = np.asarray(self._picture.convert("RGBA"))
            image = self._ground.lay(array_to_srgb(rgba[:, :, :3], self._icc), rgba[:, :, 3])
            yield PictureFrame(image=image, number=number, time_s=self.timetable.time_s(number))

    def _goes_to(self, number: int) -> bool:
        """Decode a frame; False where it does not decode, and therefore nothing after it."""
        try:
            self._picture.seek(number)
            self._picture.load()
        except PILLOW_ERRORS as error:
            self._problem = f"frame {number} and what follows do not decode ({error or type(error).__name__})"
            return False
        return True

    def complaint(self) -> Damaged | None:
        """What was wrong with the frames read so far; None when nothing was."""
        return Damaged(self._problem) if self._problem else None

    def _read_timetable(self) -> Timetable:
        """Times from the durations of the frames; Pillow decodes for it, as it knows no other way."""
        ticks, now = [], 0
        for number in range(getattr(self._picture, "n_frames", 1)):
            if not self._goes_to(number):
                break
            ticks.append(now)
            now += int(self._picture.info.get("duration", 0))
        if not ticks:
            raise Damaged(f"there is no frame in it: {self._problem}")
        return Timetable(ticks=ticks, keys=[0], seeks=[0], time_base=Fraction(1, 1000))
