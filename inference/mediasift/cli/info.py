"""`mediasift info`."""

from __future__ import annotations

from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options


@click.command()
@options.inputs
@options.table
def command(*, inputs: tuple[str, ...], **shared: Any) -> None:
    """Tell format, size, duration, date and place of files: a row for each picture, page, video or sound.

    Only headers are read. Width and height are those of the upright picture; of a PDF page, in points.
    """
    passed, showing = options.split(shared)
    options.finish(verbs.info(inputs, **passed), **showing)
