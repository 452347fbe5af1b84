"""The verbs that compare everything with everything: their options, and what they read first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from mediasift.compare.collection import Collection
from mediasift.compare.comparing import DEFAULT_METHOD, PIXELS_SIDE, Comparing
from mediasift.compare.exact import byte_rows, pixel_rows
from mediasift.compare.groups import Decode, Duplicate, Prefer, duplicate_rows
from mediasift.compare.methods import CENTRED_MIN_SIMILARITY, METHODS, MODEL_MIN_SIMILARITY
from mediasift.compare.neighbours import Neighbour, neighbour_rows
from mediasift.compare.pairs import Pair, pair_rows
from mediasift.compare.reduction import Reading, Reduction
from mediasift.engines.onnx.settings import DeviceSettings
from mediasift.errors import InputError, UsageError
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.run.stream import Named, named_inputs, stream_of
from mediasift.run.table import Table
from mediasift.settings import Option, options
from mediasift.sources.naming import Inputs, Skipped, Source, find_sources
from mediasift.system.machine import available_cores
from mediasift.tasks.fingerprint import TakeFingerprints
from mediasift.tasks.info import Inform
from mediasift.tasks.task import ModelRunSettings, Task

_DEFAULTS = ", ".join(f"{name} {method.min_similarity:g}" for name, method in METHODS.items()) + (
    f", pixels --centred {CENTRED_MIN_SIMILARITY:g}, models {MODEL_MIN_SIMILARITY:g}"
)
_TURNS = Option("Also mirrored and turned by 90, 180 and 270 degrees; by method disc at any angle.")
_LEAST = Option("Leave out what is less similar.", least=-1, most=1)


@dataclass(frozen=True, kw_only=True)
class CompareSettings(DeviceSettings, PictureSettings, ModelRunSettings):
    """How pictures are compared."""

    row: ClassVar[type[Row]]

    method: Annotated[
        str,
        Option("How to compare: phash, dhash, ahash, disc, pixels, or a model's name or .onnx file.", metavar="METHOD"),
    ] = DEFAULT_METHOD
    size: Annotated[int, Option("For pixels: side of the square.", least=1, most=256)] = PIXELS_SIDE
    centred: Annotated[bool, Option("For pixels: subtract each picture's mean first.")] = False
    resample: Annotated[Literal["area", "bicubic"], Option("For pixels: how to shrink; bicubic is Pillow's.")] = "area"
    layer: Annotated[
        str | None,
        Option("For a model: the layer to take.", metavar="NAME", default="an embedding, or the penultimate layer"),
    ] = None
    index: Annotated[
        str | Path | None,
        Option("Keep what was taken of each picture here; the next run reads only what is new.", metavar="FILE"),
    ] = None

    def comparing(self, **more: bool) -> Comparing:
        """The method with its settings."""
        return Comparing(
            method=self.method, size=self.size, centred=self.centred, resample=self.resample, layer=self.layer,
            device=self.device, **more,
        )  # fmt: skip

    def reading(self, comparing: Comparing, groups: Sequence[Named], own: dict[str, Any]) -> Reading:
        """The inputs of two groups, one after the other, whose fingerprints one started table takes.

        Args:
            comparing: The method.
            groups: Queries or an old collection; then the inputs.
            own: The verb's own settings, JSON values.
        """
        skipped = Skipped()
        first, rest = (self._sources(group, skipped) for group in groups)
        return Reading(
            stream=stream_of(self._shared(comparing.task()), groups[-1]),
            sources=[*first, *rest],
            first=len(first),
            skipped=skipped,
            settings={**asdict(comparing), **own},
            index=None if self.index is None else Path(self.index),
            keep=tuple(self.keep),
        )

    def _shared(self, task: Any) -> Any:
        """A task with the settings of reading and running that it has in common with this verb."""
        theirs = {declared.name for declared in options(type(task))}
        mine = {declared.name for kind in (PictureSettings, ModelRunSettings) for declared in options(kind)}
        return replace(task, **{name: getattr(self, name) for name in theirs & mine})

    def _sources(self, inputs: Named, skipped: Skipped) -> list[Source]:
        named = Inputs(named=named_inputs(inputs), recursive=self.recursive, column=self.column, keep=tuple(self.keep))
        return list(find_sources(named, skipped))

    def _reader(self, task: Task) -> Decode:
        """Runs a task over sources that are known already, once."""
        return lambda sources: stream_of(self._shared(task), []).read(sources)

    @property
    def _cores(self) -> int:
        return self.threads or available_cores()


@dataclass(frozen=True, kw_only=True)
class Compare(CompareSettings):
    """Report how similar pictures are to each other: a row for each pair, 1 for the same.

    phash, dhash and ahash count equal bits of 64; strangers have about half of them in common (0.5).

    pixels is the cosine of the shrunken pixels. It cannot tell a picture from a darker or lighter copy of it, and as no
    pixel is negative, strangers often reach 0.9; --centred tells pictures apart by their structure instead. A black
    picture has no direction: it counts as 1 to another black one, and 0 to all others.

    A model compares its embeddings by their cosine.
    """

    row: ClassVar[type[Row]] = Pair

    min_similarity: Annotated[float | None, _LEAST] = None

    def table(self, inputs: Named) -> Table[Pair]:
        """The pairs."""
        comparing = self.comparing(every_pixel=True)
        reading = self.reading(comparing, [[], inputs], {"task": "compare", "min_similarity": self.min_similarity})

        def rows(collection: Collection) -> Iterator[Pair]:
            space = comparing.space(collection)
            return pair_rows(collection, space, self.method, self.min_similarity, self._cores)

        return Table(Reduction(Pair, reading, rows))


@dataclass(frozen=True, kw_only=True)
class Duplicates(CompareSettings):
    """Find pictures that are the same, or nearly: a row for each, with the number of its group.

    Every member is similar enough to the picture that stands for its group, so that groups do not chain.
    """

    row: ClassVar[type[Row]] = Duplicate

    match: Annotated[
        Literal["near", "pixels", "bytes"],
        Option("What counts: near duplicates, the same pixels in any file, or the same file."),
    ] = "near"
    min_similarity: Annotated[
        float | None,
        Option(
            "For near: a member is at least so similar to its group's representative.", least=-1, most=1,
            default=f"by method: {_DEFAULTS}",
        ),
    ] = None  # fmt: skip
    turns: Annotated[bool, _TURNS] = False
    prefer: Annotated[Prefer, Option("Which picture of a group stands for it.")] = "largest"
    against: Annotated[
        Named | None,
        Option("An old collection to compare with: only INPUT gets rows. May be given several times.", multiple=True),
    ] = None

    def table(self, inputs: Named) -> Table[Duplicate]:
        """The groups."""
        old = [] if self.against is None else named_inputs(self.against)
        if self.match != "near":
            if old or self.turns:
                raise UsageError(f"against and turns are for near duplicates, not for match {self.match}")
            return self._exact(inputs)
        comparing = self.comparing(turns=self.turns, sharpness=self.prefer == "sharpest")
        least = comparing.least(self.min_similarity)
        own = {"task": "duplicates", "match": self.match, "min_similarity": least, "prefer": self.prefer,
               "against": _names(old)}  # fmt: skip
        reading = self.reading(comparing, [old, inputs], own)

        def rows(collection: Collection) -> Iterator[Duplicate]:
            return duplicate_rows(
                collection,
                comparing.space(collection),
                self._reader(TakeFingerprints(digest=True)),
                min_similarity=least,
                prefer=self.prefer,
                known_sources=reading.first,
                threads=self._cores,
            )

        return Table(Reduction(Duplicate, reading, rows))

    def _exact(self, inputs: Named) -> Table[Duplicate]:
        skipped = Skipped()
        reading = Reading(
            stream=stream_of(self._shared(Inform()), inputs),
            sources=self._sources(inputs, skipped),
            skipped=skipped,
            settings={"task": "duplicates", "match": self.match},
            fingerprints=False,
            keep=tuple(self.keep),
        )
        if self.match == "bytes":
            return Table(Reduction(Duplicate, reading, byte_rows))
        digests, headers = self._reader(TakeFingerprints(digest=True)), self._reader(Inform())
        frames = self.every_frame or self.every is not None
        return Table(
            Reduction(Duplicate, reading, lambda found: pixel_rows(found, headers, digests, every_frame=frames))
        )


@dataclass(frozen=True, kw_only=True)
class Search(CompareSettings):
    """Find the pictures of a collection that are most like QUERY: a row for each, the most similar first.

    QUERY is a picture; a folder or list of pictures gives the neighbours of each.
    """

    row: ClassVar[type[Row]] = Neighbour

    among: Annotated[
        Named, Option("Where to search; several times if need be.", flag="--in", metavar="INPUT", multiple=True)
    ] = field(kw_only=False)
    top: Annotated[int, Option("Neighbours per query at most.", least=1)] = 10
    min_similarity: Annotated[float | None, _LEAST] = None
    turns: Annotated[bool, _TURNS] = False

    def table(self, query: Named) -> Table[Neighbour]:
        """The neighbours of each query."""
        comparing = self.comparing(turns=self.turns)
        own = {"task": "search", "top": self.top, "min_similarity": self.min_similarity,
               "query": _names(named_inputs(query))}  # fmt: skip
        reading = self.reading(comparing, [query, self.among], own)
        if reading.first in (0, len(reading.sources)):
            raise InputError("search needs a query and pictures to search among; one of them names no media")

        def rows(collection: Collection) -> Iterator[Neighbour]:
            space = comparing.space(collection)
            return neighbour_rows(
                collection, space, queries=reading.first, top=self.top, min_similarity=self.min_similarity
            )

        return Table(Reduction(Neighbour, reading, rows))


def _names(named: Sequence[Any]) -> list[str]:
    return ["array" if isinstance(name, np.ndarray) else str(name) for name in named]
