"""How many pictures a source holds at most, found without decoding one: what a paid engine would be asked about."""

from __future__ import annotations

import math
from typing import Any

from mediasift.errors import ItemError
from mediasift.media.documents.pages import page_sizes, parse_pages, wanted_pages
from mediasift.media.pictures.probe import read_header
from mediasift.media.video.every import DEFAULT_EVERY, chosen_numbers, parse_every, parse_s
from mediasift.media.video.footage import open_footage
from mediasift.sources.boxes import Part
from mediasift.sources.content import Content
from mediasift.sources.formats import known_format, moves
from mediasift.sources.memory import Array


def most_pictures(content: Content, options: Any) -> int:
    """How many pictures `media.readers.read_source` makes of a source at most.

    It is the very number but for shots, which only decoding finds: of those there are no more than fit into the film.

    Args:
        content: The source.
        options: Of reading, see `media.settings.PictureSettings`.
    """
    if isinstance(content, Part):
        return int(content.box is not None)
    if isinstance(content, Array):
        return 1
    try:
        form = known_format(head := content.head(), content.suffix)
    except ItemError:
        return 0
    try:
        if form.kind == "document":
            pages, *_ = next(page_sizes(content, options.password))
            return len(wanted_pages(pages, parse_pages(options.pages) if options.pages else ()))
        if form.kind == "video" or (moves(form.name, head) and (options.every or options.every_frame)):
            every = options.every or DEFAULT_EVERY
            return _frames(content, options, "1f" if form.kind == "picture" and options.every_frame else every)
        return len(read_header(content.read(), form.name).pages) if form.kind == "picture" else 0
    except ItemError:
        return 1


def _frames(content: Content, options: Any, rule: str) -> int:
    """How many frames are chosen of what moves."""
    with open_footage(content, options.viewing) as footage:
        table = footage.timetable
        every = parse_every(rule)
        if every.unit == "iframe":
            return len(table.keys)
        if every.unit == "shot":
            length_s = table.time_s(len(table.ticks) - 1) - table.time_s(0) if table.ticks else 0.0
            return min(len(table.ticks), math.floor(length_s / parse_s(options.min_shot)) + 1)
        return len(chosen_numbers(every, table.ticks, table.time_base))
