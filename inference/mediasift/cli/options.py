"""Options that every table has, and what a command does with its table."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from mediasift.errors import UsageError, count_of, did_you_mean
from mediasift.rows import Row
from mediasift.run.table import Table
from mediasift.settings import GROUPS, MACHINE, OUTPUT
from mediasift.sources.spellings import of_archives
from mediasift.system.network import VARIABLE
from mediasift.tables.formats import format_of, formats_for
from mediasift.tables.writers import printable_text


def _go_offline(ctx: click.Context, _option: click.Parameter, chosen: bool) -> None:
    """For this command and the processes it starts."""
    if chosen:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = "1"
        ctx.call_on_close(lambda: os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before}))


_OFFLINE: dict[str, Any] = {
    "group": MACHINE, "is_flag": True, "expose_value": False, "is_eager": True, "callback": _go_offline,
    "help": "Open no connection; the same as MEDIASIFT_OFFLINE=1.",
}  # fmt: skip


class Choice(click.Choice[str]):
    """One of some names; a mistyped one is answered with the name that was meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            likely = did_you_mean(value, self.choices)
            raise click.BadParameter(f"{error.message.rstrip('.')}{likely or '.'}", ctx, param) from None


class Grouped(click.Option):
    """An option of a group of `settings.GROUPS`; those of click itself are about the output."""

    def __init__(self, *args: Any, group: str = OUTPUT, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.group = group


class Command(click.Command):
    """A command whose `--help` shows its options in groups, and whose messages say what a missing option is for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click, but for that."""
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter as error:
            if not isinstance(error.param, click.Option):
                raise
            raise click.MissingParameter(error.param.help, ctx=error.ctx, param=error.param) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The groups that it has, each under its name."""
        groups: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                group = MACHINE if "--help" in option.opts else getattr(option, "group", OUTPUT)
                groups[group].append(record)
        filled = {group: records for group, records in groups.items() if records}
        for group, records in filled.items():
            with formatter.section(group if len(filled) > 1 else "Options"):
                formatter.write_dl(records)


offline_option = click.option("--offline", cls=Grouped, **_OFFLINE)
"""For commands that are not derived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """Where a table goes."""

    output: Path | None
    format: str | None
    spreadsheet_safe: bool
    restart: bool
    update: bool
    retry_errors: bool
    quiet: bool


def table_options(row: type[Row]) -> list[click.Parameter]:
    """Where the table of such rows goes, and how it is begun or continued."""
    return [
        click.Option(["-o", "--output"], type=click.Path(path_type=Path),
                     help="Write the table here, a manifest beside it."),
        click.Option(["--format"], type=Choice(formats_for(row)), help="Default: by the suffix of -o."),
        click.Option(["--spreadsheet-safe"], is_flag=True, help="Put a ' before text cells that begin with = + - @."),
        click.Option(["--restart"], is_flag=True, help="Begin the table of -o again instead of continuing it."),
        click.Option(["--update"], is_flag=True,
                     help="Add inputs to the finished table of -o: new ones, and those whose files changed since."),
        click.Option(["--retry-errors"], is_flag=True, help="Read inputs again whose rows in -o carry an error."),
        Grouped(["--offline"], **_OFFLINE),
        click.Option(["--quiet"], is_flag=True, help="No progress on stderr."),
    ]  # fmt: skip


def taken(chosen: dict[str, Any]) -> Showing:
    """The options of `table_options`, taken out of all that were chosen.

    Raises:
        UsageError: Options that make no sense together.
    """
    showing = Showing(**{name: chosen.pop(name) for name in Showing.__slots__})
    if showing.output is None and (showing.restart or showing.update or showing.retry_errors):
        raise UsageError("--restart, --update and --retry-errors are about the table of -o; name it")
    if showing.restart and (showing.update or showing.retry_errors):
        raise UsageError("--restart begins the table again; --update and --retry-errors keep what it has: choose one")
    return showing


def finish(rows: Table[Any], showing: Showing) -> None:
    """Write the table where it was asked for; leave with 1 when some rows carry an error."""
    progress = None if showing.quiet else sys.stderr
    if progress is not None and rows.settings.get("device") == "auto":
        click.echo(f"auto: the model runs on {rows.facts.get('device', 'cpu')}", err=True)
    if progress is not None and (assumed := rows.facts.get("assumed")):
        click.echo(f"assumed of {rows.facts.get('model')}, which says little of itself: {assumed}", err=True)
    if showing.output is not None:
        rows.write(
            showing.output, format=showing.format, spreadsheet_safe=showing.spreadsheet_safe, progress=progress,
            restart=showing.restart, update=showing.update, retry_errors=showing.retry_errors,
        )  # fmt: skip
        if progress is not None:
            click.echo(_summary(rows, showing.output), err=True)
    else:
        is_terminal = sys.stdout.isatty()
        form = showing.format or ("aligned" if is_terminal else format_of(None, None))
        stream = sys.stdout.buffer
        rows.print_to(
            stream, format=form, spreadsheet_safe=showing.spreadsheet_safe, progress=None if is_terminal else progress
        )
        stream.flush()
    if rows.summary.error_rows:
        raise click.exceptions.Exit(1)


_NAMED = 10
"""Vanished inputs that are named on the terminal; the manifest has all of them."""


def _summary(rows: Table[Any], output: Path) -> str:
    summary = rows.summary
    counts = f"{count_of(summary.rows, 'row')} from {count_of(summary.sources, 'file')}"
    if rows.left_alone:
        return (
            f"{output}: is finished ({counts}); nothing was done. "
            "To add new and changed files: --update; to read failed ones again: --retry-errors; to begin again: "
            "--restart"
        )
    errors = "".join(f", {count:,} {code}" for code, count in summary.errors.items())
    skipped, archives = sum(summary.skipped.values()), summary.skipped.get("archive", 0)
    left_out = f"; {count_of(skipped, 'file')} left out, see {output.name}.run.json" if skipped else ""
    left_out += f"; {of_archives(archives)}" if archives else ""
    old = f"; {summary.taken_over:,} were done before" if summary.taken_over else ""
    gone = ", ".join(printable_text(path) for path in summary.vanished[:_NAMED])
    more = ", ..." if len(summary.vanished) > _NAMED else ""
    vanished = f"; {len(summary.vanished):,} are no longer there (their rows stay): {gone}{more}" if gone else ""
    return f"{output}: {counts}{errors}{left_out}{old}{vanished}"
