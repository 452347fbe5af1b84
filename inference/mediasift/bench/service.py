"""A service: pictures asked for at random moments, and how long each answer takes."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.bench.statistics import wilson
from mediasift.bench.subject import Subject
from mediasift.bench.taking import ROUNDS, WARM_UP, Clock, Plan, Taken, labels_of, warm_up
from mediasift.errors import ItemError
from mediasift.tasks.task import Started

TARGET_SHARE = 0.99
"""Share of a service's answers that must come within the target, as MLPerf has it."""


def poisson_arrivals(qps: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Moments in seconds from 0, float64 (N,), of independent questions: the time between two is exponential."""
    rng = np.random.default_rng(seed)
    count = max(1, round(qps * seconds))
    return np.cumsum(rng.exponential(1 / qps, count))


def server(subject: Subject, plan: Plan) -> Taken:
    """Pictures asked for at random moments. Whatever waits when the model is free goes into its next call.

    A latency runs from the moment when the question was due, not from when somebody had time for it: otherwise a
    service that falls behind would look fast.
    """
    if plan.qps is None:
        raise ValueError("a service needs a rate of questions")
    sizes = _sizes(subject.batch_size)
    started = {size: subject.started(size) for size in sizes}
    prepared = subject.one_prepared()
    warm = warm_up(lambda: _called(started, prepared, sizes), plan.seconds * WARM_UP)
    arrivals = poisson_arrivals(plan.qps, plan.seconds, plan.seed)
    service = _Service(subject, started, sizes)
    clock = Clock()
    latencies, answers = service.serve(arrivals, patience_s=plan.seconds + 5)
    took = clock.read()
    finished = np.isfinite(latencies)
    more: dict[str, Any] = {
        "qps": plan.qps,
        "unanswered": int((~finished).sum()),
        "mean_batch": round(float(np.mean(service.batches)), 2) if service.batches else 0.0,
    }
    if plan.target_s is not None:
        more |= verdict(latencies, plan.target_s)
    rounds = [part.tolist() for part in np.array_split(latencies, min(ROUNDS, len(latencies)))]
    answered = int(finished.sum())
    return Taken(rounds=rounds, answers=answers, warm_up=warm, items=answered, errors=service.errors, more=more, **took)


def verdict(latencies: NDArray[np.float64], target_s: float) -> dict[str, Any]:
    """Whether 99 % of the answers come within the target: `yes`, `no`, or `undecided` for want of samples."""
    hits = int((latencies <= target_s).sum())
    low, high = wilson(hits, len(latencies))
    met = "yes" if low >= TARGET_SHARE else "no" if high < TARGET_SHARE else "undecided"
    share = {"share": round(hits / len(latencies), 5), "low": round(low, 5), "high": round(high, 5)}
    return {"target_s": target_s, "within_target": share, "target_met": met}


def _sizes(largest: int) -> list[int]:
    """1, 2, 4 ... and the largest: sizes of calls. The smallest that fits is taken, so that few places are padded."""
    return [*(1 << power for power in range(largest.bit_length()) if 1 << power < largest), largest]


def _called(started: dict[int, Started], prepared: Any, sizes: list[int]) -> float:
    begun = time.perf_counter()
    for size in sizes:
        started[size].infer([prepared] * size)
    return time.perf_counter() - begun


class _Service:
    """Readers that prepare what is asked for, and one thread that calls the model with whatever is ready."""

    def __init__(self, subject: Subject, started: dict[int, Started], sizes: list[int]) -> None:
        self._subject = subject
        self._started = started
        self._sizes = sizes
        self._ready: queue.SimpleQueue[tuple[int, list[Any]]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self.batches: list[int] = []
        self.errors = 0

    def serve(self, arrivals: NDArray[np.float64], *, patience_s: float) -> tuple[NDArray[np.float64], list[list[str]]]:
        """Latency of each question in seconds, float64 (N,), infinite for those unanswered at the end; and the answers.

        Args:
            arrivals: When they are due, seconds from the start.
            patience_s: How long after the last one to wait for answers.
        """
        latencies = np.full(len(arrivals), np.inf)
        answers: list[list[str]] = [[] for _ in self._subject.sources]
        begun = time.perf_counter() + 0.05
        with ThreadPoolExecutor(max(1, self._subject.setup.jobs)) as readers:
            pace = threading.Thread(target=self._ask, args=(arrivals, begun, readers), daemon=True)
            pace.start()
            waiting = len(arrivals)
            while waiting and (batch := self._batch(begun + float(arrivals[-1]) + patience_s)):
                rows = self._infer([part for _, parts in batch for part in parts])
                now = time.perf_counter() - begun
                for number, parts in batch:
                    latencies[number] = now - arrivals[number]
                    answers[number % len(answers)] = labels_of([row for _ in parts for row in next(rows)])
                waiting -= len(batch)
            self._stop.set()
            pace.join()
            readers.shutdown(cancel_futures=True)
        return latencies, answers

    def _ask(self, arrivals: NDArray[np.float64], begun: float, readers: ThreadPoolExecutor) -> None:
        for number, due in enumerate(arrivals):
            if self._stop.wait(max(0.0, begun + due - time.perf_counter())):
                return
            readers.submit(self._prepare, number)

    def _prepare(self, number: int) -> None:
        """In a reader: one question, made ready; one that fails is answered with nothing."""
        first, sources = self._started[1], self._subject.sources
        try:
            parts = [first.prepare(item) for item in self._subject.items(sources[number % len(sources)], first)]
        except ItemError:
            parts = []
        self.errors += not parts
        self._ready.put((number, parts))

    def _batch(self, until: float) -> list[tuple[int, list[Any]]]:
        """Whatever is ready, at most a full batch; none when nothing comes until then."""
        batch: list[tuple[int, list[Any]]] = []
        patience = max(0.0, until - time.perf_counter())
        while len(batch) < self._sizes[-1]:
            try:
                batch.append(self._ready.get(timeout=patience))
            except queue.Empty:
                break
            patience = 0.0
        return batch

    def _infer(self, parts: list[Any]) -> Any:
        """The rows of each part."""
        if not parts:
            return iter(())
        self.batches.append(len(parts))
        size = next((size for size in self._sizes if size >= len(parts)), self._sizes[-1])
        return iter(self._started[size].infer(parts))
