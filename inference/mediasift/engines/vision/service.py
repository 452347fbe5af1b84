"""What the services have in common: pictures as they take them, what is bought at a time, prices, keys of answers."""

from __future__ import annotations

import hashlib
import json
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar

from mediasift.engines.engine import Paid, PaidSettings, Resources
from mediasift.engines.vision.tags import FEATURES, Reply, Tag, VisionEngine
from mediasift.errors import (
    EngineError,
    InferenceFailed,
    ItemError,
    MediasiftError,
    TryAgain,
    Unsupported,
    UsageError,
    did_you_mean,
)
from mediasift.items import Item
from mediasift.media.pictures.encode import ENCODERS
from mediasift.media.pictures.transforms import resize
from mediasift.settings import Option
from mediasift.system.machine import cache_folder
from mediasift.system.network import refuse_if_offline

PRICES_OF = "27 November 2026"
"""When the prices were written down. The page of the service decides, and a contract; `--price` sets another."""

_QUALITY = 95
_FORMAT = 1
"""Of the answers that are kept; a change makes old ones unknown."""


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(PaidSettings):
    """Options of all services."""

    features: Annotated[
        Sequence[str],
        Option(
            "What is to be recognised; each engine refuses what it lacks.",
            choices=FEATURES,
            metavar="A,B",
            default="labels; of stored answers, all",
        ),
    ] = ()
    endpoint: Annotated[
        str | None,
        Option(
            "Another address of the service, e.g. of a region; http:// is plain text, for a test server.",
            metavar="URL",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a service takes: sides in pixels, megapixels, and bytes of a JPEG file."""

    least_px: int
    most_px: int
    most_megapixels: float = math.inf
    most_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is bought at a time.

    Attributes:
        data: The picture as JPEG.
        size: Its (width, height).
        digest: Of its pixels before it was shrunk and encoded, which another version of a library may do otherwise.
        operations: What the service is to do with it.
    """

    data: bytes
    size: tuple[int, int]
    digest: str
    operations: tuple[str, ...]


class Service(VisionEngine, Paid):
    """A paid service behind an address.

    Attributes:
        name: In `ENGINES`.
        limits: Of pictures.
        operations: Feature → what the service calls the operation that has it.
        prices: Operation → USD for 1,000 pictures, by the price list.
        free_tier: A sentence; estimates do not count on it.
    """

    settings = ServiceSettings
    name: ClassVar[str]
    limits: ClassVar[Limits]
    operations: ClassVar[Mapping[str, str]]
    prices: ClassVar[Mapping[str, float]]
    free_tier: ClassVar[str]

    def __init__(self, settings: Any, resources: Resources) -> None:
        refuse_if_offline(f"--engine {self.name}")
        self._settings, self._features = settings, self.columns(settings)
        limit_s = resources.engine_timeout_s or math.inf
        self.timeout_s = min(settings.request_timeout_s, limit_s)
        self.folder = Path(settings.paid or cache_folder() / self.name)
        self.concurrency = settings.parallel
        self.facts = {"engine": self.name, "features": list(self._features), **self.connect(settings)}

    @abstractmethod
    def connect(self, settings: Any) -> Mapping[str, Any]:
        """Make the client ready; returns facts.

        Raises:
            EngineError: There are no credentials.
            UsageError: An option is missing.
        """

    @abstractmethod
    def sent(self, group: Sequence[Question]) -> list[Reply | ItemError]:
        """What one call answers, a group of `together`; raises an InferenceFailed that is about all of it."""

    def run(self, batch: Sequence[Question]) -> list[Reply | ItemError]:
        """See `VisionEngine`. What fails for several pictures is raised, so that the one to blame is looked for."""
        try:
            return self.sent(batch)
        except InferenceFailed as error:
            if len({one.digest for one in batch}) > 1 and not isinstance(error, TryAgain):
                raise
            return [error] * len(batch)

    @abstractmethod
    def question(self) -> Any:
        """All that is asked besides picture and operations, as JSON values: versions, languages, limits."""

    @abstractmethod
    def parsed(self, raw: Any, size: tuple[int, int] | None) -> Iterator[Tag]:
        """All that an answer says of a picture of that (width, height); None where that is not known."""

    @classmethod
    def columns(cls, settings: Any) -> tuple[str, ...]:
        """See `VisionEngine`."""
        asked = settings.features or ("labels",)
        if lacking := [name for name in asked if name not in cls.operations]:
            likely = did_you_mean(lacking[0], cls.operations)
            raise UsageError(f"{cls.name} has no {lacking[0]}; it has {', '.join(cls.operations)}{likely}")
        return tuple(dict.fromkeys(asked))

    @classmethod
    def units(cls, settings: Any) -> tuple[tuple[str, ...], ...]:
        """Operations that are bought together; as it stands here, each alone."""
        return tuple((one,) for one in dict.fromkeys(cls.operations[name] for name in cls.columns(settings)))

    @classmethod
    def unit_usd(cls, settings: Any, operations: Sequence[str]) -> float:
        """What a unit costs for one picture."""
        return sum(cls.prices[one] if settings.price is None else settings.price for one in operations) / 1000

    @classmethod
    def usd(cls, settings: Any, pictures: int) -> float:
        """See `VisionEngine`."""
        return pictures * sum(cls.unit_usd(settings, unit) for unit in cls.units(settings))

    @classmethod
    def price_list(cls, settings: Any) -> str:
        """See `VisionEngine`."""
        if settings.price is not None:
            return f"Reckoned with your --price of {settings.price:g} USD for 1,000 pictures and feature."
        units = ", ".join(f"{' + '.join(one)} {1000 * cls.unit_usd(settings, one):.2f}" for one in cls.units(settings))
        return (
            f"Reckoned with prices of {PRICES_OF}, which may have changed (--price sets yours), in USD for "
            f"1,000 pictures: {units}. {cls.free_tier}"
        )

    def requests(self, item: Item) -> list[Question]:
        """See `VisionEngine`."""
        data, size = shown(item, self.limits, self.name)
        digest = hashlib.sha256(repr(item.image.shape).encode() + item.image.tobytes()).hexdigest()
        units = self.units(self._settings)
        return [Question(data=data, size=size, digest=digest, operations=unit) for unit in units]

    def price_usd(self, request: Question) -> float:
        """See `Paid`."""
        return self.unit_usd(self._settings, request.operations)

    def key(self, request: Question) -> str:
        """See `Paid`."""
        question = [_FORMAT, self.name, self.question(), request.operations, request.digest]
        return hashlib.sha256(json.dumps(question).encode()).hexdigest()

    def asked(self, request: Question) -> list[str]:
        """See `VisionEngine`."""
        return [name for name in self._features if self.operations[name] in request.operations]

    def tags(self, request: Question, reply: Reply) -> list[Tag]:
        """See `VisionEngine`."""
        return list(self.parsed(reply.raw, request.size))


def moment(date: str | None) -> str:
    """The `Date` of an HTTP answer (RFC 9110, 5.6.7) in ISO 8601; this machine's own time where there is none."""
    try:
        when = parsedate_to_datetime(date or "")
    except ValueError:
        when = datetime.now(UTC)
    return when.astimezone(UTC).isoformat(timespec="seconds")


def after_s(retry: str | None) -> float | None:
    """The seconds that `Retry-After` (RFC 9110, 10.2.3) asks for, as a number or a date; None where it does not."""
    if not retry:
        return None
    try:
        return max(0.0, float(retry))
    except ValueError:
        return max(0.0, (datetime.fromisoformat(moment(retry)) - datetime.now(UTC)).total_seconds())


def failure(service: str, status: int, message: str, headers: Mapping[str, str], login: str) -> MediasiftError:
    """An HTTP status as one of our errors: what every picture would share stops the run.

    Args:
        service: Who answers.
        status: Of the answer.
        message: What it says.
        headers: Of the answer, names in lower case.
        login: What to type or see to where the credentials are refused.
    """
    text = f"{service} answers {status}: {' '.join(message.split())}"
    if status in (401, 403):
        return EngineError(f"{text}; {login}")
    if status == 404:
        return EngineError(f"{text}; is the address right? (--endpoint)")
    if status == 429:
        return TryAgain(text, after_s=after_s(headers.get("retry-after")), unpaid=True)
    if status == 408 or status >= 500:
        return TryAgain(text, after_s=after_s(headers.get("retry-after")))
    return InferenceFailed(text, unpaid=400 <= status < 500)


def shown(item: Item, limits: Limits, name: str) -> tuple[bytes, tuple[int, int]]:
    """A picture as JPEG, no larger than a service takes, and its (width, height).

    Raises:
        Unsupported: It is too small for the service.
    """
    image = item.image
    height, width = image.shape[:2]
    shrink = min(1.0, limits.most_px / max(width, height), math.sqrt(limits.most_megapixels * 1e6 / (width * height)))
    while True:
        wide, high = max(1, int(width * shrink)), max(1, int(height * shrink))
        if min(wide, high) < limits.least_px:
            raise Unsupported(f"{width}x{height} pixels; {name} takes pictures of {limits.least_px} pixels at least")
        data = ENCODERS["jpg"](image if shrink == 1 else resize(image, wide, high), _QUALITY, b"")
        if len(data) <= limits.most_bytes:
            return data, (wide, high)
        shrink *= min(0.9, math.sqrt(limits.most_bytes / len(data)))
