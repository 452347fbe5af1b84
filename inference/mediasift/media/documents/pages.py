"""PDF → pages: each rendered as a picture, or its text layer as it stands, by PDFium.

PDFium is not made for threads: everything that touches it holds one lock. Rendering is short beside what is done
with the pages.
"""

from __future__ import annotations

import ctypes
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged, ItemError, NotFound, TooLarge, Unreadable, UsageError
from mediasift.items import FailedItem, Item, TextPage, TextWord
from mediasift.media.pictures.headers import check_size
from mediasift.sources.content import Content
from mediasift.system.optional import lazily

if TYPE_CHECKING:
    from mediasift.media.settings import PictureSettings

pdfium = lazily("pypdfium2")
pdfium_c = lazily("pypdfium2.raw")

_POINTS_PER_INCH = 72
_HYPHEN = 0xFFFE
"""What PDFium returns for a hyphen at the end of a line."""

_LOCK = threading.RLock()


def parse_pages(text: str) -> tuple[tuple[int, int | None], ...]:
    """`1-3,5,9-` as ((1, 3), (5, 5), (9, None)).

    Raises:
        UsageError: It is no such list, or a range is empty.
    """
    ranges: list[tuple[int, int | None]] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)\s*(-\s*(\d*))?\s*", part)
        first = int(found[1]) if found else 0
        last = first if found and not found[2] else int(found[3]) if found and found[3] else None
        if not found or first < 1 or (last is not None and last < first):
            raise UsageError(f"pages {text!r}: must be page numbers from 1 and ranges, e.g. 1-3,5,9-")
        ranges.append((first, last))
    return tuple(ranges)


def wanted_pages(count: int, ranges: Sequence[tuple[int, int | None]]) -> list[int]:
    """Page numbers from 1, in the document's order; all of them without ranges."""
    asked = [range(first, (last or count) + 1) for first, last in ranges]
    return [page for page in range(1, count + 1) if not ranges or any(page in pages for pages in asked)]


def read_pages(
    content: Content, path: str, options: PictureSettings, admit: Callable[[float], None]
) -> Iterator[Item | TextPage | FailedItem]:
    """Each page of a PDF, in order.

    Args:
        content: The PDF.
        path: What its rows say in the `path` column.
        options: Which pages, and how. A page that would have more than `max_megapixels`, which is also the limit for
            pictures inside it, is rendered at what fits; with `text_layer`, one that has text becomes a `TextPage`.
        admit: Called before each page is rendered, with its megapixels.

    Raises:
        Damaged: It is no PDF that can be opened.
        Unreadable: It is encrypted, and the password is missing or wrong.
        NotFound: It has none of the pages asked for.
    """
    ranges = parse_pages(options.pages) if options.pages else ()
    with _opened(content, options.password) as (document, count):
        numbers = wanted_pages(count, ranges)
        if not numbers:
            raise NotFound(f"the PDF has {count} pages, none of the pages {options.pages or 1}")
        for number in numbers:
            try:
                with _loaded(document, number) as page:
                    width, height, scale = _size(page, options.dpi, options.max_megapixels)
                    lines = _lines(page, width, height) if options.text_layer else ()
                    if not lines:
                        _check_pictures(page, options.max_megapixels)
                if lines:
                    yield TextPage(path=path, page=number, lines=lines)
                    continue
                admit(width * height / 1e6)  # may wait; never with the lock
                with _loaded(document, number) as page:
                    image = _render(page, scale)
                size = image.shape[1], image.shape[0]
                yield Item(path=path, page=number, image=image, original_size=size, content=content)
            except ItemError as error:
                yield FailedItem(path=path, page=number, error=error)


def page_sizes(content: Content, password: str | None) -> Iterator[tuple[int, float, float]]:
    """(how many pages, width, height) of each page of a PDF, in points of 1/72 inch.

    Raises:
        Damaged, Unreadable: It or a page does not open, or it has none.
    """
    with _opened(content, password) as (document, count):
        if not count:
            raise Damaged("PDF without pages")
        for number in range(count):
            try:
                with _LOCK:
                    width, height = document.get_page_size(number)
            except pdfium.PdfiumError as error:
                raise Damaged(f"PDF page {number + 1} of {count} does not open ({error})") from error
            yield count, width, height


@contextmanager
def _opened(content: Content, password: str | None) -> Iterator[tuple[Any, int]]:
    """A PDF, and how many pages it has."""
    with content.local() as file:
        with _LOCK:
            try:
                document = pdfium.PdfDocument(file, password=password)
            except pdfium.PdfiumError as error:
                if "password" not in str(error).lower():
                    raise Damaged(f"PDF does not open ({error})") from error
                problem = "the password is wrong" if password else "the PDF is encrypted"
                raise Unreadable(f"{problem}; give its password with --password") from error
            count = len(document)
        try:
            yield document, count
        finally:
            with _LOCK:
                document.close()


@contextmanager
def _loaded(document: Any, number: int) -> Iterator[Any]:
    """A page, with the lock."""
    with _LOCK:
        try:
            page = document[number - 1]
        except (pdfium.PdfiumError, IndexError) as error:
            raise Damaged(f"page {number} of the PDF does not load ({error})") from error
        with closing(page):
            yield page


def _size(page: Any, dpi: float, max_megapixels: float) -> tuple[int, int, float]:
    """(width, height) in pixels at `dpi` or what fits the limit, and the factor from points."""
    width, height = page.get_size()
    if not (width > 0 and height > 0 and math.isfinite(width * height)):
        raise Damaged(f"the page has no size ({width} x {height} points)")
    scale = min(dpi / _POINTS_PER_INCH, math.sqrt(max_megapixels * 1e6 / (width * height)) * 0.999)
    pixels = math.ceil(width * scale), math.ceil(height * scale)
    check_size(*pixels, max_megapixels)  # a page so narrow that rounding up is too much
    return *pixels, scale


def _render(page: Any, scale: float) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) RGB on white."""
    form = pdfium_c.FPDFBitmap_BGR
    try:
        with closing(page.render(scale=scale, rev_byteorder=True, force_bitmap_format=form)) as bitmap:
            return np.array(bitmap.to_numpy(), dtype=np.uint8, order="C")
    except (pdfium.PdfiumError, MemoryError) as error:
        raise Damaged(f"the page does not render ({error or 'not enough memory'})") from error


def _check_pictures(page: Any, max_megapixels: float) -> None:
    """A small page may hold a picture that is a bomb."""
    for picture in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=5):
        width, height = picture.get_px_size()
        if width * height > max_megapixels * 1e6:
            raise TooLarge(
                f"a picture of {width} x {height} is in the page, more than the limit of {max_megapixels:g} "
                "megapixels; if you trust it: --max-megapixels"
            )


def _lines(page: Any, width: int, height: int) -> tuple[tuple[TextWord, ...], ...]:
    """The lines of words of the page's text layer, boxes in pixels; none when there is no visible text."""
    lines: list[list[TextWord]] = [[]]
    with closing(page.get_textpage()) as text:
        letters = ((index, _letter(text, index)) for index in range(text.count_chars()))
        for is_visible, group in groupby(letters, key=lambda one: one[1].isprintable() and not one[1].isspace()):
            indices, word = zip(*group, strict=True)
            if is_visible:
                corners = np.array([_corners(page, text, index, width, height) for index in indices]).reshape(-1, 2)
                (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
                box = left, top, max(1, right - left), max(1, bottom - top)
                lines[-1].append(TextWord(text="".join(word), box=box))
            elif "\n" in word:
                lines.append([])
    return tuple(tuple(line) for line in lines if line)


def _letter(text: Any, index: int) -> str:
    code = pdfium_c.FPDFText_GetUnicode(text.raw, index)
    if code == _HYPHEN:
        return "-"
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "�"


def _corners(page: Any, text: Any, index: int, width: int, height: int) -> list[tuple[int, int]]:
    """Two opposite corners (x, y) of a character's box in pixels of the upright page."""
    left, bottom, right, top = text.get_charbox(index)
    x, y = ctypes.c_int(), ctypes.c_int()
    corners = []
    for across, up in ((left, top), (right, bottom)):
        pdfium_c.FPDF_PageToDevice(page.raw, 0, 0, width, height, 0, across, up, x, y)
        corners.append((x.value, y.value))
    return corners
