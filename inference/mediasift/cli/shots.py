"""`mediasift shots`, with `--summary` for another verb."""

from __future__ import annotations

from typing import Any

from mediasift.cli.derived import command_of, made
from mediasift.cli.options import Grouped, finish, taken
from mediasift.settings import WHAT
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
    Grouped(
        ["--summary"],
        group=WHAT,
        is_flag=True,
        help="One row per video: cuts per minute, mean and median length of its shots.",
    ),
)
