"""How fast a server answers, and how many at a time: a load test of any server that takes pictures over HTTP.

- `qps`: an open loop. Requests leave at moments that were drawn before (a Poisson process), whatever became of those
  before them, as those of many independent users do; a request's time counts from its moment. So a server that stalls
  for a second is seen by all who came in that second, and not, as where each waits for the one before it, by one
  (coordinated omission: G. Tene, How NOT to Measure Latency, 2013; the server scenario of MLPerf, arXiv:1911.02549).
- `concurrency`: a closed loop of so many clients, each of which sends its next request when it has its answer: what the
  server can do at most, and how long an answer takes then.

A request that fails has no time; in percentiles it counts as one that never ended.
"""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from mediasift import __version__
from mediasift.bench import SCHEMA
from mediasift.bench.measurement import keep_result, result_path
from mediasift.bench.scenarios import percentiles, spread
from mediasift.bench.settings import LoadSettings
from mediasift.errors import EngineError, UsageError
from mediasift.system.machine import load_average, machine_facts
from mediasift.system.network import refuse_if_offline
from mediasift.tables.manifest import versions

_ROUNDS = 5
"""Into which the time of a level is divided; intervals and comparisons draw from them."""

_AT_A_TIME = 1024
"""Requests of an open loop that wait for answers at a time, at most; the next ones leave late, and their time runs."""

_RESAMPLES = 400
_NEVER = math.inf
_KINDS: dict[type[Exception], str] = {TimeoutError: "timeout", ConnectionRefusedError: "refused"}


class Asked(NamedTuple):
    """A request: when it was due, left and was answered, in seconds; what went wrong, empty for nothing."""

    due: float
    left: float
    ended: float
    error: str


class Client(AbstractContextManager["Client"]):
    """Sends pictures to an address; one kept connection in each thread.

    Args:
        url: The address.
        headers: Of each request.
        timeout_s: A server that is silent for so long has failed.

    Raises:
        UsageError: It is no address of HTTP.
    """

    def __init__(self, url: str, headers: Sequence[str], timeout_s: float) -> None:
        parts = urlsplit(url)
        kinds: dict[str, type[http.client.HTTPConnection]]
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise UsageError(f"url {url!r}: must be http://HOST:PORT/PATH, e.g. http://127.0.0.1:8000/v1/classify")
        self._connect = partial(kinds[parts.scheme], parts.hostname, parts.port, timeout=timeout_s)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = (header.partition(":") for header in headers)
        self._headers = {"Content-Type": "application/octet-stream", **{name: text.strip() for name, _, text in named}}
        self._here = threading.local()
        self._all: list[http.client.HTTPConnection] = []

    def ask(self, body: bytes) -> tuple[str, bytes]:
        """What went wrong, empty for nothing; and the answer."""
        for attempt in (0, 1):
            kept = getattr(self._here, "connection", None)
            if kept is None:
                self._here.connection = self._connect()
                self._all.append(self._here.connection)
            try:
                self._here.connection.request("POST", self._target, body, self._headers)
                response = self._here.connection.getresponse()
                text = response.read()
                return ("" if 200 <= response.status < 300 else str(response.status)), text
            except (OSError, http.client.HTTPException) as error:
                self._here.connection.close()
                self._here.connection = None
                kind = _KINDS.get(type(error), "broken")
                if kept is None or attempt or kind != "broken":  # a kept connection may have been closed meanwhile
                    return kind, str(error).encode()
        raise AssertionError

    def timed(self, due: float, body: bytes) -> Asked:
        """The same as a sample."""
        left = time.perf_counter()
        error, _ = self.ask(body)
        return Asked(due, left, time.perf_counter(), error)

    def __exit__(self, *_: object) -> None:
        for connection in self._all:
            with suppress(OSError):
                connection.close()


def arrivals(per_second: float, seconds: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Moments of a Poisson process, float64 (N,) in seconds from 0 to `seconds`, in order."""
    return np.sort(rng.uniform(0, seconds, rng.poisson(per_second * seconds)))


def open_loop(
    client: Client, bodies: Sequence[bytes], moments: Sequence[float], pool: ThreadPoolExecutor
) -> list[Asked]:
    """A request at each moment, whatever becomes of the others."""
    began, sent = time.perf_counter(), []
    for number, moment in enumerate(moments):
        time.sleep(max(0.0, began + moment - time.perf_counter()))
        sent.append(pool.submit(client.timed, began + moment, bodies[number % len(bodies)]))
    return [one.result() for one in sent]


def closed_loop(
    client: Client, bodies: Sequence[bytes], concurrency: int, seconds: float, pool: ThreadPoolExecutor
) -> list[Asked]:
    """So many clients that each wait for their answers, for so long."""
    until = time.perf_counter() + seconds

    def one(first: int) -> list[Asked]:
        asked: list[Asked] = []
        while (now := time.perf_counter()) < until or not asked:
            asked.append(client.timed(now, bodies[(first + len(asked) * concurrency) % len(bodies)]))
        return asked

    return [asked for many in pool.map(one, range(concurrency)) for asked in many]


def load(settings: LoadSettings) -> dict[str, Any]:
    """How fast a server answers, as JSON values; docs/bench.md describes them.

    Raises:
        UsageError: The address is none, or --offline forbids it.
        InputError: There is no picture.
        EngineError: The server answers no picture.
        OutputError: The result cannot be written.
    """
    output = result_path(settings.output)
    refuse_if_offline(f"a load test of {settings.url}")
    started, began, load_before = datetime.now(UTC), time.perf_counter(), load_average()
    levels: list[tuple[str, float]] = [("concurrency", one) for one in settings.concurrency]
    levels += [("qps", one) for one in settings.qps]
    with Client(settings.url, settings.headers, settings.timeout_s) as client:
        with settings.shown(settings.inputs) as (files, pictures):
            bodies = [Path(file).read_bytes() for file in files]
        checked = _checked(client, bodies, settings.url)
        scenarios = {
            f"{kind} {level:g}": _level(client, bodies, kind, level, settings)
            for kind, level in levels or [("concurrency", 1)]
        }
    result = {
        "schema": SCHEMA, "mediasift": __version__, "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 1), "machine": machine_facts(),
        "load": {"before": load_before, "after": load_average()}, "versions": versions(), "input": pictures,
        "model": {}, "settings": {"url": settings.url, "seconds": settings.seconds, "timeout_s": settings.timeout_s},
        "cold": None, "checked": checked, "scenarios": scenarios,
    }  # fmt: skip
    keep_result(output, result)
    return result


def _checked(client: Client, bodies: Sequence[bytes], url: str) -> dict[str, int]:
    """Each picture once: how many were refused, and how many answers hold rows with an error."""
    answers = [client.ask(body) for body in bodies]
    refused = [answer for answer in answers if answer[0]]
    if len(refused) == len(answers):
        error, text = refused[0]
        why = f"{error}: {text[:200].decode('utf-8', 'replace')}"
        raise EngineError(f"{url}: answers no picture ({why}); to start a server: mediasift serve -m MODEL")
    wrong = 0
    for _, text in answers:
        with suppress(ValueError, TypeError, AttributeError, KeyError):  # another server's answer
            wrong += any(row.get("error") for row in json.loads(text)["rows"])
    return {"pictures": len(bodies), "refused": len(refused), "error_rows": wrong}


def _level(client: Client, bodies: Sequence[bytes], kind: str, level: float, settings: LoadSettings) -> dict[str, Any]:
    """One level of load: a round to become warm, then those that count."""
    settings.report(f"{kind} {level:g}")
    seconds, rng = settings.seconds / _ROUNDS, np.random.default_rng(0)
    rounds: list[list[Asked]] = []
    with ThreadPoolExecutor(_AT_A_TIME if kind == "qps" else int(level)) as pool:
        for number in range(1 + _ROUNDS):
            if number == 1:
                wall, busy = time.perf_counter(), time.process_time()
            if kind == "qps":
                rounds.append(open_loop(client, bodies, arrivals(level, seconds, rng).tolist(), pool))
            else:
                rounds.append(closed_loop(client, bodies, int(level), seconds, pool))
    cores_busy = (time.process_time() - busy) / (time.perf_counter() - wall)
    return {
        **summary([one for one in rounds[1:] if one], settings.timeout_s, seconds),
        "cores_busy": round(cores_busy, 2),
    }


def summary(rounds: Sequence[Sequence[Asked]], timeout_s: float, round_s: float) -> dict[str, Any]:
    """What is kept of a level, of rounds of such a length; docs/bench.md describes the fields.

    Raises:
        UsageError: There is no request at all.
    """
    if not rounds:
        raise UsageError("no request fell into the measuring time; take more --seconds, or more requests a second")
    times = [np.array([_NEVER if one.error else one.ended - one.due for one in some]) for some in rounds]
    spans = [max(round_s, max(one.ended for one in some) - min(one.due for one in some)) for some in rounds]
    every = np.concatenate(times)
    kinds = Counter(one.error for some in rounds for one in some if one.error)
    late = [one.left - one.due for some in rounds for one in some]
    answered = [int(np.isfinite(one).sum()) for one in times]
    penalised = [np.where(np.isfinite(one), one, timeout_s).tolist() for one in times]  # an infinity has no ratio
    latency = {name: _finite(value) for name, value in percentiles(every.tolist()).items()}
    return {
        "requests": len(every), "samples": sum(answered), "errors": kinds.total(), "errors_by_kind": dict(kinds),
        "per_second": sum(answered) / sum(spans), "median_s": float(np.median(np.concatenate(penalised))),
        "spread": round(spread(np.concatenate(penalised).tolist()), 4),
        "latency_s": {**latency, "max": _finite(every.max())},
        "intervals": dict(_intervals(times, spans, [name for name, value in latency.items() if value is not None])),
        "late_s": {**percentiles(late), "max": max(late)}, "rounds_s": penalised,
    }  # fmt: skip


def _intervals(
    times: Sequence[NDArray[np.float64]], spans: Sequence[float], names: Sequence[str]
) -> Iterator[tuple[str, list[float | None]]]:
    """95 % intervals from a bootstrap over whole rounds, as samples of one round are not independent."""
    drawn = np.random.default_rng(0).integers(0, len(times), (_RESAMPLES, len(times)))
    counts, lengths = np.array([np.isfinite(one).sum() for one in times]), np.array(spans)
    low, high = np.percentile(counts[drawn].sum(axis=1) / lengths[drawn].sum(axis=1), [2.5, 97.5])
    yield "per_second", [float(low), float(high)]
    ordered = [np.sort(np.concatenate([times[number] for number in which])) for which in drawn]
    for name in names:
        share = float(name[1:]) / 100
        values = np.sort([one[math.ceil(len(one) * share - 1e-9) - 1] for one in ordered])
        yield name, [_finite(values[int(0.025 * _RESAMPLES)]), _finite(values[int(0.975 * _RESAMPLES)])]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
