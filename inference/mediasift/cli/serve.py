"""`mediasift serve -m MODEL`."""

from __future__ import annotations

import inspect
from typing import Any

import click

from mediasift.cli.derived import made, own_options
from mediasift.cli.options import Command, offline_option
from mediasift.serve.settings import Serve
from mediasift.system.optional import lazily, require


@click.command(cls=Command, help=inspect.getdoc(Serve))
@offline_option
def command(**chosen: Any) -> None:
    """See `Serve`."""
    settings = made(Serve, chosen)
    for package in ("uvicorn", "starlette", "python_multipart", "prometheus_client"):
        require(package, extra="serve")
    lazily("mediasift.serve.server").run(settings)


command.params = [*own_options(Serve), *command.params]
