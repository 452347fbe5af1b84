"""`mediasift transcribe`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mediasift import api
from mediasift.cli import options
from mediasift.errors import UsageError
from mediasift.tasks.transcribe import ENGINES, LEVELS
from mediasift.tasks.transcribe_onnx import KINDS


@click.command()
@options.inputs
@click.option("--engine", type=click.Choice(list(ENGINES)), default="pocketsphinx", show_default=True,
              help="pocketsphinx: English, offline, one word in four wrong on clear speech, more on telephones. "
              "onnx: a model of yours, -m FOLDER.")  # fmt: skip
@click.option("-m", "--model", type=click.Path(path_type=Path), help="For onnx: the folder of a speech model.")
@click.option("--model-kind", type=click.Choice(KINDS), help="For onnx, where the folder's config.json does not tell.")
@click.option("--language", metavar="TAG", help="A BCP-47 tag, e.g. en-US.")
@click.option(
    "--level", type=click.Choice(LEVELS), default="segment", show_default=True, help="A row for each of these."
)
@click.option("--channel", type=click.IntRange(min=1), help="Only this channel.  [default: the mean of all]")
@click.option("--raw-rate", type=click.IntRange(4000, 192_000), metavar="HZ",
              help="Samples per second of headerless 16-bit mono .raw files.")  # fmt: skip
@options.table
def command(
    *,
    inputs: tuple[str, ...],
    engine: str,
    model: Path | None,
    model_kind: str | None,
    language: str | None,
    level: str,
    channel: int | None,
    raw_rate: int | None,
    **shared: Any,
) -> None:
    """Write down what is said in sound and video, with times.

    INPUT is a file, a folder, a glob, a .txt or .csv list of paths, or - for paths on stdin. -o NAME.srt and .vtt make
    subtitles of one recording, .txt the text alone.
    """
    _one_for_subtitles(inputs, shared["output"], shared["format_"])
    passed, showing = options.split(shared)
    rows = api.transcribe(
        inputs,
        engine=engine,
        model=model,
        model_kind=model_kind,
        language=language,
        level=level,
        channel=channel,
        raw_rate=raw_rate,
        **passed,
    )
    options.finish(rows, **showing)


def _one_for_subtitles(inputs: tuple[str, ...], output: Path | None, chosen: str | None) -> None:
    """Said before the work is done, not after it."""
    form = chosen or ("" if output is None else output.suffix.lower().lstrip("."))
    single = len(inputs) == 1 and inputs[0] != "-" and not Path(inputs[0]).is_dir()
    if form in ("srt", "vtt") and not (single and Path(inputs[0]).suffix.lower() not in (".csv", ".txt")):
        raise UsageError(f"a .{form} holds one recording: name one file; of several make a table, or call it for each")
