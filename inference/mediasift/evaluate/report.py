"""The folder with the report of an evaluation: tables and plots."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mediasift.errors import ItemError
from mediasift.evaluate.labels import Evaluation, Measure, Mistake
from mediasift.evaluate.plots import SHOWN_MISTAKES, draw_confusion, draw_mistakes, draw_reliability
from mediasift.items import FailedItem
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.transforms import Picture
from mediasift.sources.content import content_at
from mediasift.system.files import faults, make_folder, write_atomically
from mediasift.tables.formats import write_rows
from mediasift.tables.writers import write_lines

THUMBNAIL = 160
"""Pixels that a mistake's shorter side must have on the contact sheet."""


def read_picture(path: str) -> Picture:
    """The first picture in a file, no larger than a contact sheet needs.

    Raises:
        ItemError: It cannot be read.
    """
    content = content_at(path)
    first = next(decode(content.read(), suffix=content.suffix, needs=(THUMBNAIL, THUMBNAIL)))
    if isinstance(first, FailedItem):
        raise first.error
    return first.image


def write_report(
    evaluation: Evaluation, folder: Path, *, picture: Callable[[str], Picture] = read_picture
) -> list[Path]:
    """Write measures.csv, confusion.csv, confusion.png, reliability.png, mistakes.csv and mistakes.png.

    Files that have nothing to show (no scores, no mistakes, several labels per picture) are not written.

    Args:
        evaluation: What to show.
        folder: Where to; it is made.
        picture: Gives the picture of a path in the table, or raises an ItemError.

    Raises:
        OutputError: The folder cannot be written.
        MissingPackage: matplotlib is not installed.
    """
    make_folder(folder)
    with faults(folder):
        write_rows(folder / "measures.csv", Measure, measure_rows(evaluation))
        write_rows(folder / "mistakes.csv", Mistake, evaluation.mistakes)
        if evaluation.confusion is not None:
            counted = zip(evaluation.labels, evaluation.confusion.tolist(), strict=True)
            lines = [("true", *evaluation.labels), *((label, *counts) for label, counts in counted)]
            write_atomically(folder / "confusion.csv", lambda file: write_lines(lines, file))
        draw_confusion(evaluation, folder / "confusion.png")
        draw_reliability(evaluation, folder / "reliability.png")
        draw_mistakes(evaluation, _thumbnails(evaluation, picture), folder / "mistakes.png")
    return sorted(folder.iterdir())


def measure_rows(evaluation: Evaluation) -> list[Measure]:
    """The measures, numbers rounded to 6 decimals."""

    def rounded(one: Measure) -> Measure:
        value, low, high = (None if n is None else round(n, 6) for n in (one.value, one.low, one.high))
        return replace(one, value=value, low=low, high=high)

    return [rounded(one) for one in evaluation.measures]


def _thumbnails(evaluation: Evaluation, picture: Callable[[str], Picture]) -> dict[str, Picture]:
    """Path → picture of the mistakes that are shown; those that can no longer be read are left out."""
    pictures: dict[str, Picture] = {}
    for mistake in evaluation.mistakes[:SHOWN_MISTAKES]:
        with contextlib.suppress(ItemError):
            pictures[mistake.path] = picture(mistake.path)
    return pictures
