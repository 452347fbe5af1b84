"""Animated WebP as a video: FFmpeg does not read it, Pillow does."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from mediasift.errors import Damaged
from mediasift.media.pictures.headers import PILLOW_ERRORS, read_header
from mediasift.media.pictures.images import MAX_MEGAPIXELS, check_size
from mediasift.media.video.frames import PictureFrame
from mediasift.media.video.stretches import Result
from mediasift.media.video.timetable import Timetable
from mediasift.system.optional import lazily

if TYPE_CHECKING:
    from PIL import Image
else:
    Image = lazily("PIL.Image")

_MILLISECOND = Fraction(1, 1000)


class Animation:
    """An animated WebP with the methods of `video.Video`.

    Raises:
        ItemError: It cannot be read.
    """

    def __init__(self, data: bytes, *, max_megapixels: float = MAX_MEGAPIXELS) -> None:
        header = read_header(data, "webp")
        check_size(header.width, header.height, max_megapixels)
        self._size = (header.width, header.height)
        self._problem = ""
        try:
            self._picture = Image.open(io.BytesIO(data), formats=["WEBP"])
        except PILLOW_ERRORS as error:
            raise Damaged(f"WEBP does not decode ({error or type(error).__name__})") from error
        self.timetable = self._read_timetable()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._picture.close()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self._size

    def frames(self) -> Iterator[PictureFrame]:
        """Every frame in order."""
        return self.at(range(len(self.timetable.ticks)))

    def side_by_side(
        self,
        work: Callable[[Iterator[PictureFrame]], Iterator[Result]],
        *,
        ahead: int,  # noqa: ARG002  (as `Video`)
    ) -> Iterator[Result]:
        """What `work` makes of every frame, in order; one after the other, as there is nothing to jump to."""
        return work(self.frames())

    def iframes(self) -> Iterator[PictureFrame]:
        """The first frame: the others may hold only what changed."""
        return self.at([0])

    def at(self, numbers: Sequence[int]) -> Iterator[PictureFrame]:
        """The frames of these numbers, which ascend."""
        for number in numbers:
            try:
                self._picture.seek(number)
                image = np.array(self._picture.convert("RGB"), dtype=np.uint8)
            except PILLOW_ERRORS as error:
                self._problem = f"frame {number} and what follows do not decode ({error or type(error).__name__})"
                return
            yield PictureFrame(image=image, number=number, time_s=self.timetable.time_s(number))

    def complaint(self) -> Damaged | None:
        """What was wrong with the frames read so far; None when nothing was."""
        return Damaged(self._problem) if self._problem else None

    def _read_timetable(self) -> Timetable:
        """Times from the durations of the frames; Pillow decodes for it, as it knows no other way."""
        ticks, now = [], 0
        for number in range(getattr(self._picture, "n_frames", 1)):
            try:
                self._picture.seek(number)
                self._picture.load()
            except PILLOW_ERRORS as error:
                self._problem = f"frame {number} and what follows do not decode ({error or type(error).__name__})"
                break
            ticks.append(now)
            now += int(self._picture.info.get("duration", 0))
        if not ticks:
            raise Damaged(f"there is no frame in it: {self._problem}")
        return Timetable(ticks=ticks, keys=[0], seeks=[0], time_base=_MILLISECOND)
