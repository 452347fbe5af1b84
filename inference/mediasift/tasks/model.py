"""A loaded model for services: pictures in, rows out, at once and in the calling thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.registry import find_description, find_model
from mediasift.engines.onnx.session import OnnxModel
from mediasift.engines.onnx.settings import ModelSettings
from mediasift.errors import ItemError, did_you_mean
from mediasift.items import FailedItem, Place
from mediasift.media.readers import read_source
from mediasift.rows import Row, placed
from mediasift.settings import options
from mediasift.sources.content import Content, content_at
from mediasift.sources.memory import TAKEN, PillowPicture, given
from mediasift.sources.naming import Source
from mediasift.sources.settings import ListSettings
from mediasift.tasks.classify import Classify
from mediasift.tasks.detect import Detect
from mediasift.tasks.embed import Embed
from mediasift.tasks.segment import Segmentation
from mediasift.tasks.task import ModelRunSettings, StartedModel

OnePicture = str | Path | NDArray[np.uint8] | bytes | IO[bytes] | PillowPicture | Content
"""A path, a uint8 array (H, W, 3) in RGB, the bytes of a file, a file open for reading, a picture of Pillow."""

TASKS: dict[str, type[Classify | Detect | Embed | Segmentation]] = {
    "classify": Classify,
    "detect": Detect,
    "embed": Embed,
    "segment": Segmentation,
}
"""What a model is for → the verb that makes its rows."""

_KEPT = 32
"""So many sets of options that were asked for stay prepared."""


class Model(OnnxModel):
    """A loaded model, of which `predict` makes rows; the verbs take it as `model` as well. `load_model` makes one.

    Any number of threads may call it. It starts none, writes no file, and holds nothing of the pictures it has seen.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._started: dict[str, StartedModel] = {}
        self._starting = threading.Lock()

    def predict(self, pictures: OnePicture | Iterable[OnePicture], **chosen: Any) -> Any:
        """The rows of one picture as a list; of several pictures, a list of such lists, in their order.

        The rows are those of the verb that the model is for: `Classification`, `Detection`, `Region` or `Embedding`.
        What cannot be read has one row with an `error`. A PDF or a film has the rows of all its pages or chosen frames.
        One picture is one call of the model; several go into it together, up to a batch.

        Args:
            pictures: A path, bytes of a file, a file open for reading, a picture of Pillow or a uint8 array (H, W, 3)
                in RGB; or several of them.
            chosen: Options of the verb that say how pictures are read and what rows have, such as `top=5`.

        Raises:
            UsageError: An option or an array is not what it may be.
            TypeError: There is no such option, or no such kind of picture.
            DescriptionError: The model does not run as it is described; found with the first call.
        """
        started = self._started.get(repr(sorted(chosen.items())) if chosen else "") or self._start(chosen)
        if isinstance(pictures, (str, Path)):
            return self._rows(started, [_source(pictures, 0)])[0]
        if (content := given(pictures, 0)) is not None:
            return self._rows(started, [Source(path=content.name, content=content)])[0]
        if not isinstance(pictures, Iterable):
            raise TypeError(f"pictures: {TAKEN}, or several of them; not {type(pictures).__name__}")
        return self._rows(started, [_source(one, index) for index, one in enumerate(pictures)])

    def _start(self, chosen: dict[str, Any]) -> StartedModel:
        """The verb's task with these options; made once, with the trial run."""
        kind = TASKS[self.description.task]
        known = [one.name for one in options(kind) if one.name not in OF_A_RUN]
        if unknown := [name for name in chosen if name not in known]:
            raise TypeError(
                f"no option {unknown[0]!r} here; there are {', '.join(sorted(known))}{did_you_mean(unknown[0], known)}"
            )
        key = repr(sorted(chosen.items())) if chosen else ""
        with self._starting:
            if key not in self._started:
                started = kind(model=self, **chosen).start(Resources())
                started.pad_to = None
                if len(self._started) >= _KEPT:
                    self._started.clear()
                self._started[key] = started
            return self._started[key]

    def _rows(self, started: StartedModel, sources: Sequence[Source]) -> list[list[Row]]:
        """The rows of each source."""
        kind = TASKS[self.description.task].row
        rows: list[list[Row]] = [[] for _ in sources]
        waiting: list[tuple[list[Row], Place, Any]] = []
        for own, source in zip(rows, sources, strict=True):
            for place, prepared in _prepared(started, source):
                if isinstance(prepared, ItemError):
                    if waiting:  # rows of one source stay in order
                        _answer(started, kind, waiting)
                    own.append(placed(started.failed(kind, prepared), place))
                else:
                    waiting.append((own, place, prepared))
                    if len(waiting) >= started.batch_size:
                        _answer(started, kind, waiting)
        _answer(started, kind, waiting)
        return [own or [kind(path=source.path)] for own, source in zip(rows, sources, strict=True)]


OF_A_RUN = {one.name for kind in (ListSettings, ModelRunSettings, ModelSettings) for one in options(kind)} | {
    "draw", "crops_folder", "masks", "boxes", "per",
}  # fmt: skip
"""Options of the verbs that say nothing of pictures that are given, or are those of a whole run."""


def _source(picture: Any, index: int) -> Source:
    if isinstance(picture, (str, Path)):
        return Source(path=str(picture), content=content_at(str(picture)))
    if (content := given(picture, index)) is None:
        raise TypeError(f"pictures: each must be {TAKEN}; not {type(picture).__name__}")
    return Source(path=content.name, content=content)


def _prepared(started: StartedModel, source: Source) -> Iterator[tuple[Place, Any]]:
    """Each item, with what goes into the model, or why there is nothing."""
    try:
        for item in read_source(source, "pictures", started.settings, needs=started.needs):
            if isinstance(item, FailedItem):
                yield item, item.error
                continue
            try:
                prepared = started.prepare(cast("Any", item))
            except ItemError as error:
                prepared = error
            yield item, prepared
    except ItemError as error:
        yield Place(path=source.path), error


def _answer(started: StartedModel, kind: type[Row], waiting: list[tuple[list[Row], Place, Any]]) -> None:
    """Put the rows of what waits where they belong; of a batch that fails, each alone."""
    if not waiting:
        return
    try:
        answers: Sequence[Any] = started.infer([prepared for *_, prepared in waiting])
    except ItemError as error:
        if len(waiting) > 1:
            for one in waiting:
                _answer(started, kind, [one])
            waiting.clear()
            return
        answers = [[started.failed(kind, error)]]
    for (own, place, _), rows in zip(waiting, answers, strict=True):
        own += [placed(row, place) for row in rows]
    waiting.clear()


def load_model(model: str | Path, *, device: str = "cpu", threads: int | None = None) -> Model:
    """A model ready to run: call its `predict`, or give it to a verb.

    Args:
        model: A name (`mediasift models list`) or the path of an ONNX file.
        device: cpu, auto, openvino, cuda, tensorrt, coreml or directml, some with a precision (`openvino:float32`);
            what is asked for is what runs.
        threads: Of the model; None for every core this process may use.

    Raises:
        ModelNotFound: No such file or name, or it is not on this machine.
        DescriptionError: It has no description, or one that does not fit the graph.
        ProviderUnavailable: The device cannot run it here.
        ModelError: No usable ONNX file.
    """
    path = find_model(model)
    return Model(path, find_description(path), device=device, threads=threads)
