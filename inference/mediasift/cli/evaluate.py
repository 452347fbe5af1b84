"""`mediasift evaluate`."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import click

from mediasift import verbs
from mediasift.errors import UsageError
from mediasift.evaluate.error_rates import TextScore
from mediasift.evaluate.labels import Evaluation
from mediasift.evaluate.report import MEASURES, measure_rows
from mediasift.system.files import write_atomically
from mediasift.tables.writers import WRITERS, Form, format_of
from mediasift.verbs.evaluation import evaluated_column

_NAMED = 3


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option("--plain", is_flag=True, help="Compare text without case and punctuation, as is usual for speech.")
@click.option(
    "-d",
    "--report",
    type=click.Path(path_type=Path),
    help="For labels: folder for tables and plots: confusion, calibration, mistakes.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the measures here, as .csv.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap that the intervals come from.")
def command(*, result: Path, reference: Path, plain: bool, report: Path | None, output: Path | None, seed: int) -> None:
    """Tell how good a table is, as a table of measures.

    REFERENCE has the column path, written as in RESULT, and what is true: label, or text.

    Labels: RESULT is a table of `mediasift classify`, or any with the columns path and label (and score). Several
    labels of a picture are several rows of REFERENCE, or a cell such as dog|cat: then use a RESULT made with --top 0.

    Text: RESULT is a table of `mediasift ocr` or `transcribe`; told are word and character error rates per file.
    """
    if evaluated_column(reference) == "text":
        rows, columns = verbs.evaluate_text(result, reference, plain=plain), Form(row_type=TextScore)
        _tell(lambda name, file: WRITERS[name](rows, columns, file), output)
    else:
        found = verbs.evaluate_labels(result, reference, report=report, seed=seed)
        _tell(lambda name, file: _write_measures(found, name, file), output)
        _tell_missing(found, result)


def _tell(write: Callable[[str, IO[bytes]], None], output: Path | None) -> None:
    """On the terminal aligned, else as CSV."""
    if output is not None:
        if format_of(output, None) != "csv":
            raise UsageError(f"{output}: the measures are written as .csv")
        write_atomically(output, lambda file: write("csv", file))
        return
    write("aligned" if sys.stdout.isatty() else "csv", sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _write_measures(found: Evaluation, name: str, file: IO[bytes]) -> None:
    rows = [["" if cell is None else str(cell) for cell in row] for row in (MEASURES, *measure_rows(found))]
    text = io.StringIO(newline="")
    if name == "csv":
        csv.writer(text, lineterminator="\n").writerows(rows)
    else:
        widths = [max(len(row[column]) for row in rows) for column in range(len(MEASURES))]
        for row in rows:
            text.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    file.write(text.getvalue().encode())


def _tell_missing(found: Evaluation, result: Path) -> None:
    if found.missing:
        names = ", ".join(found.missing[:_NAMED]) + (", ..." if len(found.missing) > _NAMED else "")
        click.echo(f"{len(found.missing)} of the reference have no label in {result}: {names}", err=True)
