"""A decoded frame before it becomes a picture: its number, its time, and how to see it large or small."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged
from mediasift.media.libraries import av, cv2
from mediasift.media.pictures.images import turned
from mediasift.media.pictures.transforms import Picture

SMALL_SIDE = 256
"""The longer side of small frames, for measurements; PySceneDetect's automatic downscaling has the same."""

Turn = tuple[bool, int | None]
"""Whether to transpose, and OpenCV's flip code for afterwards, or None."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedFrame:
    """A frame as the decoder gave it.

    Attributes:
        raw: An `av.VideoFrame`.
        turn: How to turn it upright, see `display_turn`.
    """

    raw: Any
    turn: Turn
    number: int
    time_s: float

    @property
    def size(self) -> tuple[int, int]:
        """Upright (width, height)."""
        return (self.raw.height, self.raw.width) if self.turn[0] else (self.raw.width, self.raw.height)

    def rgb(self) -> Picture:
        """uint8 (H, W, 3) RGB, upright."""
        try:
            image = converted(self.raw, "rgb24")
        except (ValueError, OSError) as error:
            raise Damaged(f"frame {self.number} cannot be converted ({error})") from error
        return turned(image, *self.turn)

    def small(self) -> Picture:
        """uint8 (h, w, 3) BGR, at most `SMALL_SIDE` long, as stored."""
        return small_bgr(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureFrame:
    """A frame of an animated picture."""

    image: Picture
    number: int
    time_s: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.image.shape[1], self.image.shape[0]

    def rgb(self) -> Picture:
        """uint8 (H, W, 3) RGB."""
        return self.image

    def small(self) -> Picture:
        """uint8 (h, w, 3) BGR, at most `SMALL_SIDE` long."""
        return _shrunk(np.asarray(cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR), dtype=np.uint8))


Frame = CodedFrame | PictureFrame
"""One frame of what moves, decoded but not yet converted: its number in presentation order, from 0, and its time."""

_own = threading.local()


def converted(raw: Any, layout: str) -> Picture:
    """uint8 (H, W, 3) of an `av.VideoFrame`, `rgb24` or `bgr24`.

    Each thread keeps its converter: making FFmpeg's tables again takes longer than converting a small frame.
    """
    known: dict[str, Any] = _own.__dict__
    if layout not in known:
        known[layout] = av.video.reformatter.VideoReformatter()
    return np.asarray(known[layout].reformat(raw, format=layout).to_ndarray(), dtype=np.uint8)


def display_turn(raw: Any) -> Turn:
    """How an `av.VideoFrame` is turned upright, from the container's display matrix.

    The matrix maps stored to shown coordinates, (x', y') = (a x + c y, b x + d y), ISO/IEC 14496-12, 6.2.2; only its
    quarter turns and mirrors are applied, which is all that cameras write.

    To be asked once per video: PyAV's side data and its frame hold each other, so that a frame that was asked stays in
    memory until Python's garbage collector comes by.
    """
    matrix = raw.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, None
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), dtype="<i4")[:5])
    transpose = abs(a) + abs(d) < abs(b) + abs(c)
    across, down = (c, b) if transpose else (a, d)
    return transpose, {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}[across < 0, down < 0]


# Small frames. What is measured on them must be what PySceneDetect measures on frames that OpenCV converted whole and
# then shrank, because cuts are decided by a threshold. Of large frames, shrinking first and then converting gives the
# same numbers in a fraction of the time, as long as the arithmetic is swscale's for 4:2:0 pictures: BT.601, nearest
# chroma, 13-bit factors, each product cut to a whole number. (Rounding moves the hue of dark pixels, and cuts with it.)
# Frames that are not that large are converted whole, which costs little: there, blending first would show. Where a
# small pixel lies between several, its chroma is blended as well, at most 0.04 small pixels away at 1920 x 1080.


def small_bgr(raw: Any) -> Picture:
    """uint8 (h, w, 3) BGR of an `av.VideoFrame`, at most `SMALL_SIDE` long."""
    width, height = raw.width, raw.height
    full = raw.format.name == "yuvj420p"
    if not (full or raw.format.name == "yuv420p") or max(width, height) < 4 * SMALL_SIDE or width % 2 or height % 2:
        return _shrunk(converted(raw, "bgr24"))
    luma, cb, cr = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width] for plane in raw.planes
    )
    small = cv2.resize(luma, _small_size(width, height), interpolation=cv2.INTER_LINEAR)
    u, v = (_small_chroma(plane, width, height) for plane in (cb, cr))
    y, from_cb_b, from_cb_g, from_cr_g, from_cr_r = _tables(full)
    bright = cv2.LUT(small, y)
    blue = cv2.add(bright, cv2.LUT(u, from_cb_b), dtype=cv2.CV_8U)
    green = cv2.add(bright, cv2.add(cv2.LUT(u, from_cb_g), cv2.LUT(v, from_cr_g)), dtype=cv2.CV_8U)
    red = cv2.add(bright, cv2.LUT(v, from_cr_r), dtype=cv2.CV_8U)
    return np.asarray(cv2.merge((blue, green, red)), dtype=np.uint8)


def _small_size(width: int, height: int) -> tuple[int, int]:
    factor = max(1.0, max(width, height) / SMALL_SIDE)
    return max(1, round(width / factor)), max(1, round(height / factor))


def _shrunk(bgr: Picture) -> Picture:
    size = _small_size(bgr.shape[1], bgr.shape[0])
    if size == (bgr.shape[1], bgr.shape[0]):
        return bgr
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _small_chroma(plane: Picture, width: int, height: int) -> Picture:
    """A plane of half the frame's (width, height) at the size of the small frame."""
    size = _small_size(width, height)
    places = _chroma_places(width, height)
    if places is None:
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    rows, columns = places
    return np.asarray(plane[rows][:, columns])


@lru_cache(maxsize=8)
def _chroma_places(width: int, height: int) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Rows and columns of the chroma of each small pixel, where each is one pixel of the frame; else None."""
    across, down = (
        (np.arange(small) + 0.5) * length / small - 0.5
        for length, small in zip((width, height), _small_size(width, height), strict=True)
    )
    if any(np.any(axis % 1) for axis in (across, down)):
        return None
    return down.astype(np.intp) // 2, across.astype(np.intp) // 2


@lru_cache(maxsize=2)
def _tables(full_range: bool) -> tuple[NDArray[np.int16], ...]:
    """Contribution of each byte: of luma to all; of Cb to blue and green; of Cr to green and red."""
    brightness, black, share = (65536, 0, Fraction(224, 255)) if full_range else (76309, 16, Fraction(1))
    factors = [int(value * share) for value in (132201, -25675, -53279, 104597)]
    levels = np.arange(256)

    def table(factor: int, zero: int) -> NDArray[np.int16]:
        thirteen_bits = (factor * 8192 + 32768) >> 16
        return (((levels - zero) * 8 * thirteen_bits) >> 16).astype(np.int16)

    return (table(brightness, black), *(table(factor, 128) for factor in factors))
