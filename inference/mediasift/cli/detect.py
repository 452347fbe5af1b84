"""`mediasift detect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.engines.onnx.registry import DEFAULT_DETECTOR


@click.command()
@options.inputs
@click.option("-m", "--model", default=DEFAULT_DETECTOR, show_default=True, help="Name of a model, or an .onnx file.")
@click.option(
    "--min-score", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Leave out lower scores."
)
@click.option(
    "--iou",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Of boxes of one label that overlap more (intersection over union), only the best stays.",
)
@click.option("--labels", metavar="A,B", help="Only these labels, separated by commas.  [default: all]")
@click.option(
    "--draw", type=click.Path(path_type=Path), metavar="DIR", help="Write copies with boxes into this folder."
)
@options.device
@options.table
def command(
    *,
    inputs: tuple[str, ...],
    model: str,
    min_score: float,
    iou: float,
    labels: str | None,
    draw: Path | None,
    device: str,
    **shared: Any,
) -> None:
    """Find objects: a row for each, with its box in pixels and as fractions.

    INPUT is a file, a folder, a glob, a .txt or .csv list of paths, or - for paths on stdin.
    """
    passed, showing = options.split(shared)
    wanted = [label.strip() for label in (labels or "").split(",") if label.strip()]
    rows = verbs.detect(
        inputs, model=model, min_score=min_score, iou=iou, labels=wanted, draw=draw, device=device, **passed
    )
    options.finish(rows, **showing)
