"""Animated pictures as videos: GIF, WebP, PNG and AVIF, decoded as pictures are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from mediasift.errors import Damaged
from mediasift.items import FailedItem
from mediasift.media.pictures.headers import PILLOW_ERRORS, check_size, guarded, open_lazily
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.png import animated_png
from mediasift.media.pictures.probe import read_header
from mediasift.media.video.decoder import Viewing
from mediasift.media.video.every import Chosen, Timetable
from mediasift.media.video.frames import PictureFrame

_SHORTEST_MS, _INSTEAD_MS = 10, 100
"""Browsers show frames that should be seen no longer than this for a tenth of a second instead."""


class Animation:
    """An animated picture with the methods of `video.Video` but `side_by_side`, as there is nothing to jump to.

    Attributes:
        size: (width, height).
        timetable: Numbers and times of all frames.

    Raises:
        ItemError: It cannot be read.
    """

    note = ""

    def __init__(self, data: bytes, name: str, viewing: Viewing) -> None:
        header = read_header(data, name)
        check_size(header.width, header.height, viewing.max_megapixels)
        self.size = header.upright_size
        self._data, self._viewing, self._problem = data, viewing, ""
        self.timetable = self._read_timetable(name)

    def close(self) -> None:
        """Let go of the bytes."""
        self._data = b""

    def frames(self) -> Iterator[PictureFrame]:
        """Every frame in order."""
        items = decode(
            self._data, max_megapixels=self._viewing.max_megapixels, every_frame=True,
            background=self._viewing.background,
        )  # fmt: skip
        for number, item in zip(range(len(self.timetable.ticks)), items, strict=False):
            if isinstance(item, FailedItem):
                self._problem = self._problem or f"frame {number} and what follows do not decode ({item.error})"
                return
            yield PictureFrame(image=item.image, number=number, time_s=self.timetable.time_s(number))

    def iframes(self) -> Iterator[PictureFrame]:
        """The first frame: the others may hold only what changed."""
        return self.at([0])

    def at(self, chosen: Chosen) -> Iterator[PictureFrame]:
        """The frames of these numbers, which ascend."""
        numbers = set(chosen(self.timetable) if callable(chosen) else chosen)
        for frame in self.frames():
            if frame.number in numbers:
                yield frame
            if frame.number >= max(numbers, default=-1):
                return

    def complaint(self) -> Damaged | None:
        """What was wrong with the frames read so far; None when nothing was."""
        return Damaged(self._problem) if self._problem else None

    def _read_timetable(self, name: str) -> Timetable:
        """Times from the durations of the frames; Pillow decodes for it, as it knows no other way."""
        ticks, now = [], 0
        data = animated_png(self._data) if name == "png" else self._data
        with guarded(name), open_lazily(data, name) as picture:
            for number in range(getattr(picture, "n_frames", 1)):
                try:
                    picture.seek(number)
                    picture.load()
                except PILLOW_ERRORS as error:
                    self._problem = f"frame {number} and what follows do not decode ({error or type(error).__name__})"
                    break
                ticks.append(now)
                lasts = round(picture.info.get("duration", 0))
                now += lasts if lasts > _SHORTEST_MS else _INSTEAD_MS
        if not ticks:
            raise Damaged(f"there is no frame in it: {self._problem}")
        return Timetable(ticks=ticks, keys=[0], seeks=[], time_base=Fraction(1, 1000))
