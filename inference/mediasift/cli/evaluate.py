"""`mediasift evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mediasift import api
from mediasift.run.writers import WRITERS, Form, format_of, write_atomically
from mediasift.similarity.error_rates import TextScore


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option("--plain", is_flag=True, help="Compare text without case and punctuation, as is usual for speech.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the scores here.")
def command(*, result: Path, reference: Path, plain: bool, output: Path | None) -> None:
    """Tell how good a table of text is: word and character error rate, per file and in all.

    RESULT is a table of `mediasift ocr` or `transcribe`; REFERENCE has the columns path, written as in RESULT, and
    text.
    """
    scores = api.evaluate_text(result, reference, plain=plain)
    form = Form(row_type=TextScore)
    if output is not None:
        writer = WRITERS[format_of(output, None)]
        write_atomically(output, lambda file: writer(scores, form, file))
        return
    WRITERS["aligned" if sys.stdout.isatty() else "csv"](scores, form, sys.stdout.buffer)
    sys.stdout.buffer.flush()
