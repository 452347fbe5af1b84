"""`mediasift transcribe`, which asks before it sends what is paid for."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mediasift.cli.derived import command_of, made
from mediasift.cli.options import Showing, finish, taken
from mediasift.errors import ConsentNeeded, UsageError
from mediasift.sources.lists import LISTS
from mediasift.tasks.transcribe import Transcribe
from mediasift.verbs.verb import table_of

command = command_of("transcribe")


def _run(inputs: tuple[str, ...], **chosen: Any) -> None:
    showing, settings = taken(chosen), made(Transcribe, chosen)
    _one_for_subtitles(inputs, showing)
    try:
        rows = table_of(replace(settings, yes=False), inputs)
    except ConsentNeeded as error:
        if not (settings.yes or sys.stdin.isatty()):
            raise
        click.echo(error.estimate, err=True)
        if not settings.yes:
            click.confirm("Send it?", abort=True, err=True)
        rows = table_of(replace(settings, yes=True), inputs)
    finish(rows, showing)


def _one_for_subtitles(inputs: tuple[str, ...], showing: Showing) -> None:
    """Before the work is done, not after it."""
    form = showing.format or ("" if showing.output is None else showing.output.suffix.lower().lstrip("."))
    single = len(inputs) == 1 and inputs[0] != "-" and not Path(inputs[0]).is_dir()
    if form in ("srt", "vtt") and not (single and Path(inputs[0]).suffix.lower() not in LISTS):
        raise UsageError(f"a .{form} holds one recording: name one file; of several make a table, or call it for each")


command.callback = _run
