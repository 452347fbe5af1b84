"""The command line: options from settings, rows to a writer, errors into exit codes.

`mediasift.cli.main` is a click group; any click program can mount it: `cli.add_command(mediasift.cli.main, "media")`.
"""

from __future__ import annotations

import atexit
import errno
import gc
import logging
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click
from click.shell_completion import CompletionItem

from mediasift import __version__
from mediasift.errors import MediasiftError, OutputError, did_you_mean
from mediasift.run import launch
from mediasift.system.network import no_telemetry
from mediasift.verbs import AFTER, BEFORE, MACHINES, SECTIONS, TABLES, VERBS

OTHERS: dict[str, tuple[str, str]] = {
    "demo": ("Make a small folder of all kinds of files and try a dozen verbs on it.", BEFORE),
    "train": ("Teach a classifier one's own labels, from labelled pictures.", BEFORE),
    "watch": ("Keep a table of folders in which pictures appear.", TABLES),
    "evaluate": ("Report how good a table is, against a table of what is true.", AFTER),
    "sample": ("Draw a random sample of a table, with a page on which people code it.", AFTER),
    "agree": ("Report how far coders agree, with intervals, and where they do not.", AFTER),
    "prevalence": ("Report how often labels occur, corrected for errors by a coded sample.", AFTER),
    "merge": ("Put the tables of all parts of a run (--shard) together.", AFTER),
    "cite": ("Report what a paper needs of a table: methods, references, codebook, checklist.", AFTER),
    "rerun": ("Prove the numbers of a table on this machine, or name the first difference.", AFTER),
    "look": ("Make a page on which any table is looked at in a browser.", AFTER),
    "models": ("List, show, fetch, verify and describe models.", MACHINES),
    "bench": ("Measure how fast a model is on this machine; compare two measurements.", MACHINES),
    "serve": ("Answer over HTTP: pictures in, the rows of a verb out.", MACHINES),
    "doctor": ("Report what works on this machine and what is broken.", MACHINES),
}
"""Commands that are more than settings and a table → their text in `--help`, their section."""

COMMANDS = {
    **{name: one.help for name, one in VERBS.items() if one.help},
    **{name: text for name, (text, _) in OTHERS.items()},
}
"""Command → what `--help` says of it; modules are imported when they are used."""

_AHEAD = ("classify", "detect", "embed")
"""Commands whose worker process is started before anything else, because loading what computes takes longest."""


class Commands(click.Group):
    """A group whose commands are imported when they are called, and whose errors become exit codes."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click; an option that belongs behind the command says so."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            behind = f"no option {error.option_name} before a command; type it behind: mediasift COMMAND INPUT..."
            raise click.UsageError(f"{behind} {error.option_name}", ctx) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is about to run; its worker process begins to load what it needs meanwhile."""
        if args[0] not in COMMANDS and not ctx.resilient_parsing:
            likely = did_you_mean(args[0], COMMANDS) or "; mediasift --help lists all"
            if os.path.lexists(args[0]):
                likely = f"; what to do with it comes first, e.g. mediasift classify {args[0]}"
            ctx.fail(f"no command {args[0]!r}{likely}")
        if args[0] in _AHEAD and not ctx.resilient_parsing and not {"--help", "-h"} & set(args):
            ctx.call_on_close(launch.discard)
            launch.start_ahead(args[0])
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in COMMANDS:
            return None
        home = f"mediasift.cli.{cmd_name}"
        if cmd_name in OTHERS or find_spec(home):
            command: click.Command = import_module(home).command
        else:
            command = import_module("mediasift.cli.derived").command_of(cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help from `COMMANDS` alone, so that `--help` imports nothing heavy."""
        homes = {name: OTHERS[name][1] if name in OTHERS else VERBS[name].section for name in COMMANDS}
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl([(name, text) for name, text in COMMANDS.items() if homes[name] == section])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands from `COMMANDS` alone, so that a shell need not wait for all of them to be imported."""
        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run; say an error in one line on stderr and leave with its exit code."""
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        no_telemetry()
        atexit.register(gc.freeze)  # else the last act is to look for cycles in all that was imported
        if sys.stdout is None:  # it is closed: nothing else may get its number, and writing to it is an error
            sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
        notes = _Notes()
        logging.getLogger("mediasift").addHandler(notes)
        ctx.call_on_close(lambda: logging.getLogger("mediasift").removeHandler(notes))
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except MediasiftError as error:
            click.echo(f"Error: {_shown(str(error))}", err=True)
            raise click.exceptions.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:  # the reader of our rows has read enough
            _drop_output()
            raise click.exceptions.Exit(0) from None
        except OSError as error:
            if error.filename is not None or error.errno not in _OUTPUT_FAILS:
                raise
            _drop_output()
            click.echo(
                f"Error: the standard output cannot be written ({error.strerror}); mend that, or name a file with -o",
                err=True,
            )
            raise click.exceptions.Exit(OutputError.exit_code) from None


class _Notes(logging.Handler):
    """What Python's callers find in the log of `mediasift`, for people on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """A line."""
        click.echo(f"Note: {_shown(record.getMessage())}", err=True)


_OUTPUT_FAILS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def _drop_output() -> None:
    """What is left in the buffer must not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shown(text: str) -> str:
    """A message without anything that a terminal would obey: it may hold the name of a file."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="mediasift")
def main() -> None:
    """Turn folders of pictures, video, PDFs and sound into tidy tables.

    Exit codes: 0 all good, 1 finished but some rows carry an error, 2 usage, 3 input, 4 model or provider,
    5 engine or dependency, 6 output, 130 interrupted.
    """


def run() -> None:
    """The `mediasift` program."""
    main(prog_name="mediasift")
