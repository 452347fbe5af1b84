"""`mediasift search QUERY --in INPUT`."""

from __future__ import annotations

import click

from mediasift.cli.derived import command_of

command = command_of("search")
command.params[0] = click.Argument(["inputs"], nargs=1, metavar="QUERY")
