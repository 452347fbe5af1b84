"""What is recognised in a picture, whatever recognises it: tags, and the replies that they are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from mediasift.engines.engine import Engine, Resources
from mediasift.sources.boxes import Box
from mediasift.sources.codebook import NOTHING

FEATURES = (
    "labels", "objects", "faces", "text", "sensitive", "landmarks", "logos", "web", "people", "captions",
)  # fmt: skip
"""What the services between them recognise."""

LIKELIHOODS = ("very_unlikely", "unlikely", "possible", "likely", "very_likely")
"""In their order, counted from 1."""

_LIKELY, UNKNOWN = 4, "unknown"


def counts(one: Any) -> bool:
    """Whether a tag, or its row, is a thing that is there: no attribute, and likely where it has a likelihood."""
    is_unknown = one.label is not None and one.value == UNKNOWN  # words that answer a question may be the same
    return not one.attribute and (not is_unknown if one.likelihood is None else one.likelihood >= _LIKELY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One thing that is recognised, or one attribute of it.

    Attributes:
        feature: One of `FEATURES`, or the variable of a codebook.
        number: Of the thing among those of its feature in the picture, from 1; its attributes have the same.
        label: The category, or the answer of a codebook's variable that has values; None where there is only `value`.
        label_id: The service's identifier of the label.
        attribute: Empty for the thing itself; otherwise what `value` says of it, e.g. joy.
        value: Text that is read, a caption, the value of an attribute, an answer in words or numbers.
        score: 0..1, the service's own.
        likelihood: 1..5, see `LIKELIHOODS`.
        box: Left, top, right, bottom as fractions 0..1 of the picture.
        box_px: The same in pixels of a picture whose size is not known.
    """

    feature: str
    number: int = 1
    label: str | None = None
    label_id: str | None = None
    attribute: str = ""
    value: str | None = None
    score: float | None = None
    likelihood: int | None = None
    box: Box | None = None
    box_px: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it arrived; the ledger keeps it.

    Attributes:
        raw: The JSON values of the service.
        model: Version of the model, where the service states it.
        request_id: The service's identifier of the request.
        answered: When, ISO 8601, by the service's clock.
        note: How it was asked, where a reader of the table should know.
    """

    raw: Any
    model: str = ""
    request_id: str = ""
    answered: str = ""
    note: str = ""


def boxed(edges: Sequence[tuple[float, float]], size: tuple[int, int] | None, *, is_px: bool = True) -> dict[str, Any]:
    """The box around points, as the fields of a `Tag`; none around none.

    Args:
        edges: (x, y) of each point.
        size: (width, height) of the picture, by which pixels become fractions; None leaves them as they are.
        is_px: Whether they are pixels; otherwise fractions.
    """
    if not edges:
        return {}
    xs, ys = zip(*edges, strict=True)
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    if is_px and size is None:
        return {"box_px": (left, top, right, bottom)}
    width, height = size if is_px and size is not None else (1, 1)
    return {"box": (left / width, top / height, right / width, bottom / height)}


class VisionEngine(Engine):
    """`run` takes requests, and gives for each the `Reply`, or the ItemError that costs this request alone.

    Attributes:
        batch: Requests of so many pictures are handed over at a time, at most.
        nothing: What stands in a table with one row a picture where a feature has nothing there.
    """

    batch: ClassVar[int] = 1
    nothing: ClassVar[str] = NOTHING

    def __init__(self, settings: Any, resources: Resources) -> None:
        """Make it ready."""

    @classmethod
    def columns(cls, settings: Any) -> tuple[str, ...]:
        """The features that are asked for, in their order, or a codebook's variables.

        Raises:
            UsageError: The engine does not have one of them.
        """
        raise NotImplementedError  # each engine has its own

    @classmethod
    def usd(cls, settings: Any, pictures: int) -> float | None:
        """Of an engine that is paid: what so many pictures cost at most; None where that cannot be known."""
        raise NotImplementedError  # asked only of engines that are paid

    @classmethod
    def text_usd(cls, settings: Any, text: str) -> float:
        """Of one that reads texts: what a text costs at most."""
        raise NotImplementedError  # asked only of engines that read texts

    @classmethod
    def price_list(cls, settings: Any) -> str:
        """Of an engine that is paid: a sentence on the prices that `usd` reckons with, and of when they are."""
        raise NotImplementedError  # asked only of engines that are paid

    def answer_to_json(self, answer: Reply) -> dict[str, Any]:
        """See `engines.engine.Paid`."""
        return asdict(answer)

    def answer_from_json(self, data: dict[str, Any]) -> Reply:
        """See `engines.engine.Paid`."""
        return Reply(**data)

    @classmethod
    def coder(cls, settings: Any, number: int | None) -> str:  # noqa: ARG003  (of a service, whatever it is about)
        """Who says what a tag of that number says, in a table with one row a picture and coder."""
        return str(settings.engine)

    def requests(self, item: Any) -> Sequence[Any]:
        """What is asked about a picture; cheap work, done while others are read.

        Raises:
            ItemError: The engine does not take such a picture.
        """
        raise NotImplementedError  # each engine has its own

    def asked(self, request: Any) -> Sequence[str]:
        """Those of `columns` that a request asks about."""
        raise NotImplementedError  # each engine has its own

    def after(self, request: Any, reply: Reply) -> Any:  # noqa: ARG002  (a service's reply is one)
        """What is asked next where a reply is no answer, or the ItemError that ends it; None where it is one."""
        return None

    def tags(self, request: Any, reply: Reply) -> Sequence[Tag]:
        """What the reply to a request says."""
        raise NotImplementedError  # each engine has its own
