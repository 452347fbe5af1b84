"""What every training script's command line shares: errors in one line, and the command as it is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from mediasift.engines.onnx.checking import Tried
from mediasift.errors import MediasiftError, OutputError, UsageError


class TrainingCommand(click.Command):
    """A click command that ends with an error's sentence and exit code, not with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """What the command returns."""
        try:
            return super().invoke(ctx)
        except MediasiftError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder with the four idx .gz files; without it they are downloaded.",
)
output_option = click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="The .onnx file to write."
)
seed_option = click.option("--seed", default=42, show_default=True, help="Makes the training repeatable.")


def recorded(ctx: click.Context, name: str | None = None) -> str:
    """The command that repeats this run anywhere: all options, without the places on this machine.

    Folders that are read become `DIR`, models and weights keep their file name only.

    Args:
        ctx: Of the running command.
        name: The command's full name, where it is one of a group.
    """
    words = [name or str(ctx.command.name)]
    for parameter in ctx.command.params:
        value = ctx.params.get(str(parameter.name))
        if value is None:
            continue
        if isinstance(value, bool) and isinstance(parameter, click.Option) and parameter.is_flag:
            words += [parameter.opts[0]] if value else []
            continue
        if isinstance(parameter.type, click.Path):
            value = value.name if value.suffix == ".onnx" else "DIR"
        elif str(value).endswith((".onnx", ".h5", ".pth")):
            value = Path(value).name
        words += [parameter.opts[0], str(value)]
    return " ".join(words)


def warn_at_chance(answers: np.ndarray, labels: np.ndarray, classes: int) -> None:
    """Warn where a trained model does no better on the test data than guessing.

    Args:
        answers, labels: (N,), label numbers.
        classes: How many labels there are.
    """
    shares = [np.bincount(numbers, minlength=classes) / len(labels) for numbers in (answers, labels)]
    tried = Tried(options="", right=answers == labels, chance=float(shares[0] @ shares[1]))
    if tried.like_chance:
        click.echo(
            f"Warning: {tried.accuracy:.3f} right looks like chance ({tried.chance:.3f}): the model has learned "
            "nothing; more pictures, more --epochs or another --size may help",
            err=True,
        )


def check_output(output: Path) -> None:
    """Find out before the training that the file could not be written after it.

    Raises:
        UsageError: The name does not end in .onnx.
        OutputError: Its folder does not exist, or the name is a folder's.
    """
    if output.suffix != ".onnx":
        raise UsageError(f"{output}: the output's name must end in .onnx")
    if not output.parent.is_dir():
        raise OutputError(f"{output.parent}: no such folder; type: mkdir -p {output.parent}")
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file")
