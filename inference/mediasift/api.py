"""One function per command: what `import mediasift` offers and what the command line calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TextIO, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError, Unreadable, UsageError
from mediasift.media.encode import KeepExif
from mediasift.media.images import MAX_MEGAPIXELS
from mediasift.media.readers import ReadOptions
from mediasift.media.sources import Inputs, Skipped, Source, common_folder, find_sources
from mediasift.media.transforms import Box, Canvas, Color, ColorModel, Filling, Fit, Resample
from mediasift.models import report
from mediasift.models.describe import write_sidecar
from mediasift.models.description import ModelDescription
from mediasift.models.providers import available_cores
from mediasift.models.registry import DEFAULT_CLASSIFIER, Entry, entries
from mediasift.models.session import OnnxModel
from mediasift.run.collection import read_collection
from mediasift.run.comparing import DEFAULT_METHOD, PIXELS_SIDE, Comparing
from mediasift.run.doctor import Finding, findings
from mediasift.run.exact import byte_rows, pixel_rows
from mediasift.run.groups import Decode, Duplicate, Prefer, duplicate_rows
from mediasift.run.neighbours import Neighbour, neighbour_rows
from mediasift.run.pairs import Pair, pair_rows, similarity_matrix
from mediasift.run.reduction import Reading, Reduced
from mediasift.run.table import Job, Table
from mediasift.tasks.classify import Classification, Classify
from mediasift.tasks.convert import Convert, Converted
from mediasift.tasks.embed import Embed, Embedding
from mediasift.tasks.fingerprint import TakeFingerprints
from mediasift.tasks.info import Info, Inform
from mediasift.tasks.task import Task

Named = str | Path | NDArray[np.uint8] | Sequence[str | Path | NDArray[np.uint8]]


class TableOptions(TypedDict, total=False):
    """Options that every command with a table takes.

    Attributes:
        recursive: Enter folders inside named folders (default True).
        column: Column of a `.csv` list that holds the paths; default `path`, or the only one.
        keep: Columns of a `.csv` list to carry into every row.
        max_megapixels: Largest picture that is decoded (default 100).
        every_frame: All frames of animated pictures instead of the first.
        batch_size: Items per model call; default: the task's own.
        jobs: Reader threads; default one per core, 0 for none of ours.
        threads: Threads of the model; default every core.
        stdin: Where the input `-` reads paths from.
    """

    recursive: bool
    column: str | None
    keep: Sequence[str]
    max_megapixels: float
    every_frame: bool
    batch_size: int | None
    jobs: int | None
    threads: int | None
    stdin: TextIO | None


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
    return Table(_job(task, inputs, options), stdin=options.get("stdin"))


def _table(task: Task, inputs: Named, options: TableOptions) -> Table[Any]:
    """The started table of a task over inputs."""
    return Table(_job(task, inputs, options), stdin=options.get("stdin"))


def _job(task: Task, inputs: Named, options: TableOptions) -> Job:
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
            max_megapixels=options.get("max_megapixels", MAX_MEGAPIXELS), every_frame=options.get("every_frame", False)
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
    reading = _reading(comparing, [[], inputs], options, {})
    index = reading.index
    collection = read_collection(reading.table, reading.sources, index, None)
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
    reading = _reading(comparing, [[], inputs], options, {"command": "compare", "min_similarity": min_similarity})
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
    settings = {"command": "duplicates", "min_similarity": least, "turns": turns, "prefer": prefer}
    reading = _reading(comparing, [[] if against is None else against, inputs], options, settings)
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
    named = [_shown(one) for one in _named(inputs)]
    reading = Reading(
        table=_table(Inform(), inputs, options),
        sources=_sources(inputs, options, skipped),
        skipped=skipped,
        settings={"command": "duplicates", "match": match, "inputs": named},
        fingerprints=False,
        keep=tuple(options.get("keep", ())),
    )
    if match == "bytes":
        return Reduced(Duplicate, reading, byte_rows)
    digests = _reader(TakeFingerprints(digest=True), options)
    return Reduced(Duplicate, reading, lambda found: pixel_rows(found, _reader(Inform(), options), digests))


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
    settings = {"command": "search", "top": top, "min_similarity": min_similarity, "turns": turns}
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
    named = [one for group in groups for one in _named(group)]
    return Reading(
        table=_table(comparing.task(), named, options),
        sources=[*first, *rest],
        first=len(first),
        skipped=skipped,
        settings={**settings, **asdict(comparing), "inputs": [_shown(one) for one in named]},
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


def _shown(name: str | Path | NDArray[np.uint8]) -> str:
    return "array" if isinstance(name, np.ndarray) else str(name)


def list_models() -> list[tuple[Entry, Path | None]]:
    """Every model the registry knows, and its file where it is on this machine."""
    return [(entry, report.where(entry)) for entry in entries().values()]


def show_model(model: str) -> Iterator[str]:
    """Lines on a model: labels, recipe, layers, parameters, origin, scores."""
    return report.show(model)


def verify_models() -> Iterator[tuple[str, str]]:
    """(name, empty or what is wrong) of every known model on this machine."""
    return report.verify()


def describe_model(path: str | Path, description: ModelDescription) -> Path:
    """Write a foreign ONNX file's description beside it, once it has run as described; returns the sidecar's path."""
    return write_sidecar(Path(path), description)


def doctor() -> list[Finding]:
    """What works on this machine and what does not."""
    return list(findings())
