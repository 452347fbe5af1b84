"""What computes a job: this process, or the worker that `supervisor` watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from mediasift.run.job import Job
from mediasift.run.ledger import with_ledger
from mediasift.run.pipeline import Finished, Pipeline, readers
from mediasift.run.reading import Seconds
from mediasift.run.watch import Watch
from mediasift.sources.naming import Source
from mediasift.tasks.task import Started


class Runner(Protocol):
    """What computes a job: this process (`Here`) or a worker (`supervisor.Supervisor`)."""

    facts: Mapping[str, Any]
    batch_size: int
    seconds: Seconds
    restarts: int
    peak_bytes: int

    @property
    def longest_item_s(self) -> float:
        """Longest time that reading and preparing an item took, seconds; 0 where nobody looked."""

    def run(self, sources: Iterable[Source]) -> Iterator[Finished]:
        """Each source with its rows, in order."""

    def close(self) -> None:
        """Let go of everything; `run` does it by itself when it ends."""


def start(job: Job) -> Started:
    """The job's task, ready to work, in this process.

    Raises:
        SetupError: It cannot start.
    """
    return with_ledger(job.task.start(job.resources), job.task)


def pipeline_of(job: Job, started: Started, watch: Watch | None = None) -> Pipeline:
    """The pipeline of a job's started task."""
    return Pipeline(
        started,
        row_type=job.task.row,
        reads=job.task.reads,
        options=job.task,
        jobs=readers(job.cost("jobs")),
        watch=watch,
    )


class Here:
    """Computes in the calling process."""

    longest_item_s = 0.0
    restarts = 0
    peak_bytes = 0

    def __init__(self, job: Job) -> None:
        self._task = start(job)
        self.facts = self._task.facts
        self.batch_size = self._task.batch_size
        self._pipeline = pipeline_of(job, self._task)
        self.seconds = self._pipeline.seconds

    def run(self, sources: Iterable[Source]) -> Iterator[Finished]:
        """Each source with its rows, in order."""
        return self._pipeline.run(sources)

    def close(self) -> None:
        """Close the task, once."""
        task, self._task = self._task, Started()
        task.close()
