"""`mediasift sample TABLE -n 300 -d DIR`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import click

from mediasift.cli.derived import own_options
from mediasift.cli.options import Command
from mediasift.evaluate.sample import Sample, Sampled, sample
from mediasift.tables.writers import printable_text

_NAMED = 3


@click.command(cls=Command, help=inspect.getdoc(Sample))
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(*, table: Path, quiet: bool, **chosen: Any) -> None:
    """See `Sample`."""
    settings = Sample(**{name: value for name, value in chosen.items() if value is not None})
    sampled = sample(table, settings, progress=None if quiet else sys.stderr)
    for line in _summary(sampled, settings):
        click.echo(line, err=True)
    if sampled.unseen:
        raise click.exceptions.Exit(1)


def _summary(sampled: Sampled, settings: Sample) -> list[str]:
    drawn, folder = len(sampled.drawn), sampled.directory
    strata = f" in {sampled.strata:,} strata" if settings.by else ""
    people = f"{settings.coders} coder{'s' * (settings.coders > 1)}"
    lines = [f"{folder}: {drawn:,} of {sampled.population:,} items drawn{strata}, for {people}"]
    if drawn < settings.count:
        lines.append(f"There are fewer than {settings.count:,}, so all are in the sample.")
    if sampled.errors:
        lines.append(f"Left out: {sampled.errors:,} with an error.")
    if sampled.without_part:
        lines.append(f"Left out: {sampled.without_part:,} in which nothing was found; --per item draws them.")
    if sampled.unseen:
        named = "; ".join(map(printable_text, sampled.unseen[:_NAMED])) + ("; ..." * (len(sampled.unseen) > _NAMED))
        lines.append(f"Not shown on the page: {len(sampled.unseen):,}, {named}")
    page = folder / "index.html"
    return [*lines, f"Open {page} in a browser. For coders: a copy of the folder without design.csv and its manifest."]


command.params = [command.params[0], *own_options(Sample), *command.params[1:]]
