"""A decoded frame before it becomes a picture: its number, its time, and how to see it large or small."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged
from mediasift.media.libraries import av, cv2
from mediasift.media.pictures.colors import WHITE, laid
from mediasift.media.pictures.images import turned
from mediasift.media.pictures.tones import HLG, PQ, tone_mapped
from mediasift.media.pictures.transforms import Picture

SMALL_SIDE = 256
"""The longer side of small frames, for measurements; PySceneDetect's automatic downscaling has the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How frames of a video become what a viewer sees.

    Attributes:
        transpose: Whether to exchange rows and columns.
        flip: OpenCV's flip code for afterwards, or None.
        aspect: Width of a pixel divided by its height.
        ground: The colour behind what is transparent, RGB.
        transfer, primaries: Of high dynamic range, see `tones`; 0 for all else.
    """

    transpose: bool = False
    flip: int | None = None
    aspect: Fraction = Fraction(1)
    ground: tuple[int, int, int] = WHITE
    transfer: int = 0
    primaries: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a frame so large, upright and with square pixels."""
        width = max(1, round(width * self.aspect))
        return (height, width) if self.transpose else (width, height)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedFrame:
    """A frame as the decoder gave it.

    Attributes:
        raw: An `av.VideoFrame`.
        view: How it is seen.
    """

    raw: Any
    view: View
    number: int
    time_s: float

    @property
    def size(self) -> tuple[int, int]:
        """Upright (width, height), of square pixels."""
        return self.view.size(self.raw.width, self.raw.height)

    def rgb(self) -> Picture:
        """uint8 (H, W, 3) sRGB, upright, of square pixels."""
        try:
            image = self._colours()
        except (ValueError, OSError) as error:
            raise Damaged(f"frame {self.number} cannot be converted ({error})") from error
        if self.view.aspect != 1:
            size = max(1, round(image.shape[1] * self.view.aspect)), image.shape[0]
            how = cv2.INTER_AREA if self.view.aspect < 1 else cv2.INTER_LINEAR
            image = np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)
        return turned(image, self.view.transpose, self.view.flip)

    def small(self) -> Picture:
        """uint8 (h, w, 3) BGR, at most `SMALL_SIDE` long, as stored."""
        if self.view.transfer:
            wide = _shrunk(converted(self.raw, "rgb48le"))
            return tone_mapped(wide, self.view.transfer, self.view.primaries)[:, :, ::-1].copy()
        return _shrunk(_bgr(self._colours())) if has_alpha(self.raw.format.name) else small_bgr(self.raw)

    def _colours(self) -> Picture:
        """uint8 (H, W, 3) sRGB, as stored."""
        if self.view.transfer:
            return tone_mapped(converted(self.raw, "rgb48le"), self.view.transfer, self.view.primaries)
        if has_alpha(self.raw.format.name):
            rgba = converted(self.raw, "rgba")
            return laid(rgba[:, :, :3], rgba[:, :, 3], self.view.ground)
        return converted(self.raw, "rgb24")


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
        return _shrunk(_bgr(self.image))


Frame = CodedFrame | PictureFrame
"""One frame of what moves, decoded but not yet converted: its number in presentation order, from 0, and its time."""

_own = threading.local()


def converted(raw: Any, layout: str) -> NDArray[Any]:
    """(H, W, C) of an `av.VideoFrame`: uint8 of `rgb24`, `bgr24` or `rgba`, uint16 of `rgb48le`.

    Each thread keeps its converter: making FFmpeg's tables again takes longer than converting a small frame.
    """
    known: dict[str, Any] = _own.__dict__
    if layout not in known:
        known[layout] = av.video.reformatter.VideoReformatter()
    return np.asarray(known[layout].reformat(raw, format=layout).to_ndarray())


@lru_cache(maxsize=64)
def has_alpha(pixels: str) -> bool:
    """Whether FFmpeg's pixel format of that name holds what one can see through."""
    return pixels == "pal8" or any(one.is_alpha for one in av.VideoFormat(pixels).components)


def seen(raw: Any, stream: Any, *, as_stored: bool) -> View:
    """How the frames of a video are seen, by one of them, an `av.VideoFrame`, and by their stream.

    The display matrix maps stored to shown coordinates, (x', y') = (a x + c y, b x + d y), ISO/IEC 14496-12, 6.2.2;
    only its quarter turns and mirrors are applied, which is all that cameras write.

    To be asked once per video: PyAV's side data and its frame hold each other, so that a frame that was asked stays in
    memory until Python's garbage collector comes by.
    """
    view = View()
    try:
        matrix = raw.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know a kind of side data that stands beside it
        matrix = None
    if matrix is not None:
        a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), dtype="<i4")[:5])
        transpose = abs(a) + abs(d) < abs(b) + abs(c)
        across, down = (c, b) if transpose else (a, d)
        flips = {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}
        view = View(transpose=transpose, flip=flips[across < 0, down < 0])
    if as_stored:
        return view
    transfer = stream.codec_context.color_trc
    aspect = pixel_aspect(stream)
    if transfer not in (PQ, HLG):
        return replace(view, aspect=aspect)
    return replace(view, aspect=aspect, transfer=transfer, primaries=stream.codec_context.color_primaries)


def pixel_aspect(stream: Any) -> Fraction:
    """Width of a pixel divided by its height; 1 where it is unknown or makes no sense."""
    aspect = stream.sample_aspect_ratio
    return Fraction(aspect) if aspect and Fraction(1, 10) <= aspect <= 10 else Fraction(1)


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
    size = _small_size(width, height)
    small, u, v = _sampled(luma, size), _sampled(cb, size, share=2), _sampled(cr, size, share=2)
    y, from_cb_b, from_cb_g, from_cr_g, from_cr_r = _tables(full)
    bright = cv2.LUT(small, y)
    colors = cv2.LUT(u, from_cb_b), cv2.LUT(u, from_cb_g) + cv2.LUT(v, from_cr_g), cv2.LUT(v, from_cr_r)
    return np.asarray(cv2.merge([cv2.add(bright, one, dtype=cv2.CV_8U) for one in colors]), dtype=np.uint8)


def _small_size(width: int, height: int) -> tuple[int, int]:
    factor = max(1.0, max(width, height) / SMALL_SIDE)
    return max(1, round(width / factor)), max(1, round(height / factor))


def _bgr(rgb: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), dtype=np.uint8)


def _shrunk(bgr: NDArray[Any]) -> NDArray[Any]:
    size = _small_size(bgr.shape[1], bgr.shape[0])
    if size == (bgr.shape[1], bgr.shape[0]):
        return bgr
    return np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR))


def _sampled(plane: Picture, size: tuple[int, int], *, share: int = 1) -> Picture:
    """A plane at the size of the small frame, (width, height); its pixels are `share` of the frame wide and high."""
    places = _places(plane.shape[1] * share, plane.shape[0] * share, size, share)
    if places is None:
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
    rows, columns, step = places
    near = plane.take(rows, 0)  # whole rows first, so that memory is read in order
    small = np.empty(size[::-1], np.uint8)
    for phase, column in enumerate(columns):  # slices are copied faster than single places
        small[:, phase::share] = near[:, column::step]
    return small


@lru_cache(maxsize=16)
def _places(
    width: int, height: int, size: tuple[int, int], share: int
) -> tuple[NDArray[np.intp], list[int], int] | None:
    """Where a plane has what is seen in each small pixel, where that is one pixel of the frame; else None.

    Returns:
        Its rows; its first columns, as many as `share`; the step from each to the next but `share`.
    """
    across, down = (
        (np.arange(small) + 0.5) * length / small - 0.5 for length, small in zip((width, height), size, strict=True)
    )
    if any(np.any(axis % 1) for axis in (across, down)):
        return None
    return down.astype(np.intp) // share, [int(one) // share for one in across[:share]], width // size[0]


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
