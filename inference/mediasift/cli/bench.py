"""`mediasift bench -m MODEL [INPUT...] | compare A B`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING
from typing import Any

import click

from mediasift import verbs
from mediasift.bench.report import compared_lines, lines
from mediasift.bench.settings import BenchSettings, CompareSettings
from mediasift.cli import options
from mediasift.settings import options as declared

EXIT_CODES = {"slower": 1, "undecided": 7}


class Bench(click.Group):
    """A group that measures unless its first word is another command of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`bench -m M photos` is `bench run -m M photos`."""
        return super().parse_args(ctx, args if args[:1] and args[0] in self.commands else ["run", *args])


@click.group(cls=Bench)
def command() -> None:
    """Measure how fast a model is on this machine, and compare two measurements."""


def _options(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options of a class of settings, `--offline` and `--quiet`."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        function = options.offline(click.option("--quiet", is_flag=True, help="No progress on stderr.")(function))
        for one in reversed(declared(kind)):
            option, is_flag = one.option, one.kind is bool
            flag = f"{one.flag}/--no-{one.flag[2:]}" if one.default is True else one.flag
            stated = f"  [default: {option.default}]" if option.default else ""
            default = {"required": True} if one.default is MISSING else {"default": one.default}
            function = click.option(
                *filter(None, (option.short, flag, one.name)), is_flag=is_flag, multiple=option.multiple, **default,
                type=click.Choice(one.choices) if one.choices else None if is_flag else one.kind,
                show_default=bool(one.default), metavar=option.metavar or None, help=option.help + stated,
            )(function)  # fmt: skip
        function.__doc__ = kind.__doc__
        return function

    return decorate


@command.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT...]")
@_options(BenchSettings)
def run(*, quiet: bool, **chosen: Any) -> None:  # noqa: D103  (its help is that of the settings)
    for line in lines(verbs.bench(progress=None if quiet else sys.stderr, **chosen)):
        click.echo(line)


@command.command()
@click.argument("before")
@click.argument("after")
@click.argument("inputs", nargs=-1, metavar="[INPUT...]")
@_options(CompareSettings)
def compare(*, quiet: bool, **chosen: Any) -> None:  # noqa: D103
    comparison = verbs.compare_bench(progress=None if quiet else sys.stderr, **chosen)
    for line in compared_lines(comparison):
        click.echo(line)
    raise click.exceptions.Exit(EXIT_CODES.get(comparison.verdict, 0))
