"""What is read on a page: words with boxes, and how they become lines and pages."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Engine, Resources

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
    """What was read: the lines in reading order, and the files that were asked for."""

    lines: tuple[Line, ...]
    files: Mapping[str, bytes]


class OcrEngine(Engine):
    """`run` takes `PageRequest`s and gives `PageText`s.

    Attributes:
        files: Formats of files that it makes of a page, besides the text.
    """

    files: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Any, resources: Resources, *, upright: bool = False) -> None:
        """Make it ready; `upright`: `upright_deg` will be asked."""

    def upright_deg(self, image: Picture) -> int:
        """By how many degrees clockwise, 0, 90, 180 or 270, the picture must be turned to be read."""
        raise NotImplementedError  # asked only with the cleaning step `rotate`


def line_of(words: Sequence[Region], *, paragraph: int = 0) -> Line:
    """The line that the words make."""
    return joined(words, " ".join(word.text for word in words), paragraph=paragraph)


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
