"""Commands that compare everything with everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.comparing import DEFAULT_METHOD, PIXELS_SIDE, Comparing
from mediasift.compare.exact import byte_rows, pixel_rows
from mediasift.compare.groups import Decode, Duplicate, Prefer, duplicate_rows
from mediasift.compare.neighbours import Neighbour, neighbour_rows
from mediasift.compare.pairs import Pair, pair_rows, similarity_matrix
from mediasift.compare.reduction import Reading, Reduction
from mediasift.errors import InputError, Unreadable, UsageError
from mediasift.run.table import Table
from mediasift.sources.naming import Skipped, Source, find_sources
from mediasift.system.machine import available_cores
from mediasift.tasks.fingerprint import TakeFingerprints
from mediasift.tasks.info import Inform
from mediasift.tasks.task import Task
from mediasift.verbs.tables import Named, TableOptions, job_of, named_inputs, stream


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
    collection = _reading(comparing, [[], inputs], options, {}).collect()
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
) -> Table[Pair]:
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
    return Table(
        Reduction(
            Pair,
            reading,
            lambda collection: pair_rows(collection, comparing.space(collection), method, min_similarity, threads),
        )
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
) -> Table[Duplicate]:
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
    old = [] if against is None else named_inputs(against)
    settings = {"task": "duplicates", "match": match, "min_similarity": least, "prefer": prefer, "against": _told(old)}
    reading = _reading(comparing, [old, inputs], options, settings)
    return Table(
        Reduction(
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
    )


def _exact_duplicates(inputs: Named, match: str, options: CompareOptions) -> Table[Duplicate]:
    skipped = Skipped()
    reading = Reading(
        stream=stream(Inform(), inputs, options),
        sources=_sources(inputs, options, skipped),
        skipped=skipped,
        settings={"task": "duplicates", "match": match},
        fingerprints=False,
        keep=tuple(options.get("keep", ())),
    )
    if match == "bytes":
        return Table(Reduction(Duplicate, reading, byte_rows))
    digests = _reader(TakeFingerprints(digest=True), options)
    headers, frames = _reader(Inform(), options), bool(options.get("every_frame") or options.get("every"))
    return Table(Reduction(Duplicate, reading, lambda found: pixel_rows(found, headers, digests, every_frame=frames)))


def search(
    query: Named,
    inputs: Named,
    *,
    top: int = 10,
    method: str = DEFAULT_METHOD,
    min_similarity: float | None = None,
    turns: bool = False,
    **options: Unpack[CompareOptions],
) -> Table[Neighbour]:
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
    settings = {"task": "search", "top": top, "min_similarity": min_similarity, "query": _told(named_inputs(query))}
    reading = _reading(comparing, [query, inputs], options, settings)
    if reading.first in (0, len(reading.sources)):
        raise InputError("search needs a query and pictures to search among; one of them names no media")
    return Table(
        Reduction(
            Neighbour,
            reading,
            lambda collection: neighbour_rows(
                collection, comparing.space(collection), queries=reading.first, top=top, min_similarity=min_similarity
            ),
        )
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
        stream=stream(comparing.task(), groups[-1], options),
        sources=[*first, *rest],
        first=len(first),
        skipped=skipped,
        settings={**asdict(comparing), **settings},
        index=None if index is None else Path(index),
        keep=tuple(options.get("keep", ())),
    )


def _sources(inputs: Named, options: TableOptions, skipped: Skipped) -> list[Source]:
    wanted = job_of(Inform(), inputs, options).inputs
    return list(find_sources(wanted, skipped, stdin=options.get("stdin")))


def _reader(task: Task, options: TableOptions) -> Decode:
    """Runs a task over sources found before, once."""
    return lambda sources: stream(task, [], options).read(sources)


def _told(named: Sequence[str | Path | NDArray[np.uint8]]) -> list[str]:
    return ["array" if isinstance(name, np.ndarray) else str(name) for name in named]
