"""The command line: parses options, calls one function of `api`, hands rows to a writer, turns errors into exit codes.

`mediasift.cli.main` is a click group; any click program can mount it: `cli.add_command(mediasift.cli.main, "media")`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from mediasift import __version__
from mediasift.errors import MediasiftError
from mediasift.run import launch
from mediasift.system.network import no_telemetry

COMMANDS: dict[str, tuple[str, str]] = {
    "classify": ("mediasift.cli.classify", "Label pictures with a model."),
    "info": ("mediasift.cli.info", "Tell format, size, duration, date and place of files, from their headers."),
    "convert": ("mediasift.cli.convert", "Change size, colours, position and format of pictures."),
    "compare": ("mediasift.cli.compare", "Tell how similar pictures are to each other."),
    "duplicates": ("mediasift.cli.duplicates", "Find pictures that are the same, or nearly."),
    "search": ("mediasift.cli.search", "Find the pictures that are most like a given one."),
    "embed": ("mediasift.cli.embed", "Turn pictures into vectors with a model."),
    "detect": ("mediasift.cli.detect", "Find objects in pictures and videos, with boxes."),
    "keyframes": ("mediasift.cli.keyframes", "Choose frames of videos; write them as stills."),
    "shots": ("mediasift.cli.shots", "Find the shots of videos and measure them."),
    "timeline": ("mediasift.cli.timeline", "Shots, key frames, labels and objects of videos on one clock."),
    "ocr": ("mediasift.cli.ocr", "Read the text in pictures and PDFs."),
    "transcribe": ("mediasift.cli.transcribe", "Write down what is said in sound and video."),
    "evaluate": ("mediasift.cli.evaluate", "Tell how good a table is, against a table of what is true."),
    "models": ("mediasift.cli.models", "List, show, fetch, verify and describe models."),
    "bench": ("mediasift.cli.bench", "Measure how fast a model is on this machine; compare two measurements."),
    "doctor": ("mediasift.cli.doctor", "Tell what works on this machine and what is broken."),
}
"""Command → (the module whose `command` it is, what `--help` says of it). Modules are imported when they are used."""


_AHEAD = ("classify", "detect", "embed")
"""Commands whose worker process is started before anything else, because loading what computes takes longest."""


class Commands(click.Group):
    """A group whose commands are imported when they are called, and whose errors become exit codes."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is about to run; its worker process begins to load what it needs meanwhile."""
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
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help from `COMMANDS` alone, so that `--help` imports nothing heavy."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run; say an error in one line on stderr and leave with its exit code."""
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        no_telemetry()
        try:
            return super().invoke(ctx)
        except MediasiftError as error:
            click.echo(f"Error: {_shown(str(error))}", err=True)
            raise click.exceptions.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(130) from None
        except BrokenPipeError:
            # Whoever read our rows has read enough; what is left in the buffer must not fail again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None


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
