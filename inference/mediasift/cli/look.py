"""`mediasift look TABLE -d DIR`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import click

from mediasift.cli.derived import made, own_options
from mediasift.cli.options import Command
from mediasift.errors import count_of
from mediasift.look.settings import Look, look
from mediasift.tables.writers import printable_text


@click.command(cls=Command, help=inspect.getdoc(Look))
@click.argument("table", type=click.Path(path_type=Path), required=False)
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(*, table: Path | None, quiet: bool, **chosen: Any) -> None:
    """See `Look`."""
    looked = look(table, made(Look, chosen), progress=None if quiet else sys.stderr)
    click.echo(
        f"{looked.page}: {count_of(looked.tiles, 'tile')} of {count_of(looked.rows, 'row')}; open it in a browser",
        err=True,
    )
    if looked.unseen:
        first = printable_text(looked.first_unseen)
        click.echo(f"Not to be seen: {looked.unseen:,}, e.g. {first}", err=True)
        raise click.exceptions.Exit(1)


command.params = [command.params[0], *own_options(Look), *command.params[1:]]
