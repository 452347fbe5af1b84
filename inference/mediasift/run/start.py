"""A task and its inputs become a started table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.run.job import Job
from mediasift.run.profile import with_profile
from mediasift.run.stream import Stream
from mediasift.run.supervisor import Limits
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
from mediasift.tasks.task import Task

Named = str | Path | NDArray[np.uint8] | Sequence[str | Path | NDArray[np.uint8]]
"""Paths, folders, globs, `.txt` or `.csv` lists, or uint8 arrays (H, W, 3) in RGB; one or several."""


def named_inputs(inputs: Named) -> list[str | Path | NDArray[np.uint8]]:
    """One input or several as a list."""
    return [inputs] if isinstance(inputs, (str, Path, np.ndarray)) else list(inputs)


def started(task: Any, inputs: Named) -> Table[Any]:
    """The started table of a task over inputs; what is missing fails here, before the first file is read."""
    return Table(stream_of(task, inputs))


def stream_of(task: Any, inputs: Named) -> Stream[Any]:
    """The started task over inputs."""
    named = named_inputs(inputs)
    chosen: Task = task.for_inputs(named)
    listed = Inputs(named=named, recursive=task.recursive, column=task.column, keep=tuple(task.keep))
    limits = Limits(timeout_s=task.timeout_s, max_memory_gb=task.max_memory_gb) if task.isolate else None
    return Stream(with_profile(Job(task=chosen, inputs=listed)), limits=limits)
