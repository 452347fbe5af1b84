"""Commands that read and listen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from mediasift.run.table import Table
from mediasift.tasks.ocr import Ocr, TextRegion
from mediasift.tasks.task import TIMEOUT_S
from mediasift.tasks.transcribe import Segment, Transcribe
from mediasift.verbs.tables import Named, TableOptions, table


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
    task = Ocr(
        engine=engine,
        language=language,
        level=level,
        psm=psm,
        oem=oem,
        clean=clean is True,
        clean_steps=() if isinstance(clean, bool) else tuple(clean),
        force_ocr=force_ocr,
        files=tuple(files),
        directory=None if folder is None else str(folder),
        timeout_s=options.get("timeout_s", TIMEOUT_S),
    )
    with_dpi: TableOptions = {**options, "dpi": options.get("dpi") or task.dpi}
    return table(task, inputs, with_dpi, text_layer=task.text_layer)


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
    location: str = "global",
    endpoint: str | None = None,
    diarize: bool = False,
    parallel: int = 4,
    paid: str | Path | None = None,
    price: float | None = None,
    max_cost: float | None = None,
    yes: bool = False,
    request_timeout_s: float = 120.0,
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
        paid: For google: folder in which paid answers are kept, so that no piece is ever paid twice, and their book.
        price: For google: USD per minute of sound; default the list price.
        max_cost: For google: nothing is sent that could take what was spent, by the book, above so many USD. Without
            it, or a `yes`, nothing is sent at all.
        yes: For google: send, whatever it costs.
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
        channel=channel,
        raw_rate=raw_rate,
        project=project,
        location=location,
        endpoint=endpoint,
        diarize=diarize,
        parallel=parallel,
        paid=None if paid is None else str(paid),
        price=price,
        max_cost=max_cost,
        yes=yes,
        request_timeout_s=request_timeout_s,
        timeout_s=options.get("timeout_s", TIMEOUT_S),
    )
    return table(task, inputs, options, piece_s=task.piece_s, channel=channel, raw_rate=raw_rate)
