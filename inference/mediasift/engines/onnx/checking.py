"""Whether a description is right: a labelled folder is classified with it, and with the usual other recipes.

A wrong recipe is the silent error of this field: everything runs, and the labels are somewhat or entirely wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.onnx.description import Colour, InputDescription, ModelDescription
from mediasift.engines.onnx.recipe import arrange, fitted, smallest_size
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import DescriptionError, InferenceFailed, InputError, ItemError, did_you_mean
from mediasift.items import FailedItem
from mediasift.media.pictures.images import decode
from mediasift.sources.content import LocalFile
from mediasift.sources.labelled import Labelled, read_labelled

PICTURES = 200
"""At most so many are classified, drawn at random with a fixed seed."""
SIGNIFICANCE = 0.01

_BATCH = 8
_SCALINGS = (
    (1.0, (0.0,), (1.0,)),
    (1 / 255, (0.0,), (1.0,)),
    (1 / 127.5, (1.0,), (1.0,)),
    (1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    (1.0, (123.68, 116.779, 103.939), (1.0,)),
)
"""The ways in which the well-known networks were trained: none, 0..1, -1..1, PyTorch's, and Caffe's means (in RGB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A recipe and how it does.

    Attributes:
        options: What to type for it; empty for the description as it is.
        right: Of each picture, bool (N,).
        chance: The share that would be right if the answers had nothing to do with the labels.
    """

    options: str
    right: NDArray[np.bool_]
    chance: float

    @property
    def accuracy(self) -> float:
        """Share that is right."""
        return float(self.right.mean())

    @property
    def like_chance(self) -> bool:
        """Whether it is no better than guessing, as far as so many pictures can show."""
        return self.proves_little and self.accuracy < (1 + self.chance) / 2

    @property
    def proves_little(self) -> bool:
        """Whether guessing would do as well once in a hundred times; of few pictures, even all right show little."""
        return _tail(int(self.right.sum()), len(self.right), self.chance) > SIGNIFICANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The description as it is, and the recipe that does clearly better, if there is one."""

    given: Tried
    better: Tried | None


def check_model(model: str | Path, folder: str | Path) -> Check:
    """How well a model's description does on a folder with a folder per label (or a CSV), and what would do better.

    Raises:
        ModelError: The model is not here, or has no description.
        InputError: As `check_description`.
    """
    return check_description(load_model(model), read_labelled(Path(folder)))


def check_description(model: OnnxModel, labelled: Labelled, *, seed: int = 0) -> Check:
    """Classify a sample of the pictures with the model's description and with its variants.

    Raises:
        InputError: No picture can be read, the labels are not the model's, or a picture has several.
        DescriptionError: The model gives no numbers for them.
    """
    description = model.description
    numbers = _numbers(description, labelled)
    order = np.random.default_rng(seed).permutation(len(labelled.files))[:PICTURES]
    pictures, true = _read([labelled.files[position] for position in order], numbers[order], description.input)
    tried: list[Tried] = []
    for options, wanted in _variants(description.input):
        try:
            tried.append(_try(model, pictures, true, wanted, options))
        except InferenceFailed as error:  # another recipe may drive it out of its range
            if not options:
                raise DescriptionError(f"{model.path}: does not run on these pictures: {error}") from error
    given, others = tried[0], tried[1:]
    best = max(others, key=lambda one: one.accuracy, default=None)
    if best is not None:  # McNemar's exact test on the pictures that only one of them has right (McNemar, 1947)
        wins, losses = int((best.right & ~given.right).sum()), int((given.right & ~best.right).sum())
        if best.like_chance or wins <= losses or _tail(wins, wins + losses, 0.5) >= SIGNIFICANCE:
            best = None
    return Check(given=given, better=best)


def _numbers(description: ModelDescription, labelled: Labelled) -> NDArray[np.int64]:
    """Each picture's position in the model's output."""
    if labelled.multilabel:
        raise InputError(f"{labelled.name}: a check needs one label per picture")
    for known in (description.labels, description.label_ids):
        place = {label: number for number, label in enumerate(known)}
        if set(labelled.classes) <= set(place):
            return np.array([place[labels[0]] for labels in labelled.labels], dtype=np.int64)
    unknown = sorted(set(labelled.classes) - set(description.labels))
    raise InputError(
        f"{labelled.name}: the label {unknown[0]!r} is not one of the model's: {', '.join(description.labels[:5])} ..."
        f"{did_you_mean(unknown[0], description.labels)}"
    )


def _variants(given: InputDescription) -> Iterator[tuple[str, InputDescription]]:
    """(what to type, recipe): as described first, then other channel orders and scalings.

    Size and layout are the graph's, and cannot be wrong unnoticed.
    """
    yield "", given
    colours: tuple[Colour, ...] = ("gray",) if given.colour == "gray" else ("rgb", "bgr")
    for colour in colours:
        order = f"--color {colour} " if colour != given.colour else ""
        if order:
            yield order.strip(), replace(given, colour=colour)
        for scale, *rgb in _SCALINGS if given.dtype != "uint8" else ():
            mean, std = (numbers[:: -1 if colour == "bgr" else 1] for numbers in rgb)
            made = replace(given, colour=colour, scale=scale, mean=mean, std=std)
            if len(mean) <= given.channels and made != given:
                yield order + _typed(scale, mean, std), made


def _typed(scale: float, mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """The options for a scaling; those that are as usual are left out, but for one."""
    listed = [("--mean", mean, (0.0,)), ("--std", std, (1.0,))]
    words = [f"{name} {','.join(f'{n:g}' for n in numbers)}" for name, numbers, usual in listed if numbers != usual]
    if scale != 1 or not words:
        words.insert(0, "--scale 1" if scale == 1 else f"--scale 1/{1 / scale:g}")
    return " ".join(words)


def _read(
    files: Sequence[Path], numbers: NDArray[np.int64], wanted: InputDescription
) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64]]:
    """The readable pictures at the model's size, and the numbers of their labels."""
    pictures, kept = [], []
    for file, number in zip(files, numbers, strict=True):
        try:
            first = next(decode(LocalFile(file).read(), suffix=file.suffix, needs=smallest_size(wanted)))
        except ItemError:
            continue
        if not isinstance(first, FailedItem):
            pictures.append(fitted(first.image, wanted))
            kept.append(number)
    if not pictures:
        raise InputError(f"{files[0].parent}: none of the pictures can be read")
    return pictures, np.array(kept)


def _try(
    model: OnnxModel,
    pictures: Sequence[NDArray[np.uint8]],
    true: NDArray[np.int64],
    wanted: InputDescription,
    options: str,
) -> Tried:
    batches = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
    results = [model.run(np.stack([arrange(one, wanted) for one in batch])) for batch in batches]
    values = np.concatenate(results).reshape(len(pictures), -1)
    threshold = 0.5 if model.description.output.values == "probabilities" else 0.0
    answers = values.argmax(axis=1) if values.shape[1] > 1 else (values[:, 0] > threshold).astype(np.int64)
    count = len(model.description.labels)
    shares = [np.bincount(one, minlength=count) / len(true) for one in (answers, true)]
    return Tried(options=options, right=answers == true, chance=float(shares[0] @ shares[1]))


def _tail(hits: int, count: int, chance: float) -> float:
    """P(at least `hits` of `count`) where each is right with probability `chance` (binomial)."""
    if not 0 < chance < 1:
        return float(hits == 0 or chance >= 1)
    every, log_chance, log_other = math.lgamma(count + 1), math.log(chance), math.log1p(-chance)
    terms = (
        math.exp(every - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * log_chance + (count - k) * log_other)
        for k in range(hits, count + 1)
    )
    return min(1.0, math.fsum(terms))
