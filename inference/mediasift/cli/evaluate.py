"""`mediasift evaluate`."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from mediasift import api
from mediasift.run.evaluation import MEASURES, measure_rows

_NAMED = 3


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option(
    "-d",
    "--report",
    type=click.Path(path_type=Path),
    help="Folder for tables and plots: confusion, calibration, mistakes.",
)
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap that the intervals come from.")
def command(*, result: Path, reference: Path, report: Path | None, seed: int) -> None:
    """Tell how good a table of labels is, as a table of measures.

    RESULT is a table of `mediasift classify`, or any with the columns path and label (and score). REFERENCE has the
    columns path and label, written as in RESULT; several labels of a picture are several rows, or a cell such as
    dog|cat: then use a RESULT made with --top 0.
    """
    _tell_labels(result, reference, report=report, seed=seed)


def _tell_labels(result: Path, reference: Path, *, report: Path | None, seed: int) -> None:
    found = api.evaluate_labels(result, reference, report=report, seed=seed)
    rows = [["" if cell is None else str(cell) for cell in row] for row in (MEASURES, *measure_rows(found))]
    if sys.stdout.isatty():
        widths = [max(len(row[column]) for row in rows) for column in range(len(MEASURES))]
        for row in rows:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    else:
        csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    if found.missing:
        names = ", ".join(found.missing[:_NAMED]) + (", ..." if len(found.missing) > _NAMED else "")
        click.echo(f"{len(found.missing)} of the reference have no label in {result}: {names}", err=True)
