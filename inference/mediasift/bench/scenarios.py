"""Ways of asking: one picture at a time, all at once, and at random moments as a service is asked.

The three are those of MLPerf Inference (https://arxiv.org/abs/1911.02549): single stream, offline, server. Each is a
function of a subject and a plan that returns its samples, and a line in `SCENARIOS`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.bench.service import server
from mediasift.bench.statistics import percentiles, spread
from mediasift.bench.subject import Subject
from mediasift.bench.taking import LEAST_ROUNDS, ROUNDS, WARM_UP, Clock, Plan, Taken, labels_of, warm_up
from mediasift.run.pipeline import Pipeline
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.system.machine import peak_bytes


def single(subject: Subject, plan: Plan) -> Taken:
    """One picture after the other, from the file to its rows, in one thread of ours."""
    pipeline = Pipeline(
        subject.started(1), row_type=subject.task.row, reads="pictures", options=subject.options, jobs=0
    )
    count = len(subject.sources)
    answers: list[list[str]] = [[] for _ in range(count)]
    asked = errors = 0

    def ask() -> float:
        nonlocal asked, errors
        number = asked % count
        started = time.perf_counter()
        (finished,) = pipeline.run([subject.sources[number]])
        taken = time.perf_counter() - started
        answers[number] = labels_of(finished.rows)
        errors += any(row.error for row in finished.rows)
        asked += 1
        return taken

    def several() -> float:
        return sum(ask() for _ in range(count))

    warm = warm_up(several, plan.seconds * WARM_UP)
    asked = errors = 0
    rounds: list[list[float]] = []
    clock = Clock()
    while len(rounds) < ROUNDS:
        ends = time.perf_counter() + plan.seconds / ROUNDS
        latencies = [ask()]
        while time.perf_counter() < ends:
            latencies.append(ask())
        rounds.append(latencies)
    return Taken(rounds=rounds, answers=answers, warm_up=warm, items=asked, errors=errors, **clock.read())


def offline(subject: Subject, plan: Plan) -> Taken:
    """All pictures at once, as `classify photos/ -o labels.csv` does it: journal and table on the disk included."""
    count = len(subject.sources)
    passes: list[tuple[float, float, int]] = []  # seconds, processor seconds, errors

    def whole(repeats: int) -> float:
        """Seconds of one run."""
        table: Table[Any] = Table(Stream(subject.job(repeats)))
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock()
            table.write(Path(folder) / "out.csv")
            taken = clock.read()
        passes.append((taken["seconds"], taken["cpu_s"], table.summary.error_rows))
        return float(taken["seconds"])

    pipeline = Pipeline(
        subject.started(), row_type=subject.task.row, reads="pictures", options=subject.options, jobs=subject.setup.jobs
    )
    answers = [labels_of(finished.rows) for finished in pipeline.run(subject.sources)]
    repeats = max(1, round(plan.seconds / ROUNDS / whole(1)))
    warm = warm_up(lambda: whole(repeats), plan.seconds * WARM_UP)
    passes.clear()
    clock = Clock()
    while len(passes) < LEAST_ROUNDS or time.perf_counter() - clock.begun < plan.seconds:
        whole(repeats)
    seconds, cpu_s, errors = zip(*passes, strict=True)
    return Taken(
        rounds=[[taken / (count * repeats)] for taken in seconds],
        answers=answers,
        warm_up=warm,
        items=len(passes) * count * repeats,
        errors=sum(errors),
        seconds=sum(seconds),
        cpu_s=sum(cpu_s),
        more={"pictures_per_round": count * repeats},
    )


SCENARIOS: dict[str, Callable[[Subject, Plan], Taken]] = {"single": single, "offline": offline, "server": server}
"""Name → what takes the samples."""


def measure(subject: Subject, scenario: str, plan: Plan) -> dict[str, Any]:
    """One scenario's result as JSON values; processor time and memory are those of this process."""
    taken = SCENARIOS[scenario](subject, plan)
    samples = [sample for part in taken.rounds for sample in part]
    finite = [sample for sample in samples if np.isfinite(sample)]
    median = float(np.median(finite)) if finite else None
    return {
        "scenario": scenario,
        **subject.setup.told,
        "batch_size": 1 if scenario == "single" else subject.batch_size,
        "items": taken.items,
        "errors": taken.errors,
        "per_second": taken.items / taken.seconds,
        "median_s": median,
        "spread": round(spread(finite), 4) if finite else None,
        "samples": len(samples),
        "latency_s": None if scenario == "offline" else percentiles(samples),
        "cpu_s_per_item": taken.cpu_s / max(1, taken.items),
        "cores_busy": round(taken.cpu_s / taken.seconds, 2),
        "peak_bytes": peak_bytes(os.getpid()) or None,
        "warm_up": taken.warm_up,
        **taken.more,
        "rounds_s": [[sample if np.isfinite(sample) else None for sample in part] for part in taken.rounds],
        "answers": taken.answers,
    }
