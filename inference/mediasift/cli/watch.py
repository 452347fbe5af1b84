"""`mediasift watch FOLDER -m MODEL -o TABLE`; `mediasift watch VERB FOLDER ...` for what other verbs make of files."""

from __future__ import annotations

import inspect
from typing import Any

import click

from mediasift.cli.completion import folders
from mediasift.cli.derived import Usual, command_of, made, own_options
from mediasift.cli.options import Command, finish, taken
from mediasift.run.watch import Watch, WatchSettings
from mediasift.settings import options
from mediasift.verbs import VERBS
from mediasift.verbs.verb import table_of

WATCHED = ("classify", "detect", "segment", "embed", "ocr", "info", "transcribe")
"""Verbs whose rows depend on one file each."""

_NEEDLESS = ("inputs", "update", "boxes", "per", "column", "keep", "encoding", "shard", "estimate")
"""Options about lists, or about all files together."""


@click.group(cls=Usual, usual="classify", help=f"{inspect.getdoc(WatchSettings)}")
def command() -> None:
    """See `WatchSettings`."""


def _watching(name: str) -> click.Command:
    settings = VERBS[name].load()
    derived = command_of(name)

    def run(*, folders: tuple[str, ...], **chosen: Any) -> None:
        showing = taken({**chosen, "update": False})
        own = {one.name: chosen.pop(one.name) for one in options(WatchSettings)}
        finish(Watch(table_of(made(settings, chosen), folders), WatchSettings(**own)), showing)

    kept = [one for one in derived.params if one.name not in _NEEDLESS]
    for option in kept:
        option.required |= option.name == "output"
    folder = click.Argument(["folders"], nargs=-1, required=True, metavar="FOLDER...", shell_complete=folders)
    text = f"{inspect.getdoc(settings)}\n\n{inspect.getdoc(WatchSettings)}"
    return Command(name, callback=run, params=[folder, *own_options(WatchSettings), *kept], help=text)


for _name in WATCHED:
    command.add_command(_watching(_name))
