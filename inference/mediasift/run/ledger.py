"""What paid engines cost: asked first, limited, written down before it is due, and never paid twice.

The book `ledger.jsonl` lies in the folder with the answers. What a request costs at most is reserved there, on the
disk, before it is sent; an answer is on the disk before it is used. A run that is killed in between leaves a
reservation without an answer, which counts as paid, as it may have been. `--max-cost` limits all that stands in the
book.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from mediasift.engines.engine import Paid, PaidSettings
from mediasift.errors import ConsentNeeded, EngineError, InferenceFailed, ItemError, UsageError, count_of
from mediasift.run.job import Job
from mediasift.sources.finding import find_sources
from mediasift.sources.shards import Shard
from mediasift.system.files import make_folder, write_atomically
from mediasift.system.lines import Lines, to_text

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
    if not isinstance(task, PaidSettings) or not task.is_paid or task.is_free or task.kept_only:
        return
    if task.yes and task.max_cost is None and not task.dry_run:
        return
    inputs, unknown, usd = prices(job, task)
    estimate = (
        f"{count_of(inputs, 'input')} {'goes' if inputs == 1 else 'go'} to a paid service: at most {_dollars(usd)} USD"
    )
    estimate += f", and {unknown:,} of unknown length" if unknown else ""
    if task.max_cost is None or task.dry_run:
        listed = f" {task.price_list}" if task.price_list else ""
        raise ConsentNeeded(
            f"{estimate}. Nothing was sent. If that is all right, type --yes, or a limit: --max-cost USD (max_cost)",
            estimate=f"{estimate} (what was paid before is not sent again).{listed}",
        )
    if unknown or _exceeds(usd, task.max_cost):
        raise UsageError(f"{estimate}: more than --max-cost {task.max_cost:g} may be due; nothing was sent")


def prices(job: Job, task: PaidSettings) -> tuple[int, int, float]:
    """How many inputs go to a paid service, of how many the price is not known, and what the others cost at most, USD.

    Raises:
        UsageError: The inputs come through a pipe, and could not be read again.
    """
    if any(isinstance(name, str) and name == "-" for name in job.inputs.named):
        raise UsageError("what it will cost is asked beforehand, so name files instead of -")
    shard, sources = job.cost("shard"), find_sources(job.inputs)
    own = sources if shard is None else filter(Shard.of(shard).holds, sources)
    each = [task.estimate_usd(one.content) for one in own if one.failure is None]
    return len(each), each.count(None), sum(price or 0.0 for price in each)


def _dollars(usd: float) -> str:
    """A sum in a message, rounded up: what is due at most, and never 0 for what is more."""
    places = 4 if 0 < usd < 1 else 2
    return f"{math.ceil(round(usd * 10**places, 6)) / 10**places:.{places}f}"


def _exceeds(usd: float, limit: float) -> bool:
    """Whether a sum is above a limit; what adding fractions of cents up may lose does not count."""
    return round(usd, 9) > limit


class Ledger:
    """An `engines.engine.Engine` around a paid one: nothing is bought twice, nor above the limit of its settings."""

    def __init__(self, engine: Paid, settings: PaidSettings) -> None:
        self._engine, self._max_cost, self._yes = engine, settings.max_cost, settings.yes
        self._kept_only = settings.kept_only
        self.facts: Mapping[str, Any] = engine.facts
        self.concurrency = engine.concurrency
        self._lock = threading.Lock()
        self._asked: dict[str, threading.Lock] = {}
        self._book: Book | None = None

    def run(self, batch: Sequence[Any]) -> list[Any]:
        """The engine's answers, bought now or before; an ItemError where it did not answer one request of several."""
        prices = [self._engine.price_usd(request) for request in batch]
        sent = [usd != 0 or self._engine.keeps_free for usd in prices]
        keys = [self._engine.key(request) if is_sent else "" for request, is_sent in zip(batch, sent, strict=True)]
        asked = {key: _Asked(*one) for key, *one in zip(keys, batch, prices, strict=True) if key}
        answers = self._answers(asked)
        return [answers[key] if key else self._engine.run([one])[0] for key, one in zip(keys, batch, strict=True)]

    def close(self) -> None:
        """Close the book and the engine."""
        with self._lock:
            if self._book is not None:
                self._book.close()
                self._book = None
        self._engine.close()

    def _answers(self, asked: Mapping[str, _Asked]) -> dict[str, Any]:
        """The answer for each key. The same request at the same time waits for the answer of the first."""
        with self._lock:
            locks = [self._asked.setdefault(key, threading.Lock()) for key in sorted(asked)]
        with ExitStack() as held:
            for lock in locks:  # in one order, so that no two wait for each other
                held.enter_context(lock)
            answers: dict[str, Any] = {}
            for key in asked:
                file = self._engine.folder / f"{key}.json"
                if file.is_file():
                    answers[key] = self._engine.answer_from_json(json.loads(file.read_text(encoding="utf-8")))
            if self._kept_only and len(answers) < len(asked):
                raise UsageError(
                    f"{self._engine.folder}: a paid answer that is needed is not kept there, and it is not bought "
                    "again; name the folder of the first run with --paid"
                )
            missing = {id(one.request): key for key, one in asked.items() if key not in answers}
            for group in self._engine.together([one.request for key, one in asked.items() if key not in answers]):
                answers |= self._bought({missing[id(request)]: asked[missing[id(request)]] for request in group})
            return answers

    def _bought(self, asked: Mapping[str, _Asked]) -> dict[str, Any]:
        """The answers of one call, each on the disk before the next call is made."""
        self._reserve(asked)
        try:
            answers = self._engine.run([one.request for one in asked.values()])
        except (EngineError, InferenceFailed) as error:
            if isinstance(error, EngineError) or error.unpaid:
                self._note("released", asked)
            raise
        arrived = dict(zip(asked, answers, strict=True))
        unpaid = {key: asked[key] for key, one in arrived.items() if isinstance(one, InferenceFailed) and one.unpaid}
        paid = {key: asked[key] for key, one in arrived.items() if not isinstance(one, ItemError)}
        for key in paid:
            data = json.dumps(self._engine.answer_to_json(arrived[key]), ensure_ascii=False)
            write_atomically(self._engine.folder / f"{key}.json", data.encode())
        bills = {key: self._engine.bill(one.request, arrived[key]) for key, one in paid.items()}
        self._note("paid", paid, bills)
        less = {key: (paid[key].usd or 0.0) - bill["usd"] for key, bill in bills.items() if "usd" in bill}
        self._note("released", {key: _Asked(None, usd) for key, usd in less.items() if usd})
        self._note("released", unpaid)
        return arrived

    def _reserve(self, asked: Mapping[str, _Asked]) -> None:
        known = [one.usd for one in asked.values() if one.usd is not None]
        usd = sum(known) if len(known) == len(asked) else None
        if usd != 0 and self._max_cost is None and not self._yes:
            raise ConsentNeeded("a paid service is asked only with a limit (max_cost) or a yes; nothing was sent")
        with self._lock:
            if self._book is None:
                self._book = Book(self._engine.folder)
            book = self._book
            if self._max_cost is not None and (usd is None or _exceeds(book.usd + usd, self._max_cost)):
                price = "an unknown price" if usd is None else f"up to {_dollars(usd)} USD"
                raise UsageError(
                    f"{_dollars(book.usd)} USD are spent or reserved by {book.path}, and the next request costs "
                    f"{price}: more than --max-cost {self._max_cost:g} allows. Nothing more was sent. What was "
                    "answered is kept: with a higher limit the same command goes on"
                )
            book.note("reserved", {key: one.usd for key, one in asked.items()})

    def _note(
        self, event: str, asked: Mapping[str, _Asked], bills: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:  # fmt: skip
        with self._lock:
            if self._book is not None and asked:
                self._book.note(event, {key: one.usd for key, one in asked.items()}, bills or {})


class _Asked(NamedTuple):
    """A request, and what it costs at most; None where that is not known."""

    request: Any
    usd: float | None


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

    def note(
        self, event: str, prices: Mapping[str, float | None], bills: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:  # fmt: skip
        """A line for each key, with its price in USD and what its bill says; all are on the disk when this returns."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        bills = bills or {}
        entries = (
            {"event": event, "key": key, "usd": usd, "at": at, **bills.get(key, {})} for key, usd in prices.items()
        )
        self.append_texts(map(to_text, entries))
        self.sync()
        self.usd += _SIGNS[event] * sum(usd or 0.0 for usd in prices.values())
