"""`mediasift shots`, with `--summary` for another verb."""

from __future__ import annotations

from typing import Any

import click

from mediasift.cli.derived import command_of, made
from mediasift.cli.options import finish, taken
from mediasift.verbs import VERBS
from mediasift.verbs.verb import table_of

command = command_of("shots")


def _run(inputs: tuple[str, ...], *, summary: bool, **chosen: Any) -> None:
    showing = taken(chosen)
    settings = VERBS["shot_summary" if summary else "shots"].load()
    finish(table_of(made(settings, chosen), inputs), showing)


command.callback = _run
command.params.insert(
    1,
    click.Option(
        ["--summary"], is_flag=True, help="One row per video: cuts per minute, mean and median length of its shots."
    ),
)
