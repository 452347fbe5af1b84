"""`mediasift keyframes`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.media.pictures.stills import FORMATS


@click.command()
@options.inputs
@click.option("-d", "--directory", type=click.Path(path_type=Path), help="Write stills into this folder.")
@click.option(
    "--image-format", type=click.Choice(list(FORMATS)), default="jpeg", show_default=True, help="Of the stills."
)
@options.detector
@options.table
def command(
    *, inputs: tuple[str, ...], directory: Path | None, image_format: str, detector: str, **shared: Any
) -> None:
    """Choose frames of videos: by default the sharpest near the middle of each shot.

    With --every 2s or 1000f at regular distances, with iframe those that the codec stored whole.
    """
    passed, showing = options.split(shared)
    rows = verbs.keyframes(inputs, directory=directory, image_format=image_format, detector=detector, **passed)
    options.finish(rows, **showing)
