"""The one door for pictures: bytes → uint8 (H, W, 3) RGB, upright, sRGB, on a background where it is transparent.

Pillow decodes, OpenCV what it lacks. A picture that is not wholly there is an error, never a part of it. What decodes,
and at which scale, follows from the header and the size that is needed, never from the pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import ItemError, TooLarge, Unsupported
from mediasift.items import FailedItem, Item
from mediasift.media.libraries import PIL, Image, cv2
from mediasift.media.pictures.colors import BAND_ROWS, WHITE, Background, array_to_srgb, profile_of_code_points, to_srgb
from mediasift.media.pictures.headers import Header, check_size, guarded, open_lazily, opened, pillow_reads
from mediasift.media.pictures.jpeg import decode_jpeg
from mediasift.media.pictures.levels import check_floats, eight_bit, levels
from mediasift.media.pictures.png import animated_png, decode_png
from mediasift.media.pictures.pnm import decode_pam
from mediasift.media.pictures.probe import ADVICE, check_end, color_code_points, pillow_header, read_header
from mediasift.media.pictures.tiff import Directory, check_tiff, familiar, is_float_rgb, tiff_numbers
from mediasift.media.pictures.transforms import Picture
from mediasift.sources.content import Content
from mediasift.sources.formats import HEAD_BYTES, Format, known_format

MAX_MEGAPIXELS = 100.0
"""Largest picture decoded unless asked otherwise; a 12,000 x 8,000 scan is 96."""

MAX_FRAMES = 100_000
"""Pages of a TIFF or frames of an animation that are read; an animation of an hour has some 90,000."""

_WITHOUT_PILLOW = frozenset({"png", "pnm", "hdr"})
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
    form: Format | None = None,
    needs: tuple[int, int] | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
    every_frame: bool = False,
    admit: Admit = admit_all,
    background: str = "auto",
    keep_alpha: bool = False,
    profiles: bool = True,
) -> Iterator[Item | FailedItem]:
    """Each page of a TIFF, each frame of an animation if `every_frame`, else the one picture.

    Args:
        data: The file's bytes.
        path, content: Where the items say that they come from.
        suffix: The file's suffix, for formats without a signature (TGA).
        form: Its format, where that is known already.
        needs: Smallest (width, height) a JPEG may be reduced to while it is decoded; None decodes every pixel.
        max_megapixels: Refuse larger pictures before decoding.
        every_frame: Yield all frames of GIF, WebP, APNG and the like instead of the first.
        admit: Called before each decode, with its megapixels.
        background: What lies behind transparent pixels, see `colors.Background`.
        keep_alpha: Give uint8 (H, W, 4) RGBA, on no background, instead.
        profiles: Bring colours to sRGB by the profile of the picture; else they are as stored.

    Raises:
        ItemError: The file as a whole cannot be read.
    """
    form = form or known_format(data[:HEAD_BYTES], suffix)
    if form.kind != "picture":
        raise Unsupported(f"a {form.kind} file ({form.name}), not a picture")
    name = form.name
    if name == "svg":
        from mediasift.media.pictures.vector_graphics import rasterised

        data, name, every_frame = rasterised(data, max_megapixels=max_megapixels), "png", False
    if name not in _WITHOUT_PILLOW and not pillow_reads(name):
        raise Unsupported(f"{name.upper()} cannot be read by this installation{ADVICE.get(name, '')}")
    header = read_header(data, name)
    if not profiles:
        header = replace(header, icc=_AS_STORED)
    check_size(header.width, header.height, max_megapixels)
    is_paged = len(header.pages) > 1
    numbered = every_frame and name in _ANIMATED
    if not is_paged and not (numbered and (name != "png" or header.mode == "animated")):
        admit(header.width * header.height / 1e6)
        reduction = _reduction(header, needs) if name == "jpeg" else 1
        decoded = _one(data, name, header, reduction)
        if form.name == "svg" and decoded.alpha is not None and not decoded.alpha.any():
            raise Unsupported("SVG of which the renderer here draws nothing; save it as PNG with a browser or Inkscape")
        image = _finished(decoded, Background(background), keep_alpha)
        size = _size(image) if reduction == 1 else header.upright_size
        yield Item(path=path, frame=0 if numbered else None, image=image, original_size=size, content=content)
        return
    ground = Background(background)
    for index, frame in enumerate(_all_frames(data, name, header, max_megapixels, admit)):
        place: dict[str, Any] = {"page": index + 1} if is_paged else {"frame": index}
        if isinstance(frame, ItemError):
            yield FailedItem(path=path, **place, error=frame)
            continue
        image = _finished(frame, Background(background) if is_paged else ground, keep_alpha)
        yield Item(path=path, **place, image=image, original_size=_size(image), content=content)


def ground_of(data: bytes, background: str) -> str:
    """The colour on which all frames of an animation lie, chosen by its first one, as `R,G,B`."""
    ground = Background(background)
    with suppress(ItemError):  # who reads it says what is wrong with it
        name = known_format(data[:HEAD_BYTES], "").name
        ground.lay(*_one(data, name, read_header(data, name), 1)[:2])
    return ",".join(map(str, ground.color or WHITE))


def from_pillow(picture: Image.Image, *, background: str = "auto", keep_alpha: bool = False) -> Picture:
    """A caller's picture of Pillow as `decode` would have given it."""
    with guarded("picture"):
        picture.load()
        header = pillow_header(picture)
        decoded = _split(picture, header.icc, header.orientation)
    return _finished(decoded, Background(background), keep_alpha)


class _Decoded(NamedTuple):
    """uint8 (H, W, 3) RGB in sRGB, as stored; its opacity (H, W), None for opaque; and the orientation to apply."""

    image: Picture
    alpha: NDArray[np.uint8] | None
    orientation: int = 1


def _finished(decoded: _Decoded, ground: Background, keep_alpha: bool) -> Picture:
    image, alpha, orientation = decoded
    if keep_alpha:
        whole = np.full(image.shape[:2], 255, dtype=np.uint8) if alpha is None else alpha
        return _upright(np.dstack([image, whole]), orientation)
    shown = ground.lay(image, alpha)
    return shown if orientation == 1 else _upright(shown, orientation)


def _size(image: Picture) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _one(data: bytes, name: str, header: Header, reduction: int) -> _Decoded:
    """The one picture, by the decoder that suits the format."""
    if name == "jpeg":
        image = np.asarray(to_srgb(decode_jpeg(data, reduction), header.icc))
        return _Decoded(image, None, header.orientation)
    if name == "png" or data.startswith(b"P7"):
        image, alpha = decode_png(data) if name == "png" else decode_pam(data)
        image = array_to_srgb(eight_bit(image), header.icc)
        return _Decoded(image, None if alpha is None else levels(alpha), header.orientation)
    if name == "hdr":
        return _Decoded(_by_opencv(data, "HDR"), None)
    if name == "tiff":
        return _tiff_page(data, header.pages[0], header)
    icc = header.icc
    if name in ("avif", "heif") and not icc and (coded := color_code_points(data)):
        icc = profile_of_code_points(*coded)
    check_end(data, name)
    with opened(data, name) as picture:
        picture.load()
        return _split(picture, icc, header.orientation)


_AS_STORED = b"no profile"
"""In the place of a profile: neither that of the file nor what else it says of its colours is followed."""


def _tiff_page(data: bytes, page: int, header: Header) -> _Decoded:
    directory = check_tiff(data, page)
    if is_float_rgb(directory):
        return _Decoded(_by_opencv(data, "TIFF"), None)
    with guarded("tiff"):
        try:
            picture = open_lazily(familiar(data, directory), "tiff")
        except PIL.UnidentifiedImageError as error:
            raise Unsupported("TIFF of a kind that cannot be read here; save it with 8 or 16 bits a sample") from error
        picture.seek(page)
        picture.load()
        icc = header.icc if header.icc == _AS_STORED else picture.info.get("icc_profile") or b""
        return _split(picture, icc, 1, directory)


def _by_opencv(data: bytes, name: str) -> Picture:
    """RGB of floats that Pillow does not read."""
    image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise Unsupported(f"{name} is damaged or of a kind that cannot be read here")
    return eight_bit(np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image))


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


def _all_frames(
    data: bytes, name: str, whole: Header, max_megapixels: float, admit: Admit
) -> Iterator[_Decoded | ItemError]:
    """Every page or frame by Pillow, which others may use between two of them."""
    pages = whole.pages if len(whole.pages) > 1 else None
    with guarded(name):
        picture = open_lazily(animated_png(data) if name == "png" else data, name)
    for index, place in enumerate(itertools.count() if pages is None else pages):
        try:
            with guarded(name):
                if index == MAX_FRAMES:
                    raise TooLarge(f"more than {MAX_FRAMES:,} pages or frames; the rest is left out")
                try:
                    picture.seek(place)
                except EOFError:
                    if pages is None:
                        return
                    raise
                header = pillow_header(picture)
            check_size(header.width, header.height, max_megapixels)
            admit(header.width * header.height / 1e6)
            if pages is not None:
                yield _tiff_page(data, place, whole)
                continue
            with guarded(name):
                picture.load()
                frame = _split(picture, whole.icc, header.orientation)
        except ItemError as error:
            yield error
            if not isinstance(error, TooLarge) or index == MAX_FRAMES:
                return
        else:
            yield frame


def _split(picture: Image.Image, icc: bytes, orientation: int, directory: Directory | None = None) -> _Decoded:
    """A decoded Pillow picture in any mode."""
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        return _Decoded(_from_numbers(picture, directory), None, orientation)
    if "A" in mode.upper().removeprefix("LAB") or "transparency" in picture.info:
        rgba = _by_bands(picture)
        return _Decoded(array_to_srgb(rgba[:, :, :3], icc), rgba[:, :, 3], orientation)
    known = mode if mode in ("L", "CMYK", "LAB") else "L" if mode == "1" else "RGB"
    return _Decoded(np.asarray(to_srgb(picture if known == mode else picture.convert(known), icc)), None, orientation)


def _from_numbers(picture: Image.Image, directory: Directory | None) -> Picture:
    """RGB of one that has more than 8 bits, some rows at a time: whole, its numbers would be held three times."""
    width, height = picture.size
    rows = max(1, _BAND_PIXELS // width)

    def bands() -> Iterator[tuple[slice, NDArray[Any]]]:
        for top in range(0, height, rows):
            numbers = np.asarray(picture.crop((0, top, width, min(top + rows, height))))
            yield slice(top, top + rows), numbers if directory is None else tiff_numbers(numbers, directory)

    if picture.mode == "F":
        check_floats(*zip(*((numbers.min(), numbers.max()) for _, numbers in bands()), strict=True))
    gray = np.empty((height, width), dtype=np.uint8)
    for place, numbers in bands():
        gray[place] = levels(numbers)
    return eight_bit(gray)


_BAND_PIXELS = 1 << 20


def _by_bands(picture: Image.Image) -> Picture:
    """uint8 (H, W, 4) RGBA, some rows at a time: whole, the picture would be held three times."""
    rgba = np.empty((picture.height, picture.width, 4), dtype=np.uint8)
    for top in range(0, picture.height, BAND_ROWS):
        band = picture.crop((0, top, picture.width, min(top + BAND_ROWS, picture.height)))
        rgba[top : top + BAND_ROWS] = np.asarray(band if band.mode == "RGBA" else band.convert("RGBA"))
    return rgba


def _upright(image: Picture, orientation: int) -> Picture:
    """The picture as EXIF orientation 1..8 wants it seen (EXIF 2.32, 4.6.4)."""
    return turned(image, orientation >= 5, {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation))


def turned(image: Picture, transpose: bool, flip: int | None) -> Picture:
    """The picture, transposed if `transpose`, then mirrored as OpenCV's flip code says."""
    if transpose:
        image = np.asarray(cv2.transpose(image), dtype=np.uint8)
    return image if flip is None else np.asarray(cv2.flip(image, flip), dtype=np.uint8)
