"""The verbs that compare everything with everything: their options, and what they read first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.collection import Collection
from mediasift.compare.groups import Decode, Duplicate, Prefer, byte_rows, duplicate_rows, pixel_rows
from mediasift.compare.hashes import HASHES
from mediasift.compare.methods import (
    CENTRED_MIN_SIMILARITY,
    DISC_ANGLES,
    DISC_RADII,
    METHODS,
    MODEL_MIN_SIMILARITY,
    disc_space,
    embedding_space,
    hash_space,
    pixel_space,
)
from mediasift.compare.neighbours import Neighbour, neighbour_rows
from mediasift.compare.pairs import Pair, pair_rows
from mediasift.compare.reduction import Reduction
from mediasift.compare.spaces import TURNS, Space
from mediasift.engines.onnx.pair import TextHalf
from mediasift.engines.onnx.registry import DEFAULT_CLASSIFIER, find_description, find_model
from mediasift.engines.onnx.settings import DeviceSettings
from mediasift.errors import InputError, UsageError
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.run.stream import stream_of
from mediasift.run.table import Table
from mediasift.settings import Option, options
from mediasift.sources.finding import check_inputs, find_sources
from mediasift.sources.folders import Skipped
from mediasift.sources.memory import Named, named_inputs
from mediasift.sources.naming import Inputs
from mediasift.system.machine import available_cores
from mediasift.tasks.fingerprint import TakeFingerprints
from mediasift.tasks.info import Inform
from mediasift.tasks.task import ModelRunSettings, Task

PIXELS_SIDE = 15
"""Side of the square that `pixels` compares: what the handbook's example takes, 675 numbers."""

_DEFAULTS = ", ".join(
    f"{name} {least:g}"
    for name, least in {**METHODS, "pixels --centred": CENTRED_MIN_SIMILARITY, "models": MODEL_MIN_SIMILARITY}.items()
)
_METHOD = Option(
    "How to compare: phash, dhash, ahash, disc, pixels, or a model's name or .onnx file.", metavar="METHOD"
)
_TURNS = Option("Also mirrored and turned by 90, 180 and 270 degrees; by method disc at any angle.")
_LEAST = Option("Leave out what is less similar.", least=-1, most=1)


@dataclass(frozen=True, kw_only=True)
class CompareSettings(DeviceSettings, PictureSettings, ModelRunSettings):
    """How pictures are compared."""

    row: ClassVar[type[Row]]

    method: Annotated[str, _METHOD] = "phash"
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

    def reduction(
        self,
        groups: Sequence[Named],
        wanted: TakeFingerprints,
        own: dict[str, Any],
        rows: Callable[[Collection, Space], Iterator[Any]],
    ) -> Reduction[Any]:
        """What reads two groups of inputs, one after the other, and makes rows of all of them together.

        Args:
            groups: Queries or an old collection; then the inputs.
            wanted: Whether turns or sharpness are wanted.
            own: The verb's own settings, JSON values.
            rows: The collection and its readable pictures, comparable → the rows.

        Raises:
            UsageError: An option does not fit the method.
        """
        if self.method != "pixels" and (self.centred or self.size != PIXELS_SIDE or self.resample != "area"):
            raise UsageError(f"size, centred and resample are for the method pixels, not for {self.method}")
        if self.method in METHODS and self.layer is not None:
            raise UsageError(f"layer is for models; {self.method} has none")
        mine = ("method", "size", "centred", "resample", "layer", "device")
        settings = {name: getattr(self, name) for name in mine}
        settings |= {name: getattr(wanted, name) for name in ("turns", "sharpness")} | own
        task = self._fingerprints(wanted)
        return self._reduced(task, groups, settings, lambda read: rows(read, self.space(read, turns=wanted.turns)))

    def _reduced(
        self, task: Any, groups: Sequence[Named], settings: Mapping[str, Any], reduce: Callable[[Collection], Any]
    ) -> Reduction[Any]:
        skipped, inputs = Skipped(), [Inputs.of(self, named_inputs(group)) for group in groups]
        for before in inputs[:-1]:  # the stream checks the last ones
            check_inputs(before)
        sources = [list(find_sources(one, skipped)) for one in inputs]
        stream = stream_of(self._shared(task), groups[-1])
        return Reduction(
            self.row, reduce, stream=stream, groups=sources, skipped=skipped, index=self.index, settings=settings
        )

    def _fingerprints(self, wanted: TakeFingerprints) -> TakeFingerprints:
        """What the method takes of each picture; only a model must see the turned ones."""
        if self.method not in METHODS:
            return replace(wanted, model=self.method, layer=self.layer, device=self.device)
        shrunken = partial(replace, wanted, turns=False)
        if self.method == "pixels":
            return shrunken(width=self.size, height=self.size, how="crop", resample=self.resample, gray=False)
        if self.method == "disc":
            return shrunken(width=DISC_RADII, height=DISC_ANGLES, how="disc")
        return shrunken(width=HASHES[self.method].width, height=HASHES[self.method].height)

    def space(self, collection: Collection, *, turns: bool = False) -> Space:
        """The readable pictures, comparable."""
        if self.method in HASHES:
            width, height = HASHES[self.method].width, HASHES[self.method].height
            pixels = collection.shrunken(width * height * (1 if width == height else 2))
            upright = pixels[:, : width * height].reshape(-1, height, width)
            sideways = pixels[:, -width * height :].reshape(-1, width, height)
            return hash_space(self.method, upright, sideways, turns=turns)
        if self.method == "disc":
            return disc_space(collection.shrunken(DISC_ANGLES, DISC_RADII), turns=turns)
        if self.method == "pixels":
            pixels = collection.shrunken(self.size, self.size, 3)
            return pixel_space(pixels, is_centred=self.centred, turns=turns)
        return embedding_space(collection.embedded(len(TURNS) if turns else 1))

    def _shared(self, task: Any) -> Any:
        """A task with the settings of reading and running that it has in common with this verb."""
        theirs = {declared.name for declared in options(type(task))}
        mine = {declared.name for kind in (PictureSettings, ModelRunSettings) for declared in options(kind)}
        return replace(task, **{name: getattr(self, name) for name in theirs & mine})

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
        return Table(self._pairs(inputs))

    def matrix(self, inputs: Named) -> NDArray[np.float64]:
        """Similarity of each picture with each: float64 (N, N), 1 for the same; NaN for what cannot be read."""
        collection = self._pairs(inputs).collect()
        at = np.flatnonzero([entry.feature >= 0 for entry in collection.entries])
        whole = np.full((len(collection.entries), len(collection.entries)), np.nan)
        whole[np.ix_(at, at)] = self.space(collection).matrix()
        return whole

    def _pairs(self, inputs: Named) -> Reduction[Pair]:
        own = {"task": "compare", "min_similarity": self.min_similarity}
        rows = partial(pair_rows, method=self.method, min_similarity=self.min_similarity, threads=self._cores)
        return self.reduction([[], inputs], TakeFingerprints(), own, rows)


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
        least = self.min_similarity
        if least is None:
            by_method = {**METHODS, "pixels": CENTRED_MIN_SIMILARITY} if self.centred else METHODS
            least = by_method.get(self.method, MODEL_MIN_SIMILARITY)
        own = {"task": "duplicates", "match": self.match, "min_similarity": least, "prefer": self.prefer,
               "against": Inputs(named=old).names}  # fmt: skip

        decode = self._reader(TakeFingerprints(digest=True))
        rows = partial(duplicate_rows, decode=decode, min_similarity=least, prefer=self.prefer, threads=self._cores)
        wanted = TakeFingerprints(turns=self.turns, sharpness=self.prefer == "sharpest")
        return Table(self.reduction([old, inputs], wanted, own, rows))

    def _exact(self, inputs: Named) -> Table[Duplicate]:
        reduce = byte_rows
        if self.match == "pixels":
            digests, headers = self._reader(TakeFingerprints(digest=True)), self._reader(Inform())
            frames = self.every_frame or self.every is not None
            reduce = partial(pixel_rows, headers=headers, decode=digests, every_frame=frames)
        return Table(self._reduced(Inform(), [inputs], {"task": "duplicates", "match": self.match}, reduce))


@dataclass(frozen=True, kw_only=True)
class Search(CompareSettings):
    """Find the pictures of a collection that are most like QUERY: a row for each, the most similar first.

    A model decides what is alike, so other pictures of the same kind of thing are found as well; --method phash finds
    copies of the picture itself, and is faster.

    QUERY is a picture; a folder or list of pictures gives the neighbours of each. With --text it is what they show, in
    words.
    """

    row: ClassVar[type[Row]] = Neighbour
    metavar: ClassVar[str] = "QUERY"

    method: Annotated[str, _METHOD] = DEFAULT_CLASSIFIER
    among: Annotated[
        Named, Option("Where to search; several times if need be.", flag="--in", metavar="INPUT", multiple=True)
    ] = field(kw_only=False)
    top: Annotated[int, Option("Neighbours per query at most.", least=1)] = 10
    min_similarity: Annotated[float | None, _LEAST] = None
    turns: Annotated[bool, _TURNS] = False
    text: Annotated[bool, Option("QUERY is words, for --method with a pair of picture and text (CLIP, SigLIP).")] = (
        False
    )

    @staticmethod
    def recorded(settings: Mapping[str, Any]) -> tuple[Mapping[str, Any], Sequence[str]]:
        """What a manifest's settings call again: settings, query."""
        texts = settings.get("text")
        return {**settings, "among": settings["inputs"], "text": bool(texts)}, texts or settings["query"]

    def table(self, query: Named) -> Table[Neighbour]:
        """The neighbours of each query."""
        if self.text:
            return self._by_words([query] if isinstance(query, str) else [str(one) for one in cast("Any", query)])
        own = {"task": "search", "top": self.top, "min_similarity": self.min_similarity,
               "query": Inputs(named=named_inputs(query)).names}  # fmt: skip
        rows = partial(neighbour_rows, top=self.top, min_similarity=self.min_similarity)
        try:
            reduction = self.reduction([query, self.among], TakeFingerprints(turns=self.turns), own, rows)
        except InputError as error:
            if not (isinstance(query, str) and str(error).startswith(f"{query}: no such file")):
                raise
            raise InputError(f"{error}; QUERY is a picture, words need --text") from error
        if reduction.first in (0, len(reduction.sources)):
            raise InputError("search needs a query and pictures to search among; one of them names no media")
        return Table(reduction)

    def _by_words(self, texts: Sequence[str]) -> Table[Neighbour]:
        """The pictures that are most like texts, in a model's space of both."""
        if self.method in METHODS or self.turns:
            raise UsageError("text needs --method with a pair of picture and text, and no --turns")
        path = find_model(self.method)
        half = TextHalf(path, find_description(path), threads=self.threads)
        vectors = half.vectors(texts, prompt=False)

        def rows(read: Collection, _space: Space) -> Iterator[Neighbour]:
            if read.vectors and read.vectors[0].shape != vectors[0].shape:
                raise UsageError(f"{path}: vectors of pictures and of texts have different lengths; they are no pair")
            read = read.behind(texts, vectors)
            return neighbour_rows(read, self.space(read), top=self.top, min_similarity=self.min_similarity)

        own = {"task": "search", "top": self.top, "min_similarity": self.min_similarity, "text": list(texts),
               **half.facts}  # fmt: skip
        return Table(self.reduction([[], self.among], TakeFingerprints(), own, rows))
