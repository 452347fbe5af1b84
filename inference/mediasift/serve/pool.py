"""The worker processes of a service: orders out, answers in; one that dies, stands still or eats memory is replaced.

A death costs the request that caused it, which gets an error row: all that was being worked on is tried again one by
one in a new worker, what had only waited is simply sent again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

from mediasift.errors import Crashed, ItemError, ItemTimeout, ModelError, SetupError, plain
from mediasift.run.job import error_from_json
from mediasift.run.process import Worker, line
from mediasift.serve.settings import Serve
from mediasift.settings import to_json
from mediasift.system.machine import allowed_bytes, resident_bytes

_MODULE = "mediasift.serve.worker"
_LOOK_S = 0.25
_NUMBERS = 1 << 30
"""Numbers of orders begin again after so many, as the marks have room for no more."""

_PIPE_BYTES = 1 << 20

_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a worker that did not start is started again."""

Report = Callable[..., None]
"""The name of what happened, and its fields: a batch, a death."""


@dataclass(slots=True, eq=False)
class Order:
    """A picture for a worker, and where its answer goes.

    Attributes:
        head: What to do, see `worker`.
        data: The picture, kept until it is answered.
        answer: (head, bytes) of the answer, or the error because of which there is none.
    """

    head: Mapping[str, Any]
    data: bytes
    answer: asyncio.Future[tuple[dict[str, Any], bytes]] = field(default_factory=asyncio.Future)


class _Pipe(asyncio.Protocol):
    """One end of a worker's pipes; what it answers goes to `hear`, with nothing at its end."""

    def __init__(self, hear: Callable[[bytes], object]) -> None:
        self._hear = hear

    def data_received(self, data: bytes) -> None:
        """A piece of its answers."""
        self._hear(data)

    def eof_received(self) -> None:
        """It is gone."""
        self._hear(b"")


class Slot:
    """The place of one worker; `run` keeps it filled.

    Attributes:
        models: What the worker says of its models.
        pid: Of the worker; None while there is none.
        pending: Orders that are not answered.
    """

    def __init__(self, settings: Serve, report: Report) -> None:
        self._job = {"settings": to_json(settings)}
        self._timeout_s, self._max_bytes = settings.timeout_s, allowed_bytes(settings.max_memory_gb)
        self._report = report
        self._worker: Worker | None = None
        self._orders: asyncio.WriteTransport | None = None
        self._pipes: list[asyncio.BaseTransport] = []
        self._received = bytearray()
        self._head: dict[str, Any] | None = None
        self._dead, self._started = asyncio.Event(), asyncio.Future[None]()
        self._reason: ItemError | None = None
        self._culprits: set[int] = set()
        self._is_open = False
        self.models: list[dict[str, Any]] = []
        self.pending: dict[int, Order] = {}

    @property
    def pid(self) -> int | None:
        """See the class."""
        return self._worker.pid if self._worker is not None and self._is_open else None

    def put(self, order: Order) -> None:
        """Send an order, or keep it until there is a worker."""
        self.pending[order.head["number"]] = order
        if self._is_open:
            self._send(order)

    def forget(self, number: int) -> None:
        """The client no longer waits for the answer."""
        if self.pending.pop(number, None) is not None:
            self._write(line({"verb": "forget", "number": number, "size": 0}))

    def _send(self, order: Order) -> None:
        self._write(line({**order.head, "size": len(order.data)}) + order.data)

    def _write(self, data: bytes) -> None:
        """At once, or, where the pipe is full, as soon as the worker has read so much."""
        if self._orders is not None and not self._orders.is_closing():
            self._orders.write(data)

    async def start(self) -> None:
        """Start a worker, and wait until its models are loaded.

        Raises:
            SetupError: It cannot start.
        """
        loop = asyncio.get_running_loop()
        self._dead.clear()
        self._received.clear()
        self._head, self._reason, self._started = None, None, loop.create_future()
        self._culprits = set()

        self._worker = worker = Worker(self._job, module=_MODULE, threads=False)
        orders, answers = worker.pipes
        _widen(orders)
        self._orders, _ = await loop.connect_write_pipe(lambda: _Pipe(_nothing), orders)
        reading, _ = await loop.connect_read_pipe(lambda: _Pipe(partial(self._hear, worker)), answers)
        self._pipes = [self._orders, reading]
        self._write(worker.job)
        await self._started

    async def run(self) -> None:
        """Watch the worker, which was started; replace it when it dies."""
        alone = deque[Order]()
        while True:
            if alone:
                self._send(alone[0])
                await self._first(self._dead.wait(), alone[0].answer)
            else:
                for order in list(self.pending.values()):
                    self._send(order)
                self._is_open = True
                await self._first(self._dead.wait())
                self._is_open = False
            if not self._dead.is_set():
                alone.popleft()
                continue
            reason, suspects = self._reason_of_death(), self._suspects()
            if alone:
                self._fail(alone.popleft(), reason)
            else:
                alone = deque(order for number, order in self.pending.items() if number in suspects)
            for number in self._culprits & set(self.pending):
                self._fail(self.pending[number], reason)
            alone = deque(order for order in alone if not order.answer.done())
            self._report("worker restarts", reason=str(reason), suspects=len(alone))
            await self._restart()

    async def _first(self, *waited_for: Any) -> None:
        """Until one of these is done; meanwhile the worker's time and memory are looked at."""
        tasks = [asyncio.ensure_future(one) for one in waited_for]
        try:
            while not (await asyncio.wait(tasks, timeout=_LOOK_S, return_when=asyncio.FIRST_COMPLETED))[0]:
                self._look()
        finally:
            for task in tasks[:1]:
                task.cancel()

    async def _restart(self) -> None:
        for pause in itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1])):
            self.close()
            try:
                await self.start()
            except SetupError as error:
                self._report("worker does not start", reason=str(error), pause_s=pause)
                await asyncio.sleep(pause)
            else:
                return

    def _look(self) -> None:
        worker = self._worker
        if worker is None or self._dead.is_set():
            return
        if resident_bytes(worker.pid) > self._max_bytes:
            self._reason = Crashed(f"needs more than {plain(self._max_bytes / 1e9)} GB of memory (--max-memory)")
            self.close()
            self._dead.set()
        elif self.pending and (old := worker.overdue(self._timeout_s)):
            items = {source for one in old for source, _ in one.items}
            self._culprits = items if len(items) == 1 else set()
            self._reason = ItemTimeout(f"takes longer than {self._timeout_s:g} s (--timeout)")
            self.close()
            self._dead.set()

    def _hear(self, worker: Worker, chunk: bytes) -> None:
        """What the worker answers; what an earlier one had left to say is of no use."""
        if worker is not self._worker:
            return
        if not chunk:
            self._ended()
            return
        self._received += chunk
        while (taken := self._next()) is not None:
            self._take(*taken)

    def _next(self) -> tuple[str, Any, bytes] | None:
        """An answer that is whole: kind, head, bytes."""
        received = self._received
        if self._head is None:
            if (end := received.find(b"\n")) < 0:
                return None
            self._head = {"kind": chr(received[0]), "head": json.loads(received[2:end])}
            del received[: end + 1]
        kind, head = self._head["kind"], self._head["head"]
        size = head["size"] if kind == "A" else 0
        if len(received) < size:
            return None
        data = bytes(received[:size])
        del received[:size]
        self._head = None
        return kind, head, data

    def _take(self, kind: str, head: Any, data: bytes) -> None:
        if kind == "A":
            order = self.pending.pop(head["number"], None)
            for name, size, seconds in head.get("batches", ()):
                self._report("batch", model=name, size=size, seconds=seconds)
            if order is not None and not order.answer.done():
                if "refused" in head:
                    order.answer.set_exception(error_from_json(head["refused"]))
                else:
                    order.answer.set_result((head, data))
        elif kind == "S" and self._worker is not None:
            self.models = head["models"]
            self._worker.share(**head["marks"])
            self._started.set_result(None)
        elif kind == "X":
            self._started.set_exception(error_from_json(head))
        else:
            self._report("bug in the worker", traceback=head)

    def _ended(self) -> None:
        worker = self._worker
        if worker is not None and not self._started.done():
            printed = f": {' / '.join(worker.stderr)}" if worker.stderr else ""
            self._started.set_exception(
                ModelError(f"the process that should load the model {worker.obituary()}{printed[:600]}")
            )
        self._dead.set()

    def _reason_of_death(self) -> ItemError:
        if self._reason is not None or self._worker is None:
            return self._reason or Crashed("the process that worked on it is gone")
        return Crashed(f"the process that worked on it {self._worker.obituary()}")

    def _suspects(self) -> set[int]:
        """Orders that may be the cause of a death: those that were worked on; all, where that is unknown."""
        known = set(self._worker.suspects()) if self._worker is not None else set()
        return known & set(self.pending) or set(self.pending)

    def _fail(self, order: Order, reason: ItemError) -> None:
        self.pending.pop(order.head["number"], None)
        if not order.answer.done():
            order.answer.set_exception(reason)

    def close(self) -> None:
        """End the worker."""
        for pipe in self._pipes:
            if not pipe.is_closing():  # it has not ended by itself
                pipe.abort() if isinstance(pipe, asyncio.WriteTransport) else pipe.close()
        if self._worker is not None:
            self._worker.close()


def _nothing(_: bytes) -> None:
    """A worker writes nothing where it takes orders."""


def _widen(pipe: IO[bytes]) -> None:
    """Room in a pipe for a whole picture: through one of 64 KiB it goes piece by piece, from process to process."""
    with suppress(OSError, ImportError, AttributeError):  # not on Linux, or more than this user may have
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


class Pool:
    """All workers.

    Args:
        settings: The service's.
        report: See `Report`.
    """

    def __init__(self, settings: Serve, report: Report) -> None:
        self._slots = [Slot(settings, report) for _ in range(settings.workers)]
        self._numbers = itertools.cycle(range(_NUMBERS))
        self._tasks: list[asyncio.Task[None]] = []
        self.began = time.time()

    @property
    def models(self) -> list[dict[str, Any]]:
        """What the workers say of their models."""
        return self._slots[0].models

    @property
    def pids(self) -> list[int]:
        """Of the workers that are there."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    async def start(self) -> None:
        """Start all of them; raises the SetupError of one that cannot."""
        for result in await asyncio.gather(*(slot.start() for slot in self._slots), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self._tasks = [asyncio.create_task(slot.run()) for slot in self._slots]

    async def answer(self, head: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """The answer to an order, from the worker with the least to do.

        Raises:
            SetupError: The order asks for what there is not.
            ItemError: The worker died of it, or the model refused the numbers.
        """
        order = Order({**head, "number": next(self._numbers)}, data)
        slot = min(self._slots, key=lambda one: (one.pid is None, len(one.pending)))
        slot.put(order)
        try:
            return await order.answer
        finally:
            slot.forget(order.head["number"])

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for slot in self._slots:
            slot.close()
