"""`mediasift compare`."""

from __future__ import annotations

from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options


@click.command(short_help="Tell how similar pictures are to each other.")
@options.inputs
@click.option("--min-similarity", type=click.FloatRange(-1, 1), help="Leave out pairs that are less similar.")
@options.comparing
@options.table
def command(*, inputs: tuple[str, ...], min_similarity: float | None, **shared: Any) -> None:
    """Tell how similar pictures are: a row for each pair, 1 for the same.

    phash, dhash and ahash count equal bits of 64; strangers have about half of them in common (0.5).

    pixels is the cosine of the shrunken pixels. It cannot tell a picture from a darker or lighter copy of it, and as no
    pixel is negative, strangers often reach 0.9; --centred tells pictures apart by their structure instead. A black
    picture has no direction: it counts as 1 to another black one, and 0 to all others.

    A model compares its embeddings by their cosine.
    """
    how, passed, showing = options.split_comparing(shared)
    options.finish(verbs.compare_pairs(inputs, min_similarity=min_similarity, **how, **passed), **showing)
