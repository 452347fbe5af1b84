"""`mediasift rerun TABLE.run.json`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli.derived import own_options
from mediasift.cli.evaluate import show, table_to
from mediasift.cli.options import Command, offline_option
from mediasift.provenance.recorded import read_manifest
from mediasift.provenance.rerun import Check, Rerun
from mediasift.tables.formats import format_of
from mediasift.tables.writers import printable_text


@click.command(cls=Command, help=inspect.getdoc(Rerun))
@click.argument("manifest", type=click.Path(path_type=Path))
@offline_option
@table_to(Check)
def command(*, manifest: Path, output: Path | None, format: str | None, **chosen: Any) -> None:
    """See `Rerun`."""
    if output is not None or format is not None:
        format_of(output, format, Check)  # a name that says no format, before all is computed
    checks = verbs.rerun(manifest, **{name: value for name, value in chosen.items() if value is not None})
    show(checks, Check, output, format)
    table = read_manifest(manifest).table
    if different := next((one for one in checks if one.error), None):
        click.echo(f"{table}: not the same: {printable_text(different.error.partition(': ')[2])}", err=True)
        raise click.exceptions.Exit(1)
    other = "".join(f"; other {one.check}: {one.recorded} there, {one.here} here" for one in checks if
                    one.result == "other")  # fmt: skip
    click.echo(f"{table}: the same, {checks[-1].here} rows{other}", err=True)


command.params = [command.params[0], *own_options(Rerun), *command.params[1:]]
