"""The process that reads and computes: `python -m mediasift.run.worker`, started and watched by `supervisor`.

It takes JSON lines on standard input: the job, then sources. It answers on what was standard output when it started
(which then becomes standard error, so that no library can write between our lines):

    started   the task's facts, or the error that stops the run
    R, P, W 0 n:i   a reader reads item i of source n, prepares it, waits    I s n:i ..   see `lanes.Watch`
    F n k [..]  source n is finished: its k items, its rows    E {..}  no more sources; seconds per stage
    Q n k [..]  the next k items of source n are finished, which goes on

When standard input ends, it ends at once: its results would reach no one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from mediasift.engines.onnx.providers import runtime
from mediasift.errors import SetupError
from mediasift.media.pictures.images import get_ready
from mediasift.rows import Row, to_json
from mediasift.run.job import error_from_json, error_to_json, job_from_json, source_from_json
from mediasift.run.lanes import Culprit
from mediasift.run.pipeline import Finished, started
from mediasift.run.reading import Trouble
from mediasift.sources.naming import Source
from mediasift.system.network import VARIABLE, forbid_sockets, no_telemetry

PROTOCOL_ERROR = 70
"""Exit code after a bug; its traceback was sent."""


class Channel:
    """The lines to the supervisor. Each is out of our hands before we go on: who dies later is not blamed on others."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, kind: str, text: str = "") -> None:
        """One line."""
        line = memoryview(f"{kind} {text}\n".encode())
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]

    def watch(self, doing: str, items: Sequence[Culprit], slot: int) -> None:
        """What is being worked on, see `lanes.Watch`."""
        self.send(doing, " ".join([str(slot), *(f"{source}:{item}" for source, item in items)]))

    def finished(self, number: int, finished: Finished) -> None:
        """The rows of a source, or of some of its items."""
        rows = json.dumps([to_json(row) for row in finished.rows], ensure_ascii=True, separators=(",", ":"))
        self.send("F" if finished.ended else "Q", f"{number} {finished.items} {rows}")


class Orders(queue.Queue[dict[str, Any]]):
    """What the supervisor wants, line by line, read in a thread of its own so that `stop` is heard at once."""

    def __init__(self, lines: Iterator[bytes], row_type: type[Row]) -> None:
        super().__init__()
        self._row_type = row_type
        self._stopped = threading.Event()
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()

    def _listen(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            order = json.loads(line)
            if order["order"] == "stop":
                self._stopped.set()
            self.put(order)
        os._exit(0)  # the supervisor is gone, or wants us gone; whatever we do now is of no use

    def source(self, order: dict[str, Any]) -> Source:
        """The source of an order."""
        return source_from_json(order, self._row_type)

    def sources(self, order: dict[str, Any]) -> Iterator[Source]:
        """The sources from this order until `stop` or `end`."""
        while order["order"] == "read" and not self._stopped.is_set():
            yield self.source(order)
            order = self.get()


def main() -> None:
    """Serve one supervisor."""
    channel = Channel(os.dup(1))
    os.dup2(2, 1)
    lines = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        _serve(channel, iter(lines))
    except SetupError as error:
        channel.send("X", json.dumps(error_to_json(error)))
    except BaseException:  # a bug: the supervisor raises it where somebody sees it
        channel.send("B", json.dumps(traceback.format_exc()))
        os._exit(PROTOCOL_ERROR)
    os._exit(0)


def _serve(channel: Channel, lines: Iterator[bytes]) -> None:
    no_telemetry()
    _get_ready(sys.argv[1:])
    line = next(lines, None)
    if line is None:  # started ahead of a job that never came
        return
    data = json.loads(line)
    if data["offline"]:
        os.environ[VARIABLE] = "1"
        forbid_sockets()
    job = job_from_json(data)
    pipeline = started(job, channel.watch)
    facts = {"facts": dict(pipeline.facts), "batch_size": pipeline.batch_size, "ahead": pipeline.ahead}
    channel.send("S", json.dumps(facts))
    orders = Orders(lines, job.task.row)
    while True:
        order = orders.get()
        if order["order"] == "singly":
            number, source = order["number"], orders.source(order)
            troubles = [Trouble(one["item"], one["reading"], error_from_json(one)) for one in order["troubles"]]
            for finished in pipeline.run_singly(number, source, troubles):
                channel.finished(number, finished)
            continue
        if order["order"] == "read":
            number = order["number"]
            for finished in pipeline.run(orders.sources(order), first=number):
                channel.finished(number, finished)
                number += finished.ended
        channel.send("E", json.dumps(pipeline.seconds))


def _get_ready(tasks: Sequence[str]) -> None:
    """Import what the job will surely need, while the supervisor still reads its options and finds its inputs."""
    for task in tasks:
        with contextlib.suppress(Exception):  # it breaks again where it is used, and is reported there
            import_module(f"mediasift.tasks.{task}")
            runtime()
            get_ready()


if __name__ == "__main__":
    main()
