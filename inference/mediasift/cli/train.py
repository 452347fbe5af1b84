"""`mediasift train DATA -o my.onnx`."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import click

from mediasift.cli.derived import made, own_options
from mediasift.cli.evaluate import show
from mediasift.cli.options import Command, offline_option
from mediasift.evaluate.labels import Measure
from mediasift.train.settings import Train, train


@click.command(cls=Command, help=inspect.getdoc(Train))
@click.argument("data", type=click.Path(path_type=Path))
@offline_option
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(*, data: Path, quiet: bool, **chosen: Any) -> None:
    """See `Train`."""
    trained = train(data, made(Train, chosen), progress=None if quiet else sys.stderr)
    show(trained.measures, Measure, None, None)
    for text in trained.warnings:
        click.echo(f"Warning: {text}.", err=True)
    click.echo(f"wrote {trained.output}; type: mediasift classify PHOTOS -m {trained.output}", err=True)


command.params = [command.params[0], *own_options(Train), *command.params[1:]]
