"""A job: all that decides what a table says, in a form that can be written down and read back.

The JSON form goes to the worker process; the settings alone go into journal and manifest.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mediasift import errors
from mediasift.errors import MediasiftError, UsageError
from mediasift.media.readers import ReadOptions
from mediasift.sources.content import content_at
from mediasift.sources.naming import Inputs, Source
from mediasift.tasks.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All that decides what a table says, and how it is computed.

    Attributes:
        task: The task's settings.
        inputs: What to read.
        reading: How.
        batch_size: Items per model call; None lets the task choose.
        jobs: Reader threads; None for one per core, 0 to read in the calling thread.
        threads: Threads of the model; None for every core.
        profile: The file that some of these three come from; empty where none does.
    """

    task: Task
    inputs: Inputs
    reading: ReadOptions
    batch_size: int | None = None
    jobs: int | None = None
    threads: int | None = None
    profile: str = ""


def settings(job: Job) -> dict[str, Any]:
    """The job's settings as JSON values: what the same command would have again."""
    task = {field.name: _plain(getattr(job.task, field.name)) for field in fields(job.task)}
    return {
        "task": job.task.name,
        **task,
        "inputs": ["array" if isinstance(name, np.ndarray) else str(name) for name in job.inputs.named],
        "recursive": job.inputs.recursive,
        "column": job.inputs.column,
        "keep": list(job.inputs.keep),
        **job.reading.told(),
    }


def job_to_json(job: Job) -> dict[str, Any]:
    """Everything but the inputs, as JSON values.

    Raises:
        UsageError: The task holds a loaded model, which cannot leave this process.
    """
    task = job.task
    if any(hasattr(getattr(task, field.name), "path") for field in fields(task)):
        raise UsageError("a loaded model stays in its process; give its name or path, or do without isolate")
    return {
        "task": f"{type(task).__module__}:{type(task).__qualname__}",
        "settings": {field.name: _plain(getattr(task, field.name)) for field in fields(task)},
        "reading": asdict(job.reading),
        "batch_size": job.batch_size,
        "jobs": job.jobs,
        "threads": job.threads,
    }


def job_from_json(data: Mapping[str, Any]) -> Job:
    """The job that `job_to_json` wrote, without inputs."""
    module, _, name = data["task"].partition(":")
    task = revive(getattr(import_module(module), name), data["settings"])
    reading = revive(ReadOptions, data["reading"])
    rest = {name: data[name] for name in ("batch_size", "jobs", "threads")}
    return Job(task=task, inputs=Inputs(named=()), reading=reading, **rest)


def source_to_json(source: Source) -> dict[str, Any]:
    """A source as the worker needs it; what is carried along stays with the caller.

    Raises:
        UsageError: Its content has no address: bytes, or an array.
    """
    content, failure = source.content, source.failure
    if content is not None and content.address is None:
        raise UsageError("bytes and arrays stay in their process; do without isolate")
    return {
        "path": source.path,
        "content": None if content is None else content.address,
        "failure": None if failure is None else error_to_json(failure),
    }


def source_from_json(data: Mapping[str, Any]) -> Source:
    """The source that `source_to_json` wrote; other keys of `data` are left alone."""
    return Source(
        path=data["path"],
        content=None if data["content"] is None else content_at(data["content"]),
        failure=None if data["failure"] is None else error_from_json(data["failure"]),
    )


def error_to_json(error: MediasiftError) -> dict[str, str]:
    """One of our errors as JSON values."""
    return {"error": type(error).__name__, "message": str(error)}


def error_from_json(data: Mapping[str, str]) -> Any:
    """The error that `error_to_json` wrote."""
    return getattr(errors, data["error"])(data["message"])


def revive(hint: Any, value: Any) -> Any:
    """A JSON value as the type `hint` says: dataclasses from objects, tuples from lists, paths from text."""
    if isinstance(hint, type) and is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{name: revive(hints[name], part) for name, part in value.items()})
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        kinds = [args[0]] * len(value) if args[-1:] == (...,) else args
        return tuple(revive(kind, part) for kind, part in zip(kinds, value, strict=True))
    if origin in (types.UnionType, typing.Union):
        return value if value is None else revive(next(kind for kind in args if kind is not types.NoneType), value)
    return Path(value) if hint is Path else value


def _plain(value: Any) -> Any:
    """A JSON value; a loaded model is named by its file."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    if isinstance(value, Path):
        return str(value)
    return str(value.path) if hasattr(value, "path") else value
