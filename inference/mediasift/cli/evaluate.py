"""`mediasift evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from mediasift import verbs
from mediasift.evaluate.error_rates import TextScore
from mediasift.evaluate.labels import Evaluation, Measure
from mediasift.evaluate.report import evaluated_column, measure_rows
from mediasift.rows import Row
from mediasift.system.files import write_atomically
from mediasift.tables.formats import FORMATS, format_of
from mediasift.tables.writers import Form

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
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the measures here, e.g. as .csv.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap that the intervals come from.")
def command(*, result: Path, reference: Path, plain: bool, report: Path | None, output: Path | None, seed: int) -> None:
    """Report how good a table is, as a table of measures.

    REFERENCE has the column path, written as in RESULT, and what is true: label, or text.

    Labels: RESULT is a table of `mediasift classify`, or any with the columns path and label (and score). Several
    labels of a picture are several rows of REFERENCE, or a cell such as dog|cat: then use a RESULT made with --top 0.

    Text: RESULT is a table of `mediasift ocr` or `transcribe`; reported are word and character error rates per file.
    """
    if output is not None:
        format_of(output, None, Measure)  # a name that says no format, before all is computed
    if evaluated_column(reference) == "text":
        _show(verbs.evaluate_text(result, reference, plain=plain), TextScore, output)
    else:
        found = verbs.evaluate_labels(result, reference, report=report, seed=seed)
        _show(measure_rows(found), Measure, output)
        _report_missing(found, result)


def _show(rows: Sequence[Row], row_type: type[Row], output: Path | None) -> None:
    """Into the file; else aligned on the terminal, or as CSV."""
    form = Form(row_type=row_type)
    if output is not None:
        write = FORMATS[format_of(output, None, row_type)].write
        write_atomically(output, lambda file: write(rows, form, file))
        return
    FORMATS["aligned" if sys.stdout.isatty() else "csv"].write(rows, form, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _report_missing(found: Evaluation, result: Path) -> None:
    if found.missing:
        names = ", ".join(found.missing[:_NAMED]) + (", ..." if len(found.missing) > _NAMED else "")
        click.echo(f"{len(found.missing)} of the reference have no label in {result}: {names}", err=True)
