"""The text layer of a PDF page: words with their boxes, and how far it can stand for what the page shows."""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.items import TextWord
from mediasift.system.optional import lazily

pdfium_c = lazily("pypdfium2.raw")

Lines = tuple[tuple[TextWord, ...], ...]

_HYPHEN = 0xFFFE
"""What PDFium returns for a hyphen at the end of a line."""
_JOINERS = "\u200c\u200d"
_JOINED_FROM = "\u0590"
"""Scripts from here on are spelled with joiners and non-joiners: Arabic, those of India, emoji; elsewhere they say
nothing."""

_PICTURE = 0.25
"""Share of a page from which its pictures may hold what a reader looks for."""
_LITTLE, _LITTLE_HIDDEN = 0.05, 0.01
"""Share of a page that its words cover: a full page has 0.10 to 0.20, a stamp or page number below 0.005. Words that
are hidden behind a scan are its own text, which somebody recognised before."""
_GRID = 64


@dataclass(frozen=True, slots=True)
class _Letter:
    """A character; `box` is (left, top, right, bottom) in pixels, None for one that is not visible."""

    text: str
    box: tuple[int, int, int, int] | None
    is_known: bool = True


def read_text_layer(page: Any, width: int, height: int) -> tuple[Lines, bool]:
    """The lines of a loaded page as far as the page shows them, and whether those are all its text.

    Boxes are pixels of the page rendered so large. A line with letters that have no Unicode, only numbers of glyphs, is
    left out.
    """
    lines, is_whole = [], True
    with closing(page.get_textpage()) as text:
        line: list[_Letter] = []
        for letter in (*_letters(page, text, width, height), _Letter("\n", None)):
            if letter.text != "\n":
                line.append(letter)
                continue
            private = sum(unicodedata.category(one.text) == "Co" for one in line)
            if all(one.is_known for one in line) and 2 * private <= sum(one.box is not None for one in line):
                lines.append(_words(line))
            else:
                is_whole = False
            line = []
    return tuple(line for line in lines if line), is_whole


def _letters(page: Any, text: Any, width: int, height: int) -> Iterator[_Letter]:
    """The characters inside the page, without those that are never seen."""
    before, high = "", 0
    for index in range(text.count_chars()):
        code = pdfium_c.FPDFText_GetUnicode(text.raw, index)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if high and 0xDC00 <= code < 0xE000:  # the second half of a character beyond 16 bits
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)
        high = 0
        letter = "-" if code == _HYPHEN else chr(code) if code <= 0x10FFFF else "\ufffd"
        kind = unicodedata.category(letter)
        if kind == "Cf":
            if letter in _JOINERS and before >= _JOINED_FROM:
                yield _Letter(letter, None)
            continue
        before = letter
        is_known = (
            kind != "Cs" and letter not in "\0\ufffd" and pdfium_c.FPDFText_HasUnicodeMapError(text.raw, index) != 1
        )
        if is_known and (kind[0] == "Z" or kind == "Cc"):
            yield _Letter("\n" if letter == "\n" else " ", None)
            continue
        left, top, right, bottom = _box(page, text.get_charbox(index), width, height)
        is_inside = 0 <= left + right <= 2 * width and 0 <= top + bottom <= 2 * height
        yield _Letter(letter, (left, top, right, bottom), is_known) if is_inside else _Letter(" ", None)


def _box(page: Any, bounds: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """PDFium's (left, bottom, right, top) as a box (left, top, right, bottom) in pixels of the upright page."""
    left, bottom, right, top = bounds
    x, y = ctypes.c_int(), ctypes.c_int()
    corners = []
    for across, up in ((left, top), (right, bottom)):
        pdfium_c.FPDF_PageToDevice(page.raw, 0, 0, width, height, 0, across, up, x, y)
        corners.append((x.value, y.value))
    (x0, x1), (y0, y1) = (sorted(side) for side in zip(*corners, strict=True))
    return x0, y0, x1, y1


def _words(line: Sequence[_Letter]) -> tuple[TextWord, ...]:
    words: list[list[_Letter]] = [[]]
    for letter in line:
        if letter.text == " " or unicodedata.category(letter.text) == "Co":
            words.append([])
        else:
            words[-1].append(letter)
    visible = []
    for word in words:
        if boxes := [letter.box for letter in word if letter.box is not None]:
            lefts, tops, rights, bottoms = zip(*boxes, strict=True)
            left, top = max(0, min(lefts)), max(0, min(tops))
            box = left, top, max(1, max(rights) - left), max(1, max(bottoms) - top)
            visible.append(TextWord(text="".join(letter.text for letter in word), box=box))
    return tuple(visible)


def leaves_pictures_unread(page: Any, lines: Lines, width: int, height: int) -> bool:
    """Whether a good part of the page is picture, and so few words are text that the picture must hold others."""
    shown = np.zeros((_GRID, _GRID), bool)
    outer: Any = None
    for part in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE, pdfium_c.FPDF_PAGEOBJ_FORM], max_depth=5):
        outer = part if part.level == 0 else outer
        if part.type == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            left, top, right, bottom = (max(0, side) for side in _box(page, outer.get_bounds(), _GRID, _GRID))
            shown[top:bottom, left:right] = True
    covered = sum(word.box[2] * word.box[3] for line in lines for word in line) / (width * height)
    if shown.mean() < _PICTURE or covered >= _LITTLE:
        return False
    return covered < _LITTLE_HIDDEN or not _is_hidden(page)


def _is_hidden(page: Any) -> bool:
    """Whether all text is drawn invisibly, as programs do that recognise the text of scans."""
    texts = page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_TEXT], max_depth=5)
    invisible = pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE
    return all(pdfium_c.FPDFTextObj_GetTextRenderMode(text.raw) == invisible for text in texts)


def without_words(image: NDArray[np.uint8], lines: Lines) -> NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3), with the ground's colour over the words, so that they are not read twice."""
    image = image.copy() if lines else image
    for word in (word for line in lines for word in line):
        left, top, width, height = (round(side) for side in word.box)
        margin = max(2, height // 4)
        box = image[max(0, top - margin) : top + height + margin, max(0, left - margin) : left + width + margin]
        if box.size:
            box[:] = np.median(np.concatenate([box[0], box[-1]]), axis=0)
    return image
