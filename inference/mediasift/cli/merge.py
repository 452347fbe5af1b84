"""`mediasift merge PART... -o TABLE`."""

from __future__ import annotations

from pathlib import Path

import click

from mediasift.cli.options import Command
from mediasift.errors import count_of
from mediasift.run.merge import merge


@click.command(cls=Command)
@click.argument("part", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The table of all.")
def command(*, part: tuple[Path, ...], output: Path) -> None:
    """Put the tables of all parts of a run together: the bytes of a run that was never divided.

    PART is a table that was written with --shard I/N; all N must be there, in any order. They must be of the same
    inputs, settings and versions.
    """
    summary = merge(part, output)
    counts = f"{count_of(summary.rows, 'row')} from {count_of(summary.sources, 'file')}"
    click.echo(f"{output}: {counts} in {count_of(len(part), 'part')}", err=True)
    if summary.error_rows:
        raise click.exceptions.Exit(1)
