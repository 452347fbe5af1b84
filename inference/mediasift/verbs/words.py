"""Commands that read and listen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from mediasift.media.sound.audio import PIECE_S, duration_s
from mediasift.run.table import Table
from mediasift.sources.naming import Skipped, find_sources
from mediasift.tasks.ocr import DPI as OCR_DPI
from mediasift.tasks.ocr import HELPFUL, Ocr, TextRegion
from mediasift.tasks.transcribe import PIECES_S, Segment, Transcribe
from mediasift.verbs.tables import Named, TableOptions, job_of, table


def ocr(
    inputs: Named,
    *,
    engine: str = "tesseract",
    language: str | None = None,
    level: str = "page",
    clean: bool | Sequence[str] = False,
    force_ocr: bool = False,
    psm: int | None = None,
    oem: int | None = None,
    files: Sequence[str] = (),
    folder: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Table[TextRegion]:
    """Rows of text in pictures and PDFs.

    Args:
        inputs: See `classify`.
        engine: tesseract or rapidocr.
        language: For Tesseract, e.g. `eng+deu`; default eng.
        level: A row per page, line or word.
        clean: True for the steps that helped on test pages, or steps out of `tasks.ocr.CLEANING`.
        force_ocr: Read pages of a PDF even where the text is in the file.
        psm, oem: Tesseract's page segmentation and engine modes.
        files: txt, hocr, pdf: make one of each page, in `folder`. hocr and pdf imply `force_ocr`.
        folder: Where `files` go.
        **options: See `TableOptions`; with Tesseract, `timeout_s` holds without `isolate`, too.

    Raises:
        EngineError: The engine, or its language, is missing.
        UsageError: An option is out of range.
    """
    steps = (HELPFUL if clean else ()) if isinstance(clean, bool) else tuple(clean)
    task = Ocr(
        engine=engine,
        language=language,
        level=level,
        psm=psm,
        oem=oem,
        clean=steps,
        files=tuple(files),
        folder=None if folder is None else str(folder),
        timeout_s=options.get("timeout_s"),
    )
    layer = not force_ocr and not {"hocr", "pdf"} & set(files)
    with_dpi: TableOptions = {**options, "dpi": options.get("dpi") or OCR_DPI}
    return table(task, inputs, with_dpi, text_layer=layer)


def transcribe(
    inputs: Named,
    *,
    engine: str = "pocketsphinx",
    language: str | None = None,
    model: str | Path | None = None,
    model_kind: str | None = None,
    level: str = "segment",
    channel: int | None = None,
    raw_rate: int | None = None,
    project: str | None = None,
    location: str | None = None,
    endpoint: str | None = None,
    diarize: bool = False,
    parallel: int | None = None,
    paid: str | Path | None = None,
    request_timeout_s: float | None = None,
    **options: Unpack[TableOptions],
) -> Table[Segment]:
    """Rows of speech in sound and video, with times.

    Args:
        inputs: Paths, folders, globs or lists.
        engine: pocketsphinx (English, offline, rough), onnx (a model of yours) or google (sent away, and paid for).
        language: A BCP-47 tag, e.g. en-US.
        model: For onnx, the folder of a speech model.
        model_kind: For onnx, which kind of model it is, where the folder's config.json does not tell.
        level: A row per segment or word.
        channel: From 1; default: the mean of all.
        raw_rate: Samples per second of headerless 16-bit mono `.raw` files.
        project: For google: the project that pays.
        location, endpoint: For google: where; default global.
        diarize: For google: tell speakers apart.
        parallel: For google: requests at a time.
        paid: For google: folder in which paid answers are kept, so that no piece is ever sent twice.
        request_timeout_s: For google: longest time for one request with all its repetitions.
        **options: See `TableOptions`.

    Raises:
        EngineError: The engine is missing.
        ModelError: The model is not there or does not load.
        UsageError: An option is out of range, or the engine lacks the language.
    """
    task = Transcribe(
        engine=engine,
        language=language,
        model=None if model is None else str(model),
        model_kind=model_kind,
        level=level,
        project=project,
        location=location,
        endpoint=endpoint,
        diarize=diarize,
        parallel=parallel,
        paid=None if paid is None else str(paid),
        timeout_s=request_timeout_s,
    )
    piece_s = PIECES_S.get(engine, PIECE_S)
    return table(task, inputs, options, piece_s=piece_s, channel=channel, raw_rate=raw_rate)


def sound_minutes(inputs: Named, *, raw_rate: int | None = None, **options: Unpack[TableOptions]) -> tuple[float, int]:
    """(minutes of sound, recordings whose length is unknown) in the inputs, by what their containers say."""
    job = job_of(Transcribe(), inputs, options)
    minutes, unknown = 0.0, 0
    for source in find_sources(job.inputs, Skipped()):
        length = None if source.content is None else duration_s(source.content, raw_rate=raw_rate)
        unknown += length is None and source.failure is None
        minutes += (length or 0.0) / 60
    return minutes, unknown
