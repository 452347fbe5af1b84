"""`mediasift embed`."""

from __future__ import annotations

from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER


@click.command()
@options.inputs
@click.option("-m", "--model", default=DEFAULT_CLASSIFIER, show_default=True, help="Name of a model, or an .onnx file.")
@click.option("--layer", help="Tensor or node to take.  [default: an embedding, or a classifier's penultimate layer]")
@options.device
@options.table
def command(*, inputs: tuple[str, ...], model: str, layer: str | None, device: str, **shared: Any) -> None:
    """Turn pictures into vectors: a row with a vector for each, best into .parquet or .npz.

    The vector is an embedding model's output, or what goes into a classifier's last layer.
    """
    passed, showing = options.split(shared)
    options.finish(verbs.embed(inputs, model=model, layer=layer, device=device, **passed), **showing)
