"""What a picture's time goes into: reading, decoding, preparing, inferring, writing, each measured alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.bench.subject import Subject
from mediasift.errors import InputError, ItemError
from mediasift.items import Item
from mediasift.media.pictures.images import decode
from mediasift.rows import Row
from mediasift.run.journal import Journal, state
from mediasift.sources.content import content_at
from mediasift.sources.naming import Source
from mediasift.system.files import write_atomically
from mediasift.tables.writers import Form, write_csv

_LEAST_ROUNDS = 3
_HELD_BYTES = 256e6
"""Decoded pictures that are held at a time: stages after decoding start from memory."""

Stage = Callable[["Held"], None]


class Held:
    """Some pictures at every step of their way, so that each step can be repeated alone."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.started = subject.started()
        self.sources: list[Source] = []
        self.data: list[bytes] = []
        self.items: list[Item] = []
        held = 0
        for source in subject.sources:
            try:
                items = subject.items(source, self.started)
                data = content_at(source.path).read()
            except ItemError:
                continue
            self.sources.append(source)
            self.data.append(data)
            self.items += items
            held += sum(item.image.nbytes for item in items)
            if held > _HELD_BYTES:
                break
        if not self.items:
            raise InputError("none of the pictures can be read")
        self.prepared = [self.started.prepare(item) for item in self.items]
        self.rows: list[list[Row]] = [list(rows) for batch in self._batches() for rows in self.started.infer(batch)]

    def _batches(self) -> Iterable[list[Any]]:
        size = self.started.batch_size
        return (self.prepared[start : start + size] for start in range(0, len(self.prepared), size))

    def over(self, work: Callable[[Any], object], things: Iterable[Any]) -> None:
        """In as many threads as a run has readers."""
        jobs = self.subject.setup.jobs
        if jobs == 0:
            for thing in things:
                work(thing)
            return
        with ThreadPoolExecutor(jobs) as pool:
            for _ in pool.map(work, things):
                pass

    def read(self) -> None:
        """Files into memory, through the system's cache as it is."""
        self.over(lambda source: content_at(source.path).read(), self.sources)

    def decode(self) -> None:
        """Bytes into pixels, reduced as far as the model allows."""

        def work(pair: tuple[Source, bytes]) -> None:
            source, data = pair
            for _ in decode(data, suffix=Path(source.path).suffix, needs=self.started.needs):
                pass

        self.over(work, zip(self.sources, self.data, strict=True))

    def prepare(self) -> None:
        """Pixels into what the model wants."""
        self.over(self.started.prepare, self.items)

    def infer(self) -> None:
        """The model, in batches."""
        for batch in self._batches():
            self.started.infer(batch)

    def write(self) -> None:
        """Rows into a journal and a table on the disk."""
        form = Form(row_type=self.subject.task.row)
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "out.csv"
            with Journal(output) as journal:
                journal.begin({})
                for source, rows in zip(self.sources, self.rows, strict=False):
                    journal.append(source, state(source), rows)
                rows = [row for rows in self.rows for row in rows]
                write_atomically(output, lambda file: write_csv(rows, form, file))
                journal.remove()


STAGES: dict[str, Callable[[Held], None]] = {
    "read": Held.read,
    "decode": Held.decode,
    "prepare": Held.prepare,
    "infer": Held.infer,
    "write": Held.write,
}
"""Stage → one pass of it over all pictures, in the order in which a picture goes through them."""


def measure_stages(subject: Subject, seconds: float) -> dict[str, Any]:
    """Each stage alone: pictures per second, and processor seconds per picture.

    Args:
        subject: The model and its pictures.
        seconds: About how long for all stages together.
    """
    held = Held(subject)
    found = {name: _alone(partial(stage, held), len(held.items), seconds / len(STAGES))
             for name, stage in STAGES.items()}  # fmt: skip
    return {"pictures": len(held.items), "batch_size": held.started.batch_size, "alone": found}


def _alone(work: Callable[[], None], count: int, seconds: float) -> dict[str, float]:
    """One pass to warm up, then passes for so many seconds."""
    work()
    times: list[float] = []
    begun, busy = time.perf_counter(), time.process_time()
    while len(times) < _LEAST_ROUNDS or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return {
        "per_second": count / float(np.median(times)),
        "cpu_s_per_item": (time.process_time() - busy) / (len(times) * count),
        "rounds": len(times),
    }


def together(alone: Mapping[str, Mapping[str, float]], measured_per_second: float) -> dict[str, Any]:
    """What the stages allow when they share the cores, what a whole run reached of it, and which stage takes most.

    Each alone had all cores; side by side their times per picture add up.
    """
    times = {name: 1 / stage["per_second"] for name, stage in alone.items()}
    whole = sum(times.values())
    return {
        "possible_per_second": 1 / whole,
        "measured_per_second": measured_per_second,
        "share_of_possible": measured_per_second * whole,
        "share_of_time": {name: taken / whole for name, taken in times.items()},
        "bottleneck": max(times, key=lambda name: times[name]),
    }
