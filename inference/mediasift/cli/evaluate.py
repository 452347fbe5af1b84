"""`mediasift evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from mediasift import verbs
from mediasift.cli.derived import own_options
from mediasift.cli.options import Choice, Command, Grouped
from mediasift.errors import UsageError
from mediasift.evaluate.error_rates import EvaluateText, TextScore
from mediasift.evaluate.evaluation import EvaluateLabels
from mediasift.evaluate.labels import Evaluation, Measure
from mediasift.evaluate.references import evaluated_column
from mediasift.evaluate.report import measure_rows
from mediasift.rows import Row
from mediasift.settings import WHAT
from mediasift.tables.formats import FORMATS, format_of, formats_for, write_rows
from mediasift.tables.reports import write_report
from mediasift.tables.writers import Form

_NAMED = 3


def table_to(row_type: type[Row]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that say where a table of such rows goes."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        chosen = click.option("--format", type=Choice(formats_for(row_type)), help="Default: by the suffix of -o.")
        output = click.option(
            "-o", "--output", type=click.Path(path_type=Path), help="Write the table here, e.g. as .csv."
        )
        return output(chosen(function))

    return decorate


@click.command(cls=Command)
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option(
    "--plain",
    cls=Grouped,
    group=WHAT,
    is_flag=True,
    help="Compare text without case and punctuation, as is usual for speech.",
)
@table_to(Measure)
def command(
    *, result: Path, reference: Path, plain: bool, output: Path | None, format: str | None, **chosen: Any
) -> None:  # fmt: skip
    """Report how good a table is, as a table of measures: those of all together first, then those of each label.

    REFERENCE has the column path and what is true: label, or text. Or it is a folder with a folder for each label, or
    with a .txt file for each text. Paths that are not written as in RESULT are matched by name, where that is unique.

    Labels: RESULT is a table of `mediasift classify`, or any with the columns path and label (and score, from 0 to 1).
    Several labels of a picture are several rows of REFERENCE, or a cell such as dog|cat: then use a RESULT made with
    --top 0. REFERENCE may be a coded table, too: what most of its coders answered is true, and with --design shares
    are of the whole table that the sample was drawn from.

    Text: RESULT is a table of `mediasift ocr` or `transcribe`; reported are word and character error rates per file.
    """
    began = datetime.now(UTC)
    if output is not None or format is not None:
        format_of(output, format, Measure)  # a name that says no format, before all is computed
    given = {name: value for name, value in chosen.items() if value is not None}
    if {"variable", "codebook", "design", "coder"} & set(given) or (
        evaluated_column(reference, given.get("encoding")) == "label"
    ):
        if plain:
            raise UsageError("--plain is for text; these are labels")
        evaluation = verbs.evaluate_labels(result, reference, **given)
        made = Made("evaluate", EvaluateLabels(**given), (result, reference), began)
        show(measure_rows(evaluation), Measure, output, format, made)
        _report(evaluation, result)
    else:
        if of_labels := sorted(set(given) - {"encoding", "seed"}):
            raise UsageError(f"--{of_labels[0]} is for labels; {reference} holds text")
        scores = verbs.evaluate_text(result, reference, plain=plain, encoding=given.get("encoding"))
        made = Made(
            "evaluate-text", EvaluateText(plain=plain, encoding=given.get("encoding")), (result, reference), began
        )
        show(scores, TextScore, output, format, made)


command.params = [*command.params[:3], *own_options(EvaluateLabels), *command.params[3:]]


class Made(NamedTuple):
    """What a manifest says of rows: the verb, its settings, the tables that it read, when it began."""

    verb: str
    settings: Any
    inputs: Sequence[Path]
    began: datetime


def show(
    rows: Sequence[Row], row_type: type[Row], output: Path | None, chosen: str | None, made: Made | None = None
) -> None:
    """Into the file, a manifest beside it; else aligned on the terminal, or as CSV."""
    if output is not None:
        if made is None:
            write_rows(output, row_type, rows, format=chosen)
        else:
            write_report(output, row_type, rows, task=made.verb, settings=made.settings, inputs=made.inputs,
                         began=made.began, format=chosen)  # fmt: skip
        return
    form = Form(row_type=row_type)
    FORMATS[chosen or ("aligned" if sys.stdout.isatty() else "csv")].write(rows, form, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _report(evaluation: Evaluation, result: Path) -> None:
    if evaluation.missing:
        names = ", ".join(evaluation.missing[:_NAMED]) + (", ..." if len(evaluation.missing) > _NAMED else "")
        click.echo(f"{len(evaluation.missing)} of the reference have no label in {result}: {names}", err=True)
