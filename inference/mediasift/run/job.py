"""A job: all that decides what a table says, in a form that can be written down and read back.

The JSON form goes to the worker process; what may not change goes into journal and manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from mediasift import errors
from mediasift.engines.engine import PaidSettings, Resources, TokenPrices
from mediasift.errors import MediasiftError, UsageError
from mediasift.rows import Row
from mediasift.rows import from_json as row_from_json
from mediasift.rows import to_json as row_to_json
from mediasift.settings import from_json, options, to_json
from mediasift.sources.content import content_at
from mediasift.sources.naming import Inputs, Source
from mediasift.sources.settings import AS_USUAL, RemoteSettings
from mediasift.tasks.task import ModelRunSettings, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that decides what a table says, and how it is computed.

    Attributes:
        task: The task's settings, those of reading and running among them.
        inputs: What to read.
        profile: The file that some of the settings of running come from; empty where none does.
    """

    task: Task
    inputs: Inputs
    profile: str = ""

    def cost(self, name: str) -> Any:
        """One of the settings of running; None where this task has no such setting."""
        return getattr(self.task, name, None)

    @property
    def resources(self) -> Resources:
        """What the task may use."""
        return Resources(**{name: self.cost(name) for name in ("batch_size", "threads", "timeout_s")})


def settings(job: Job) -> dict[str, Any]:
    """What decides the rows, as JSON values; what they cost and what must not be written down is left out."""
    cost = {one.name for kind in (ModelRunSettings, PaidSettings, TokenPrices, RemoteSettings) for one in options(kind)}
    decides = {name: value for name, value in to_json(job.task, secrets=False).items() if name not in cost}
    return {"task": job.task.name, **decides, "inputs": job.inputs.names}


def job_to_json(job: Job) -> dict[str, Any]:
    """Everything but the inputs, as JSON values.

    Raises:
        UsageError: The task holds a loaded model, which cannot leave this process.
    """
    task = job.task
    if any(hasattr(getattr(task, field.name), "path") for field in fields(task)):
        raise UsageError("a loaded model stays in its process; give its name or path, or do without isolate")
    return {"task": f"{type(task).__module__}:{type(task).__qualname__}", "settings": to_json(task)}


def job_from_json(data: Mapping[str, Any]) -> Job:
    """The job that `job_to_json` wrote, without inputs."""
    module, _, name = data["task"].partition(":")
    task = from_json(getattr(import_module(module), name), data["settings"])
    return Job(task=task, inputs=Inputs(named=(), access=getattr(task, "access", AS_USUAL)))


def source_to_json(source: Source) -> list[Any]:
    """A source as the worker needs it; what is carried along stays with the caller.

    Returns:
        [path, address], and where it has any, a failure and [items that are done, their rows].

    Raises:
        UsageError: Its content has no address: bytes, or an array.
    """
    content, failure, (items, rows) = source.content, source.failure, source.done
    address = content and content.address
    if content is not None and address is None:
        raise UsageError("bytes and arrays stay in their process; do without isolate")
    if failure is None and not items:
        return [source.path, address]
    done = [items, [row_to_json(row) for row in rows]]
    return [source.path, address, failure and error_to_json(failure), done]


def source_from_json(data: Sequence[Any], row_type: type[Row], access: RemoteSettings = AS_USUAL) -> Source:
    """The source that `source_to_json` wrote; addresses are fetched as `access` says."""
    path, address, *more = data
    failure, (items, rows) = more or (None, (0, ()))
    return Source(
        done=(items, tuple(row_from_json(row_type, row, path) for row in rows)),
        path=path,
        content=address and content_at(address).under(access),
        failure=failure and error_from_json(failure),
    )


def error_to_json(error: MediasiftError) -> dict[str, str]:
    """One of our errors as JSON values."""
    return {"error": type(error).__name__, "message": str(error)}


def error_from_json(data: Mapping[str, str]) -> Any:
    """The error that `error_to_json` wrote."""
    return getattr(errors, data["error"])(data["message"])
