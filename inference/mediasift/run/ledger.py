"""What paid engines cost: asked first, limited, written down before it is due, and never paid twice.

The book `ledger.jsonl` lies in the folder with the answers. What a request costs at most is reserved there, on the
disk, before it is sent; an answer is on the disk before it is used. A run that is killed in between leaves a
reservation without an answer, which counts as paid, as it may have been. `--max-cost` limits all that stands in the
book.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mediasift.engines.engine import Paid, PaidSettings
from mediasift.errors import ConsentNeeded, EngineError, InferenceFailed, UsageError
from mediasift.run.job import Job
from mediasift.sources.naming import find_sources
from mediasift.system.files import make_folder, write_atomically
from mediasift.system.lines import Lines

BOOK = "ledger.jsonl"

_SIGNS = {"reserved": 1, "paid": 0, "released": -1}
"""What is paid was reserved before."""


def check_consent(job: Job) -> None:
    """Raise an error unless what the job may cost was agreed to; nothing is sent before.

    Raises:
        ConsentNeeded: It was not agreed to; it says what it would cost at most, and what to type.
        UsageError: More than the limit may be due.
    """
    task = job.task
    if not isinstance(task, PaidSettings) or not task.is_paid or (task.yes and task.max_cost is None):
        return
    if any(isinstance(name, str) and name == "-" for name in job.inputs.named):
        raise UsageError("what it will cost is asked beforehand, so name files instead of -")
    prices = [task.estimate_usd(one.content) for one in find_sources(job.inputs) if one.failure is None]
    unknown, usd = prices.count(None), sum(price or 0.0 for price in prices)
    estimate = f"{len(prices):,} inputs go to a paid service: at most {usd:.2f} USD"
    estimate += f", and {unknown:,} of unknown length" if unknown else ""
    if task.max_cost is None:
        raise ConsentNeeded(
            f"{estimate}. Nothing was sent. If that is all right, type --yes, or a limit: --max-cost USD (max_cost)",
            estimate=f"{estimate} (what was paid before is not sent again)",
        )
    if unknown or usd > task.max_cost:
        raise UsageError(f"{estimate}: more than --max-cost {task.max_cost:g} may be due; nothing was sent")


class Ledger:
    """An `engines.engine.Engine` around a paid one: nothing is bought twice, nor above the limit of its settings."""

    def __init__(self, engine: Paid, settings: PaidSettings) -> None:
        self._engine, self._max_cost, self._yes = engine, settings.max_cost, settings.yes
        self.facts: Mapping[str, Any] = engine.facts
        self.concurrency = engine.concurrency
        self._lock = threading.Lock()
        self._asked: dict[str, threading.Lock] = {}
        self._book: Book | None = None

    def run(self, batch: Sequence[Any]) -> list[Any]:
        """The engine's answers, bought now or before."""
        return [self._answer(request) for request in batch]

    def close(self) -> None:
        """Close the book and the engine."""
        with self._lock:
            if self._book is not None:
                self._book.close()
                self._book = None
        self._engine.close()

    def _answer(self, request: Any) -> Any:
        usd = self._engine.price_usd(request)
        if usd == 0:
            return self._engine.run([request])[0]
        key = self._engine.key(request)
        with self._lock:
            mine = self._asked.setdefault(key, threading.Lock())
        with mine:  # the same request at the same time waits for the answer of the first
            file = self._engine.folder / f"{key}.json"
            if not file.is_file():
                return self._bought(request, key, usd, file)
            return self._engine.answer_from_json(json.loads(file.read_text(encoding="utf-8")))

    def _bought(self, request: Any, key: str, usd: float | None, file: Path) -> Any:
        self._reserve(key, usd)
        try:
            (answer,) = self._engine.run([request])
        except (EngineError, InferenceFailed) as error:
            if isinstance(error, EngineError) or error.unpaid:
                self._note("released", key, usd)
            raise
        write_atomically(file, json.dumps(self._engine.answer_to_json(answer), ensure_ascii=False).encode())
        self._note("paid", key, usd)
        return answer

    def _reserve(self, key: str, usd: float | None) -> None:
        if self._max_cost is None and not self._yes:
            raise ConsentNeeded("a paid service is asked only with a limit (max_cost) or a yes; nothing was sent")
        with self._lock:
            if self._book is None:
                self._book = Book(self._engine.folder)
            book = self._book
            if self._max_cost is not None and (usd is None or book.usd + usd > self._max_cost):
                price = "an unknown price" if usd is None else f"up to {usd:.4f} USD"
                raise UsageError(
                    f"{book.usd:.4f} USD are spent or reserved by {book.path}, and the next request costs {price}: "
                    f"more than --max-cost {self._max_cost:g} allows. Nothing more was sent. What was answered is "
                    "kept: with a higher limit the same command goes on"
                )
            book.note("reserved", key, usd)

    def _note(self, event: str, key: str, usd: float | None) -> None:
        with self._lock:
            if self._book is not None:
                self._book.note(event, key, usd)


class Book(Lines):
    """The open book of a folder; one process at a time writes it.

    Attributes:
        path: The file.
        usd: What is paid, and what is reserved without an answer.

    Raises:
        UsageError: Another run writes it, it is something else, or it was damaged or changed.
        OutputError: It cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        path = folder.resolve() / BOOK
        busy = UsageError(f"{path}: another run buys answers there; wait for it, or name another --paid folder")
        foreign = UsageError(f"{path}: is not a book of mediasift; move it away, or name another --paid folder")
        super().__init__(path, begins=b'{"event":', foreign=foreign, busy=busy)
        try:
            self.usd = sum(_SIGNS[entry["event"]] * (entry["usd"] or 0.0) for _, entry in self.read())
            if b"\n" in path.read_bytes()[self.end :]:  # a kill cuts the last line off, and no other
                raise UsageError(
                    f"{path}: was damaged or changed, so what was spent is not known; name another --paid folder, or "
                    "remove the file to count from 0 again (answers are kept)"
                )
        except BaseException:
            self.close()
            raise
        self.cut()  # what a kill cut off was not sent yet

    def note(self, event: str, key: str, usd: float | None) -> None:
        """One line, on the disk when this returns."""
        self.append({"event": event, "key": key, "usd": usd, "at": datetime.now(UTC).isoformat(timespec="seconds")})
        self.sync()
        self.usd += _SIGNS[event] * (usd or 0.0)
