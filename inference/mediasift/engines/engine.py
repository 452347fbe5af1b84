"""What is expensive behind one class: a model, a program, a service. Pools, batches, retries and money are `run`'s.

An engine is a class that is made from settings of its own, and one line in the table of its room (`engines/ocr`,
`engines/speech`), from which the choices on the command line, the options and the checks follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from mediasift.errors import UsageError
from mediasift.settings import MACHINE, Option, Settings, options
from mediasift.sources.content import Content
from mediasift.system.machine import available_cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a task and its engine may use of the machine.

    Attributes:
        batch_size: Items per model call; None lets the task choose.
        threads: Threads of the engine; None takes every core this process may use.
        timeout_s: What one item may take; an engine that can stop by itself does so a little before. None: any time.
    """

    batch_size: int | None = None
    threads: int | None = None
    timeout_s: float | None = None

    @property
    def cores(self) -> int:
        """Threads of the engine, counted."""
        return self.threads or available_cores()

    @property
    def engine_timeout_s(self) -> float | None:
        """An engine stops an item itself a little before the run would stop the whole worker for it."""
        return None if self.timeout_s is None else 0.9 * self.timeout_s


class Engine:
    """Ready to work: all that can fail for all items has failed before.

    Attributes:
        settings: Its options.
        facts: What it is: name, version, model; for journal and manifest. Under `cost`: how it computes the same
            numbers on this machine, for the manifest alone.
        concurrency: How many calls of `run` it serves at a time; a model uses all the threads by itself.
    """

    settings: ClassVar[type[Settings]] = Settings
    facts: Mapping[str, Any] = {}
    concurrency: int = 1

    def run(self, batch: Any) -> Any:
        """A result for each element of the batch, in order.

        Raises:
            TryAgain: It cannot now, but may later.
            ItemError: It cannot; of a batch of several, which one is to blame is not known.
        """
        return [self.answer(request) for request in batch]

    def answer(self, request: Any) -> Any:
        """The result of one element, for engines that take them one by one."""
        raise NotImplementedError  # an engine has this, or a `run` of its own

    def close(self) -> None:
        """Let go of what is held."""


class Paid(Engine, ABC):
    """An engine whose answers cost money; `run.ledger` stands between it and the tasks.

    Attributes:
        folder: Where its answers are kept.
        keeps_free: Whether answers that cost nothing are kept, too: a server of one's own takes time for them.
    """

    folder: Path
    keeps_free: ClassVar[bool] = False

    @abstractmethod
    def price_usd(self, request: Any) -> float | None:
        """What a request costs at most, rounded up as it is billed; 0 where nothing is sent, None where unknown."""

    @abstractmethod
    def key(self, request: Any) -> str:
        """Hexadecimal hash of all that is asked: the same key, the same answer."""

    def together(self, batch: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """The requests in groups, each of which is one call of `run`; as it stands here, one by one."""
        return ([request] for request in batch)

    def bill(self, request: Any, answer: Any) -> Mapping[str, Any]:  # noqa: ARG002  (one that is billed knows)
        """What the service says an answer did cost: `usd`, and what else belongs into the book; empty: as reserved."""
        return {}

    @abstractmethod
    def answer_to_json(self, answer: Any) -> Any:
        """An answer as JSON values."""

    @abstractmethod
    def answer_from_json(self, data: Any) -> Any:
        """The answer that `answer_to_json` wrote."""


@dataclass(frozen=True, kw_only=True)
class TokenPrices(Settings, group=MACHINE):
    """What tokens of a language model cost, never what it answers."""

    price_in: Annotated[
        float, Option("For codebook: USD for a million tokens that the model reads.", least=0, metavar="USD")
    ] = 0.0
    price_out: Annotated[
        float, Option("For codebook: USD for a million tokens that it writes.", least=0, metavar="USD")
    ] = 0.0
    picture_tokens: Annotated[
        int | None, Option("For codebook: how many tokens a picture is at most.", least=1, metavar="TOKENS")
    ] = None

    def tokens_usd(self, prompt: int, answer: int) -> float:
        """What so many tokens cost, of a prompt and of its answer."""
        return (prompt * self.price_in + answer * self.price_out) / 1e6


@dataclass(frozen=True, kw_only=True)
class PaidSettings(Settings, group=MACHINE):
    """What answers of a paid engine cost, never what they are."""

    paid: Annotated[
        str | None,
        Option(
            "Keeps every paid answer here, so that nothing is ever paid twice, and the book of what was spent.",
            metavar="DIR", default="the user's cache folder",
        ),
    ] = None  # fmt: skip
    parallel: Annotated[int, Option("Requests at a time.", least=1, most=64)] = 4
    request_timeout_s: Annotated[
        float,
        Option(
            "Longest time for a request, and for repeating it.", flag="--request-timeout", above=0, metavar="SECONDS"
        ),
    ] = 120.0
    price: Annotated[
        float | None,
        Option("USD per minute of sound, or per 1,000 pictures and feature, where it is not the list price.", least=0,
               metavar="USD"),
    ] = None  # fmt: skip
    max_cost: Annotated[
        float | None,
        Option("Nothing is sent that could take what was spent, by the book in --paid, above this.", least=0,
               metavar="USD"),
    ] = None  # fmt: skip
    yes: Annotated[bool, Option("Send without being asked, once the price was shown.")] = False
    dry_run: Annotated[bool, Option("Show what it costs at most, and send nothing.")] = False
    kept_only: Annotated[bool, Option("Take answers that are kept; send and pay nothing.", flag="")] = False

    @property
    def is_paid(self) -> bool:
        """Whether the chosen engine is one whose answers cost money."""
        return False

    def estimate_usd(self, content: Content | None) -> float | None:
        """What a whole source costs at most; None where that cannot be known, as for an address."""
        raise NotImplementedError  # asked only where `is_paid` was made true

    @property
    def is_free(self) -> bool:
        """Whether nothing is due for any answer, so that none needs consent."""
        return False

    @property
    def price_list(self) -> str:
        """A sentence on the prices that estimates reckon with."""
        return ""


def check_options(settings: Settings, chosen: str, engines: Mapping[str, type[Engine]]) -> None:
    """Raise a UsageError for an option that was given, but belongs to other engines than the chosen one.

    Args:
        settings: Of all engines together.
        chosen: Name of the engine.
        engines: The table of its room.
    """
    fields = {name: {declared.name for declared in options(engine.settings)} for name, engine in engines.items()}
    for declared in options(type(settings)):
        names = [name for name, own in fields.items() if declared.name in own]
        if names and chosen not in names and getattr(settings, declared.name) != declared.default:
            flag = declared.option.short or declared.flag
            listed = " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])
            raise UsageError(f"{flag} is for {listed}: leave {flag} out, or choose --engine {names[0]}")
