"""`mediasift agree CODED...`."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mediasift.cli.derived import own_options
from mediasift.cli.evaluate import Made, show, table_to
from mediasift.cli.options import Command
from mediasift.evaluate.coders import Agree, Agreement, agreed
from mediasift.tables.formats import format_of


@click.command(cls=Command, help=inspect.getdoc(Agree))
@click.argument("coded", nargs=-1, required=True, type=click.Path(path_type=Path))
@table_to(Agreement)
def command(*, coded: tuple[Path, ...], output: Path | None, format: str | None, **chosen: Any) -> None:
    """See `Agree`."""
    format_of(output, format, Agreement)  # a name that says no format, before all is computed
    began, settings = datetime.now(UTC), Agree(**{name: value for name, value in chosen.items() if value is not None})
    result = agreed(coded, settings)
    show(result.measures, Agreement, output, format, Made("agree", settings, coded, began))
    where = f"see {listed}" if (listed := chosen.get("disagreements")) else "--disagreements FILE lists them"
    click.echo(f"{len(result.disagreements)} disagreements; {where}", err=True)


command.params = [command.params[0], *own_options(Agree), *command.params[1:]]
