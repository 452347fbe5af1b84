"""The process that reads and computes: `python -m mediasift.run.worker`, started and watched by `supervisor`.

It takes JSON lines on standard input: the job, then sources. It answers on what was standard output when it started
(which then becomes standard error, so that no library can write between our lines):

    S {..}            started: the task's facts, and where its marks are
    F n k e [..]      source n is finished: its k items, e rows with an error, its rows as JSON; behind a NUL the state
                      of a source that was fetched
    Q n k e [..]      the next k items of source n are finished, which goes on
    E {..}            no more sources; seconds per stage
    X {..}, B ".."    the error that stops the run; a bug

What it works on stands in memory that the supervisor shares (see `marks`); the number of its open file is the first
argument.

When standard input ends, it ends at once: its results would reach no one.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any, BinaryIO

from mediasift.engines.onnx.providers import runtime
from mediasift.errors import SetupError
from mediasift.media.pictures.images import get_ready
from mediasift.run.finished import Finished
from mediasift.run.job import Job, error_from_json, error_to_json, job_from_json, source_from_json
from mediasift.run.pipeline import started
from mediasift.run.works import Trouble
from mediasift.sources.naming import Source
from mediasift.system.network import VARIABLE, forbid_sockets, no_telemetry

PROTOCOL_ERROR = 70
"""Exit code after a bug; its traceback was sent."""


class Channel:
    """The lines to the supervisor; those of sources that are finished together go in one piece."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, kind: str, data: Any, following: bytes = b"") -> None:
        """One line, and what follows it."""
        self._write(f"{kind} {json.dumps(data)}\n".encode() + following)

    def finished(self, number: int, many: Iterable[Finished]) -> int:
        """The rows of sources from this number on, or of some items of the last one; the number of the next source."""
        lines = []
        for one in many:
            kind = b"F" if one.ended else b"Q"
            lines.append(b"%b %d %d %d %b%b\n" % (kind, number, one.items, one.errors, one.text, _state(one.source)))
            number += one.ended
        self._write(b"".join(lines))
        return number

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]


def _state(source: Source) -> bytes:
    """What a server said of a source and what it sent, behind a NUL; empty for what the supervisor looks up itself."""
    asks = source.content is not None and source.content.asks
    return (
        b"\0" + json.dumps([source.content.state(), source.content.fetched]).encode()
        if asks and source.content
        else b""
    )


class Orders(queue.Queue[dict[str, Any]]):
    """What the supervisor wants, line by line, read in a thread of its own so that `stop` is heard at once.

    Attributes:
        made: Makes a source of what stands in an order.
    """

    def __init__(self, lines: Iterator[bytes], job: Job) -> None:
        super().__init__()
        self.made = partial(source_from_json, row_type=job.task.row, access=job.inputs.access)
        self._stopped = threading.Event()
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()

    def _listen(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            order = json.loads(line)
            if order["order"] == "stop":
                self._stopped.set()
            self.put(order)
        os._exit(0)  # the supervisor is gone, or wants us gone; whatever we do now is of no use

    def sources(self, order: dict[str, Any]) -> Iterator[Source]:
        """The sources from this order until `stop` or `end`."""
        while order["order"] == "read":
            for source in order["sources"]:
                if self._stopped.is_set():
                    return
                yield self.made(source)
            order = self.get()


def main() -> None:
    """Serve one supervisor."""
    apart(_serve)


def apart(work: Callable[[Channel, BinaryIO, int, Sequence[str]], None]) -> None:
    """Work for the process that started this one, and end.

    Args:
        work: Gets where to answer, the orders, the open file of the marks, and the other arguments.
    """
    channel = Channel(os.dup(1))
    os.dup2(2, 1)
    orders = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        work(channel, orders, int(sys.argv[1]), sys.argv[2:])
    except SetupError as error:
        channel.send("X", error_to_json(error))
    except BaseException:  # a bug: the supervisor raises it where somebody sees it
        channel.send("B", traceback.format_exc())
        os._exit(PROTOCOL_ERROR)
    os._exit(0)


def _serve(channel: Channel, lines: BinaryIO, memory: int, tasks: Sequence[str]) -> None:
    no_telemetry()
    _get_ready(tasks)
    line = next(lines, None)
    if line is None:  # started ahead of a job that never came
        return
    data = json.loads(line)
    if data["offline"]:
        os.environ[VARIABLE] = "1"
        forbid_sockets()
    job = job_from_json(data)
    pipeline = started(job, memory)
    marks = {"readers": pipeline.marks.readers, "calls": pipeline.marks.calls}
    facts = {"facts": dict(pipeline.facts), "batch_size": pipeline.batch_size, "ahead": pipeline.ahead, "marks": marks}
    gc.freeze()  # what is loaded stays; else it is looked through again and again
    channel.send("S", facts)
    orders = Orders(lines, job)
    while True:
        order = orders.get()
        if order["order"] == "singly":
            number, (source,) = order["number"], order["sources"]
            troubles = [Trouble(one["item"], one["reading"], error_from_json(one)) for one in order["troubles"]]
            for many in pipeline.run_singly(number, orders.made(source), troubles):
                channel.finished(number, many)
            continue
        if order["order"] == "read":
            number = order["number"]
            for many in pipeline.run_together(orders.sources(order), first=number):
                number = channel.finished(number, many)
        channel.send("E", {"seconds": pipeline.seconds, "longest_item_s": pipeline.longest_item_s})


def _get_ready(tasks: Sequence[str]) -> None:
    """Import what the job will surely need, while the supervisor still reads its options and finds its inputs."""
    for task in tasks:
        with contextlib.suppress(Exception):  # it breaks again where it is used, and is reported there
            import_module(f"mediasift.tasks.{task}")
            runtime()
            get_ready()


if __name__ == "__main__":
    main()
