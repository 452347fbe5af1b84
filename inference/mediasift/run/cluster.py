"""A job on a cluster of `dask.distributed`: groups of sources go out, rows come back, and nothing else is shared.

The client keeps a bounded number of groups in flight and alone writes the journal, so a group that is computed twice
(its worker died, or was thought dead) doubles nothing. In each process of the cluster waits one supervised worker for
each job (see `crew`), so a picture that kills what computes costs one row there, as on one machine.
"""

from __future__ import annotations

import itertools
import json
import logging
import queue
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mediasift.engines.engine import PaidSettings
from mediasift.errors import Crashed, EngineError, Interrupted, MediasiftError, UsageError
from mediasift.run.crew import Part, begin, forget, work
from mediasift.run.finished import Finished
from mediasift.run.job import Job, job_to_json, source_to_json
from mediasift.run.process import Signals
from mediasift.sources.naming import Source
from mediasift.system.machine import available_cores
from mediasift.system.network import is_offline
from mediasift.system.optional import require
from mediasift.tables.manifest import computing

_GROUP_S = 2.0
"""Seconds of work that a group should hold: sending it costs some milliseconds."""

_FIRST, _MOST = 4, 256
"""Sources of the first groups, and of any."""

_AHEAD = 3
"""Groups in flight for each process of the cluster: one that it works on, and two that wait there."""

_BUFFERED = 2_000
"""Groups that may wait behind one that takes long, because rows come in the order of their sources."""

_LOOK_S = 0.5

_LOST = ("KilledWorker", "CancelledError", "FutureCancelledError")
"""What dask raises for a group whose process died, several times."""

_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado.application")
"""What dask gives levels and handlers of their own; what concerns the user we say ourselves."""

_GONE = "the scheduler of the cluster is gone; start it, and type the command again"


@dataclass(slots=True)
class _Group:
    """Sources that go out together.

    Attributes:
        future: What becomes of them; replaced when their worker died.
        alone: Whether it was sent again because a process of the cluster died with it.
    """

    sources: list[Source]
    future: Any
    alone: bool = False


class Cluster:
    """Runs a job on a cluster; it gives the rows that `supervisor.Supervisor` gives, in the same order.

    Attributes:
        facts: What the task says of itself, which is the same on every machine of the cluster.
        batch_size: Items per model call.
        seconds: Per stage, of all machines together.
        longest_item_s: Longest time that reading and preparing an item took, seconds.
        restarts: How many supervised workers died.
        peak_bytes: Largest resident memory of one of them.

    Raises:
        UsageError: The address is none, or one that anybody on the network could use; or the job must not leave here.
        EngineError: No cluster answers there, or it has other versions than this machine.
        SetupError: The task cannot start.
    """

    def __init__(self, job: Job, address: str) -> None:
        task = job.task
        if isinstance(task, PaidSettings) and task.is_paid:
            raise UsageError("cluster: what a paid service answers is kept on one machine; leave --cluster out")
        self._timeout_s: float = job.cost("timeout_s")
        self._row_type = task.row
        self._client, self._own = _connected(address, self._timeout_s)
        if self._own is not None and hasattr(task, "threads") and task.threads is None:
            share = max(1, available_cores() // len(self._own.workers))
            job = replace(job, task=replace(task, threads=share))
        self._job = json.dumps(job_to_json(job))
        self._key = blake2b(f"{self._job} {time.time_ns()}".encode(), digest_size=8).hexdigest()
        self._signals = Signals()
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._count, self._asked = 0, 0.0
        self._each_s = 0.0  # seconds of work per source
        self._accounts: dict[str, Part] = {}
        try:
            self._wait_for_workers()
            self.facts: Mapping[str, Any]
            versions, self.facts, self.batch_size = self._answer(self._client.submit(begin, self._key, self._job, None))
        except BaseException:
            self.close()
            raise
        self._expected = json.dumps([versions, dict(self.facts)], sort_keys=True)
        if different := [name for name, one in computing().items() if versions.get(name) != one]:
            self.close()
            name = different[0]
            raise EngineError(
                f"cluster: {name} is {versions.get(name)} there and {computing()[name]} here; tables must not depend "
                "on the machine, so install the same version on all"
            )

    def run_together(self, sources: Iterable[Source]) -> Generator[list[Finished]]:
        """Each source with its rows, in the order of `sources`, as they come together.

        Raises:
            Interrupted: Somebody wants us to stop.
            EngineError: The cluster is gone, or has had no workers for so long.
        """
        waiting, remaining = deque[_Group](), iter(sources)
        with self._signals:
            try:
                more = self._send(waiting, remaining)
                while waiting:
                    if self._stops:
                        raise Interrupted("interrupted")
                    with suppress(queue.Empty):
                        self._done.get(timeout=_LOOK_S)
                    if self._client.status != "running":
                        raise EngineError(_GONE)
                    while waiting and waiting[0].future.done():
                        yield self._finished(waiting)
                    more = more and self._send(waiting, remaining)
                    self._wait_for_workers()
            finally:
                self.close()

    def _send(self, waiting: deque[_Group], remaining: Iterator[Source]) -> bool:
        """Send groups until enough are in flight; whether there may be more sources."""
        flying = sum(not group.future.done() for group in waiting)
        for _ in range(flying, _AHEAD * max(1, self._workers())):
            if len(waiting) >= _BUFFERED:
                break
            size = min(_MOST, max(1, int(_GROUP_S / self._each_s))) if self._each_s else _FIRST
            group = list(itertools.islice(remaining, size))
            if not group:
                return False
            waiting.append(_Group(group, self._submitted(group)))
        return True

    def _submitted(self, sources: Sequence[Source]) -> Any:
        texts = [json.dumps(source_to_json(source)) for source in sources]
        future = self._client.submit(work, self._key, self._job, self._expected, texts, pure=False)
        future.add_done_callback(self._done.put)
        return future

    def _finished(self, waiting: deque[_Group]) -> list[Finished]:
        """The rows of the first group, which is done; nothing where a part of it was sent again."""
        group = waiting.popleft()
        error = group.future.exception()
        if error is not None and self._client.status != "running":
            raise EngineError(_GONE) from error
        if type(error).__name__ in _LOST:
            if len(group.sources) == 1 and group.alone:
                reason = Crashed("the process of the cluster that worked on it died again and again")
                row = self._row_type(path=group.sources[0].path, error=reason.as_cell(), kept=group.sources[0].kept)
                return [Finished(source=group.sources[0], row_type=self._row_type, given=[row], errors=1)]
            alone = [_Group([source], self._submitted([source]), alone=True) for source in group.sources]
            waiting.extendleft(reversed(alone))
            return []
        part: Part = self._answer(group.future)
        self._accounts[part.worker] = part
        each = part.took_s / len(group.sources)
        self._each_s = each if not self._each_s else 0.7 * self._each_s + 0.3 * each
        sources = iter(group.sources)
        source, finished = next(sources), []
        for items, errors, rows, ended, state in part.finished:
            if source.content is not None and source.content.asks:
                source.content.note(*state)
            finished.append(
                Finished(source=source, row_type=self._row_type, given=rows, errors=errors, items=items, ended=ended)
            )
            if ended:
                source = next(sources, source)
        return finished

    def _answer(self, future: Any) -> Any:
        """What a call gave; its error as ours."""
        try:
            return future.result()
        except MediasiftError:
            raise
        except Exception as error:
            if isinstance(error, (OSError, TimeoutError)) or type(error).__name__ in _LOST:
                raise EngineError(_GONE) from error
            raise

    def _workers(self) -> int:
        """How many processes the cluster has; asked of its scheduler twice a second at most."""
        if time.monotonic() > self._asked + _LOOK_S:
            try:
                self._count = len(self._client.scheduler_info(n_workers=-1)["workers"])
            except Exception as error:  # of many kinds: the connection may break at any step
                raise EngineError(_GONE) from error
            self._asked = time.monotonic()
        return self._count

    def _wait_for_workers(self) -> None:
        """Return when there is a worker.

        Raises:
            EngineError: None came in time.
            Interrupted: Somebody wants us to stop.
        """
        if self._workers():
            return
        logging.getLogger("mediasift").warning("the cluster has no workers; waiting %g s for one", self._timeout_s)
        until = time.monotonic() + self._timeout_s
        while not self._workers():
            if self._stops:
                raise Interrupted("interrupted")
            if time.monotonic() > until:
                raise EngineError(
                    f"the cluster has had no workers for {self._timeout_s:g} s (--timeout); start some, and type the "
                    "command again"
                )
            time.sleep(_LOOK_S)

    @property
    def _stops(self) -> bool:
        """Whether somebody wants us to stop; another thread may say so at any time."""
        return self._signals.requested

    @property
    def seconds(self) -> dict[str, float]:
        """Per stage, of all machines together."""
        total: dict[str, float] = {}
        for account in self._accounts.values():
            for stage, seconds in account.seconds.items():
                total[stage] = total.get(stage, 0.0) + seconds
        return total

    @property
    def longest_item_s(self) -> float:
        """Longest time that reading and preparing an item took."""
        return max((account.longest_item_s for account in self._accounts.values()), default=0.0)

    @property
    def restarts(self) -> int:
        """How many supervised workers died."""
        return sum(account.restarts for account in self._accounts.values())

    @property
    def peak_bytes(self) -> int:
        """Largest resident memory of one of them."""
        return max((account.peak_bytes for account in self._accounts.values()), default=0)

    def close(self) -> None:
        """Let the cluster forget the job; a cluster of our own ends."""
        client, self._client = self._client, _Closed()
        if isinstance(client, _Closed):
            return
        with suppress(Exception):  # it may be gone, and then holds nothing
            client.run(forget, self._key, on_error="ignore")
        with suppress(Exception):
            client.close(timeout=5)
        if self._own is not None:
            with suppress(Exception):
                self._own.close(timeout=5)


class _Closed:
    """Stands for the client after the end."""

    status = "closed"


def _connected(address: str, timeout_s: float) -> tuple[Any, Any]:
    """The client, and the cluster if it is our own.

    Args:
        address: `local:N`, the file that a scheduler writes, or an address such as `tls://host:8786`.
        timeout_s: How long it may take to answer.
    """
    distributed = require("distributed", extra="cluster")
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if address.startswith("local:"):
        count = address.removeprefix("local:")
        if not count.isdecimal() or not 1 <= int(count) <= 1024:
            raise UsageError(f"cluster {address!r}: local:N takes a number of processes, e.g. local:4")
        own = distributed.LocalCluster(
            n_workers=int(count), threads_per_worker=1, processes=True, silence_logs=logging.CRITICAL,
            # No page, but its server listens all the same: at a port of its own, as another cluster may be here.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        )  # fmt: skip
        return distributed.Client(own), own
    file = Path(address)
    if file.suffix == ".json":
        try:
            address = str(json.loads(file.read_text(encoding="utf-8"))["address"])
        except FileNotFoundError as error:
            raise EngineError(f"cluster {file}: no such file; the scheduler writes it when it starts") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"cluster {file}: is no file that dask's scheduler writes ({error})") from error
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or parts.port is None:
        raise UsageError(f"cluster {address!r}: must be tls://HOST:PORT, tcp://127.0.0.1:PORT, local:N or a file .json")
    if is_offline():
        raise EngineError(f"cluster {address}: no connection is opened with --offline; local:N needs none")
    if parts.scheme == "tcp" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise UsageError(
            f"cluster {address}: anyone who reaches an open scheduler can run code on all its machines; start it with "
            "TLS (distributed.comm.tls in dask's configuration) and name tls://HOST:PORT"
        )
    try:
        return distributed.Client(address, timeout=min(timeout_s, 30), set_as_default=False), None
    except (OSError, TimeoutError) as error:
        raise EngineError(
            f"cluster {address}: no scheduler answers ({error or 'time is over'}); start it first"
        ) from error
