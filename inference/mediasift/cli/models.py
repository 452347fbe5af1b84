"""`mediasift models list | show | verify | describe`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import click

from mediasift import api
from mediasift.errors import UsageError
from mediasift.models.decoders import DECODERS
from mediasift.models.description import (
    Colour,
    Dtype,
    Fit,
    InputDescription,
    Kind,
    Layout,
    ModelDescription,
    ModelTask,
    OutputDescription,
    Polarity,
    Resample,
    Values,
)
from mediasift.models.labels import read_labels


@click.group()
def command() -> None:
    """List, show, verify and describe models."""


@command.command("list")
def list_() -> None:
    """List the models that are known by name, and where they are."""
    listed = api.list_models()
    width = max(len(entry.name) for entry, _ in listed)
    for entry, path in listed:
        place = "here" if path else "not here"
        click.echo(
            f"{entry.name:<{width}}  {entry.bytes / 1e6:6.1f} MB  {place:<8}  {entry.licence:<10}  {entry.about}"
        )


@command.command()
@click.argument("model")
def show(model: str) -> None:
    """Show a model's labels, recipe, layers, parameters, origin and scores."""
    for line in api.show_model(model):
        click.echo(line)


@command.command()
def verify() -> None:
    """Check every known model on this machine: its SHA-256, and that it loads; exit code 4 if one is wrong."""
    wrong = False
    for name, problem in api.verify_models():
        click.echo(f"{'wrong' if problem else 'ok':<5}  {name}{': ' if problem else ''}{problem}")
        wrong = wrong or bool(problem)
    if wrong:
        raise click.exceptions.Exit(4)


def _choice(kind: Any) -> click.Choice[str]:
    return click.Choice(list(get_args(kind)))


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", type=_choice(ModelTask), default="classify", show_default=True)
@click.option("--labels", "labels_file", type=click.Path(path_type=Path), help="A label a line, or JSON.")
@click.option("--size", required=True, metavar="WxH", help="Size of the model's input, e.g. 224x224.")
@click.option("--fit", type=_choice(Fit), default="stretch", show_default=True, help="How a picture gets that size.")
@click.option("--shorter-side", type=int, help="For fit crop: resize the shorter side to this first, e.g. 256.")
@click.option("--anchor", type=click.Choice(["center", "top-left"]), default="center", show_default=True)
@click.option("--pad-value", type=int, default=0, show_default=True, help="For fit pad: grey level 0 to 255.")
@click.option("--resample", type=_choice(Resample), default="area", show_default=True)
@click.option("--colour", type=_choice(Colour), default="rgb", show_default=True)
@click.option("--scale", default="1", show_default=True, help="Factor for pixels 0..255, e.g. 1/255.")
@click.option(
    "--mean", default="0", show_default=True, help="Subtracted after scaling: one number, or one per channel."
)
@click.option("--std", default="1", show_default=True, help="Divided by after that: one number, or one per channel.")
@click.option("--layout", type=_choice(Layout), default="NCHW", show_default=True)
@click.option("--dtype", type=_choice(Dtype), default="float32", show_default=True)
@click.option("--polarity", type=_choice(Polarity), default="any", show_default=True)
@click.option("--input-name", help="The graph's input, where it has several.")
@click.option("--output-name", help="The graph's output, where it has several.")
@click.option("--output-values", "values", type=_choice(Values), help="[default: logits, boxes or embedding, by task]")
@click.option("--kind", type=_choice(Kind), default="single", show_default=True, help="Which labels can be true.")
@click.option("--decoder", type=click.Choice(list(DECODERS)), help="For task detect: what the outputs mean.")
@click.option("--licence", help="Noted in the description.")
@click.option("--source", help="Where the model comes from; noted in the description.")
def describe(*, file: Path, labels_file: Path | None, size: str, **given: Any) -> None:
    """Describe a foreign ONNX file once: writes NAME.json beside it, after the model has run as described."""
    labels, label_ids = read_labels(labels_file) if labels_file else ((), ())
    width, height = _size(size)
    picture = InputDescription(
        width=width,
        height=height,
        scale=_number(given["scale"]),
        mean=_numbers(given["mean"]),
        std=_numbers(given["std"]),
        name=given["input_name"],
        **{
            name: given[name]
            for name in (
                "fit",
                "shorter_side",
                "anchor",
                "pad_value",
                "resample",
                "colour",
                "layout",
                "dtype",
                "polarity",
            )
        },
    )
    output = OutputDescription(
        values=given["values"] or _USUAL_VALUES[given["task"]],
        kind=given["kind"],
        decoder=given["decoder"],
        name=given["output_name"],
    )
    description = ModelDescription(
        task=given["task"],
        input=picture,
        output=output,
        labels=labels,
        label_ids=label_ids,
        provenance={name: given[name] for name in ("source", "licence") if given[name]},
    )
    click.echo(api.describe_model(file, description))


_USUAL_VALUES: dict[str, Values] = {"classify": "logits", "detect": "boxes", "embed": "embedding"}


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise UsageError(f"--size {text}: must be WIDTHxHEIGHT in pixels, e.g. 224x224")
    return int(found[1]), int(found[2])


def _number(text: str) -> float:
    """A number or a fraction such as 1/255."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{text!r}: must be a number, or a fraction such as 1/255") from None


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(_number(part) for part in text.split(","))
