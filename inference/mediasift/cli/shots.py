"""`mediasift shots`."""

from __future__ import annotations

from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options


@click.command()
@options.inputs
@click.option("--summary", is_flag=True, help="One row per video: cuts per minute, mean and median shot length.")
@options.detector
@click.option(
    "--fades/--no-fades", default=True, show_default=True, help="Whether black between two shots parts them, too."
)
@options.table
def command(*, inputs: tuple[str, ...], summary: bool, detector: str, fades: bool, **shared: Any) -> None:
    """Find the shots of videos: a row for each, with its length, brightness, colourfulness and motion."""
    passed, showing = options.split(shared)
    find = verbs.shot_summary if summary else verbs.shots
    options.finish(find(inputs, detector=detector, fades=fades, **passed), **showing)
