"""`mediasift evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from mediasift import verbs
from mediasift.evaluate.error_rates import TextScore
from mediasift.evaluate.labels import Evaluation, Measure
from mediasift.evaluate.references import evaluated_column
from mediasift.evaluate.report import measure_rows
from mediasift.rows import Row
from mediasift.tables.formats import FORMATS, format_of, formats_for, write_rows
from mediasift.tables.writers import Form

_NAMED = 3


def table_to(row_type: type[Row]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that say where a table of such rows goes."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        chosen = click.option(
            "--format", type=click.Choice(formats_for(row_type)), help="Default: by the suffix of -o."
        )
        output = click.option(
            "-o", "--output", type=click.Path(path_type=Path), help="Write the table here, e.g. as .csv."
        )
        return output(chosen(function))

    return decorate


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
@table_to(Measure)
@click.option("--encoding", metavar="NAME", help="Of both tables, e.g. utf-16 or cp1252.  [default: utf-8]")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap that intervals come from.")
def command(
    *, result: Path, reference: Path, plain: bool, report: Path | None, output: Path | None, format: str | None,
    encoding: str | None, seed: int,
) -> None:  # fmt: skip
    """Report how good a table is, as a table of measures: those of all together first, then those of each label.

    REFERENCE has the column path and what is true: label, or text. Or it is a folder with a folder for each label, or
    with a .txt file for each text. Paths that are not written as in RESULT are matched by name, where that is unique.

    Labels: RESULT is a table of `mediasift classify`, or any with the columns path and label (and score, from 0 to 1).
    Several labels of a picture are several rows of REFERENCE, or a cell such as dog|cat: then use a RESULT made with
    --top 0.

    Text: RESULT is a table of `mediasift ocr` or `transcribe`; reported are word and character error rates per file.
    """
    if output is not None or format is not None:
        format_of(output, format, Measure)  # a name that says no format, before all is computed
    if evaluated_column(reference, encoding) == "text":
        scores = verbs.evaluate_text(result, reference, plain=plain, encoding=encoding)
        show(scores, TextScore, output, format)
    else:
        evaluation = verbs.evaluate_labels(result, reference, report=report, seed=seed, encoding=encoding)
        show(measure_rows(evaluation), Measure, output, format)
        _report(evaluation, result)


def show(rows: Sequence[Row], row_type: type[Row], output: Path | None, chosen: str | None) -> None:
    """Into the file; else aligned on the terminal, or as CSV."""
    if output is not None:
        write_rows(output, row_type, rows, format=chosen)
        return
    form = Form(row_type=row_type)
    FORMATS[chosen or ("aligned" if sys.stdout.isatty() else "csv")].write(rows, form, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _report(evaluation: Evaluation, result: Path) -> None:
    if evaluation.missing:
        names = ", ".join(evaluation.missing[:_NAMED]) + (", ..." if len(evaluation.missing) > _NAMED else "")
        click.echo(f"{len(evaluation.missing)} of the reference have no label in {result}: {names}", err=True)
