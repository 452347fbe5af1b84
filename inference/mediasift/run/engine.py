"""What computes a job: this process, or the worker that `supervisor` watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from mediasift.run.job import Job
from mediasift.run.pipeline import Finished, Pipeline, Seconds, readers
from mediasift.sources.naming import Source


class Engine(Protocol):
    """What computes: this process (`Here`) or a worker (`supervisor.Supervisor`)."""

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


class Here:
    """Computes in the calling process."""

    longest_item_s = 0.0
    restarts = 0
    peak_bytes = 0

    def __init__(self, job: Job) -> None:
        task = job.task.start(job.resources)
        self.facts = task.facts
        self.batch_size = task.batch_size
        self._pipeline = Pipeline(
            task, row_type=job.task.row, reads=job.task.reads, options=job.task, jobs=readers(job.cost("jobs"))
        )
        self.seconds = self._pipeline.seconds

    def run(self, sources: Iterable[Source]) -> Iterator[Finished]:
        """Each source with its rows, in order."""
        return self._pipeline.run(sources)

    def close(self) -> None:
        """Nothing is held."""
