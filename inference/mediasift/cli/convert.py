"""`mediasift convert`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.media.pictures.encode import ENCODERS, KeepExif
from mediasift.media.pictures.transforms import Canvas, ColorModel, Filling, Fit, Resample


def _resize(_context: click.Context, _option: click.Parameter, text: str | None) -> dict[str, Any]:
    """`25%` or `224x224` as what `verbs.convert` takes."""
    if text is None:
        return {}
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)%", text):
        return {"percent": float(found[1])}
    if found := re.fullmatch(r"(\d+)x(\d+)", text):
        return {"size": (int(found[1]), int(found[2]))}
    raise click.BadParameter(f"{text!r}: must be a percentage such as 25%, or WIDTHxHEIGHT such as 224x224")


def _color(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, int, int]:
    """`#rrggbb`, `R,G,B` or one of three names."""
    text = {"black": "0,0,0", "white": "255,255,255", "gray": "128,128,128"}.get(text.lower(), text)
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
    parts = text.split(",")
    if len(parts) == 3 and all(re.fullmatch(r"\d{1,3}", part) and int(part) < 256 for part in parts):
        return int(parts[0]), int(parts[1]), int(parts[2])
    raise click.BadParameter(f"{text!r}: must be #rrggbb, R,G,B with numbers from 0 to 255, black, white or gray")


def _one_box(context: click.Context, option: click.Parameter, text: str | None) -> Any:
    return options.fractions(context, option, (text,))[0] if text else None


def _choice(kind: Any) -> click.Choice[str]:
    return click.Choice(list(get_args(kind)))


@click.command()
@options.inputs
@click.option(
    "-d", "--directory", type=click.Path(path_type=Path), required=True, help="Write the pictures into this folder."
)
@click.option("--to", type=click.Choice(list(ENCODERS)), default="png", show_default=True, help="Format to write.")
@click.option(
    "--color-model", type=_choice(ColorModel), default="rgb", show_default=True, help="hsv and lab: arrays only."
)
@click.option(
    "--crop", callback=_one_box, metavar="L,T,R,B", help="First: this part only, in fractions of width and height."
)
@click.option("--flip", type=click.Choice(["h", "v"]), help="Then: mirror left to right (h) or top to bottom (v).")
@click.option("--rotate", type=float, default=0.0, show_default=True, metavar="DEGREES", help="Then: turn clockwise.")
@click.option(
    "--canvas",
    type=_choice(Canvas),
    default="grow",
    show_default=True,
    help="When rotating: show all, or keep the size.",
)
@click.option(
    "--resize", callback=_resize, metavar="25%|224x224", help="Then: to a percentage, or to a size in pixels."
)
@click.option(
    "--fit",
    type=_choice(Fit),
    default="stretch",
    show_default=True,
    help="How a picture gets the size: stretched, its middle cut out, or with a border.",
)
@click.option(
    "--pad", "filling", type=_choice(Filling), default="color", show_default=True, help="For fit pad: the border."
)
@click.option(
    "--background",
    "color",
    callback=_color,
    default="black",
    show_default=True,
    metavar="COLOR",
    help="For borders and rotation: #rrggbb, R,G,B, black, white or gray.",
)
@click.option(
    "--resample",
    type=_choice(Resample),
    default="area",
    show_default=True,
    help="How sizes change: area averages; the others are Pillow's filters.",
)
@click.option(
    "--exif",
    type=_choice(KeepExif),
    default="strip",
    show_default=True,
    help="Date, camera, place: leave out, keep, or keep all but the place.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=90, show_default=True, help="Of jpg, webp and avif.")
@options.table
def command(*, inputs: tuple[str, ...], directory: Path, resize: dict[str, Any], **shared: Any) -> None:
    """Change size, colours, position and format of pictures: a row says where each copy is.

    The copies lie in subfolders as the inputs do; `x.jpg` becomes `x.jpg.png`, so that it never overwrites `x.png`.
    """
    passed, showing = options.split(shared)
    options.finish(verbs.convert(inputs, directory, **resize, **passed), **showing)
