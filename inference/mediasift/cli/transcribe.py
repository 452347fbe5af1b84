"""`mediasift transcribe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.engines.speech.google import USD_PER_MINUTE
from mediasift.engines.speech.onnx import KINDS
from mediasift.errors import UsageError
from mediasift.tasks.transcribe import ENGINES, LEVELS


@click.command()
@options.inputs
@click.option("--engine", type=click.Choice(list(ENGINES)), default="pocketsphinx", show_default=True,
              help="pocketsphinx: English, offline, one word in four wrong on clear speech, more on telephones. "
              "onnx: a model of yours, -m FOLDER. google: sent to Google, and paid for.")  # fmt: skip
@click.option("-m", "--model", help="For onnx: the folder of a speech model; for google: a name, default long.")
@click.option("--model-kind", type=click.Choice(KINDS), help="For onnx, where the folder's config.json does not tell.")
@click.option("--language", metavar="TAG", help="A BCP-47 tag, e.g. en-US.")
@click.option(
    "--level", type=click.Choice(LEVELS), default="segment", show_default=True, help="A row for each of these."
)
@click.option("--channel", type=click.IntRange(min=1), help="Only this channel.  [default: the mean of all]")
@click.option("--raw-rate", type=click.IntRange(4000, 192_000), metavar="HZ",
              help="Samples per second of headerless 16-bit mono .raw files.")  # fmt: skip
@click.option("--project", help="For google: the project that pays.")
@click.option("--location", help="For google: a region.  [default: global]")
@click.option("--endpoint", help="For google: another address; http://HOST:PORT is plain text, for a test server.")
@click.option("--diarize", is_flag=True, help="For google: tell speakers apart.")
@click.option("--parallel", type=click.IntRange(1, 64), help="For google: requests at a time.  [default: 4]")
@click.option(
    "--paid",
    type=click.Path(path_type=Path),
    help="For google: keeps every paid answer here, so that no "
    "piece is ever sent twice.  [default: the user's cache folder]",
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=USD_PER_MINUTE,
    show_default=True,
    help="For google: USD per minute, for the estimate.",
)
@click.option("--max-cost", type=click.FloatRange(min=0), help="For google: stop before more USD than this are due.")
@click.option("--yes", is_flag=True, help="For google: do not ask before sending.")
@options.table
def command(
    *,
    inputs: tuple[str, ...],
    engine: str,
    model: str | None,
    model_kind: str | None,
    language: str | None,
    level: str,
    channel: int | None,
    raw_rate: int | None,
    price: float,
    max_cost: float | None,
    yes: bool,
    project: str | None,
    location: str | None,
    endpoint: str | None,
    diarize: bool,
    parallel: int | None,
    paid: Path | None,
    **shared: Any,
) -> None:
    """Write down what is said in sound and video, with times.

    INPUT is a file, a folder, a glob, a .txt or .csv list of paths, or - for paths on stdin. -o NAME.srt and .vtt make
    subtitles of one recording, .txt the text alone.
    """
    _one_for_subtitles(inputs, shared["output"], shared["format_"])
    passed, showing = options.split(shared)
    if engine == "google":
        _ask(inputs, raw_rate, price, max_cost, yes=yes)
    rows = verbs.transcribe(
        inputs,
        engine=engine,
        model=model,
        model_kind=model_kind,
        language=language,
        level=level,
        channel=channel,
        raw_rate=raw_rate,
        project=project,
        location=location,
        endpoint=endpoint,
        diarize=diarize,
        parallel=parallel,
        paid=paid,
        **passed,
    )
    options.finish(rows, **showing)


def _one_for_subtitles(inputs: tuple[str, ...], output: Path | None, chosen: str | None) -> None:
    """Said before the work is done, not after it."""
    form = chosen or ("" if output is None else output.suffix.lower().lstrip("."))
    single = len(inputs) == 1 and inputs[0] != "-" and not Path(inputs[0]).is_dir()
    if form in ("srt", "vtt") and not (single and Path(inputs[0]).suffix.lower() not in (".csv", ".txt")):
        raise UsageError(f"a .{form} holds one recording: name one file; of several make a table, or call it for each")


def _ask(inputs: tuple[str, ...], raw_rate: int | None, price: float, max_cost: float | None, *, yes: bool) -> None:
    """Say what it will cost, and send nothing without a yes.

    Raises:
        UsageError: It costs more than allowed, or nobody can be asked.
    """
    if "-" in inputs:
        raise UsageError("what google will cost is told beforehand, so name files instead of -")
    minutes, unknown = verbs.sound_minutes(inputs, raw_rate=raw_rate)
    cost = minutes * price
    what = f"{minutes:.1f} minutes of sound to Google, at most {cost:.2f} USD"
    what += f", and {unknown} recordings of unknown length" if unknown else ""
    if max_cost is not None and (cost > max_cost or unknown):
        raise UsageError(f"{what}: more than --max-cost {max_cost:g} may be due; nothing was sent")
    click.echo(f"{what} (what was paid before is not sent again)", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here; if that is all right, type --yes; nothing was sent")
    click.confirm("Send it?", abort=True, err=True)
