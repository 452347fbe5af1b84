"""What is read on a page: words with boxes, and how they become lines and pages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Engine, Resources
from mediasift.errors import InferenceFailed

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A word, line or page of text; `confidence` 0..1, None where none is known."""

    text: str
    confidence: float | None
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Region):
    """A line of text: its words, and the number of its paragraph, which changes from one to the next."""

    words: tuple[Region, ...]
    paragraph: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PageRequest:
    """A picture to read, uint8 (H, W, 3) RGB or (H, W), and the files to make of it, out of the engine's `files`."""

    image: Picture
    files: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """What was read: the lines in reading order, the files that were asked for, and what a reader should know.

    `error` says why an answer that was paid for holds no text: it is kept, and the page is an error row.
    """

    lines: tuple[Line, ...]
    files: Mapping[str, bytes]
    note: str = ""
    error: str = ""


class OcrEngine(Engine):
    """`run` takes `PageRequest`s and gives `PageText`s; an engine's `answer` gets pictures that are not too long.

    Attributes:
        files: Formats of files that it makes of a page, besides the text.
        longest_px: A picture that is longer, and also more than `most_elongated` times as long as it is wide, is read
            in bands.
        most_elongated: See `longest_px`.
        is_measured: Whether it says where a line stands, and how sure it is; otherwise boxes are NaN.
    """

    files: ClassVar[tuple[str, ...]] = ()
    longest_px: ClassVar[int] = 32_767
    most_elongated: ClassVar[float] = 1.0
    is_measured: ClassVar[bool] = True

    def __init__(self, settings: Any, resources: Resources, *, upright: bool = False) -> None:
        """Make it ready; `upright`: `upright_deg` must be able to answer."""

    def run(self, batch: Sequence[PageRequest]) -> list[PageText]:
        """What is read in each picture."""
        return [self._in_bands(request) for request in batch]

    def _in_bands(self, request: PageRequest) -> PageText:
        long_px, short_px = max(request.image.shape[:2]), min(request.image.shape[:2])
        if long_px <= self.longest_px or long_px <= self.most_elongated * short_px:
            answer: PageText = self.answer(request)
            return answer
        if request.files:
            forms = " and ".join(request.files)
            raise InferenceFailed(
                f"a picture of {long_px} pixels is read in bands, which make no {forms} file; leave --files out"
            )
        lines: list[Line] = []
        for left, top, band in bands(request.image, self.longest_px):
            lines += (moved(line, left, top) for line in self.answer(PageRequest(image=band)).lines)
        return PageText(lines=tuple(lines), files={})

    def upright_deg(self, image: Picture) -> int:  # noqa: ARG002  (one that can tell, looks)
        """By how many degrees clockwise, 90, 180 or 270, the picture must be turned to be read; 0 if it is not sure."""
        return 0


def bands(image: Picture, longest_px: int) -> Iterator[tuple[int, int, Picture]]:
    """(left, top, band) of bands across the longer side, each cut where the least is to be seen."""
    is_tall = image.shape[0] >= image.shape[1]
    along = image if is_tall else image.swapaxes(0, 1)
    start = 0
    while len(along) - start > longest_px:
        first = start + longest_px // 2
        contrast = np.ptp(along[first : start + longest_px], axis=tuple(range(1, along.ndim)))
        calm = _strips(contrast <= int(contrast.min()) + 8)
        begin, end = max(calm, key=lambda strip: strip[1] - strip[0])
        stop = first + (begin + end) // 2 + 1
        yield (0, start, along[start:stop]) if is_tall else (start, 0, along[start:stop].swapaxes(0, 1))
        start = stop
    yield (0, start, along[start:]) if is_tall else (start, 0, along[start:].swapaxes(0, 1))


def moved(line: Line, left: float, top: float) -> Line:
    """The same line elsewhere."""

    def box(region: Region) -> Box:
        return region.box[0] + left, region.box[1] + top, region.box[2], region.box[3]

    return replace(line, box=box(line), words=tuple(replace(word, box=box(word)) for word in line.words))


def line_of(words: Sequence[Region], *, paragraph: int = 0) -> Line:
    """The line that the words make."""
    return joined(words, " ".join(word.text for word in words), paragraph=paragraph)


def sure(lines: Sequence[Line], least: float, *, by_word: bool = False) -> tuple[Line, ...]:
    """The lines, or the words, that were read with that confidence at least."""
    if not least:
        return tuple(lines)
    if not by_word:
        return tuple(line for line in lines if (line.confidence or 0.0) >= least)
    kept = (([word for word in line.words if (word.confidence or 0.0) >= least], line.paragraph) for line in lines)
    return tuple(line_of(words, paragraph=paragraph) for words, paragraph in kept if words)


def is_doubtful(lines: Sequence[Line]) -> bool:
    """Whether the engine itself does not believe what it has read, of a page that seems to hold some words."""
    whole = joined(lines, page_text(lines)) if lines else None
    return whole is not None and len(whole.text) >= _SOME_WORDS and (whole.confidence or 0.0) < _BELIEVED


def regions(lines: Sequence[Line], level: str) -> list[Region]:
    """The page, the lines or the words; none where there is no text."""
    if level == "word":
        return [word for line in lines for word in line.words]
    if level == "line":
        return list(lines)
    return [joined(lines, page_text(lines))] if lines else []


def page_text(lines: Sequence[Line]) -> str:
    """Lines ended by a line feed, an empty line between paragraphs."""
    paragraphs = itertools.groupby(lines, key=lambda line: line.paragraph)
    return "\n\n".join("\n".join(line.text for line in paragraph) for _, paragraph in paragraphs)


def joined(parts: Sequence[Region], text: str, *, paragraph: int = 0) -> Line:
    """One region of several, whose box holds all of theirs; its confidence is their mean over characters."""
    left, top = min(part.box[0] for part in parts), min(part.box[1] for part in parts)
    right = max(part.box[0] + part.box[2] for part in parts)
    bottom = max(part.box[1] + part.box[3] for part in parts)
    known = [(part.confidence, len(part.text)) for part in parts if part.confidence is not None]
    total = sum(length for _, length in known)
    confidence = sum(value * length for value, length in known) / total if total else None
    box = (left, top, right - left, bottom - top)
    return Line(text=text, confidence=confidence, box=box, words=tuple(parts), paragraph=paragraph)


_BELIEVED = 0.6
"""Mean confidence of a page; upright print has 0.85 and more, print that lies on its head 0.2 to 0.45."""
_SOME_WORDS = 20
"""Characters."""

_STRAYS = 0.05
"""Share of lines that may run across the strip between two columns: headings, and lines read as one across it."""


def in_reading_order(lines: Sequence[Line]) -> list[Line]:
    """Columns one after the other, each from the top: recursive cuts through empty strips (XY-cut, Nagy 1984).

    A strip between columns is preferred to one between lines.
    """
    if len(lines) < 2:
        return list(lines)
    split = _columns(lines) or _rows(lines)
    if split is None:
        return sorted(lines, key=lambda line: (line.box[1] + line.box[3] / 2, line.box[0]))
    first, second = split
    return [*in_reading_order(first), *in_reading_order(second)]


def _columns(lines: Sequence[Line]) -> tuple[list[Line], list[Line]] | None:
    """Left and right of the emptiest, then widest upright strip, a third of a line wide at least."""
    least = float(np.median([line.box[3] for line in lines])) / 3
    left = min(line.box[0] for line in lines)
    cover = np.zeros(int(max(line.box[0] + line.box[2] for line in lines) - left) + 2, np.int32)
    for line in lines:
        cover[int(line.box[0] - left)] += 1
        cover[int(line.box[0] + line.box[2] - left) + 1] -= 1
    cover = cover.cumsum()
    for strays in sorted({0, int(len(lines) * _STRAYS)}):
        for start, end in sorted(_strips(cover <= strays), key=lambda strip: strip[0] - strip[1]):
            middle = left + (start + end) / 2
            sides = (
                [line for line in lines if line.box[0] + line.box[2] / 2 < middle],
                [line for line in lines if line.box[0] + line.box[2] / 2 >= middle],
            )
            if end - start >= least and min(map(len, sides)) >= (3 if strays else 1):
                return sides
    return None


def _strips(empty: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, one past the last) of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], empty, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _rows(lines: Sequence[Line]) -> tuple[list[Line], list[Line]] | None:
    """Above and below the widest level strip; boxes of lines that follow each other overlap a little."""
    spans = sorted(
        (line.box[1] + 0.25 * line.box[3], line.box[1] + 0.75 * line.box[3], i) for i, line in enumerate(lines)
    )
    best, cut, reach = 0.0, 0, spans[0][1]
    for index, (start, end, _) in enumerate(spans[1:], 1):
        if start - reach > best:
            best, cut = start - reach, index
        reach = max(reach, end)
    if not cut:
        return None
    return [lines[i] for _, _, i in spans[:cut]], [lines[i] for _, _, i in spans[cut:]]
