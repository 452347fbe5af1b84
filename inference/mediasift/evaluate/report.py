"""Evaluating a table of labels against a table of what is true, and the folder with the report."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mediasift.errors import ItemError
from mediasift.evaluate.labels import Evaluation, Measure, Mistake, measure_labels
from mediasift.evaluate.plots import SHOWN_MISTAKES, draw_confusion, draw_mistakes, draw_reliability, need_plots
from mediasift.evaluate.references import predictions, tells_presence, true_labels
from mediasift.items import FailedItem
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.transforms import Picture
from mediasift.sources.content import content_at
from mediasift.system.files import faults, make_folder, write_atomically
from mediasift.tables.formats import write_rows
from mediasift.tables.writers import write_lines

THUMBNAIL = 160
"""Pixels that a mistake's shorter side must have on the contact sheet."""


def evaluate_labels(
    result: str | Path, reference: str | Path, *, report: str | Path | None = None, seed: int = 0,
    encoding: str | None = None,
) -> Evaluation:  # fmt: skip
    """How good a table of labels is, measured against what is true.

    Args:
        result: Written by `classify`, or any table with the columns path and label (score, rank, label_id and found
            count); of `detect`, `segment` or `--per item`, of which a label counts as predicted where it is there at
            all. Paths that differ from the reference's are matched by name, where that is unique.
        reference: A table with the columns path and label, or a folder with a folder for each label.
        report: Folder for tables and plots.
        seed: Of the bootstrap that intervals come from.
        encoding: Of both tables; None takes UTF-8.

    Raises:
        InputError: A table cannot be read, lacks a column, has scores that are none, or they have no path in common.
        MissingPackage: A report needs matplotlib.
    """
    if report is not None:
        need_plots()
    true = true_labels(Path(reference), encoding)
    predicted, notes = predictions(Path(result), true, encoding)
    for note in notes:
        logging.getLogger("mediasift").warning(note)
    several = tells_presence(Path(result), encoding)
    evaluation = measure_labels(predicted, true.labels, several=several, seed=seed)
    if report is not None:
        write_report(evaluation, Path(report))
    return evaluation


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
