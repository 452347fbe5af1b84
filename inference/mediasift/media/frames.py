"""A decoded frame before it becomes a picture: its number, its time, and how to see it large or small."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged

Picture = NDArray[np.uint8]

SMALL_SIDE = 256
"""The longer side of small frames, for measurements; PySceneDetect's automatic downscaling has the same."""


class Frame(Protocol):
    """One frame of a video, decoded but not yet converted."""

    @property
    def number(self) -> int:
        """In presentation order, from 0."""

    @property
    def time_s(self) -> float:
        """The container's clock."""

    @property
    def size(self) -> tuple[int, int]:
        """Upright (width, height)."""

    def rgb(self) -> Picture:
        """uint8 (H, W, 3) RGB, upright."""

    def small(self) -> Picture:
        """uint8 (h, w, 3) BGR, at most `SMALL_SIDE` long, as stored (not turned)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedFrame:
    """A frame as the decoder gave it.

    Attributes:
        raw: An `av.VideoFrame`.
    """

    raw: Any
    number: int
    time_s: float

    @property
    def size(self) -> tuple[int, int]:
        """Upright (width, height)."""
        turned = _turns(self.raw)[0]
        return (self.raw.height, self.raw.width) if turned else (self.raw.width, self.raw.height)

    def rgb(self) -> Picture:
        """uint8 (H, W, 3) RGB, upright."""
        try:
            image = np.asarray(self.raw.to_ndarray(format="rgb24"), dtype=np.uint8)
        except (ValueError, OSError) as error:
            raise Damaged(f"frame {self.number} cannot be converted ({error})") from error
        transpose, flip = _turns(self.raw)
        if transpose:
            image = np.asarray(cv2.transpose(image), dtype=np.uint8)
        return image if flip is None else np.asarray(cv2.flip(image, flip), dtype=np.uint8)

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


def _turns(raw: Any) -> tuple[bool, int | None]:
    """(transpose first, then OpenCV's flip code or None) from the container's display matrix.

    The matrix maps stored to shown coordinates, (x', y') = (a x + c y, b x + d y), ISO/IEC 14496-12, 6.2.2; only its
    quarter turns and mirrors are applied, which is all that cameras write.
    """
    found = raw.side_data.get("DISPLAYMATRIX")
    if found is None:
        return False, None
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(found), dtype="<i4")[:5])
    transpose = abs(a) + abs(d) < abs(b) + abs(c)
    across, down = (c, b) if transpose else (a, d)
    return transpose, {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}[across < 0, down < 0]


def seconds(ticks: int, time_base: Fraction) -> float:
    """Ticks as seconds, rounded to the microsecond."""
    return round(float(ticks * time_base), 6)


# Small frames. What is measured on them must be what PySceneDetect measures on frames that OpenCV converted whole and
# then shrank, because cuts are decided by a threshold. Converting only the pixels that bilinear shrinking looks at
# gives the same numbers in a fraction of the time. The arithmetic is swscale's for 4:2:0 pictures: BT.601, nearest
# chroma, 13-bit factors, each product cut to a whole number.


def small_bgr(raw: Any) -> Picture:
    """uint8 (h, w, 3) BGR of an `av.VideoFrame`, at most `SMALL_SIDE` long."""
    width, height = raw.width, raw.height
    full = raw.format.name == "yuvj420p"
    if not (full or raw.format.name == "yuv420p") or max(width, height) < 2 * SMALL_SIDE or width % 2 or height % 2:
        return _shrunk(np.asarray(raw.reformat(format="bgr24").to_ndarray(), dtype=np.uint8))
    grid = _grid(width, height)
    luma, cb, cr = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width] for plane in raw.planes
    )
    y, from_cb_b, from_cb_g, from_cr_g, from_cr_r = _tables(full)
    bright = cv2.LUT(luma[grid.rows].take(grid.columns, 1), y)
    u = cb[grid.rows // 2].take(grid.columns // 2, 1)
    v = cr[grid.rows // 2].take(grid.columns // 2, 1)
    blue = cv2.add(bright, cv2.LUT(u, from_cb_b), dtype=cv2.CV_8U)
    green = cv2.add(bright, cv2.add(cv2.LUT(u, from_cb_g), cv2.LUT(v, from_cr_g)), dtype=cv2.CV_8U)
    red = cv2.add(bright, cv2.LUT(v, from_cr_r), dtype=cv2.CV_8U)
    picked = cv2.merge((blue, green, red))
    if grid.maps is not None:
        picked = cv2.remap(picked, *grid.maps, cv2.INTER_LINEAR)
    return np.asarray(picked, dtype=np.uint8)


def _small_size(width: int, height: int) -> tuple[int, int]:
    factor = max(1.0, max(width, height) / SMALL_SIDE)
    return max(1, round(width / factor)), max(1, round(height / factor))


def _shrunk(bgr: Picture) -> Picture:
    size = _small_size(bgr.shape[1], bgr.shape[0])
    if size == (bgr.shape[1], bgr.shape[0]):
        return bgr
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The pixels that bilinear shrinking looks at, and where it blends them (None: each is one pixel)."""

    columns: NDArray[np.intp]
    rows: NDArray[np.intp]
    maps: tuple[NDArray[Any], NDArray[Any]] | None


@lru_cache(maxsize=8)
def _grid(width: int, height: int) -> _Grid:
    small_width, small_height = _small_size(width, height)
    columns, across = _axis(width, small_width)
    rows, down = _axis(height, small_height)
    if len(columns) == small_width and len(rows) == small_height:
        return _Grid(columns, rows, None)
    across, down = np.meshgrid(across, down)
    first, second = cv2.convertMaps(across, down, cv2.CV_16SC2)
    return _Grid(columns, rows, (np.asarray(first), np.asarray(second)))


def _axis(length: int, small: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Source pixels along one side, and each small pixel's position among them (pixel centres, as in cv2.resize)."""
    positions = (np.arange(small) + 0.5) * length / small - 0.5
    left = np.floor(positions).astype(np.intp)
    weight = (positions - left).astype(np.float32)
    if not weight.any():
        return left, np.arange(small, dtype=np.float32)
    pairs = np.stack([left, left + 1], axis=1).clip(0, length - 1).reshape(-1)
    return pairs, (np.arange(small, dtype=np.float32) * 2 + weight).astype(np.float32)


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
