"""`mediasift models list | show | inspect | pull | verify | describe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.cli.completion import models
from mediasift.cli.derived import own_options
from mediasift.engines.onnx.checking import Check
from mediasift.engines.onnx.describe_settings import DescribeSettings
from mediasift.engines.onnx.drafting import Draft


@click.group()
def command() -> None:
    """List, show, inspect, fetch, verify and describe models."""


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
@click.argument("model", shell_complete=models)
@click.option("--layers", is_flag=True, help="Also list every layer with weights.")
def show(model: str, *, layers: bool) -> None:
    """Show a model's labels, recipe, parameters, origin and scores."""
    for line in verbs.show_model(model, layers=layers):
        click.echo(line)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def inspect(file: Path) -> None:
    """Show inputs, outputs, last operations and metadata of any ONNX file, described or not."""
    for line in verbs.inspect_model(file):
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
@click.argument("model", shell_complete=models)
@click.option("--from", "source", metavar="FILE|URL", help="Take it from here; its bytes must be the registered ones.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Longest time for all of it; the same command goes on.  [default: a minute, and 50 kB a second]",
)
@options.offline_option
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def pull(model: str, source: str | None, timeout_s: float | None, *, quiet: bool) -> None:
    """Fetch a known model: resumed when cut, its SHA-256 checked, put where -m finds it by name."""
    click.echo(verbs.pull_model(model, source=source, timeout_s=timeout_s, progress=None if quiet else sys.stderr))


def _describe(file: Path, folder: Path | None, *, force: bool, **chosen: Any) -> None:
    given = DescribeSettings(**{name: value for name, value in chosen.items() if value is not None})
    draft = Draft(file, given)
    if draft.stated:
        click.echo("; ".join([f"taken from the file: {', '.join(draft.stated)}", *draft.sources]), err=True)
    if draft.assumed:
        click.echo(
            f"assumed, as neither you nor the file says it: {', '.join(draft.assumed)}; --check FOLDER shows whether "
            "it is right",
            err=True,
        )
    click.echo(verbs.describe_model(file, draft.description, force=force))
    if folder is not None:
        _report(verbs.check_model(file, folder))


command.add_command(
    click.Command(
        "describe",
        callback=_describe,
        help="Describe a foreign ONNX file once: writes NAME.json beside it, after the model has run as described.\n\n"
        "What is not given is taken from the file, where it says it, and reported; the rest is assumed, and reported.",
        params=[
            click.Argument(["file"], type=click.Path(path_type=Path)),
            *own_options(DescribeSettings),
            click.Option(
                ["--check", "folder"],
                type=click.Path(path_type=Path),
                help="Classify these pictures, a folder per label or a .csv, and say if another recipe fits better; "
                "exit code 4 if the labels look like chance.",
            ),
            click.Option(["--force"], is_flag=True, help="Replace NAME.json where it exists."),
        ],
    )
)


def _report(check: Check) -> None:
    """The check's outcome, on stderr."""
    given, better = check.given, check.better
    click.echo(f"check: {given.accuracy:.3f} of {len(given.right)} pictures are right", err=True)
    if given.like_chance:
        click.echo(
            f"Warning: that looks like chance ({given.chance:.3f}). Labels in another order, or another recipe?",
            err=True,
        )
    elif given.proves_little:
        click.echo("Warning: too few pictures, or labels, to show much; a folder per label, some of each, is", err=True)
    if better is not None:
        click.echo(f"Warning: {better.accuracy:.3f} are right with: {better.options}", err=True)
    if given.like_chance:
        raise click.exceptions.Exit(4)
