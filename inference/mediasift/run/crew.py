"""What runs in the processes of a cluster: one supervised worker for each job, which waits there for the next group.

These functions are called by `cluster`, over the network; they take and give plain values, so that both sides may be
of different Python versions until the versions are compared.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mediasift.errors import EngineError
from mediasift.run.job import job_from_json, source_from_json
from mediasift.run.supervisor import Supervisor
from mediasift.sources.content import Content
from mediasift.tables.manifest import computing

_held: dict[str, Supervisor] = {}
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Part:
    """What became of a group.

    Attributes:
        worker: Which process of the cluster worked on it.
        took_s: For how long.
        finished: (items, errors, rows as JSON, whether the source ended, what content that asks a server saw
            and fetched), in the order of the sources.
        seconds, longest_item_s, restarts, peak_bytes: Of its supervised worker since the job began.
    """

    worker: str
    took_s: float
    finished: list[tuple[int, int, bytes, bool, Any]]
    seconds: dict[str, float]
    longest_item_s: float
    restarts: int
    peak_bytes: int


def begin(key: str, job: str, expected: str | None) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Start what computes a job in this process, if it has not begun: (versions, facts, batch size).

    Args:
        key: Which job.
        job: As `job_to_json` makes it.
        expected: Versions and facts of the first process, as JSON.

    Raises:
        EngineError: They differ here.
        SetupError: The task cannot start.
    """
    if key not in _held:
        supervisor = Supervisor(job_from_json(json.loads(job)))
        here = computing(), dict(supervisor.facts)
        if expected is not None and (different := _differences(json.loads(expected), here)):
            supervisor.close()
            raise EngineError(f"a machine of the cluster differs from the first one: {different}; make all alike")
        _held[key] = supervisor
    supervisor = _held[key]
    return computing(), dict(supervisor.facts), supervisor.batch_size


def _differences(expected: Sequence[dict[str, Any]], here: Sequence[dict[str, Any]]) -> str:
    there, now = {**expected[0], **expected[1]}, {**here[0], **json.loads(json.dumps(here[1]))}
    names = [name for name in {**there, **now} if name != "cost" and there.get(name) != now.get(name)]
    return ", ".join(f"{name} is {now.get(name)!r} instead of {there.get(name)!r}" for name in names[:3])


def work(key: str, job: str, expected: str, sources: Sequence[str]) -> Part:
    """The rows of some sources, each as `source_to_json` makes it."""
    from distributed import get_worker

    with _one_at_a_time:
        began = time.perf_counter()
        begin(key, job, expected)
        supervisor = _held[key]
        made = [source_from_json(json.loads(source), supervisor.row_type) for source in sources]
        finished = [
            (one.items, one.errors, one.text, one.ended, _state(one.source.content))
            for many in supervisor.run_group(deque(made))
            for one in many
        ]
        return Part(
            get_worker().id, time.perf_counter() - began, finished, dict(supervisor.seconds), supervisor.longest_item_s,
            supervisor.restarts, supervisor.peak_bytes,
        )  # fmt: skip


def _state(content: Content | None) -> Any:
    return (content.state(), content.fetched) if content is not None and content.asks else None


def forget(key: str) -> None:
    """The job is over: what computes it ends."""
    if (supervisor := _held.pop(key, None)) is not None:
        supervisor.close()


def _end() -> None:
    for key in list(_held):
        forget(key)


atexit.register(_end)
