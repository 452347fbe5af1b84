"""Which label a picture gets: a model's scores, made into ranked rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.embedder import load_embedder
from mediasift.engines.onnx.meaning import check_probabilities
from mediasift.engines.onnx.pair import TextHalf
from mediasift.engines.onnx.recipe import arrange, arrange_all, fitted, is_small, smallest_size
from mediasift.engines.onnx.session import OnnxModel
from mediasift.engines.onnx.settings import ModelSettings
from mediasift.items import Item
from mediasift.media.pictures.transforms import Box, Fit, check_box, crop, parse_box
from mediasift.media.settings import PartSettings
from mediasift.rows import Finding, Row
from mediasift.settings import Option
from mediasift.tasks.task import CountSettings, ModelRunSettings, Reads, StartedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification(Finding):
    """One label of one picture; a picture without any is one row.

    Attributes:
        crop: The box `L,T,R,B` in fractions, where boxes were asked for.
        rank: From 1, best first; None when no label reached the minimum.
        label: As the model's description names it.
        label_id: An identifier such as a WordNet id, where the description has them.
        score: Probability 0..1, rounded to 6 decimals.
        found: How many labels the picture, or this crop of it, has in the table; 0 when none reached the minimum.
    """

    crop: str | None = None
    rank: int | None = None
    label: str | None = None
    label_id: str | None = None
    score: float | None = None


def _check_boxes(boxes: Sequence[Box]) -> None:
    for box in boxes:
        check_box(box)


@dataclass(frozen=True, kw_only=True)
class Classify(ModelSettings, CountSettings, PartSettings, ModelRunSettings):
    """Label pictures with a model: a row for each of the best labels."""

    name: ClassVar[str] = "classify"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Classification

    labels: Annotated[
        Sequence[str],
        Option(
            "Labels of one's own, separated by commas, for a pair of picture and text (CLIP, SigLIP).", metavar="A,B",
            default="the model's",
        ),
    ] = ()  # fmt: skip
    top: Annotated[int, Option("Labels per picture at most; 0 for all.", least=0)] = 1
    min_score: Annotated[float, Option("Leave out labels with lower scores.", least=0, most=1)] = 0.0
    crops: Annotated[
        Sequence[Box],
        Option(
            "Classify this part instead of the whole, in fractions of width and height; may be given several times.",
            flag="--crop", metavar="L,T,R,B", multiple=True, parse=parse_box, check=_check_boxes,
        ),
    ] = ()  # fmt: skip
    fit: Annotated[
        Fit | None,
        Option("How a picture gets the model's size, instead of the way its description says.",
               default="as the model's description says"),
    ] = None  # fmt: skip
    invert: Annotated[bool, Option("Swap light and dark first: ink on paper for a light-on-dark model.")] = False

    def start(self, resources: Resources) -> StartedClassify:
        """Load the model.

        Raises:
            ModelError: It is not here, not a classifier, or cannot run on the device.
        """
        model: OnnxModel
        if self.labels:
            if isinstance(self.model, OnnxModel):
                self.check_loaded(self.model, resources.threads)
            model = load_embedder(self.model, device=self.device, threads=resources.threads)
            started: StartedClassify = StartedOwnLabels(self, model, resources)
        else:
            model = self.loaded("classify", resources.threads)
            started = StartedClassify(self, model, resources)
        if self.fit not in (None, model.description.input.fit):
            started.wanted = replace(model.description.input, fit=self.fit, shorter_side=None)
            started.needs = smallest_size(started.wanted)
            started.facts = {**started.facts, "fit": self.fit}
        if self.crops:  # they need every pixel they can get
            started.needs = None
        return started


class StartedClassify(StartedModel):
    """See `tasks.task.Started`.

    Attributes:
        wanted: How pictures are prepared.
        labels, label_ids: In the order of the scores.
    """

    def __init__(self, settings: Classify, model: OnnxModel, resources: Resources) -> None:
        super().__init__(settings, model, resources)
        self.wanted = model.description.input
        self._is_small = is_small(self.wanted)
        can_be_taken = self._is_small and not (settings.crops or settings.invert or self.wanted.shorter_side)
        self._as_it_is = (self.wanted.height, self.wanted.width) if can_be_taken else None
        self.labels, self.label_ids = model.description.labels, model.description.label_ids

    def prepare(self, item: Item) -> list[NDArray[Any]]:
        """The model's input for the picture, or for each crop of it; pixels where `infer` arranges a whole batch."""
        wanted, invert = self.wanted, self.settings.invert
        if item.image.shape[:2] == self._as_it_is:
            return [item.image]
        parts = [crop(item.image, box) for box in self.settings.crops] or [item.image]
        pixels = [fitted(part, wanted, invert=invert) for part in parts]
        return pixels if self._is_small else [arrange(one, wanted) for one in pixels]

    def infer(self, batch: Sequence[list[NDArray[Any]]]) -> list[list[Row]]:
        """The rows of each picture."""
        parts = [part for prepared in batch for part in prepared]
        if self._is_small:
            pictures = arrange_all(parts, self.wanted)
        else:
            pictures = parts[0][None] if len(parts) == 1 else np.stack(parts)
        scores = self.scores(self.model.run(pictures, pad_to=self.pad_to))
        if self.settings.top == 1:  # of equals the first, as below
            order, best = scores.argmax(axis=1)[:, None], scores.max(axis=1)[:, None]
        else:
            order = np.argsort(-scores, axis=1, kind="stable")[:, : self.settings.top or None]
            best = np.take_along_axis(scores, order, axis=1)
        ranked = zip(order.tolist(), best.tolist(), strict=True)
        if not self.settings.crops:
            return [self._rows(*one, None) for one in ranked]
        boxes = [",".join(f"{side:g}" for side in box) for box in self.settings.crops]
        return [[row for box in boxes for row in self._rows(*next(ranked), box)] for _ in batch]

    def scores(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The model's output as probabilities, float32 (N, labels)."""
        return to_scores(values, self.model)

    def _rows(self, order: Sequence[int], scores: Sequence[float], box: str | None) -> list[Row]:
        """Those of one picture, or crop: numbers of labels, best first, and their scores."""
        labels, label_ids, least = self.labels, self.label_ids, self.settings.min_score
        count = len(scores) if scores[-1] >= least else sum(score >= least for score in scores)
        rows: list[Row] = [
            Classification(
                crop=box, rank=rank, score=round(score, 6), label=labels[position],
                label_id=label_ids[position] if label_ids else None, found=count,
            )
            for rank, (position, score) in enumerate(zip(order[:count], scores, strict=False), start=1)
        ]  # fmt: skip
        return rows or [Classification(crop=box, found=0)]


class StartedOwnLabels(StartedClassify):
    """The same with labels of the user's own, for a pair of picture and text."""

    def __init__(self, settings: Classify, model: OnnxModel, resources: Resources) -> None:
        super().__init__(settings, model, resources)
        self.labels, self.label_ids = tuple(settings.labels), ()
        self._half = TextHalf(model.path, model.description, threads=resources.threads)
        self._texts = self._half.vectors(self.labels)
        self.facts = {**self.facts, **self._half.facts}

    def scores(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """As the pair's description says."""
        return self._half.scores(values, self._texts)


def to_scores(values: NDArray[Any], model: OnnxModel) -> NDArray[np.float32]:
    """The model's output as probabilities, float32 (N, labels), 0..1.

    Logits get a softmax where one label of many is true, else a sigmoid; one number of a binary model is the
    second label's.

    Raises:
        InferenceFailed: They are described as probabilities, and are none.
    """
    output = model.description.output
    numbers = values.reshape(len(values), -1)
    if output.values == "probabilities":
        check_probabilities(numbers)
    else:
        numbers = numbers.astype(np.float64)
        if output.kind == "single" or (output.kind == "binary" and numbers.shape[1] == 2):
            numbers = np.exp(numbers - numbers.max(axis=1, keepdims=True))
            numbers /= numbers.sum(axis=1, keepdims=True)
        else:
            numbers = 0.5 * (1 + np.tanh(numbers / 2))
    if output.kind == "binary" and numbers.shape[1] == 1:
        second = numbers.astype(np.float64)
        numbers = np.concatenate([1 - second, second], axis=1)
    return numbers.astype(np.float32, copy=False).clip(0, 1)
