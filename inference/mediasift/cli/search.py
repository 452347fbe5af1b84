"""`mediasift search`."""

from __future__ import annotations

from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options


@click.command()
@click.argument("query")
@click.option(
    "--in", "inputs", multiple=True, required=True, metavar="INPUT", help="Where to search; several times if need be."
)
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="How many at most.")
@click.option("--min-similarity", type=click.FloatRange(-1, 1), help="Leave out what is less similar.")
@options.turns
@options.comparing
@options.table
def command(*, query: str, inputs: tuple[str, ...], **shared: Any) -> None:
    """Find the pictures of a collection that are most like QUERY: a row for each, the most similar first.

    QUERY is a picture; a folder or list of pictures gives the neighbours of each.
    """
    how, passed, showing = options.split_comparing(shared)
    own = {name: passed.pop(name) for name in ("top", "min_similarity", "turns")}
    options.finish(verbs.search(query, inputs, **own, **how, **passed), **showing)
