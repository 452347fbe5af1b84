"""One function per command: what `import mediasift` offers and what the command line calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TextIO, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError, Unreadable, UsageError
from mediasift.evaluation.labels import Evaluation
from mediasift.evaluation.labels import evaluate_labels as measured
from mediasift.evaluation.plots import need_plots
from mediasift.media.audio import PIECE_S, duration_s
from mediasift.media.documents import DPI, parse_pages
from mediasift.media.encode import KeepExif
from mediasift.media.images import MAX_MEGAPIXELS
from mediasift.media.labelled import read_labelled
from mediasift.media.readers import ReadOptions
from mediasift.media.sources import Inputs, Skipped, Source, common_folder, find_sources
from mediasift.media.transforms import Box, Canvas, Color, ColorModel, Filling, Fit, Resample
from mediasift.models import report
from mediasift.models.checking import Check, check_description
from mediasift.models.describe import write_sidecar
from mediasift.models.description import ModelDescription
from mediasift.models.providers import available_cores
from mediasift.models.pull import pull
from mediasift.models.registry import DEFAULT_CLASSIFIER, DEFAULT_DETECTOR, Entry, entries
from mediasift.models.session import OnnxModel, load_model
from mediasift.run.comparing import DEFAULT_METHOD, PIXELS_SIDE, Comparing
from mediasift.run.doctor import Finding, findings
from mediasift.run.evaluate_text import evaluate_text as score_texts
from mediasift.run.evaluation import said_labels, true_labels, write_report
from mediasift.run.exact import byte_rows, pixel_rows
from mediasift.run.groups import Decode, Duplicate, Prefer, duplicate_rows
from mediasift.run.job import Job
from mediasift.run.neighbours import Neighbour, neighbour_rows
from mediasift.run.pairs import Pair, pair_rows, similarity_matrix
from mediasift.run.progress import Transfer
from mediasift.run.reduction import Reading, Reduced
from mediasift.run.supervisor import TIMEOUT_S, Limits
from mediasift.run.table import Table
from mediasift.run.tables import read_table
from mediasift.similarity.error_rates import TextScore
from mediasift.tasks.classify import Classification, Classify
from mediasift.tasks.convert import Convert, Converted
from mediasift.tasks.detect import Detect, Detection
from mediasift.tasks.embed import Embed, Embedding
from mediasift.tasks.fingerprint import TakeFingerprints
from mediasift.tasks.info import Info, Inform
from mediasift.tasks.keyframes import KeyFrame, KeyFrames
from mediasift.tasks.ocr import DPI as OCR_DPI
from mediasift.tasks.ocr import HELPFUL, Ocr, TextRegion
from mediasift.tasks.shots import Shot, Shots, ShotsSummary, ShotSummary
from mediasift.tasks.task import Task
from mediasift.tasks.timeline import PARTS, Moment, Part, Timeline
from mediasift.tasks.transcribe import PIECES_S, Segment, Transcribe

Named = str | Path | NDArray[np.uint8] | Sequence[str | Path | NDArray[np.uint8]]


class TableOptions(TypedDict, total=False):
    """Options that every command with a table takes.

    Attributes:
        recursive: Enter folders inside named folders (default True).
        column: Column of a `.csv` list that holds the paths; default `path`, or the only one.
        keep: Columns of a `.csv` list to carry into every row.
        max_megapixels: Largest picture that is decoded (default 100).
        every_frame: All frames of animated pictures instead of the first.
        every: Which frames of videos and animations: `2s`, `1000f`, `iframe` or `shot` (default: `1s` of a video).
        batch_size: Items per model call; default: the task's own.
        jobs: Reader threads; default one per core, 0 for none of ours.
        threads: Threads of the model; default every core.
        stdin: Where the input `-` reads paths from.
        isolate: Read and compute in a process of its own, as the command line does: whatever crashes there, stands
            still or eats memory costs one error row, and Ctrl-C leaves an output that can be continued.
        timeout_s: With `isolate`: seconds that one item may take.
        max_memory_gb: With `isolate`: memory that process may hold, in 10^9 bytes.
        dpi: Resolution at which pages of a PDF become pictures (default 150; 300 for `ocr`).
        pages: Which pages of a PDF, e.g. `1-3,5`.
        password: For encrypted PDFs.
    """

    recursive: bool
    column: str | None
    keep: Sequence[str]
    max_megapixels: float
    every_frame: bool
    every: str | None
    batch_size: int | None
    jobs: int | None
    threads: int | None
    stdin: TextIO | None
    isolate: bool
    timeout_s: float
    max_memory_gb: float | None
    dpi: float | None
    pages: str | None
    password: str | None


def classify(
    inputs: Named,
    *,
    model: str | Path | OnnxModel = DEFAULT_CLASSIFIER,
    device: str = "cpu",
    top: int = 1,
    min_score: float = 0.0,
    crops: Sequence[Box] = (),
    invert: bool = False,
    **options: Unpack[TableOptions],
) -> Table[Classification]:
    """Rows of labels for pictures; iterate over them, or `write` them to a file.

    Args:
        inputs: Paths, folders, globs, `.txt` or `.csv` lists, or uint8 arrays (H, W, 3) in RGB; one or several.
        model: Name, path of an ONNX file, or what `load_model` gave.
        device: cpu, auto, openvino, cuda, tensorrt, coreml or directml.
        top: Labels per picture at most; 0 for all.
        min_score: Leave out labels below this score, 0..1.
        crops: Boxes (left, top, right, bottom), fractions 0..1, each classified on its own.
        invert: Swap light and dark first.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here or cannot be used.
        UsageError: An option is out of range.
    """
    task = Classify(
        model=model if isinstance(model, OnnxModel) else str(model),
        device=device,
        top=top,
        min_score=min_score,
        crops=tuple(crops),
        invert=invert,
    )
    return _table(task, inputs, options)


def _table(task: Task, inputs: Named, options: TableOptions, **reading: Any) -> Table[Any]:
    """The started table of a task over inputs; `reading` are fields of `ReadOptions` beyond those of `TableOptions`."""
    limits = None
    if options.get("isolate", False):
        limits = Limits(timeout_s=options.get("timeout_s", TIMEOUT_S), max_memory_gb=options.get("max_memory_gb"))
    return Table(_job(task, inputs, options, **reading), stdin=options.get("stdin"), limits=limits)


def detect(
    inputs: Named,
    *,
    model: str | Path | OnnxModel = DEFAULT_DETECTOR,
    device: str = "cpu",
    min_score: float = 0.3,
    iou: float = 0.5,
    labels: Sequence[str] = (),
    draw: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Table[Detection]:
    """A row for each object in pictures and frames of videos, with its box.

    Args:
        inputs: See `classify`.
        model: Name, path of an ONNX file, or what `load_model` gave.
        device: See `classify`.
        min_score: Leave out lower scores, 0..1.
        iou: Of boxes of one label that overlap more (intersection over union), only the best stays.
        labels: Only these; none for all.
        draw: Write copies of the pictures with boxes into this folder.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here or cannot be used.
        UsageError: An option is out of range, or a label is none of the model's.
    """
    task = Detect(
        model=model if isinstance(model, OnnxModel) else str(model),
        device=device,
        min_score=min_score,
        iou=iou,
        labels=tuple(labels),
        draw=None if draw is None else str(draw),
    )
    return _table(task, inputs, options)


def keyframes(
    inputs: Named,
    *,
    directory: str | Path | None = None,
    image_format: str = "jpeg",
    detector: str = "content",
    **options: Unpack[TableOptions],
) -> Table[KeyFrame]:
    """A row for each chosen frame of videos; also stills where a folder for them is named.

    Args:
        inputs: Paths, folders, globs or lists of videos and animated pictures.
        directory: Write stills here, named by video, time and frame.
        image_format: jpeg, png or webp.
        detector: What finds the cuts for `every` shot: content or adaptive.
        **options: See `TableOptions`; `every` is `shot` here unless something else is asked for.

    Raises:
        UsageError: An option is out of range.
        OutputError: The folder cannot be made.
    """
    task = KeyFrames(directory=None if directory is None else str(directory), image_format=image_format)
    every = options.get("every") or "shot"
    return _table(task, inputs, {**options, "every": every}, detector=detector)


def shots(
    inputs: Named, *, detector: str = "content", fades: bool = True, **options: Unpack[TableOptions]
) -> Table[Shot]:
    """A row for each shot of videos: when it begins and ends, and what it looks like.

    Args:
        inputs: Paths, folders, globs or lists of videos and animated pictures.
        detector: What finds hard cuts: content or adaptive.
        fades: Whether black between two shots parts them, too.
        **options: See `TableOptions`.
    """
    return _table(Shots(fades=fades), inputs, options, detector=detector)


def shot_summary(
    inputs: Named, *, detector: str = "content", fades: bool = True, **options: Unpack[TableOptions]
) -> Table[ShotSummary]:
    """A row for each video: cuts per minute, mean and median length of its shots; see `shots`."""
    return _table(ShotsSummary(fades=fades), inputs, options, detector=detector)


def timeline(
    inputs: Named,
    *,
    parts: Sequence[str] = ("shots", "keyframes"),
    classify_model: str | Path = DEFAULT_CLASSIFIER,
    detect_model: str | Path = DEFAULT_DETECTOR,
    device: str = "cpu",
    top: int = 1,
    min_score: float = 0.3,
    labels: Sequence[str] = (),
    detector: str = "content",
    fades: bool = True,
    vtt: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Table[Moment]:
    """One table on one clock for videos, each decoded once.

    Args:
        inputs: Paths, folders, globs or lists of videos and animated pictures.
        parts: What it holds: shots, keyframes, classify, detect.
        classify_model: For `classify`.
        detect_model: For `detect`.
        device: See `classify`.
        top: Labels per frame at most; 0 for all.
        min_score: Leave out lower scores, 0..1.
        labels: Only these objects; none for all.
        detector: What finds hard cuts: content or adaptive.
        fades: Whether black between two shots parts them, too.
        vtt: Write a WebVTT file per video into this folder.
        **options: See `TableOptions`; `every` says which frames are classified and searched for objects.

    Raises:
        ModelError: A model is not here or cannot be used.
        UsageError: An option is out of range, or a part is none.
    """
    if unknown := [part for part in parts if part not in PARTS]:
        raise UsageError(f"part {unknown[0]!r}: a timeline can hold {', '.join(PARTS)}")
    shared = {"device": device, "min_score": min_score}
    settings = {
        "classify": {"model": str(classify_model), "top": top, **shared},
        "detect": {"model": str(detect_model), "labels": list(labels), **shared},
    }
    task = Timeline(
        shots="shots" in parts,
        keyframes="keyframes" in parts,
        parts=tuple(Part(name=name, settings=json.dumps(settings[name])) for name in settings if name in parts),
        fades=fades,
        vtt=None if vtt is None else str(vtt),
    )
    return _table(task, inputs, options, detector=detector)


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
    return _table(task, inputs, with_dpi, text_layer=layer)


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
    return _table(task, inputs, options, piece_s=piece_s, channel=channel, raw_rate=raw_rate)


def sound_minutes(inputs: Named, *, raw_rate: int | None = None, **options: Unpack[TableOptions]) -> tuple[float, int]:
    """(minutes of sound, recordings whose length is unknown) in the inputs, by what their containers say."""
    job = _job(Transcribe(), inputs, options)
    minutes, unknown = 0.0, 0
    for source in find_sources(job.inputs, Skipped()):
        length = None if source.file is None else duration_s(source.file, raw_rate=raw_rate)
        unknown += length is None and source.failure is None
        minutes += (length or 0.0) / 60
    return minutes, unknown


def evaluated_column(reference: str | Path) -> str:
    """What a table of what is true tells: `text` if it has such a column and none `label`, else `label`.

    Raises:
        InputError: It cannot be read.
    """
    names = read_table(Path(reference))[0]
    return "text" if "text" in names and "label" not in names else "label"


def evaluate_text(result: str | Path, reference: str | Path, *, plain: bool = False) -> list[TextScore]:
    """Word and character error rates of a table of text, per path and in all (path `(all)`).

    Args:
        result: Written by `ocr` or `transcribe`.
        reference: With the columns path and text.
        plain: Compare without case and punctuation.

    Raises:
        InputError: A table cannot be read, or they have no path in common.
        UsageError: A column is missing.
    """
    return score_texts(Path(result), Path(reference), plain=plain)


def _job(task: Task, inputs: Named, options: TableOptions, **reading: Any) -> Job:
    if options.get("pages"):
        parse_pages(str(options["pages"]))
    named = [inputs] if isinstance(inputs, (str, Path, np.ndarray)) else list(inputs)
    return Job(
        task=task,
        inputs=Inputs(
            named=named,
            recursive=options.get("recursive", True),
            column=options.get("column"),
            keep=tuple(options.get("keep", ())),
        ),
        reading=ReadOptions(
            max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS),
            every_frame=options.get("every_frame", False),
            every=options.get("every"),
            dpi=options.get("dpi") or DPI,
            pages=options.get("pages"),
            password=options.get("password"),
            **reading,
        ),
        batch_size=options.get("batch_size"),
        jobs=options.get("jobs"),
        threads=options.get("threads"),
    )


def info(inputs: Named, **options: Unpack[TableOptions]) -> Table[Info]:
    """A row for each picture, page, video or sound: format, size, colour model, duration, date, place, SHA-256.

    Headers are read, no pixels. Arguments as for `classify`.
    """
    return _table(Inform(), inputs, options)


def convert(
    inputs: Named,
    folder: str | Path,
    *,
    to: str = "png",
    color_model: ColorModel = "rgb",
    size: tuple[int, int] | None = None,
    percent: float | None = None,
    fit: Fit = "stretch",
    filling: Filling = "color",
    color: Color = (0, 0, 0),
    resample: Resample = "area",
    crop: Box | None = None,
    flip: Literal["h", "v"] | None = None,
    rotate: float = 0.0,
    canvas: Canvas = "grow",
    exif: KeepExif = "strip",
    quality: int = 90,
    **options: Unpack[TableOptions],
) -> Table[Converted]:
    """Write converted copies of pictures into a folder, in subfolders as the inputs are; a row says where each is.

    In this order: crop, flip, rotate (degrees clockwise), resize, colour model. See `tasks.convert.Convert`.

    Args:
        inputs: As for `classify`.
        folder: Where to; made if it is not there.
        to: png, jpg, webp, avif, npy or npz.
        color_model: gray or rgb; hsv or lab for arrays.
        size: (width, height), reached by `fit`; or
        percent: of both sides.
        fit: stretch, crop (the middle) or pad.
        filling: For pad: color, reflect or blur.
        color: RGB of padding, and of what rotation leaves free.
        resample: area averages when shrinking; bicubic, lanczos, bilinear and nearest are Pillow's.
        crop: (left, top, right, bottom) in fractions 0..1.
        flip: h or v.
        rotate: Degrees clockwise.
        canvas: grow or keep, when rotating.
        exif: strip, keep or without-place.
        quality: 1..100, of jpg, webp and avif.
        **options: See `TableOptions`.

    Raises:
        UsageError: Options that exclude each other, or a folder inside an input.
    """
    named = _named(inputs)
    _refuse_folder_inside(named, Path(folder))
    task = Convert(
        folder=str(folder), base=common_folder(named), to=to, color_model=color_model, size=size, percent=percent,
        how=fit, filling=filling, color=color, resample=resample, crop=crop, flip=flip, rotate=rotate, canvas=canvas,
        exif=exif, quality=quality, max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS),
    )  # fmt: skip
    return _table(task, inputs, options)


def _refuse_folder_inside(named: Sequence[str | Path | NDArray[np.uint8]], folder: Path) -> None:
    for name in named:
        if (
            isinstance(name, (str, Path))
            and Path(name).is_dir()
            and folder.resolve().is_relative_to(Path(name).resolve())
        ):
            raise UsageError(f"{folder}: lies in the input {name}, whose pictures would be converted again and again")


def embed(
    inputs: Named,
    *,
    model: str | Path = DEFAULT_CLASSIFIER,
    layer: str | None = None,
    device: str = "cpu",
    **options: Unpack[TableOptions],
) -> Table[Embedding]:
    """A vector for each picture: `row.embedding`, float32 (D,).

    Args:
        inputs: As for `classify`.
        model: Name or path of an embedding model, or of a classifier, whose penultimate layer is taken.
        layer: Another tensor or node of the graph.
        device: As for `classify`.
        **options: See `TableOptions`.

    Raises:
        ModelError: The model is not here, has no such layer, or cannot be used.
    """
    return _table(Embed(model=str(model), layer=layer, device=device), inputs, options)


class CompareOptions(TableOptions, total=False):
    """How pictures are compared.

    Attributes:
        size: For the method pixels: side of the square (default 15).
        centred: For the method pixels: subtract each picture's mean.
        resample: For the method pixels: area (default) or bicubic.
        layer: For a model: the layer to take.
        device: For a model: as for `classify`.
        index: File that keeps what was taken of each picture, so that the next run reads only what is new.
    """

    size: int
    centred: bool
    resample: Literal["area", "bicubic"]
    layer: str | None
    device: str
    index: str | Path | None


def compare(inputs: Named, *, method: str = DEFAULT_METHOD, **options: Unpack[CompareOptions]) -> NDArray[np.float64]:
    """Similarity of each picture with each: float64 (N, N), 1 for the same; NaN for what cannot be read.

    Args:
        inputs: As for `classify`; pages and frames are compared one by one.
        method: phash, dhash, ahash, pixels, or a model's name or path.
        **options: See `CompareOptions`.
    """
    comparing = _comparing(method, options, every_pixel=True)
    collection = _reading(comparing, [[], inputs], options, {}).collect(None, None)
    return similarity_matrix(collection, comparing.space(collection))


def similarity(
    a: str | Path | NDArray[np.uint8],
    b: str | Path | NDArray[np.uint8],
    *,
    method: str = "pixels",
    **options: Unpack[CompareOptions],
) -> float:
    """How similar two pictures are, 1 for the same: by default the cosine of their pixels at 15x15.

    Raises:
        ItemError: One of them cannot be read.
    """
    first = next(iter(compare_pairs([a, b], method=method, **options)))
    if first.similarity is None:
        raise Unreadable(f"{first.path_a}: {first.error}")
    return first.similarity


def compare_pairs(
    inputs: Named,
    *,
    method: str = DEFAULT_METHOD,
    min_similarity: float | None = None,
    **options: Unpack[CompareOptions],
) -> Reduced[Pair]:
    """A row for each pair of pictures, or each pair that is similar enough; exact, however many there are.

    Args:
        inputs: As for `classify`.
        method: As for `compare`.
        min_similarity: Leave out pairs below it; None leaves none out.
        **options: See `CompareOptions`.
    """
    comparing = _comparing(method, options, every_pixel=True)
    if min_similarity is not None:
        comparing.least(min_similarity)
    reading = _reading(comparing, [[], inputs], options, {"task": "compare", "min_similarity": min_similarity})
    threads = options.get("threads") or available_cores()
    return Reduced(
        Pair,
        reading,
        lambda collection: pair_rows(collection, comparing.space(collection), method, min_similarity, threads),
    )


def duplicates(
    inputs: Named,
    *,
    match: Literal["near", "pixels", "bytes"] = "near",
    method: str = DEFAULT_METHOD,
    min_similarity: float | None = None,
    turns: bool = False,
    prefer: Prefer = "largest",
    against: Named | None = None,
    **options: Unpack[CompareOptions],
) -> Reduced[Duplicate]:
    """A row for each picture: its group, if it has duplicates, and which picture stands for the group.

    Each member is similar enough to its representative, so groups do not chain.

    Args:
        inputs: As for `classify`.
        match: near, or only the same pixels, or only the same bytes.
        method: As for `compare`; for near.
        min_similarity: For near; None takes the method's own, see docs/similarity.md.
        turns: For near: also mirrored and turned by right angles.
        prefer: Which of a group stands for it: the largest, the sharpest, or the first.
        against: An old collection: `inputs` are compared with it and among themselves, and only they get rows.
        **options: See `CompareOptions`.
    """
    if match != "near":
        if against is not None or turns:
            raise UsageError(f"against and turns are for near duplicates, not for match {match}")
        return _exact_duplicates(inputs, match, options)
    comparing = _comparing(method, options, turns=turns, sharpness=prefer == "sharpest")
    least = comparing.least(min_similarity)
    old = [] if against is None else _named(against)
    settings = {"task": "duplicates", "match": match, "min_similarity": least, "prefer": prefer, "against": _told(old)}
    reading = _reading(comparing, [old, inputs], options, settings)
    return Reduced(
        Duplicate,
        reading,
        lambda collection: duplicate_rows(
            collection,
            comparing.space(collection),
            _reader(TakeFingerprints(digest=True), options),
            min_similarity=least,
            prefer=prefer,
            known_sources=reading.first,
            threads=options.get("threads") or available_cores(),
        ),
    )


def _exact_duplicates(inputs: Named, match: str, options: CompareOptions) -> Reduced[Duplicate]:
    skipped = Skipped()
    reading = Reading(
        table=_table(Inform(), inputs, options),
        sources=_sources(inputs, options, skipped),
        skipped=skipped,
        settings={"task": "duplicates", "match": match},
        fingerprints=False,
        keep=tuple(options.get("keep", ())),
    )
    if match == "bytes":
        return Reduced(Duplicate, reading, byte_rows)
    digests = _reader(TakeFingerprints(digest=True), options)
    headers, frames = _reader(Inform(), options), bool(options.get("every_frame") or options.get("every"))
    return Reduced(Duplicate, reading, lambda found: pixel_rows(found, headers, digests, every_frame=frames))


def search(
    query: Named,
    inputs: Named,
    *,
    top: int = 10,
    method: str = DEFAULT_METHOD,
    min_similarity: float | None = None,
    turns: bool = False,
    **options: Unpack[CompareOptions],
) -> Reduced[Neighbour]:
    """The pictures of a collection that are most similar to a query; exact.

    Args:
        query: One picture or several.
        inputs: The collection, as for `classify`.
        top: Neighbours per query at most.
        method: As for `compare`.
        min_similarity: Leave out what is less similar.
        turns: Also mirrored and turned by right angles.
        **options: See `CompareOptions`.
    """
    if top < 1:
        raise UsageError(f"top {top}: must be 1 or more")
    comparing = _comparing(method, options, turns=turns)
    if min_similarity is not None:
        comparing.least(min_similarity)
    settings = {"task": "search", "top": top, "min_similarity": min_similarity, "query": _told(_named(query))}
    reading = _reading(comparing, [query, inputs], options, settings)
    if reading.first in (0, len(reading.sources)):
        raise InputError("search needs a query and pictures to search among; one of them names no media")
    return Reduced(
        Neighbour,
        reading,
        lambda collection: neighbour_rows(
            collection, comparing.space(collection), queries=reading.first, top=top, min_similarity=min_similarity
        ),
    )


def _comparing(
    method: str,
    options: CompareOptions,
    *,
    turns: bool = False,
    sharpness: bool = False,
    every_pixel: bool = False,
) -> Comparing:
    return Comparing(
        method=method,
        size=options.get("size", PIXELS_SIDE),
        centred=options.get("centred", False),
        resample=options.get("resample", "area"),
        layer=options.get("layer"),
        device=options.get("device", "cpu"),
        turns=turns,
        sharpness=sharpness,
        every_pixel=every_pixel,
    )


def _reading(
    comparing: Comparing, groups: Sequence[Named], options: CompareOptions, settings: dict[str, Any]
) -> Reading:
    """The inputs of two groups, one after the other, to be fingerprinted by one started table."""
    skipped = Skipped()
    first, rest = (_sources(group, options, skipped) for group in groups)
    index = options.get("index")
    return Reading(
        table=_table(comparing.task(), groups[-1], options),
        sources=[*first, *rest],
        first=len(first),
        skipped=skipped,
        settings={**asdict(comparing), **settings},
        index=None if index is None else Path(index),
        keep=tuple(options.get("keep", ())),
    )


def _sources(inputs: Named, options: TableOptions, skipped: Skipped) -> list[Source]:
    wanted = _job(Inform(), inputs, options).inputs
    return list(find_sources(wanted, skipped, stdin=options.get("stdin")))


def _reader(task: Task, options: TableOptions) -> Decode:
    """Runs a task over sources found before, once."""
    return lambda sources: _table(task, [], options).by_source(sources, None, len(sources))


def _named(inputs: Named) -> list[str | Path | NDArray[np.uint8]]:
    return [inputs] if isinstance(inputs, (str, Path, np.ndarray)) else list(inputs)


def _told(named: Sequence[str | Path | NDArray[np.uint8]]) -> list[str]:
    return ["array" if isinstance(name, np.ndarray) else str(name) for name in named]


def list_models() -> list[tuple[Entry, Path | None]]:
    """Every model the registry knows, and its file where it is on this machine."""
    return [(entry, report.where(entry)) for entry in entries().values()]


def show_model(model: str) -> Iterator[str]:
    """Lines on a model: labels, recipe, layers, parameters, origin, scores."""
    return report.show(model)


def verify_models() -> Iterator[tuple[str, str]]:
    """(name, empty or what is wrong) of every known model on this machine."""
    return report.verify()


def pull_model(model: str, *, source: str | None = None, progress: TextIO | None = None) -> Path:
    """The file of a known model, fetched if it is not on this machine; resumed if it was cut before.

    Args:
        model: A name of `list_models`.
        source: A file or another URL to take it from; the bytes must be the registered ones.
        progress: Where to tell how far it is.
    """
    told = Transfer(progress, model)
    try:
        return pull(model, source=source, told=told)
    finally:
        told.close()


def describe_model(path: str | Path, description: ModelDescription) -> Path:
    """Write a foreign ONNX file's description beside it, once it has run as described; returns the sidecar's path."""
    return write_sidecar(Path(path), description)


def check_model(model: str | Path, folder: str | Path) -> Check:
    """How well a model's description does on a folder with a folder per label (or a CSV), and what would do better."""
    return check_description(load_model(model), read_labelled(Path(folder)))


def evaluate_labels(
    result: str | Path, reference: str | Path, *, report: str | Path | None = None, seed: int = 0
) -> Evaluation:
    """How good a table of labels is, measured against a table of what is true.

    Args:
        result: Written by `classify`, or any table with the columns path and label (score, rank and label_id count).
        reference: With the columns path and label.
        report: Folder for tables and plots.
        seed: Of the bootstrap that the intervals come from.

    Raises:
        InputError: A table cannot be read, lacks a column, or they have no path in common.
        MissingPackage: A report needs matplotlib.
    """
    result, reference = Path(result), Path(reference)
    if report is not None:
        need_plots()
    true = true_labels(reference, read_table(reference))
    known = {label for labels in true.values() for label in labels}
    found = measured(said_labels(result, read_table(result), known), true, seed=seed)
    if report is not None:
        write_report(found, Path(report))
    return found


def doctor() -> list[Finding]:
    """What works on this machine and what does not."""
    return list(findings())
