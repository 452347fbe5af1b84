"""`mediasift bench -m MODEL [INPUT...] | --url URL [INPUT...] | compare A B`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import click

from mediasift import verbs
from mediasift.bench.report import compared_lines, lines, load_lines
from mediasift.bench.settings import BenchSettings, CompareSettings, LoadSettings
from mediasift.cli import options
from mediasift.cli.completion import files
from mediasift.cli.derived import Usual, own_options

EXIT_CODES = {"slower": 1, "undecided": 7}


class Bench(Usual):
    """`bench --url U` is `bench load --url U`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `Usual`."""
        of_server = args[:1] != ["compare"] and any(one.partition("=")[0] == "--url" for one in args)
        return super().parse_args(ctx, ["load", *args] if of_server and args[0] != "load" else args)


@click.group(cls=Bench, usual="run")
def command() -> None:
    """Measure how fast a model is on this machine, or a server that has one; compare two measurements."""


def _subcommand(settings: Any, *named: str) -> Callable[[Callable[..., None]], click.Command]:
    """A command that takes the settings' options, INPUTs, `--offline` and `--quiet`."""

    def decorate(function: Callable[..., None]) -> click.Command:
        def run(*, quiet: bool, **chosen: Any) -> None:
            given = {name: value for name, value in chosen.items() if value is not None}
            function(progress=None if quiet else sys.stderr, **given)

        run = options.offline_option(click.option("--quiet", is_flag=True, help="No progress on stderr.")(run))
        made = command.command(function.__name__, cls=options.Command, help=inspect.getdoc(settings))(run)
        arguments = [click.Argument([name]) for name in named]
        inputs = click.Argument(["inputs"], nargs=-1, required=False, metavar="[INPUT...]", shell_complete=files)
        made.params = [*arguments, inputs, *own_options(settings), *made.params]
        return made

    return decorate


@_subcommand(BenchSettings)
def run(**chosen: Any) -> None:
    """See `BenchSettings`."""
    for line in lines(verbs.bench(**chosen)):
        click.echo(line)


@_subcommand(LoadSettings)
def load(**chosen: Any) -> None:
    """See `LoadSettings`."""
    for line in load_lines(verbs.bench_server(**chosen)):
        click.echo(line)


@_subcommand(CompareSettings, "before", "after")
def compare(**chosen: Any) -> None:
    """See `CompareSettings`."""
    comparison = verbs.compare_bench(**chosen)
    for line in compared_lines(comparison):
        click.echo(line)
    raise click.exceptions.Exit(EXIT_CODES.get(comparison.verdict, 0))
