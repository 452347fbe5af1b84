"""`mediasift transcribe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.engines.speech import ENGINES
from mediasift.engines.speech.google import USD_PER_MINUTE
from mediasift.engines.speech.onnx import KINDS
from mediasift.errors import ConsentNeeded, UsageError
from mediasift.run.table import Table
from mediasift.tasks.transcribe import LEVELS, Segment


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
@click.option("--location", default="global", show_default=True, help="For google: a region.")
@click.option("--endpoint", help="For google: another address; http://HOST:PORT is plain text, for a test server.")
@click.option("--diarize", is_flag=True, help="For google: distinguish speakers.")
@click.option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True,
              help="For google: requests at a time.")  # fmt: skip
@click.option(
    "--paid",
    type=click.Path(path_type=Path),
    help="For google: keeps every paid answer here, so that no "
    "piece is ever sent twice.  [default: the user's cache folder]",
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    help=f"For google: USD per minute.  [default: {USD_PER_MINUTE}]",
)
@click.option(
    "--max-cost", type=click.FloatRange(min=0), help="For google: stop before the book in --paid comes to more USD."
)
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
    price: float | None,
    max_cost: float | None,
    yes: bool,
    project: str | None,
    location: str,
    endpoint: str | None,
    diarize: bool,
    parallel: int,
    paid: Path | None,
    **shared: Any,
) -> None:
    """Write down what is said in sound and video, with times.

    INPUT is a file, a folder, a glob, a .txt or .csv list of paths, or - for paths on stdin. -o NAME.srt and .vtt make
    subtitles of one recording, .txt the text alone.
    """
    _one_for_subtitles(inputs, shared["output"], shared["format_"])
    passed, showing = options.split(shared)

    def started(*, agreed: bool) -> Table[Segment]:
        return verbs.transcribe(
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
            price=price,
            max_cost=max_cost,
            yes=agreed,
            **passed,
        )

    try:
        rows = started(agreed=False)
    except ConsentNeeded as error:
        click.echo(error.estimate, err=True)
        if not yes and not sys.stdin.isatty():
            raise
        if not yes:
            click.confirm("Send it?", abort=True, err=True)
        rows = started(agreed=True)
    options.finish(rows, **showing)


def _one_for_subtitles(inputs: tuple[str, ...], output: Path | None, chosen: str | None) -> None:
    """Said before the work is done, not after it."""
    form = chosen or ("" if output is None else output.suffix.lower().lstrip("."))
    single = len(inputs) == 1 and inputs[0] != "-" and not Path(inputs[0]).is_dir()
    if form in ("srt", "vtt") and not (single and Path(inputs[0]).suffix.lower() not in (".csv", ".txt")):
        raise UsageError(f"a .{form} holds one recording: name one file; of several make a table, or call it for each")
