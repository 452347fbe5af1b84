"""`mediasift prevalence TABLE CODED...`."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mediasift.cli.derived import own_options
from mediasift.cli.evaluate import Made, show, table_to
from mediasift.cli.options import Command
from mediasift.evaluate.prevalence import Prevalence, Share, shares
from mediasift.tables.formats import format_of


@click.command(cls=Command, help=inspect.getdoc(Prevalence))
@click.argument("table", type=click.Path(path_type=Path))
@click.argument("coded", nargs=-1, required=True, type=click.Path(path_type=Path))
@table_to(Share)
def command(*, table: Path, coded: tuple[Path, ...], output: Path | None, format: str | None, **chosen: Any) -> None:
    """See `Prevalence`."""
    format_of(output, format, Share)  # a name that says no format, before all is computed
    began = datetime.now(UTC)
    settings = Prevalence(**{name: value for name, value in chosen.items() if value is not None})
    made = Made("prevalence", settings, (table, *coded), began)
    show(shares(table, coded, settings), Share, output, format, made)


command.params = [*command.params[:2], *own_options(Prevalence), *command.params[2:]]
