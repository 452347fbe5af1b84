"""The process of a service that reads and computes: `python -m mediasift.serve.worker`, started and watched by `pool`.

It takes orders on standard input, a line of JSON each, which says how many bytes follow it: first the service's
settings; then pictures, or numbers that a client has prepared. It answers on what was standard output:

    S {..}          started: the models, and where the marks are
    A {..}          the answer to an order; the bytes of its rows or numbers follow
    X {..}, B ".."  the error because of which it cannot start; a bug

What it works on stands in memory that it shares with the pool (see `run.marks`); the numbers of orders are those of
sources there. When standard input ends, it ends.
"""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from mediasift.errors import ItemError, SetupError
from mediasift.items import Place
from mediasift.media.pictures.images import get_ready
from mediasift.rows import Row, placed
from mediasift.run.job import error_to_json
from mediasift.run.lanes import WHOLE, Entry, rows_of
from mediasift.run.worker import PROTOCOL_ERROR, Channel, apart
from mediasift.run.works import Spent, Work
from mediasift.serve.answers import Kind, written
from mediasift.serve.engine import Line
from mediasift.serve.hands import Hands
from mediasift.serve.lines import Lines, outputs_of
from mediasift.serve.settings import Serve
from mediasift.settings import from_json
from mediasift.sources.memory import Bytes
from mediasift.sources.naming import Source
from mediasift.system.network import forbid_sockets, no_telemetry

Order = Mapping[str, Any]
Prepared = tuple[Line, Entry, Any]


@dataclass(slots=True, eq=False)
class _Answer:
    """An order on its way; `work.entries` is what it consists of."""

    line: Line
    work: Work
    kind: Kind
    is_sent: bool = False
    is_unwanted: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Service:
    """What becomes of orders; see `Hands` for who does it."""

    def __init__(self, channel: Channel, settings: Serve, memory: int) -> None:
        self._channel, self._sending = channel, threading.Lock()
        self._answers: dict[int, _Answer] = {}
        self._batches: list[tuple[str, int, float]] = []
        self._lines = Lines(settings, memory, self._computed)
        marks = self._lines.marks
        self._send("S", {
            "models": self._lines.facts(), "marks": {"readers": marks.readers, "calls": marks.calls},
        })  # fmt: skip
        self._hands = Hands[tuple[Order, bytes]](
            list(self._lines.engines.values()), readers=marks.readers, count=self._lines.hands, prepare=self._prepare,
            bug=self._bug,
        )  # fmt: skip

    def take(self, order: Order, data: bytes) -> None:
        """An order; one that a client no longer waits for is left where it is."""
        if order["verb"] == "forget":
            if (answer := self._answers.pop(order["number"], None)) is not None:
                answer.is_unwanted = True
            return
        self._hands.take((order, data))

    def _prepare(self, place: int, taken: tuple[Order, bytes]) -> list[Prepared]:
        """What is prepared of an order; all but the last of it goes to its engine in the meantime."""
        order, data = taken
        try:
            return self._begun(place, order, data)
        except (SetupError, ItemError) as error:
            self._answers.pop(order["number"], None)
            self._send("A", {"number": order["number"], "size": 0, "refused": error_to_json(error)})
            return []

    def _begun(self, place: int, order: Order, data: bytes) -> list[Prepared]:
        number, verb, name = order["number"], order["verb"], order["model"]
        line = self._lines.line(verb, name, order["options"])
        content = Bytes(order["path"], data)
        answer = _Answer(line, Work(number, Source(path=order["path"], content=content)), order["kind"])
        self._answers[number] = answer
        work, last = answer.work, list[Prepared]()
        if line.readers is None:
            tensor = self._lines.tensor(name, data, order["shape"])
            work.entries += (
                Entry(Place(path=""), (number, at), prepared={WHOLE: tensor[at : at + 1]}) for at in range(len(tensor))
            )
            last = [part for entry in work.entries for part in _parts(line, entry)]
        else:
            for entry in line.readers.entries(work, place, Spent()):
                self._lines.marks.wait(place)
                for one in last:
                    self._hands.add(*one)
                work.entries.append(entry)
                last = _parts(line, entry)
                if answer.is_unwanted:
                    return []
        work.ended = True
        self._settle(answer)
        return last

    def _computed(self, entries: Sequence[Entry], seconds: float) -> None:
        """A batch is done."""
        answers = [self._answers.get(number) for number in dict.fromkeys(entry.name[0] for entry in entries)]
        for answer in answers:
            if answer is not None:
                self._batches.append((answer.line.engine.name, len(entries), seconds))
                break
        for answer in answers:
            if answer is not None:
                self._settle(answer)

    def _settle(self, answer: _Answer) -> None:
        """Send the answer, once, when all of it is there."""
        work = answer.work
        with answer.lock:
            if answer.is_sent or not (work.ended and all(entry.is_done for entry in work.entries)):
                return
            answer.is_sent = True
        if self._answers.pop(work.number, None) is None:
            return
        batches, self._batches = self._batches, []
        head: dict[str, Any] = {"number": work.number, "batches": batches}
        if answer.line.readers is None:
            self._send_numbers(answer, head)
            return
        rows = _rows(answer)
        head["errors"] = [row.error.partition(":")[0] for row in rows if row.error]
        data = written(rows, answer.line.row_type, answer.kind)
        self._send("A", {**head, "rows": len(rows), "size": len(data)}, data)

    def _send_numbers(self, answer: _Answer, head: dict[str, Any]) -> None:
        try:
            outputs = outputs_of(answer.work.entries)
        except ItemError as error:
            self._send("A", {**head, "size": 0, "refused": error_to_json(error)})
            return
        data = b"".join(output.tobytes() for output in outputs)
        tensors = [{"dtype": output.dtype.name, "shape": list(output.shape)} for output in outputs]
        self._send("A", {**head, "tensors": tensors, "size": len(data)}, data)

    def _send(self, kind: str, head: Any, data: bytes = b"") -> None:
        with self._sending:
            self._channel.send(kind, head, data)

    def _bug(self) -> None:
        self._send("B", traceback.format_exc())
        os._exit(PROTOCOL_ERROR)


def _parts(line: Line, entry: Entry) -> list[Prepared]:
    """What was prepared of an item, which the item does not keep."""
    prepared, entry.prepared = entry.prepared, {}
    return [(line, entry, one) for one in prepared.values()]


def _rows(answer: _Answer) -> list[Row]:
    """All rows of a picture, document or film."""
    line, work = answer.line, answer.work
    rows = [row for entry in work.entries for row in rows_of(entry, line.task, line.row_type)]
    return list(line.task.arranged(work.source.path, rows)) or [placed(line.row_type(), Place(path=work.source.path))]


def _serve(channel: Channel, orders: BinaryIO, memory: int, _tasks: Sequence[str]) -> None:
    no_telemetry()
    forbid_sockets()
    get_ready()
    if not (line := orders.readline()):
        return
    service = Service(channel, from_json(Serve, json.loads(line)["settings"]), memory)
    while line := orders.readline():
        order = json.loads(line)
        service.take(order, orders.read(order["size"]))
    os._exit(0)  # the pool is gone, or wants us gone


if __name__ == "__main__":
    apart(_serve)
