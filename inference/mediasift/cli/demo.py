"""`mediasift demo -d DIR`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import click

from mediasift.cli.derived import own_options
from mediasift.cli.options import Command
from mediasift.demo.tour import PAGE, Demo, tour
from mediasift.tables.writers import printable_text


@click.command(cls=Command, help=inspect.getdoc(Demo))
def command(**chosen: Any) -> None:
    """See `Demo`."""
    settings = Demo(**chosen)
    click.echo("Drawing digits and landscapes, making a film and a letter ...", err=True)
    for taken in tour(settings):
        lines = (f"# {taken.step.title}", f"$ {taken.command}", *taken.lines)
        click.echo("".join(f"{printable_text(line)}\n" for line in lines))
        if taken.message:
            click.echo(printable_text(taken.message), err=True)
            raise click.exceptions.Exit(taken.exit_code or 1)
    click.echo(f"Open {Path(settings.directory, PAGE)} in a browser; for your own files: mediasift --help", err=True)


command.params = own_options(Demo)
