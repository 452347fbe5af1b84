"""Evaluating a table of labels against a table of what is true, and the folder with the report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mediasift.errors import InputError, ItemError, OutputError
from mediasift.evaluate.labels import Evaluation, Measure, Mistake, Said
from mediasift.evaluate.plots import SHOWN_MISTAKES, draw_confusion, draw_mistakes, draw_reliability
from mediasift.items import FailedItem
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.transforms import Picture
from mediasift.rows import Row
from mediasift.sources.content import content_at
from mediasift.sources.labelled import split_labels
from mediasift.system.files import make_folder, write_atomically
from mediasift.tables.reading import need_columns
from mediasift.tables.stored import Record
from mediasift.tables.writers import Form, write_csv, write_lines

THUMBNAIL = 160
"""Pixels that a mistake's shorter side must have on the contact sheet."""


def said_labels(path: Path, records: Sequence[Record], known: set[str]) -> dict[str, list[Said]]:
    """Path → labels, best first, of a table with the columns `path` and `label`, and perhaps `rank` and `score`.

    Rows with an error or without a label say nothing. Where the reference speaks in identifiers, `label_id` is taken.

    Args:
        path: Of the table, for messages.
        records: Its rows.
        known: The labels of the reference.

    Raises:
        InputError: A column is missing, or a score is no number.
    """
    need_columns(path, list(records), "path", "label")
    by_id = not any(record["label"] in known for record in records) and any(
        record.get("label_id") in known for record in records
    )
    found: dict[str, list[tuple[float, Said]]] = {}
    for number, record in enumerate(records):
        label = record.get("label_id") if by_id else record["label"]
        if record["path"] is None or label is None or record.get("error"):
            continue
        rank = _number(path, record, "rank")
        said = Said(label=str(label), score=_number(path, record, "score"))
        order = rank if rank is not None else number
        found.setdefault(str(record["path"]), []).append((order, said))
    return {name: [said for _, said in sorted(labels, key=lambda pair: pair[0])] for name, labels in found.items()}


def _number(path: Path, record: Record, column: str) -> float | None:
    cell = record.get(column)
    try:
        return None if cell is None else float(cell)
    except (TypeError, ValueError):
        raise InputError(f"{path}: column {column}: {cell!r} is no number") from None


def true_labels(path: Path, records: Sequence[Record]) -> dict[str, list[str]]:
    """Path → labels of a table with the columns `path` and `label`; several rows or `a|b` are several labels.

    Raises:
        InputError: A column or a path is missing.
    """
    need_columns(path, list(records), "path", "label")
    found: dict[str, list[str]] = {}
    for number, record in enumerate(records, start=1):
        if record["path"] is None:
            raise InputError(f"{path}: row {number} has no path")
        labels = found.setdefault(str(record["path"]), [])
        labels += [label for label in split_labels(str(record["label"] or "")) if label not in labels]
    return found


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
    try:
        _write(folder / "measures.csv", Measure, measure_rows(evaluation))
        _write(folder / "mistakes.csv", Mistake, evaluation.mistakes)
        if evaluation.confusion is not None:
            counted = zip(evaluation.labels, evaluation.confusion.tolist(), strict=True)
            lines = [("true", *evaluation.labels), *((label, *counts) for label, counts in counted)]
            write_atomically(folder / "confusion.csv", lambda file: write_lines(lines, file))
        draw_confusion(evaluation, folder / "confusion.png")
        draw_reliability(evaluation, folder / "reliability.png")
        draw_mistakes(evaluation, _thumbnails(evaluation, picture), folder / "mistakes.png")
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: the report cannot be written ({error.strerror or error})") from error
    return sorted(folder.iterdir())


def measure_rows(evaluation: Evaluation) -> list[Measure]:
    """The measures, numbers rounded to 6 decimals."""
    return [
        replace(one, value=_rounded(one.value), low=_rounded(one.low), high=_rounded(one.high))
        for one in evaluation.measures
    ]


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)


def _write(path: Path, row_type: type[Row], rows: Sequence[Row]) -> None:
    write_atomically(path, lambda file: write_csv(rows, Form(row_type=row_type), file))


def _thumbnails(evaluation: Evaluation, picture: Callable[[str], Picture]) -> dict[str, Picture]:
    """Path → picture of the mistakes that are shown; those that can no longer be read are left out."""
    found: dict[str, Picture] = {}
    for mistake in evaluation.mistakes[:SHOWN_MISTAKES]:
        with contextlib.suppress(ItemError):
            found[mistake.path] = picture(mistake.path)
    return found
