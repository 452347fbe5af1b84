"""The one door for pictures: bytes → uint8 (H, W, 3) RGB, upright, alpha dropped.

OpenCV decodes the common formats, Pillow the odd ones and those OpenCV gives up on. Which of them, and at which
scale, follows from the header and the size that is needed, never from the pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged, ItemError, TooLarge, Unsupported
from mediasift.items import FailedItem, Item
from mediasift.media.libraries import Image, cv2
from mediasift.media.pictures.headers import (
    Header,
    check_size,
    guarded,
    open_lazily,
    opened,
    pillow_header,
    pillow_reads,
    read_header,
)
from mediasift.media.pictures.transforms import Picture
from mediasift.sources.content import Content
from mediasift.sources.formats import HEAD_BYTES, known_format

MAX_MEGAPIXELS = 100.0
"""Largest picture decoded unless asked otherwise; a 12,000 x 8,000 scan is 96."""

MAX_FRAMES = 100_000
"""Pages of a TIFF or frames of an animation that are read; an animation of an hour has some 90,000."""

_OPENCV_READS = frozenset({"jpeg", "png", "bmp", "webp", "tiff", "pnm", "hdr"})
_OPENCV_SECOND = frozenset({"tiff", "bmp", "jpeg2000", "avif", "sun-raster"})
_ANIMATED = frozenset({"gif", "webp", "png", "avif", "heif", "fli"})
_REDUCE_MARGIN = 2
"""A JPEG is decoded at half, quarter or eighth scale when that still leaves this many times the size needed."""


def get_ready() -> None:
    """Load what decodes nearly every picture now, rather than with the first."""
    cv2.imdecode, Image.open  # noqa: B018  (lazy modules are imported when one of their names is asked for)


Admit = Callable[[float], None]
"""Called with the megapixels about to be decoded; may wait until there is room for them."""


def admit_all(_megapixels: float) -> None:
    """Lets any number of pixels in at once."""


def decode(
    data: bytes,
    *,
    path: str = "",
    content: Content | None = None,
    suffix: str = "",
    needs: tuple[int, int] | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    every_frame: bool = False,
    admit: Admit = admit_all,
) -> Iterator[Item | FailedItem]:
    """Each page of a TIFF, each frame of an animation if `every_frame`, else the one picture.

    Args:
        data: The file's bytes.
        path, content: Where the items say that they come from.
        suffix: The file's suffix, for formats without a signature (TGA).
        needs: Smallest (width, height) a JPEG may be reduced to while it is decoded; None decodes every pixel.
        max_megapixels: Refuse larger pictures before decoding.
        every_frame: Yield all frames of GIF, WebP, APNG and the like instead of the first.
        admit: Called before each decode, with its megapixels.

    Raises:
        ItemError: The file as a whole cannot be read.
    """
    form = known_format(data[:HEAD_BYTES], suffix)
    if form.kind != "picture":
        raise Unsupported(f"a {form.kind} file ({form.name}), not a picture")
    name = form.name
    if name == "svg":
        from mediasift.media.pictures.vector_graphics import rasterised

        data, name, every_frame = rasterised(data, max_megapixels=max_megapixels), "png", False
    if name not in _OPENCV_READS and not pillow_reads(name):
        raise Unsupported(f"{name.upper()} cannot be read by this installation")
    header = read_header(data, name)
    check_size(header.width, header.height, max_megapixels)
    is_paged = name == "tiff" and header.pages > 1
    if not is_paged and not (every_frame and name in _ANIMATED):
        admit(header.width * header.height / 1e6)
        reduction = _reduction(header, needs) if name == "jpeg" else 1
        image = _one(data, name, header, reduction)
        size = _size(image) if reduction == 1 else header.upright_size
        yield Item(path=path, image=image, original_size=size, content=content)
        return
    for index, frame in enumerate(_all_frames(data, name, header.pages if is_paged else None, max_megapixels, admit)):
        place = {"page": index + 1} if is_paged else {"frame": index}
        if isinstance(frame, ItemError):
            yield FailedItem(path=path, **place, error=frame)
        else:
            yield Item(path=path, **place, image=frame, original_size=_size(frame), content=content)


def _size(image: Picture) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _one(data: bytes, name: str, header: Header, reduction: int) -> Picture:
    """The one picture, by the decoder that suits the format, else by the other one."""
    if name in _OPENCV_READS and _suits_opencv(data, name, header):
        image = _opencv(data, header, reduction)
        if image is not None:
            return image
    if not pillow_reads(name):
        raise Unsupported(f"{name.upper()} is damaged or of a kind that cannot be read here")
    try:
        with opened(data, name) as picture:
            return _loaded(picture)
    except (Damaged, Unsupported):
        second = _opencv(data, header, 1) if name in _OPENCV_SECOND else None
        if second is None:
            raise
        return second


def _suits_opencv(data: bytes, name: str, header: Header) -> bool:
    """Whether OpenCV's result would be right: it is half grey for a cut JPEG, premultiplied for RGBA in TIFF."""
    if name in ("jpeg", "png", "webp") and not _ends_properly(data, name):
        return False
    if name == "tiff":
        return header.orientation == 1 and header.mode in ("L", "RGB", "L;16", "RGB;16", "L;32F", "RGB;32F")
    if name == "bmp":
        return header.mode == "RGB"
    return header.mode not in ("CMYK", "animated")


def _opencv(data: bytes, header: Header, reduction: int) -> Picture | None:
    """What OpenCV makes of the bytes, at 1/1, 1/2, 1/4 or 1/8 of the size; None when Pillow must judge."""
    flags = cv2.IMREAD_COLOR if reduction == 1 else getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduction}")
    if ";" in header.mode or header.mode == "F":
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    except MemoryError as error:
        raise TooLarge(f"{header.width} x {header.height}: not enough memory to decode it") from error
    if image is None:
        return None
    bgr = _eight_bit(image)
    return _upright(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), dtype=np.uint8), header.orientation)


def _reduction(header: Header, needs: tuple[int, int] | None) -> int:
    """The smallest scale, 1/8, 1/4 or 1/2, that leaves `_REDUCE_MARGIN` times what is needed; else 1."""
    if needs is None:
        return 1
    width, height = needs if header.orientation < 5 else needs[::-1]
    for factor in (8, 4, 2):
        wide = header.width // factor >= width * _REDUCE_MARGIN
        if wide and header.height // factor >= height * _REDUCE_MARGIN:
            return factor
    return 1


def _ends_properly(data: bytes, name: str) -> bool:
    """Whether the end of the file is there; OpenCV returns half a grey picture for a truncated JPEG."""
    if name == "jpeg":
        return data.rfind(b"\xff\xd9") > data.find(b"\xff\xda") >= 0
    if name == "webp":
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    return b"IEND" in data[-4096:] or b"IEND" in data


def _loaded(picture: Image.Image) -> Picture:
    """An opened Pillow picture, decoded. Pillow turns TIFFs upright by itself, and forgets the tag when it does."""
    picture.load()
    return _upright(_to_rgb(picture), pillow_header(picture).orientation)


def _all_frames(
    data: bytes, name: str, pages: int | None, max_megapixels: float, admit: Admit
) -> Iterator[Picture | ItemError]:
    """Every page or frame by Pillow, which others may use between two of them; of an animation, `pages` is None."""
    with guarded(name):
        picture = open_lazily(data, name)
    for index in itertools.count() if pages is None else range(pages):
        try:
            with guarded(name):
                if index == MAX_FRAMES:
                    raise TooLarge(f"more than {MAX_FRAMES:,} pages or frames; the rest is left out")
                try:
                    picture.seek(index)
                except EOFError:
                    if pages is None:
                        return
                    raise
                header = pillow_header(picture)
            check_size(header.width, header.height, max_megapixels)
            admit(header.width * header.height / 1e6)
            with guarded(name):
                image = _loaded(picture)
        except ItemError as error:
            yield error
            if not isinstance(error, TooLarge) or index == MAX_FRAMES:
                return
        else:
            yield image


def _to_rgb(picture: Image.Image) -> Picture:
    """uint8 (H, W, 3) RGB of a Pillow picture in any mode."""
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        return _eight_bit(np.asarray(picture))
    if mode == "LAB":
        return _from_lab(picture)
    if mode in ("RGB", "RGBA", "RGBX", "RGBa"):
        return _by_bands(picture, mode)
    return _by_bands(picture, "RGBA" if mode == "PA" or (mode == "P" and "transparency" in picture.info) else "RGB")


_BAND_ROWS = 256


def _by_bands(picture: Image.Image, mode: str) -> Picture:
    """The first three channels of the picture in `mode`, some rows at a time: whole, it would be held three times."""
    rgb = np.empty((picture.height, picture.width, 3), dtype=np.uint8)
    for top in range(0, picture.height, _BAND_ROWS):
        band = picture.crop((0, top, picture.width, min(top + _BAND_ROWS, picture.height)))
        rgb[top : top + _BAND_ROWS] = np.asarray(band if band.mode == mode else band.convert(mode))[:, :, :3]
    return rgb


def _from_lab(picture: Image.Image) -> Picture:
    """CIE L*a*b* as TIFF stores it (L 0..255, a and b signed bytes) to sRGB, by OpenCV."""
    lab = np.array(picture, dtype=np.uint8)
    lab[:, :, 1:] = (lab[:, :, 1:].view(np.int8).astype(np.int16) + 128).astype(np.uint8)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)


def _eight_bit(image: NDArray[Any]) -> Picture:
    """uint8 (H, W, 3) from any depth: 16 bit divided by 257, 0..1 floats times 255, both rounded; 32 bit cut."""
    if image.dtype == np.uint8:
        scaled = image
    elif image.dtype.kind == "f":
        scaled = (np.clip(np.nan_to_num(image), 0, 1) * 255 + 0.5).astype(np.uint8)
    elif image.dtype == np.uint32:
        scaled = (image >> 24).astype(np.uint8)
    else:  # 16 bit, or 16 bit in 32 as Pillow keeps it
        scaled = ((np.clip(image, 0, 65535).astype(np.uint32) + 128) // 257).astype(np.uint8)
    if scaled.ndim == 2:
        scaled = np.repeat(scaled[:, :, None], 3, axis=2)
    return np.ascontiguousarray(scaled)


def _upright(image: Picture, orientation: int) -> Picture:
    """The picture as EXIF orientation 1..8 wants it seen (EXIF 2.32, 4.6.4)."""
    return turned(image, orientation >= 5, {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation))


def turned(image: Picture, transpose: bool, flip: int | None) -> Picture:
    """The picture, transposed if `transpose`, then mirrored as OpenCV's flip code says."""
    if transpose:
        image = np.asarray(cv2.transpose(image), dtype=np.uint8)
    return image if flip is None else np.asarray(cv2.flip(image, flip), dtype=np.uint8)
