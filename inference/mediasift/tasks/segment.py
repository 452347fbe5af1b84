"""Which pixels show what: a row for each label or object, with its share of the picture, its box and its mask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.meaning import check_finite, check_probabilities
from mediasift.engines.onnx.recipe import prepare
from mediasift.engines.onnx.segmenters import (
    CHOSEN_OBJECTS,
    CLASS_MAP,
    SEGMENTERS,
    Objects,
    class_map,
    is_single,
    pixel_probabilities,
)
from mediasift.engines.onnx.session import OnnxModel
from mediasift.engines.onnx.settings import MODEL_OPTION
from mediasift.items import Item
from mediasift.media.pictures.boxes import color_of, draw, suppress
from mediasift.media.pictures.encode import still_path, write_mask, write_picture
from mediasift.media.pictures.masks import Fitted, Mask, bounds, interpolated, outlines, pasted_axes, strongest, tint
from mediasift.media.pictures.transforms import fitted_place
from mediasift.rows import Row
from mediasift.settings import Option
from mediasift.system.files import fitting, need_folder
from mediasift.tasks.objects import Detection, ObjectSettings, box_columns, known_labels, write_crop
from mediasift.tasks.task import Reads, StartedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Region(Detection):
    """One label or object in one picture; a picture without any is one row.

    Attributes:
        label: As the model's description names it; None when nothing was found.
        label_id: An identifier, where the description has them.
        score: 0..1, rounded to 6 decimals: of an object; of a label, the mean over its pixels. None where the model
            gives label numbers alone.
        left_px, top_px, width_px, height_px: The object's box, or that of all pixels with the label, in pixels of the
            upright picture.
        left, top, right, bottom: The same as fractions 0..1 of its width and height.
        image_path: The picture of the box alone, where these were asked for.
        found: How many regions the picture has in the table; 0 when nothing was found.
        share: Of the picture's pixels, 0..1, rounded to 6 decimals; objects may overlap.
        mask: The PNG file with the pixels, where masks were asked for: as large as the picture, 255 inside, else 0.
        polygons: Closed lines along the pixels' edges, where they were asked for, as JSON: of each line x, y, x, y ...
            in pixels of the upright picture. Filled by the even-odd rule, they are the mask.
    """

    share: float | None = None
    mask: str | None = None
    polygons: str | None = None


@dataclass(frozen=True, kw_only=True)
class Segmentation(ObjectSettings):
    """Find which pixels show what: a row for each label or object, with its share of the picture and its box.

    A model gives a label for each pixel, or objects with a mask each. Masks are brought back to the pixels of the
    picture.
    """

    name: ClassVar[str] = "segment"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Region

    model: Annotated[str | Path | OnnxModel, MODEL_OPTION] = field()  # no such model comes with mediasift
    min_share: Annotated[
        float, Option("Leave out labels and objects with a smaller share of the picture.", least=0, most=1)
    ] = 0.0
    masks: Annotated[
        str | Path | None,
        Option("Write a PNG for each row into this folder: 255 inside, else 0.", metavar="DIR", writes=True),
    ] = None
    polygons: Annotated[bool, Option("Add a column with outlines along the pixels' edges, as JSON.")] = False
    draw: Annotated[
        str | Path | None,
        Option("Write copies of the pictures with coloured regions into this folder.", metavar="DIR", writes=True),
    ] = None

    def start(self, resources: Resources) -> StartedSegment:
        """Load the model.

        Raises:
            ModelError: It is not here, does not segment, or cannot run on the device.
            UsageError: A label is none of the model's.
            OutputError: The folder for masks or drawings cannot be made.
        """
        model = self.loaded("segment", resources.threads)
        labels, notes = known_labels(self.labels, model)
        started = StartedSegment(replace(self, labels=labels), model, resources, batch_size=4)
        if notes:
            started.facts = {**started.facts, "labels": labels, "notes": notes}
        if self.masks is not None:
            need_folder(self.masks)
        self.need_folders(started, self.draw, self.crops_folder)
        return started


class _Prepared(NamedTuple):
    """The model's input, and the way back; the item has no pixels where they are not needed."""

    pixels: NDArray[Any]
    fitted: Fitted
    item: Item


class _Piece(NamedTuple):
    """A region before it becomes a row: its mask lies at `left`, `top` of the picture; `box` in fractions."""

    label: int
    score: float | None
    box: Sequence[float]
    mask: Mask
    left: int
    top: int


class StartedSegment(StartedModel):
    """See `tasks.task.Started`."""

    def prepare(self, item: Item) -> _Prepared:
        """The model's input for the picture."""
        wanted = self.model.description.input
        height, width = item.image.shape[:2]
        place = fitted_place(width, height, wanted.width, wanted.height, how=wanted.fit,
                             shorter_side=wanted.shorter_side, anchor=wanted.anchor)  # fmt: skip
        is_drawn = (self.settings.draw, self.settings.crops_folder) != (None, None)
        kept = item if is_drawn else replace(item, image=item.image[:0])
        return _Prepared(
            prepare(item.image, wanted), Fitted(item.original_size, place, (wanted.width, wanted.height)), kept
        )

    def infer(self, batch: Sequence[_Prepared]) -> list[list[Row]]:
        """The rows of each picture: objects best first, labels by their share; masks and drawings are written."""
        description, pixels = self.model.description, np.stack([one.pixels for one in batch])
        labels, size = len(description.labels), (description.input.width, description.input.height)
        if description.output.decoder == CLASS_MAP:
            grids = class_map(self.model.run_all(pixels, pad_to=self.pad_to), labels, description.output)
            check_finite(grids)
            if description.output.values == "probabilities":
                check_probabilities(grids)
            return [self._rows(one, self._labelled(one, grid)) for one, grid in zip(batch, grids, strict=True)]
        decoder, step = SEGMENTERS[str(description.output.decoder)], self.model.fixed_batch or len(batch)
        pictures: list[Objects] = []
        for start in range(0, len(batch), step):
            part = pixels[start : start + step]
            pictures += decoder(self.model.run_all(part, pad_to=self.pad_to), size, labels)
        return [self._rows(one, self._objects(one, its)) for one, its in zip(batch, pictures, strict=True)]

    def _rows(self, one: _Prepared, pieces: Iterator[_Piece]) -> list[Row]:
        settings, description, size = self.settings, self.model.description, one.item.original_size
        drawn = one.item.image.copy() if settings.draw is not None else None
        rows: list[Region] = []
        boxes: list[NDArray[np.float32]] = []
        for piece in pieces:
            share = float(np.count_nonzero(piece.mask)) / (size[0] * size[1])
            label = description.labels[piece.label]
            if share < settings.min_share or (settings.labels and label not in settings.labels):
                continue
            rows.append(Region(
                label=label, label_id=description.label_ids[piece.label] if description.label_ids else None,
                score=None if piece.score is None else round(piece.score, 6), share=round(share, 6),
                mask=None if settings.masks is None else self._written(one.item, piece, len(rows) + 1),
                polygons=self._outlined(piece), **box_columns(piece.box, size),
            ))  # fmt: skip
            if settings.crops_folder is not None:
                rows[-1] = write_crop(settings.crops_folder, one.item, rows[-1], len(rows))
            if drawn is not None:
                tint(drawn, piece.mask, piece.left, piece.top, color_of(label))
                boxes.append(np.array(piece.box, np.float32) * np.array(size * 2, np.float32))
        if drawn is not None:
            captions = [str(row.label) if row.score is None else f"{row.label} {row.score:.2f}" for row in rows]
            drawn = draw(drawn, np.array(boxes, np.float32).reshape(-1, 4), captions)
            write_picture(still_path(str(settings.draw), one.item, "jpeg"), drawn, "jpeg")
        return [replace(row, found=len(rows)) for row in rows] or [Region(found=0)]

    def _written(self, item: Item, piece: _Piece, number: int) -> str:
        """The mask's file: `a.jpg` → `DIR/a.jpg.1.png`."""
        whole = np.zeros(item.original_size[::-1], np.bool_)
        whole[piece.top : piece.top + piece.mask.shape[0], piece.left : piece.left + piece.mask.shape[1]] = piece.mask
        path = still_path(str(self.settings.masks), item, "png")
        path = fitting(path.with_name(f"{path.name.removesuffix('.png')}.{number}.png"))
        write_mask(path, whole)
        return str(path)

    def _outlined(self, piece: _Piece) -> str | None:
        if not self.settings.polygons:
            return None
        return json.dumps(outlines(piece.mask, piece.left, piece.top), separators=(",", ":"))

    def _labelled(self, one: _Prepared, grid: NDArray[Any]) -> Iterator[_Piece]:
        """Each label of a map; the largest share first."""
        output, (rows, columns) = self.model.description.output, one.fitted.axes(grid.shape[-2:])
        marked: Iterator[tuple[int, Mask]]
        if grid.ndim == 3 and not is_single(output, len(grid)):
            threshold = 0.0 if output.values == "logits" else 0.5
            marked = ((label, interpolated(one_grid, rows, columns) > threshold) for label, one_grid in enumerate(grid))
        else:
            best = grid[np.ix_(rows.nearest, columns.nearest)] if grid.ndim == 2 else strongest(grid, rows, columns)
            marked = ((int(label), best == label) for label in np.unique(best))
        scores = None if grid.ndim == 2 else pixel_probabilities(grid, output)
        pieces = []
        for label, mask in marked:
            numbers = None if scores is None else interpolated(scores[label], rows, columns)[mask]
            score = None if numbers is None or not len(numbers) else float(numbers.mean(dtype=np.float64))
            left, top, right, bottom = bounds(mask)
            if left < right and (score is None or score >= self.settings.min_score):
                part, x, y = mask[top:bottom, left:right].copy(), left + columns.start, top + rows.start
                pieces.append(_Piece(label, score, _fractions(part, x, y, one.fitted.size), part, x, y))
        yield from sorted(pieces, key=lambda piece: -np.count_nonzero(piece.mask))

    def _objects(self, one: _Prepared, objects: Objects) -> Iterator[_Piece]:
        """The objects of one picture that stay, best first; each has its best label."""
        settings, decoder, size = self.settings, self.model.description.output.decoder, one.fitted.size
        check_probabilities(objects.scores)
        labels = objects.scores.argmax(axis=1)
        best = objects.scores.max(axis=1).clip(0, 1)
        chosen = np.flatnonzero(best >= settings.min_score)
        check_finite(objects.boxes[chosen])
        boxes = one.fitted.placement.undo(objects.boxes[chosen], *size)
        real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, chosen = boxes[real], chosen[real]
        overlap = settings.iou if settings.iou is not None else 1.0 if decoder in CHOSEN_OBJECTS else 0.5
        for i in suppress(boxes, best[chosen], labels[chosen], min_score=settings.min_score, max_overlap=overlap):
            number = int(chosen[i])
            grid = objects.mask(number)
            check_finite(grid)
            if objects.in_box:
                rows, columns = pasted_axes(boxes[i], grid.shape, size)
                grid = np.pad(grid, 1)
            elif objects.cut:  # pixels whose corner lies within the box, as Ultralytics' `crop_mask`
                rows, columns = one.fitted.axes(grid.shape, np.ceil(boxes[i]).astype(int).tolist())
            else:
                rows, columns = one.fitted.around(grid, objects.threshold)
            mask = interpolated(grid, rows, columns) > objects.threshold
            box = [float(side) / length for side, length in zip(boxes[i], size * 2, strict=True)]
            yield _Piece(int(labels[number]), float(best[number]), box, mask, columns.start, rows.start)


def _fractions(mask: Mask, left: int, top: int, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The box of a mask that lies at `left`, `top` of a picture."""
    width, height = size
    return left / width, top / height, (left + mask.shape[1]) / width, (top + mask.shape[0]) / height
