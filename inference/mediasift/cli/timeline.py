"""`mediasift timeline`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.engines.ocr import ENGINES as OCR_ENGINES
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR
from mediasift.engines.speech import OFFLINE
from mediasift.tasks.timeline_parts import PARTS


@click.command()
@options.inputs
@click.option(
    "--with",
    "parts",
    default="shots,keyframes",
    show_default=True,
    metavar="A,B",
    help=f"What it holds: some of {', '.join(PARTS)}.",
)
@click.option("--classify-model", default=DEFAULT_CLASSIFIER, show_default=True, help="For classify.")
@click.option("--detect-model", default=DEFAULT_DETECTOR, show_default=True, help="For detect.")
@click.option("--top", type=click.IntRange(min=0), default=1, show_default=True, help="Labels per frame; 0 for all.")
@click.option(
    "--min-score", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Leave out lower scores."
)
@click.option("--labels", metavar="A,B", help="Only these objects, separated by commas.  [default: all]")
@click.option(
    "--ocr-engine", type=click.Choice(list(OCR_ENGINES)), default="tesseract", show_default=True, help="For ocr."
)
@click.option("--ocr-language", metavar="LANG", help="For ocr, e.g. eng+deu.")
@click.option(
    "--speech-engine",
    type=click.Choice(list(OFFLINE)),
    default="pocketsphinx",
    show_default=True,
    help="For transcribe.",
)
@click.option("--speech-model", metavar="DIR", help="For transcribe with onnx: the folder of a speech model.")
@options.detector
@click.option(
    "--fades/--no-fades", default=True, show_default=True, help="Whether black between two shots parts them, too."
)
@click.option("--vtt", type=click.Path(path_type=Path), metavar="DIR", help="Also write a WebVTT file per video.")
@options.device
@options.table
def command(
    *,
    inputs: tuple[str, ...],
    parts: str,
    classify_model: str,
    detect_model: str,
    top: int,
    min_score: float,
    labels: str | None,
    ocr_engine: str,
    ocr_language: str | None,
    speech_engine: str,
    speech_model: str | None,
    detector: str,
    fades: bool,
    vtt: Path | None,
    device: str,
    **shared: Any,
) -> None:
    """Put shots, key frames, labels, objects, text and speech of videos into one table on one clock, decoding once."""
    passed, showing = options.split(shared)
    rows = verbs.timeline(
        inputs,
        parts=_listed(parts),
        classify_model=classify_model,
        detect_model=detect_model,
        top=top,
        min_score=min_score,
        labels=_listed(labels or ""),
        ocr_engine=ocr_engine,
        ocr_language=ocr_language,
        speech_engine=speech_engine,
        speech_model=speech_model,
        detector=detector,
        fades=fades,
        vtt=vtt,
        device=device,
        **passed,
    )
    options.finish(rows, **showing)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
