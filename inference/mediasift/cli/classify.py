"""`mediasift classify`."""

from __future__ import annotations

from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER


@click.command()
@options.inputs
@click.option("-m", "--model", default=DEFAULT_CLASSIFIER, show_default=True, help="Name of a model, or an .onnx file.")
@click.option("--top", type=click.IntRange(min=0), default=1, show_default=True, help="Labels per picture; 0 for all.")
@click.option(
    "--min-score", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Leave out lower scores."
)
@click.option(
    "--crop",
    "crops",
    multiple=True,
    callback=options.fractions,
    metavar="L,T,R,B",
    help="Classify this part instead of the whole, in fractions of width and height; may be given several times.",
)
@click.option("--invert", is_flag=True, help="Swap light and dark first: ink on paper for a light-on-dark model.")
@options.documents
@options.device
@options.table
def command(
    *,
    inputs: tuple[str, ...],
    model: str,
    top: int,
    min_score: float,
    crops: tuple[tuple[float, float, float, float], ...],
    invert: bool,
    device: str,
    **shared: Any,
) -> None:
    """Label pictures with a model: a row for each of the best labels.

    INPUT is a file, a folder, a glob, a .txt or .csv list of paths, or - for paths on stdin.
    """
    passed, showing = options.split(shared)
    rows = verbs.classify(
        inputs, model=model, top=top, min_score=min_score, crops=crops, invert=invert, device=device, **passed
    )
    options.finish(rows, **showing)
