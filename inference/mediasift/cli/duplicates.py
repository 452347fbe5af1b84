"""`mediasift duplicates`."""

from __future__ import annotations

from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options


@click.command()
@options.inputs
@click.option(
    "--match",
    type=click.Choice(["near", "pixels", "bytes"]),
    default="near",
    show_default=True,
    help="What counts: near duplicates, the same pixels in any file, or the same file.",
)
@click.option(
    "--min-similarity",
    type=click.FloatRange(-1, 1),
    help="For near: a member is at least so similar to its group's representative.  [default: by method: "
    + options.DEFAULTS
    + "]",
)
@options.turns
@click.option(
    "--prefer",
    type=click.Choice(["largest", "sharpest", "first"]),
    default="largest",
    show_default=True,
    help="Which picture of a group stands for it.",
)
@click.option(
    "--against",
    multiple=True,
    help="An old collection to compare with: only INPUT gets rows. May be given several times.",
)
@options.comparing
@options.table
def command(*, inputs: tuple[str, ...], against: tuple[str, ...], **shared: Any) -> None:
    """Find pictures that are the same, or nearly: a row for each, with the number of its group.

    Every member is similar enough to the picture that stands for its group, so that groups do not chain.
    """
    how, passed, showing = options.split_comparing(shared)
    own = {name: passed.pop(name) for name in ("match", "min_similarity", "turns", "prefer")}
    options.finish(verbs.duplicates(inputs, against=against or None, **own, **how, **passed), **showing)
