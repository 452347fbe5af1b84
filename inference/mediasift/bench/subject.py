"""What is measured: a model with its settings, the task it is for, and the pictures it is shown."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.errors import InputError, ItemError, UsageError
from mediasift.items import Item
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings
from mediasift.run.job import Job
from mediasift.sources.content import LocalFile
from mediasift.sources.naming import Inputs, Source
from mediasift.tasks.classify import Classify
from mediasift.tasks.detect import Detect
from mediasift.tasks.embed import Embed
from mediasift.tasks.task import Resources, Started, Task

TASKS = ("classify", "detect", "embed")
"""Tasks of models that can be measured: those that read pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A model and how it is run; JSON values, because each measurement is taken in a process of its own.

    Attributes:
        model: Name or path.
        device: See `models.providers.SPECS`.
        batch_size: Pictures per model call; None lets the task choose.
        threads: Of the model.
        jobs: Reader threads.
    """

    model: str
    device: str = "cpu"
    batch_size: int | None = None
    threads: int
    jobs: int

    @property
    def told(self) -> dict[str, Any]:
        """What a result says of it beside the model."""
        return {name: value for name, value in asdict(self).items() if name != "model"}


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
    """A loaded model with its task and pictures.

    Attributes:
        setup: The settings.
        model: The model.
        sources: The pictures.
        batch_size: Pictures per model call, when there are many.
    """

    def __init__(self, setup: Setup, files: Sequence[str]) -> None:
        self.setup = setup
        self.model = load(setup)
        self.options = PictureSettings()
        self.sources = [Source(path=file, content=LocalFile(Path(file))) for file in files]
        self._started: dict[int | None, Started] = {}
        self.batch_size = self.started().batch_size

    @property
    def task(self) -> Task:
        """The settings of the task that the model is for."""
        kind = self.model.description.task
        if kind == "embed":  # takes its model by name only
            return Embed(model=str(self.model.path), device=self.setup.device)
        return Classify(model=self.model) if kind == "classify" else Detect(model=self.model)

    def started(self, batch_size: int | None = None) -> Started:
        """The task for calls of so many pictures; None as the setup says. They share the loaded model."""
        size = batch_size or self.setup.batch_size
        if size not in self._started:
            self._started[size] = self.task.start(Resources(batch_size=size, threads=self.setup.threads))
        return self._started[size]

    def job(self, repeats: int = 1) -> Job:
        """The job over all pictures, so many times."""
        files = [source.path for source in self.sources]
        return Job(
            task=replace(self.task, batch_size=self.setup.batch_size, threads=self.setup.threads, jobs=self.setup.jobs),
            inputs=Inputs(named=files * repeats),
        )

    def items(self, source: Source, started: Started) -> list[Item]:
        """The decoded pictures of a file; those that do not decode are left out."""
        read = read_source(source, "pictures", self.options, needs=started.needs)
        return [item for item in read if isinstance(item, Item)]

    def one_prepared(self) -> Any:
        """A picture as the model wants it.

        Raises:
            InputError: None of them can be read.
        """
        started = self.started()
        for source in self.sources:
            with contextlib.suppress(ItemError):
                for item in self.items(source, started):
                    return started.prepare(item)
        raise InputError("none of the pictures can be read")
