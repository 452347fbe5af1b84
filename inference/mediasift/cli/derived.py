"""A verb's command, made from its settings: one click option for each field, and those of every table."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import MISSING, replace
from typing import Any

import click

from mediasift.cli import options as shared
from mediasift.cli.completion import completion_of, files
from mediasift.engines.engine import PaidSettings
from mediasift.errors import ConsentNeeded, UsageError
from mediasift.run.estimate import Estimated
from mediasift.settings import Declared, comma_separated, options
from mediasift.tables.formats import format_of
from mediasift.verbs import VERBS
from mediasift.verbs.verb import table_of

_INPUTS = (
    """INPUT is a file, a folder, a glob, a list of paths (.txt, .csv, .tsv, .jsonl), or - for such a list on stdin."""
)


_WHICH = "Name files, folders or a list, e.g. photos/"


def command_of(name: str) -> click.Command:
    """The command of a verb."""
    settings = VERBS[name].load()
    command = shared.Command(name, callback=_callback(settings), help=f"{inspect.getdoc(settings)}\n\n{_INPUTS}")
    metavar = getattr(settings, "metavar", "INPUT...")
    command.params = [
        click.Argument(
            ["inputs"],
            nargs=-1 if metavar.endswith("...") else 1,
            required=not hasattr(settings, "boxes"),
            metavar=metavar,
            shell_complete=files,
        ),
        *own_options(settings),
        *shared.table_options(settings.row),
    ]
    return command


class Usual(click.Group):
    """A group that does what is usual unless its first word is another command of its own.

    Args:
        usual: `bench -m M photos` is `bench run -m M photos` where this is `run`.
        attrs: As of a group.
    """

    def __init__(self, *, usual: str, **attrs: Any) -> None:
        super().__init__(**attrs)
        self._usual = usual

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words with the usual command put in front where there is none."""
        return super().parse_args(ctx, args if args[:1] and args[0] in self.commands else [self._usual, *args])


def _callback(settings: Any) -> Callable[..., None]:
    def run(inputs: tuple[str, ...], **chosen: Any) -> None:
        showing = shared.taken(chosen)
        if inputs == () and chosen.get("boxes") is None and chosen.get("stored") is None:
            raise click.MissingParameter(_WHICH, param_type="argument", param_hint="'INPUT...'")
        table = agreed_table(made(settings, chosen), inputs)
        if isinstance(table.rows, Estimated):
            table.rows.format = format_of(showing.output, showing.format, settings.row)
            showing = replace(showing, output=None, format=None)
        shared.finish(table, showing)

    return run


def agreed_table(settings: Any, inputs: tuple[str, ...]) -> Any:
    """The started table; of a paid engine, once the price was shown and agreed to."""
    if not isinstance(settings, PaidSettings):
        return table_of(settings, inputs)
    try:
        return table_of(replace(settings, yes=False), inputs)
    except ConsentNeeded as error:
        if not (settings.yes or settings.dry_run or sys.stdin.isatty()):
            raise
        click.echo(error.estimate, err=True)
        if settings.dry_run:
            raise click.exceptions.Exit(0) from error
        if not settings.yes:
            click.confirm("Send it?", abort=True, err=True)
        return table_of(replace(settings, yes=True), inputs)


def made(settings: Any, chosen: dict[str, Any]) -> Any:
    """The settings that the options of a command line make; what is computed, is computed in a worker."""
    values: dict[str, Any] = {"isolate": True}
    for declared in options(settings):
        value = chosen.get(declared.name)
        if isinstance(value, dict):  # one option for several fields
            values.update(value)
        elif value is not None:
            values[declared.name] = value
    return settings(**values)


def own_options(settings: Any) -> list[click.Parameter]:
    """An option for each field that the command line has, in the order of `settings.options`."""
    return [
        option for declared in options(settings) if declared.flag for option in (_option(declared), *_old(declared))
    ]


def _option(declared: Declared) -> click.Option:
    option, flag = declared.option, declared.flag
    if declared.kind is bool and not declared.is_sequence and option.parse is None:
        names = f"{flag}/--no-{flag[2:]}" if declared.default is True else flag
        return shared.Grouped(
            [names, declared.name], group=declared.group, default=declared.default,
            show_default=declared.default is True, is_flag=True, help=option.help,
        )  # fmt: skip
    plain = option.parse is None and not declared.is_sequence and not option.default
    default: dict[str, Any] = {"default": declared.default} if plain else {}
    if declared.default is MISSING:  # and no default is given: click takes even None for one
        default = {"required": True}
    return shared.Grouped(
        [*([option.short] if option.short else []), flag, declared.name], group=declared.group,
        type=_kind(declared), multiple=option.multiple, metavar=option.metavar or None, callback=_parsed(declared),
        shell_complete=completion_of(declared),
        show_default=option.default or default.get("default") is not None, help=option.help, **default,
    )  # fmt: skip


def _kind(declared: Declared) -> Any:
    option = declared.option
    if option.parse is not None or (declared.is_sequence and not option.multiple):
        return click.STRING
    if declared.choices:
        return shared.Choice(declared.choices)
    if declared.kind in (int, float):
        ranged = click.IntRange if declared.kind is int else click.FloatRange
        least, is_open = (option.least, False) if option.above is None else (option.above, True)
        if (least, option.most) == (None, None):
            return click.INT if declared.kind is int else click.FLOAT
        bounds: dict[str, Any] = {"min": least, "max": option.most, "min_open": is_open}
        return ranged(**bounds)
    return click.STRING


def _parsed(declared: Declared) -> Callable[[click.Context, click.Parameter, Any], Any] | None:
    option = declared.option
    parse = option.parse or (comma_separated if declared.is_sequence and not option.multiple else None)

    def callback(_context: click.Context, parameter: click.Parameter, given: Any) -> Any:
        if given is None or given == ():
            return None
        try:
            if parse is not None:
                given = tuple(parse(text) for text in given) if option.multiple else parse(given)
            if not isinstance(given, dict):
                declared.check(given)
        except UsageError as error:
            raise click.BadParameter(str(error), param=parameter) from error
        return given

    return callback


def _old(declared: Declared) -> list[click.Option]:
    """Former names of an option, each accepted with a warning."""
    parse = _parsed(declared)

    def forward(context: click.Context, parameter: click.Parameter, given: Any) -> None:
        if given is not None:
            click.echo(f"Warning: {parameter.opts[0]} is now {declared.flag}; the old name will go", err=True)
            context.params[declared.name] = given if parse is None else parse(context, parameter, given)

    return [
        click.Option([name, f"{declared.name}_{number}"], type=_kind(declared), hidden=True, expose_value=False,
                     callback=forward, help=f"Former name of {declared.flag}.")
        for number, name in enumerate(declared.option.old)
    ]  # fmt: skip
