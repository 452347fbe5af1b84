"""What is timed: scenarios (whole runs), the stages that they consist of, and the machine's limits.

Each is a function of a subject and a number of repeats that yields pieces of work, with how much each of them does, and
a line in `TIMED`. The two scenarios are the single stream and offline of MLPerf Inference, arXiv:1911.02549.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.bench.subject import Subject
from mediasift.engines.onnx.graphs import graph, model, node, opset, tensor, value_info
from mediasift.engines.onnx.providers import open_session
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.system.machine import peak_bytes

_ROUNDS = 10
"""Into which the measuring time is divided; a comparison draws from them."""

_WARM_UP = 2.0
"""Times the measuring time that a warm-up may take at most; then the result reports that nothing became steady."""

_BEYOND = 10
"""Samples that must lie beyond a percentile: with fewer, one hiccup of the machine moves it."""

Work = Iterator[tuple[Callable[[], object], int]]


def single(subject: Subject, repeats: int) -> Work:
    """One picture after the other, from the file to its rows, in one reader thread: each is a sample."""
    pipeline = subject.pipeline(1, jobs=0)
    for source in subject.sources * repeats:
        yield partial(lambda one: list(pipeline.run([one])), source), 1


def offline(subject: Subject, repeats: int) -> Work:
    """All at once, as `classify photos/ -o labels.csv` does it, journal and table on the disk included."""
    table: Table[Any] = Table(Stream(subject.job(repeats)))
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: table.write(Path(folder) / "out.csv"), len(subject.sources) * repeats


def read(subject: Subject, repeats: int) -> Work:
    """From files, in the system's cache as they are, to pixels."""
    sources = list(dict.fromkeys(source for source, _ in subject.held)) * repeats
    yield lambda: list(subject.readers.map(subject.items, sources)), len(subject.held) * repeats


def prepare(subject: Subject, repeats: int) -> Work:
    """From pixels to what the model wants."""
    items = [item for _, item in subject.held] * repeats
    yield lambda: list(subject.readers.map(subject.started().prepare, items)), len(items)


def infer(subject: Subject, repeats: int) -> Work:
    """The model, in batches."""
    started, parts = subject.started(), subject.prepared * repeats
    batches = [parts[i : i + started.batch_size] for i in range(0, len(parts), started.batch_size)]
    yield lambda: [started.infer(batch) for batch in batches], len(parts)


_SIDE = 1024
"""Of the square matrices: large enough to be bounded by arithmetic, small enough for half a second."""

_COPIED_BYTES = 128 << 20
"""More than the caches hold."""


@cache
def _product(operation: str, kind: str, result: str, threads: int) -> Callable[[], object]:
    """A graph of one product, whose right factor is stored as a model's weights are."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (_SIDE, _SIDE)).astype(kind) for _ in range(2))
    product = node(operation, ["a", "b"], ["y"])
    whole = graph([product], [tensor("b", b)], [value_info("a", a.shape, kind)], [value_info("y", a.shape, result)])
    session = open_session(model(whole, opsets=[opset(13)], metadata={}), "cpu", threads)
    return lambda: session.run(None, {"a": a})


@cache
def _copy(threads: int) -> Callable[[], object]:
    """A copy of memory to memory, divided into as many parts as there are threads."""
    target, source = (np.array_split(np.full(_COPIED_BYTES, value, dtype=np.uint8), threads) for value in (0, 1))
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(np.copyto, target, source))


LIMITS: dict[str, tuple[Callable[[int], Callable[[], object]], int]] = {
    "float32_multiply_adds_per_second": (partial(_product, "MatMul", "float32", "float32"), _SIDE**3),
    "int8_multiply_adds_per_second": (partial(_product, "MatMulInteger", "uint8", "int32"), _SIDE**3),
    "memory_bytes_per_second": (_copy, 2 * _COPIED_BYTES),
}
"""Limit → what is timed for it with so many threads, and how much that does. 8-bit products go into 32 bits."""


def _limit(make: Callable[[int], Callable[[], object]], amount: int, subject: Subject, repeats: int) -> Work:
    for _ in range(repeats):
        yield make(subject.setup.threads), amount


SCENARIOS = {"single": single, "offline": offline}
STAGES = {"read": read, "prepare": prepare, "infer": infer}
TIMED: dict[str, Callable[[Subject, int], Work]] = {
    **SCENARIOS, **STAGES, **{name: partial(_limit, *one) for name, one in LIMITS.items()},
}  # fmt: skip


def measure(subject: Subject, name: str, seconds: float, least: int) -> dict[str, Any]:
    """One of `TIMED` as JSON values for `summary`: warm, for about so many seconds and so many rounds at least."""

    def over(repeats: int) -> dict[str, Any]:
        """Seconds per picture of each piece of work; seconds, processor seconds and pictures of all."""
        samples, seconds, cpu_s, items = [], 0.0, 0.0, 0
        for work, count in TIMED[name](subject, repeats):
            began, busy = time.perf_counter(), time.process_time()
            work()
            taken = time.perf_counter() - began
            samples.append(taken / count)
            seconds, cpu_s, items = seconds + taken, cpu_s + time.process_time() - busy, items + count
        return {"samples": samples, "seconds": seconds, "cpu_s": cpu_s, "items": items}

    repeats = max(1, round(seconds / _ROUNDS / over(1)["seconds"]))
    warm: list[float] = []
    began = time.perf_counter()
    while not is_steady(warm) and (len(warm) < least or time.perf_counter() - began < _WARM_UP * seconds):
        warm.append(over(repeats)["seconds"])
    rounds: list[dict[str, Any]] = []
    began = time.perf_counter()
    while len(rounds) < least or time.perf_counter() - began < seconds:
        rounds.append(over(repeats))
    return {
        **{key: sum(one[key] for one in rounds) for key in ("items", "seconds", "cpu_s")},
        "peak_bytes": peak_bytes(os.getpid()),
        "warm_up": {"rounds": len(warm), "steady": is_steady(warm)},
        "rounds_s": [one["samples"] for one in rounds],
    }


def summary(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Measurements of one thing, from one process or several, as one; docs/bench.md describes the fields."""
    rounds = [samples for part in parts for samples in part["rounds_s"]]
    samples = [sample for one in rounds for sample in one]
    items, seconds, cpu_s = (sum(part[name] for part in parts) for name in ("items", "seconds", "cpu_s"))
    return {
        "per_second": items / seconds,
        "median_s": float(np.median(samples)),
        "spread": round(spread(samples), 4),
        "samples": len(samples),
        "latency_s": percentiles(samples) if len(samples) == items else None,
        "cpu_s_per_item": cpu_s / items,
        "cores_busy": round(cpu_s / seconds, 2),
        "peak_bytes": max(part["peak_bytes"] for part in parts) or None,
        "warm_up": parts[-1]["warm_up"],
        "rounds_s": rounds,
    }


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """`p50`, `p90` ... of samples, as far as there are samples enough."""
    ordered, count = np.sort(samples), len(samples)
    return {
        f"p{percent:g}": float(ordered[math.ceil(count * percent / 100 - 1e-9) - 1])
        for percent in (50, 90, 95, 99, 99.9)
        if count * (100 - percent) / 100 + 1e-9 >= _BEYOND
    }


def is_steady(times: Sequence[float]) -> bool:
    """Whether the last three rounds took the same time within 5 %: then the warm-up is over."""
    last = times[-3:]
    return len(last) == 3 and max(last) - min(last) <= 0.05 * float(np.median(last))


def spread(samples: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median."""
    low, middle, high = np.percentile(samples, [25, 50, 75])
    return float((high - low) / 2 / middle) if middle else 0.0


def measured(answers: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """A scenario that fresh processes measured: see `child.ask` and `summary`."""
    batch_size = 1 if name == "single" else answers[0]["batch_size"]
    parts = [answer["measured"][name] for answer in answers]
    return {"batch_size": batch_size, "errors": answers[0]["errors"], **summary(parts)}


def together(alone: Mapping[str, Mapping[str, float]], measured_per_second: float) -> dict[str, Any]:
    """What the stages allow when they share the cores, what a whole run reached of it, and which stage takes most.

    Each alone had all cores; side by side their times per picture add up.
    """
    times = {name: 1 / stage["per_second"] for name, stage in alone.items()}
    whole = sum(times.values())
    return {
        "possible_per_second": 1 / whole,
        "share_of_possible": measured_per_second * whole,
        "share_of_time": {name: taken / whole for name, taken in times.items()},
        "bottleneck": max(times, key=lambda name: times[name]),
    }
