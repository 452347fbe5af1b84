"""Evaluating a table of labels against a table of what is true, and the folder with the report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mediasift.errors import InputError, ItemError
from mediasift.evaluate.labels import Evaluation, Measure, Mistake, Said, measure_labels
from mediasift.evaluate.plots import SHOWN_MISTAKES, draw_confusion, draw_mistakes, draw_reliability, need_plots
from mediasift.items import FailedItem
from mediasift.media.pictures.images import decode
from mediasift.media.pictures.transforms import Picture
from mediasift.rows import Row
from mediasift.sources.content import content_at
from mediasift.sources.labelled import split_labels
from mediasift.system.files import faults, make_folder, write_atomically
from mediasift.tables.reading import need_columns, read_table
from mediasift.tables.stored import Record
from mediasift.tables.writers import Form, write_csv, write_lines

THUMBNAIL = 160
"""Pixels that a mistake's shorter side must have on the contact sheet."""


def evaluated_column(reference: str | Path) -> str:
    """What a table of what is true tells: `text` if it has such a column and none `label`, else `label`.

    Raises:
        InputError: It cannot be read.
    """
    names = read_table(Path(reference))[0]
    return "text" if "text" in names and "label" not in names else "label"


def evaluate_labels(
    result: str | Path, reference: str | Path, *, report: str | Path | None = None, seed: int = 0
) -> Evaluation:
    """How good a table of labels is, measured against a table of what is true.

    Args:
        result: Written by `classify`, or any table with the columns path and label (score, rank and label_id count).
        reference: With the columns path and label.
        report: Folder for tables and plots.
        seed: Of the bootstrap that the intervals come from.

    Raises:
        InputError: A table cannot be read, lacks a column, or they have no path in common.
        MissingPackage: A report needs matplotlib.
    """
    result, reference = Path(result), Path(reference)
    if report is not None:
        need_plots()
    true = true_labels(reference, read_table(reference))
    known = {label for labels in true.values() for label in labels}
    found = measure_labels(said_labels(result, read_table(result), known), true, seed=seed)
    if report is not None:
        write_report(found, Path(report))
    return found


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
    is_known = {column: any(record.get(column) in known for record in records) for column in ("label", "label_id")}
    column = "label_id" if is_known["label_id"] and not is_known["label"] else "label"
    found: dict[str, list[tuple[float, Said]]] = {}
    for number, record in enumerate(records):
        if record["path"] is None or record.get(column) is None or record.get("error"):
            continue
        rank = _number(path, record, "rank")
        said = Said(label=str(record[column]), score=_number(path, record, "score"))
        found.setdefault(str(record["path"]), []).append((number if rank is None else rank, said))
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
    with faults(folder):
        _write(folder / "measures.csv", Measure, measure_rows(evaluation))
        _write(folder / "mistakes.csv", Mistake, evaluation.mistakes)
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


def _write(path: Path, row_type: type[Row], rows: Sequence[Row]) -> None:
    write_atomically(path, lambda file: write_csv(rows, Form(row_type=row_type), file))


def _thumbnails(evaluation: Evaluation, picture: Callable[[str], Picture]) -> dict[str, Picture]:
    """Path → picture of the mistakes that are shown; those that can no longer be read are left out."""
    found: dict[str, Picture] = {}
    for mistake in evaluation.mistakes[:SHOWN_MISTAKES]:
        with contextlib.suppress(ItemError):
            found[mistake.path] = picture(mistake.path)
    return found
