"""Labelled pictures as embeddings, read as in use; and which of them are nearly the same."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from mediasift.compare.index import Index
from mediasift.compare.settings import Duplicates
from mediasift.engines.engine import Resources
from mediasift.engines.onnx.embedder import load_embedder
from mediasift.engines.onnx.recipe import prepare
from mediasift.errors import InputError, ItemError
from mediasift.items import Item
from mediasift.media.pictures.transforms import Picture, crop, flip, rotate
from mediasift.rows import Row
from mediasift.run.stream import stream_of
from mediasift.sources.content import LocalFile
from mediasift.sources.labelled import Labelled
from mediasift.sources.naming import Source
from mediasift.system.files import make_folder
from mediasift.system.machine import cache_folder
from mediasift.system.progress import Progress
from mediasift.tasks.embed import Embed, Embedding, StartedEmbed

_INNER = (0.1, 0.1, 0.9, 0.9)
_UNTURNED = (0.15, 0.15, 0.85, 0.85)
"""What of a picture that was turned by 45 degrees, on a canvas of its old size, shows hardly any of its corners."""


def _turned(image: Picture, degrees: float) -> Picture:
    return crop(rotate(image, degrees, canvas="keep"), _UNTURNED)


ALTERED: tuple[Callable[[Picture], Picture], ...] = (
    lambda image: flip(image, "h"),
    lambda image: crop(image, _INNER),
    lambda image: crop(flip(image, "h"), _INNER),
    lambda image: _turned(image, 45),
    lambda image: _turned(image, -45),
)
"""The copies that --augment adds."""


@dataclass(frozen=True, kw_only=True)
class EmbedCopies(Embed):
    """Vectors of pictures and of altered copies of them: a row for each, the picture's own first."""

    augment: bool = False

    def start(self, resources: Resources) -> StartedEmbed:
        """Load the model."""
        model = load_embedder(str(self.model), layer=self.layer, device=self.device, threads=resources.threads)
        started = StartedCopies(self, model, resources)
        if self.augment:  # parts need every pixel they can get
            started.needs = None
        return started


class StartedCopies(StartedEmbed):
    """See `tasks.task.Started`."""

    def prepare(self, item: Item) -> NDArray[Any]:
        """The model's input for the picture and each copy, stacked."""
        copies = [item.image, *(alter(item.image) for alter in ALTERED if self.settings.augment)]
        return np.stack([prepare(copy, self.model.description.input) for copy in copies])

    def infer(self, batch: Sequence[NDArray[Any]]) -> list[list[Row]]:
        """As many rows as copies."""
        vectors = iter(self.model.run(np.concatenate(batch), pad_to=self.batch_size * len(batch[0])))
        return [[Embedding(embedding=next(vectors)) for _ in copies] for copies in batch]


def embed(
    labelled: Labelled, task: EmbedCopies, *, index: Path | None, progress: TextIO | None
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Embeddings float32 (N, copies, D), those of broken pictures zero, and position → error of these.

    Args:
        labelled: The pictures.
        task: How.
        index: Where embeddings are kept for the next run; None for the user's cache folder.
        progress: Where to report how far it is.

    Raises:
        InputError: None of the pictures can be read.
    """
    stream = stream_of(task, [])
    sources = [Source(path=str(file), content=LocalFile(file)) for file in labelled.files]
    found: dict[int, NDArray[np.float32]] = {}
    broken: dict[int, str] = {}
    copies = 1 + len(ALTERED) if task.augment else 1
    path = index or _cache(labelled, stream.made_by)
    shown = Progress(progress, len(sources))
    with Index(path, stream.made_by) as kept:
        for position, (place, new) in enumerate(stream.kept(sources, kept, shown)):
            rows = list(kept.rows(place, Embedding) if new is None else new.rows)[:copies]  # of several pages the first
            vectors = [row.embedding for row in rows if isinstance(row, Embedding) and row.embedding is not None]
            if len(vectors) == copies:
                found[position] = np.stack(vectors)
            else:
                broken[position] = next((row.error for row in rows if row.error), "no picture in it")
    if not found:
        raise InputError(f"none of {len(sources)} pictures can be read; the first: {sources[0].path}: {broken[0]}")
    whole = np.zeros((len(sources), *next(iter(found.values())).shape), np.float32)
    for position, stacked in found.items():
        whole[position] = stacked
    return whole, broken


def _cache(labelled: Labelled, made_by: Mapping[str, Any]) -> Path:
    """A file of its own for each set of pictures and way to embed them."""
    folder = cache_folder() / "embeddings"
    make_folder(folder)
    key = json.dumps([str(labelled.files[0].absolute().parent), labelled.name, made_by], sort_keys=True, default=str)
    return folder / f"{labelled.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.index"


def near_duplicates(files: Sequence[Path], settings: Duplicates) -> list[list[int]]:
    """Groups of positions whose pictures are nearly the same, as `mediasift duplicates` finds them."""
    place = {str(file): position for position, file in enumerate(files)}
    groups: defaultdict[int, dict[int, None]] = defaultdict(dict)
    for row in settings.table([str(file) for file in files]):
        if row.group is not None and row.path in place:
            groups[row.group][place[row.path]] = None
    return [sorted(members) for members in groups.values() if len(members) > 1]


def group_numbers(count: int, groups: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """int64 (count,): one number for pictures that are nearly the same, each other picture its own."""
    numbers = np.arange(count)
    for members in groups:
        for one, other in pairwise(members):
            numbers[numbers == numbers[other]] = numbers[one]
    return numbers


def check_counts(labelled: Labelled, targets: NDArray[np.bool_], groups: NDArray[np.int64]) -> None:
    """Raise an InputError where there is nothing to tell apart, or nothing to learn a label from and test it on."""
    if not labelled.classes:
        raise InputError(f"{labelled.name}: no picture has a label; fill in the column of labels")
    if labelled.multilabel:
        for label, column in zip(labelled.classes, targets.T, strict=True):
            if column.all():
                raise InputError(f"{labelled.name}: the label {label!r} is on every picture: nothing to tell it from")
    elif len(labelled.classes) < 2:
        raise InputError(f"{labelled.name}: only one label ({', '.join(labelled.classes)}); at least two are needed")
    for label, column in zip(labelled.classes, targets.T, strict=True):
        different = len(np.unique(groups[column]))
        if different < 2:
            counted = f"{int(column.sum())} readable pictures of {label!r}"
            same = ", which are nearly the same" if column.sum() > different else ""
            raise InputError(
                f"{labelled.name}: {counted}{same}; one to learn from and another to test on are the least. Add some, "
                "or take the label out"
            )


def targets_of(labelled: Labelled) -> NDArray[np.bool_]:
    """What is on each picture: bool (N, labels)."""
    place = {label: number for number, label in enumerate(labelled.classes)}
    targets = np.zeros((len(labelled.files), len(place)), bool)
    for row, labels in enumerate(labelled.labels):
        targets[row, [place[label] for label in labels]] = True
    return targets


def set_sha256(labelled: Labelled) -> str:
    """One SHA-256 for the whole set: of each file's name, labels and content."""
    digest = hashlib.sha256()
    for file, labels in zip(labelled.files, labelled.labels, strict=True):
        try:
            content = LocalFile(file).sha256()[1]
        except ItemError:
            content = "unreadable"
        digest.update(f"{file.name}\0{'|'.join(labels)}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def label_counts(labelled: Labelled) -> dict[str, int]:
    """How many pictures have each label."""
    return dict(sorted(Counter(label for labels in labelled.labels for label in labels).items()))
