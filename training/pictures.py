"""Labelled pictures as arrays, through mediasift's own reader and resize: what is trained on is what is met in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.description import InputDescription
from mediasift.engines.onnx.recipe import fitted, smallest_size
from mediasift.errors import InputError, UsageError
from mediasift.items import Item
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.run.job import Job
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.sources.labelled import Labelled
from mediasift.sources.naming import Inputs
from mediasift.tasks.task import ModelRunSettings, Reads, Started

NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture(Row):
    """A picture at the model's size: uint8 (H, W, 3) RGB or (H, W); None where it could not be read."""

    pixels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, kw_only=True)
class Fit(PictureSettings, ModelRunSettings):
    """A task that brings pictures to the size in a description's input part."""

    name: ClassVar[str] = "fit"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Picture

    input: InputDescription

    def start(self, resources: Resources) -> StartedFit:
        """Nothing can be missing."""
        return StartedFit(self.input, resources.batch_size or 16)


class StartedFit(Started):
    """See `mediasift.tasks.task.Started`."""

    def __init__(self, wanted: InputDescription, batch_size: int) -> None:
        self.wanted = wanted
        self.batch_size = batch_size
        self.needs = smallest_size(wanted)

    def prepare(self, item: Item) -> np.ndarray:
        """The picture at its size."""
        return fitted(item.image, self.wanted)

    def infer(self, batch: Sequence[np.ndarray]) -> list[list[Row]]:
        """Nothing more is done to it."""
        return [[Picture(pixels=pixels)] for pixels in batch]


def read_pictures(files: Sequence[Path], wanted: InputDescription) -> Iterator[tuple[int, np.ndarray | None, str]]:
    """(index, pixels, "") of every file that can be read, (index, None, error) of the others, in order.

    A file of several pages counts with its first.

    Args:
        files: Pictures; the same file is given once.
        wanted: Size, fit and colours.
    """
    index = {str(file): position for position, file in enumerate(files)}
    seen: set[int] = set()
    job = Job(task=Fit(input=wanted), inputs=Inputs(named=list(index)))
    for row in Table(Stream[Picture](job)):
        position = index.get(row.path)
        if position is not None and position not in seen:
            seen.add(position)
            yield position, row.pixels, row.error
    for position in sorted(set(index.values()) - seen):  # a list of paths where a picture should be
        yield position, None, "not a picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Pictures to train or to test on.

    Attributes:
        files: (N,).
        targets: bool (N, classes).
    """

    files: tuple[Path, ...]
    targets: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        """The label's number where a picture has one label: int (N,)."""
        return np.asarray(self.targets.argmax(axis=1))


def part(labelled: Labelled, positions: Sequence[int] | np.ndarray) -> Part:
    """These pictures of a set."""
    place = {label: number for number, label in enumerate(labelled.classes)}
    targets = np.zeros((len(positions), len(place)), bool)
    for row, position in enumerate(positions):
        for label in labelled.labels[position]:
            targets[row, place[label]] = True
    return Part(files=tuple(labelled.files[position] for position in positions), targets=targets)


def readable(labelled: Labelled, broken: Mapping[int, str]) -> list[int]:
    """Positions of the pictures that can be used; the others are reported on the terminal, by name.

    Args:
        labelled: All of them.
        broken: Position → why it cannot be read.

    Raises:
        InputError: Fewer than two pictures of a label are left, or fewer than two labels.
    """
    for position in list(broken)[:NAMED_AT_MOST]:
        print(f"left out: {labelled.files[position]}: {broken[position]}")
    if len(broken) > NAMED_AT_MOST:
        print(f"left out: {len(broken) - NAMED_AT_MOST} more that cannot be read")
    left = [position for position in range(len(labelled.files)) if position not in broken]
    if len(labelled.classes) < 2 and not labelled.multilabel:
        raise InputError(f"{labelled.name}: only one label ({', '.join(labelled.classes)}); at least two are needed")
    counts = Counter(label for position in left for label in labelled.labels[position])
    for label in labelled.classes:
        if counts[label] < 2:
            raise InputError(
                f"{labelled.name}: {counts[label]} readable pictures of {label!r}; one to learn from and one to test "
                "on are the least. Add some, or take the label out"
            )
    return left


def split(labelled: Labelled, positions: Sequence[int], *, test_share: float, seed: int) -> tuple[Part, Part]:
    """Pictures to train on and pictures to test on; each label is shared out alike (its rarest, with several).

    Raises:
        UsageError: The share leaves nothing on one side.
    """
    if not 0 < test_share < 1:
        raise UsageError(f"--test-share {test_share}: must be between 0 and 1")
    counts = Counter(label for position in positions for label in labelled.labels[position])
    groups: dict[str, list[int]] = {}
    for position in positions:
        rarest = min(labelled.labels[position], key=lambda label: (counts[label], label), default="")
        groups.setdefault(rarest, []).append(position)
    rng = np.random.default_rng(seed)
    train: list[int] = []
    test: list[int] = []
    for _, members in sorted(groups.items()):
        shuffled = rng.permutation(members).tolist()
        held_out = min(max(1, round(len(members) * test_share)), len(members) - 1)
        test += shuffled[:held_out]
        train += shuffled[held_out:]
    if not test:
        raise UsageError(f"{len(positions)} pictures are too few to hold some out")
    return part(labelled, sorted(train)), part(labelled, sorted(test))


def split_in_three(labelled: Labelled, positions: Sequence[int], *, seed: int) -> tuple[Part, Part, Part]:
    """Pictures to train on, to stop by, and to test on: 64, 16 and 20 %, each label shared out alike.

    Raises:
        InputError: A label has fewer than three pictures.
    """
    counts = Counter(label for position in positions for label in labelled.labels[position])
    if few := sorted(label for label in labelled.classes if counts[label] < 3):
        raise InputError(f"{labelled.name}: {few[0]!r} has {counts[few[0]]} readable pictures; fine-tuning needs three")
    rest, test = split(labelled, positions, test_share=0.2, seed=seed)
    kept = set(rest.files)
    left = [position for position in positions if labelled.files[position] in kept]
    train, validation = split(labelled, left, test_share=0.2, seed=seed)
    return train, validation, test


def load(labelled: Labelled, wanted: InputDescription) -> tuple[np.ndarray, list[int]]:
    """All readable pictures, uint8 (N, H, W, 3) or (N, H, W), and their positions in the set.

    Raises:
        InputError: As in `readable`.
    """
    pixels_at: dict[int, np.ndarray] = {}
    broken: dict[int, str] = {}
    for position, pixels, error in read_pictures(labelled.files, wanted):
        if pixels is None:
            broken[position] = error
        else:
            pixels_at[position] = pixels
    left = readable(labelled, broken)
    return np.stack([pixels_at[position] for position in left]), left
