"""What is measured: a model with its settings, the task it is for, and the pictures it is shown.

These are the user's own, or drawn ones that cost a decoder as much as photographs do.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import InputError, ItemError, UsageError
from mediasift.items import Item
from mediasift.media.pictures.encode import ENCODERS
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings
from mediasift.run.job import Job
from mediasift.run.pipeline import Pipeline
from mediasift.sources.content import Content, LocalFile
from mediasift.sources.finding import find_sources
from mediasift.sources.formats import known_format
from mediasift.sources.naming import Inputs, Source
from mediasift.tasks.classify import Classify
from mediasift.tasks.detect import Detect
from mediasift.tasks.embed import Embed
from mediasift.tasks.segment import Segmentation
from mediasift.tasks.task import Started

TASKS: dict[str, Any] = {"classify": Classify, "detect": Detect, "embed": Embed, "segment": Segmentation}
"""Tasks of models that can be measured: those that read pictures."""

_HELD_BYTES = 256e6
"""Decoded pictures that are held at a time, for stages that start from memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A model (name or path) and how it is run, see `bench.settings`; a batch size of None lets the task choose.

    They are JSON values, because each measurement is taken in a process of its own: by the interpreter `python`, or in
    the checkout of which that is the folder; None for this installation.
    """

    model: str
    device: str = "cpu"
    batch_size: int | None = None
    threads: int
    jobs: int
    python: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """All but the model and where it is run."""
        return {name: value for name, value in asdict(self).items() if name not in ("model", "python")}


def load(setup: Setup) -> OnnxModel:
    """The model of a setup.

    Raises:
        ModelError: It is not here, has no description, or cannot run on the device.
        UsageError: A model that reads no pictures.
    """
    model = load_model(setup.model, device=setup.device, threads=setup.threads)
    if model.description.task not in TASKS:
        raise UsageError(f"{model.path}: a model to {model.description.task}; bench measures {', '.join(TASKS)}")
    return model


class Subject:
    """A loaded model with its task and pictures, and threads to read them."""

    def __init__(self, setup: Setup, files: Sequence[str]) -> None:
        self.setup = setup
        self.model = load(setup)
        self.sources = [Source(path=file, content=LocalFile(Path(file))) for file in files]
        self.readers = ThreadPoolExecutor(max(1, setup.jobs))
        self._started: dict[int | None, Started] = {}
        self.task = TASKS[self.model.description.task](model=self.model)

    def started(self, batch_size: int | None = None) -> Started:
        """The task for calls of so many pictures; None as the setup says."""
        size = batch_size or self.setup.batch_size
        if size not in self._started:
            self._started[size] = self.task.start(Resources(batch_size=size, threads=self.setup.threads))
        return self._started[size]

    def pipeline(self, batch_size: int | None, jobs: int) -> Pipeline:
        """What turns the pictures into rows."""
        started, row_type = self.started(batch_size), self.task.row
        return Pipeline(started, row_type=row_type, reads="pictures", options=PictureSettings(), jobs=jobs)

    def job(self, repeats: int) -> Job:
        """The job over all pictures, so many times."""
        cost = {name: getattr(self.setup, name) for name in ("batch_size", "threads", "jobs")}
        named = [source.content or source.path for source in self.sources] * repeats
        return Job(task=replace(self.task, **cost), inputs=Inputs(named=named))

    def items(self, source: Source) -> list[Item]:
        """The decoded pictures of a file; an empty list if it cannot be decoded."""
        with suppress(ItemError):
            read = read_source(source, "pictures", PictureSettings(), needs=self.started().needs)
            return [item for item in read if isinstance(item, Item)]
        return []

    @cached_property
    def held(self) -> list[tuple[Source, Item]]:
        """Decoded pictures, as many as fit, with where each comes from.

        Raises:
            InputError: None of the files can be decoded.
        """
        pairs: list[tuple[Source, Item]] = []
        for source in self.sources:
            pairs += [(source, item) for item in self.items(source)]
            if sum(item.image.nbytes for _, item in pairs) > _HELD_BYTES:
                break
        if not pairs:
            raise InputError("none of the pictures can be read")
        return pairs

    @cached_property
    def prepared(self) -> list[Any]:
        """The same, as the model wants them."""
        return [self.started().prepare(item) for _, item in self.held]


Pictures = tuple[list[str], dict[str, Any]]
"""The files, and what a result says of them."""


def draw_pictures(folder: Path, *, count: int, width: int, height: int) -> Pictures:
    """JPEGs of noise whose amplitudes fall as 1 / frequency, as those of photographs do; always the same.

    Source: D. J. Field, Relations between the statistics of natural images and the response properties of cortical
    cells, J. Opt. Soc. Am. A 4 (1987). Plain noise would cost a JPEG decoder thrice as much, flat colours half.
    """
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf

    def noise() -> NDArray[np.float64]:
        """float64 (H, W), mean 0, standard deviation 1."""
        field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((height, width))) / frequency, (height, width))
        return np.asarray(field / (field.std() or 1.0))

    files = [folder / f"{number:05}.jpg" for number in range(count)]
    for file in files:
        grey, *colours = (noise() for _ in range(4))
        pixels = 128 + 40 * grey[:, :, None] + 15 * np.stack(colours, axis=2)  # much detail in brightness alone
        file.write_bytes(ENCODERS["jpg"](pixels.clip(0, 255).astype(np.uint8), 90, b""))
    return _described(files, drawn=True, width=width, height=height)


def find_pictures(named: Sequence[str | Path | Content], *, limit: int) -> Pictures:
    """At most `limit` pictures of those that the user named, evenly spread over all of them.

    Raises:
        InputError: There is none.
    """
    pictures = []
    for content in (source.content for source in find_sources(Inputs(named=named))):
        with suppress(ItemError):  # errors are not what is measured
            if isinstance(content, LocalFile) and known_format(content.head(), content.suffix).kind == "picture":
                pictures.append(content.path)
    if not pictures:
        raise InputError(f"no picture to measure with in {', '.join(map(str, named))}")
    chosen = np.linspace(0, len(pictures) - 1, min(limit, len(pictures))).round().astype(int)
    return _described([pictures[number] for number in chosen], drawn=False, available=len(pictures))


def _described(files: Sequence[Path], **facts: Any) -> Pictures:
    mean_bytes = round(float(np.mean([file.stat().st_size for file in files])))
    return [str(file) for file in files], {**facts, "pictures": len(files), "mean_bytes": mean_bytes}
