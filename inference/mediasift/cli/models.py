"""`mediasift models list | show | pull | verify | describe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, get_args

import click

from mediasift import verbs
from mediasift.cli.derived import former_name
from mediasift.engines.onnx.checking import Check
from mediasift.engines.onnx.decoders import DECODERS
from mediasift.engines.onnx.description import (
    Colour,
    Dtype,
    InputDescription,
    Kind,
    Layout,
    ModelDescription,
    ModelTask,
    OutputDescription,
    Polarity,
    Values,
)
from mediasift.engines.onnx.foreign import Hints, read_hints
from mediasift.engines.onnx.labels import read_labels
from mediasift.errors import UsageError
from mediasift.media.pictures.transforms import Fit, Resample
from mediasift.settings import parse_size


@click.group()
def command() -> None:
    """List, show, fetch, verify and describe models."""


@command.command("list")
def list_() -> None:
    """List the models that are known by name, and where they are."""
    listed = verbs.list_models()
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
    for line in verbs.show_model(model):
        click.echo(line)


@command.command()
def verify() -> None:
    """Check every known model on this machine: its SHA-256, and that it loads; exit code 4 if one is wrong."""
    wrong = False
    for name, problem in verbs.verify_models():
        click.echo(f"{'wrong' if problem else 'ok':<5}  {name}{': ' if problem else ''}{problem}")
        wrong = wrong or bool(problem)
    if wrong:
        raise click.exceptions.Exit(4)


@command.command("pull")
@click.argument("model")
@click.option("--from", "source", metavar="FILE|URL", help="Take it from here; its bytes must be the registered ones.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def pull(model: str, source: str | None, *, quiet: bool) -> None:
    """Fetch a known model: resumed when cut, its SHA-256 checked, put where -m finds it by name."""
    click.echo(verbs.pull_model(model, source=source, progress=None if quiet else sys.stderr))


def _choice(kind: Any) -> click.Choice[str]:
    return click.Choice(list(get_args(kind)))


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--task", type=_choice(ModelTask), default="classify", show_default=True)
@click.option("--labels", "labels_file", type=click.Path(path_type=Path), help="A label a line, or JSON.")
@click.option("--size", metavar="WxH", help="Size of the model's input, e.g. 224x224.  [default: the graph's]")
@click.option("--fit", type=_choice(Fit), default="stretch", show_default=True, help="How a picture gets that size.")
@click.option("--shorter-side", type=int, help="For fit crop: resize the shorter side to this first, e.g. 256.")
@click.option("--anchor", type=click.Choice(["center", "top-left"]), default="center", show_default=True)
@click.option("--pad-value", type=int, default=0, show_default=True, help="For fit pad: grey level 0 to 255.")
@click.option("--resample", type=_choice(Resample), default="area", show_default=True)
@click.option("--color", "colour", type=_choice(Colour), help="[default: what the file says, else rgb]")
@click.option(
    "--colour",
    "former",
    type=_choice(Colour),
    hidden=True,
    expose_value=False,
    callback=former_name("colour", "--color"),
)
@click.option("--scale", help="Factor for pixels 0..255, e.g. 1/255.  [default: what the file says, else 1]")
@click.option("--mean", help="Subtracted after scaling: one number, or one per channel.  [default: 0]")
@click.option("--std", help="Divided by after that: one number, or one per channel.  [default: 1]")
@click.option("--layout", type=_choice(Layout), help="[default: what the graph's input shows, else NCHW]")
@click.option("--dtype", type=_choice(Dtype), default="float32", show_default=True)
@click.option("--polarity", type=_choice(Polarity), default="any", show_default=True)
@click.option("--input-name", help="The graph's input, where it has several.")
@click.option("--output-name", help="The graph's output, where it has several.")
@click.option("--output-values", "values", type=_choice(Values), help="[default: logits, boxes or embedding, by task]")
@click.option("--kind", type=_choice(Kind), default="single", show_default=True, help="Which labels can be true.")
@click.option("--decoder", type=click.Choice(list(DECODERS)), help="For task detect: what the outputs mean.")
@click.option("--licence", help="Noted in the description.")
@click.option("--source", help="Where the model comes from; noted in the description.")
@click.option(
    "--check",
    "folder",
    type=click.Path(path_type=Path),
    help="Classify these pictures, a folder per label or a .csv, and say if another recipe fits better.",
)
def describe(*, file: Path, labels_file: Path | None, size: str | None, folder: Path | None, **given: Any) -> None:
    """Describe a foreign ONNX file once: writes NAME.json beside it, after the model has run as described.

    Size, layout, labels and colours that are not given are taken from the file, where it has them, and reported.
    """
    hints = read_hints(file, given["input_name"])
    labels, label_ids = read_labels(labels_file) if labels_file else (hints.labels, ())
    width, height = parse_size(size) if size else _size_from(hints)
    _fill_in(given, hints, own_labels=labels_file is not None, own_size=size is not None)
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
    click.echo(verbs.describe_model(file, description))
    if folder is not None:
        _report(verbs.check_model(file, folder))


def _size_from(hints: Hints) -> tuple[int, int]:
    if hints.size is None:
        raise UsageError("--size is needed: the graph's input has no fixed width and height")
    return hints.size


def _fill_in(given: dict[str, Any], hints: Hints, *, own_labels: bool, own_size: bool) -> None:
    """Options that were not given: what the file says, which is reported on stderr, else the usual."""
    taken = [] if own_labels or not hints.labels else [f"{len(hints.labels)} labels"]
    if not own_size and hints.size:
        taken.append(f"--size {hints.size[0]}x{hints.size[1]}")
    scaling = dict(zip(("scale", "mean", "std"), hints.scaling or (None,) * 3, strict=True))
    if any(given[name] is not None for name in scaling):
        scaling = dict.fromkeys(scaling)  # half of one recipe and half of another would be neither
    usual = {"colour": "rgb", "layout": "NCHW", "scale": "1", "mean": "0", "std": "1"}
    for name, otherwise in usual.items():
        said = {"colour": hints.colour, "layout": hints.layout, **scaling}[name]
        if given[name] is None and said is not None and said != otherwise:
            taken.append(f"--{name.replace('colour', 'color')} {said}")
        given[name] = given[name] or said or otherwise
    if taken:
        click.echo(f"taken from the file: {', '.join(taken)}", err=True)


def _report(check: Check) -> None:
    """The check's outcome, on stderr."""
    given, better = check.given, check.better
    click.echo(f"check: {given.accuracy:.3f} of {len(given.right)} pictures are right", err=True)
    if given.like_chance:
        click.echo(
            f"Warning: that looks like chance ({given.chance:.3f}). Labels in another order, or another recipe?",
            err=True,
        )
    if better is not None:
        click.echo(f"Warning: {better.accuracy:.3f} are right with: {better.options}", err=True)


_USUAL_VALUES: dict[str, Values] = {"classify": "logits", "detect": "boxes", "embed": "embedding"}


def _number(text: str) -> float:
    """A number or a fraction such as 1/255."""
    above, _, below = text.partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{text!r}: must be a number, or a fraction such as 1/255") from None


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(_number(part) for part in text.split(","))
