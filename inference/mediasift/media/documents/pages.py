"""PDF → pages: each rendered as a picture, or its text layer as it stands, by PDFium.

PDFium is not made for threads: everything that touches it holds one lock. Rendering is short beside what is done
with the pages.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged, ItemError, NotFound, TooLarge, Unreadable, Unsupported, UsageError, plain
from mediasift.items import FailedItem, Item, Place, TextPage
from mediasift.media.documents.text_layer import Lines, leaves_pictures_unread, read_text_layer, without_words
from mediasift.media.pictures.headers import check_size
from mediasift.sources.content import Content
from mediasift.system.optional import lazily

if TYPE_CHECKING:
    from mediasift.media.settings import PictureSettings

pdfium = lazily("pypdfium2")
pdfium_c = lazily("pypdfium2.raw")

_POINTS_PER_INCH = 72
_LOCK = threading.RLock()


def parse_pages(text: str) -> tuple[tuple[int, int | None], ...]:
    """`1-3,5,9-` as ((1, 3), (5, 5), (9, None)).

    Raises:
        UsageError: It is no such list, or a range is empty.
    """
    ranges: list[tuple[int, int | None]] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(-\s*(\d*))?\s*", part)
        first = int(match[1]) if match else 0
        last = first if match and not match[2] else int(match[3]) if match and match[3] else None
        if not match or first < 1 or (last is not None and last < first):
            raise UsageError(f"pages {text!r}: must be page numbers from 1 and ranges, e.g. 1-3,5,9-")
        ranges.append((first, last))
    return tuple(ranges)


def wanted_pages(count: int, ranges: Sequence[tuple[int, int | None]]) -> list[int]:
    """Page numbers from 1, in the document's order; all of them without ranges."""
    asked = [range(first, (last or count) + 1) for first, last in ranges]
    return [page for page in range(1, count + 1) if not ranges or any(page in pages for pages in asked)]


def read_pages(
    content: Content, path: str, options: PictureSettings, admit: Callable[[float], None], *, first: int = 0
) -> Iterator[Place]:
    """Each page of a PDF, in order.

    Args:
        content: The PDF.
        path: What its rows say in the `path` column.
        options: Which pages, and how. A page that would have more than `max_megapixels`, which is also the limit for
            pictures inside it, is rendered at what fits; with `text_layer`, one that has text becomes a `TextPage`,
            with a picture of what else it shows where that may hold more text.
        admit: Called before each page is rendered, with its megapixels.
        first: How many pages are not wanted any more; for each comes its place alone.

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
        yield from (Place(path=path, page=number) for number in numbers[:first])
        for number in numbers[first:]:
            yield from _read_page(document, options, admit, {"path": path, "page": number}, content)


def _read_page(
    document: Any, options: PictureSettings, admit: Callable[[float], None], where: dict[str, Any], content: Content
) -> Iterator[Item | TextPage | FailedItem]:
    """What is to be read of a page: its text, its picture, or both."""
    lines: Lines = ()
    number = where["page"]
    try:
        with _loaded(document, number) as page:
            width, height, scale = _size(page, options.dpi, options.max_megapixels)
            lines, is_whole = read_text_layer(page, width, height) if options.text_layer else ((), True)
            is_text = bool(lines) and is_whole and not leaves_pictures_unread(page, lines, width, height)
            if not is_text:
                _check_pictures(page, options.max_megapixels)
        if is_text:
            yield TextPage(**where, lines=lines)
            return
        admit(width * height / 1e6)  # may wait; never with the lock
        with _loaded(document, number) as page:
            image = _render(page, scale)
    except ItemError as error:
        if lines:
            yield TextPage(**where, lines=lines)
        yield FailedItem(**where, error=error)
        return
    size, note = (image.shape[1], image.shape[0]), _reduced(scale, options.dpi)
    item = Item(**where, image=without_words(image, lines), original_size=size, content=content, note=note)
    yield TextPage(**where, lines=lines, picture=item) if lines else item


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
                raise _unopened(content, str(error).lower(), password) from error
            except UnicodeEncodeError as error:
                raise Unreadable("the password is no text; give the right one with --password") from error
            document.init_forms()  # so that what is filled in is shown
            count = len(document)
        try:
            yield document, count
        finally:
            with _LOCK:
                document.close()


def _unopened(content: Content, reason: str, password: str | None) -> ItemError:
    """Why a PDF does not open; the reason that PDFium gives may be left over from another PDF."""
    if b"/Encrypt" not in content.read():
        return Damaged("PDF does not open: no page is found in it")
    if "security" in reason:
        return Unsupported("the PDF is encrypted in a way that is not known here")
    problem = "the password is wrong" if password else "the PDF is encrypted"
    return Unreadable(f"{problem}; give its password with --password")


@contextmanager
def _loaded(document: Any, number: int) -> Iterator[Any]:
    """A page, with the lock; its form fields and annotations are part of its contents."""
    with _LOCK:
        try:
            page = document[number - 1]
            if pdfium_c.FPDFPage_GetAnnotCount(page.raw):
                pdfium_c.FPDFPage_Flatten(page.raw, pdfium_c.FLAT_NORMALDISPLAY)
                page.close()
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


def _reduced(scale: float, dpi: float) -> str:
    """What a reader should know of a page that is too large for its resolution."""
    if scale * _POINTS_PER_INCH > 0.98 * dpi:
        return ""
    shown = scale * _POINTS_PER_INCH
    return (
        f"read at {plain(round(shown) or shown)} instead of {dpi:g} dpi, as the page is large: small print may be "
        "missing; --max-megapixels allows more"
    )


def _render(page: Any, scale: float) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) RGB on white."""
    form = pdfium_c.FPDFBitmap_BGR
    try:
        how = {"scale": scale, "rev_byteorder": True, "force_bitmap_format": form, "may_draw_forms": False}
        with closing(page.render(**how)) as bitmap:
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
