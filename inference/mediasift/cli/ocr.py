"""`mediasift ocr`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.cli import options
from mediasift.engines.ocr import ENGINES
from mediasift.tasks.ocr import CLEANING, FILES, HELPFUL, LEVELS


def _names(_context: click.Context, option: click.Parameter, given: str | None) -> tuple[str, ...]:
    """`a,b` as ("a", "b"); which there are is the task's to say."""
    names = tuple(name.strip() for name in (given or "").split(",") if name.strip())
    if given is not None and not names:
        raise click.BadParameter("is empty", param=option)
    return names


@click.command()
@options.inputs
@click.option("--engine", type=click.Choice(list(ENGINES)), default="tesseract", show_default=True,
              help="tesseract is a program of its own; rapidocr comes whole with pip.")  # fmt: skip
@click.option("--language", help="For tesseract, e.g. eng+deu.  [default: eng]")
@click.option("--level", type=click.Choice(LEVELS), default="page", show_default=True, help="A row for each of these.")
@click.option("--clean", is_flag=True, help=f"Before reading: {', '.join(HELPFUL)}.")
@click.option("--clean-steps", callback=_names, metavar="A,B",
              help=f"Just these steps, out of {', '.join(CLEANING)}.")  # fmt: skip
@click.option("--force-ocr", is_flag=True, help="Read PDF pages even where the text is in the file.")
@click.option("--psm", type=click.IntRange(0, 13), help="Tesseract's page segmentation mode.")
@click.option("--oem", type=click.IntRange(0, 3), help="Tesseract's engine mode.")
@click.option("--files", callback=_names, metavar="A,B",
              help=f"Make files of each page, out of {', '.join(FILES)}; pdf is searchable.")  # fmt: skip
@click.option("-d", "--folder", type=click.Path(path_type=Path), help="Where --files go.")
@options.documents
@options.table
def command(
    *,
    inputs: tuple[str, ...],
    engine: str,
    language: str | None,
    level: str,
    clean: bool,
    clean_steps: tuple[str, ...],
    force_ocr: bool,
    psm: int | None,
    oem: int | None,
    files: tuple[str, ...],
    folder: Path | None,
    **shared: Any,
) -> None:
    """Read the text in pictures and PDFs: a row for each page, line or word.

    INPUT is a file, a folder, a glob, a .txt or .csv list of paths, or - for paths on stdin. With -o TEXT.txt the text
    alone is written, pages parted by form feeds.
    """
    passed, showing = options.split(shared)
    rows = verbs.ocr(
        inputs,
        engine=engine,
        language=language,
        level=level,
        clean=clean_steps or clean,
        force_ocr=force_ocr,
        psm=psm,
        oem=oem,
        files=files,
        folder=folder,
        **passed,
    )
    options.finish(rows, **showing)
