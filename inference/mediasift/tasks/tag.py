"""What services and language models recognise in pictures: one tidy table for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from mediasift.engines.engine import Resources, check_options
from mediasift.engines.vision import ENGINES, VisionEngines
from mediasift.engines.vision.stored import PARSERS, stored_reply
from mediasift.engines.vision.tags import FEATURES, Reply, Tag, VisionEngine, counts
from mediasift.errors import InferenceFailed, ItemError, TryAgain, Unsupported, UsageError
from mediasift.items import Item, StoredAnswer, TextItem
from mediasift.media.counting import most_pictures
from mediasift.media.settings import PartSettings
from mediasift.rows import Finding, Row
from mediasift.settings import Option
from mediasift.sources.answers import KEYS
from mediasift.sources.content import Content
from mediasift.sources.texts import Cell
from mediasift.tasks.objects import box_columns
from mediasift.tasks.task import CountSettings, EngineRunSettings, Reads, Started


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged(Finding):
    """One thing that is recognised in a picture, or an attribute of it; a feature that has nothing there is one row.

    Attributes:
        engine: Who recognises it.
        feature: labels, objects, faces ..., or the variable of a codebook.
        number: Of the thing among those of the same feature in the picture, from 1; its attributes have the same.
        label: The category, e.g. Dog, face, adult, line; or the answer of a variable that has values.
        label_id: The service's identifier of the label.
        attribute: Empty for the thing itself; otherwise what `value` says of it, e.g. joy.
        value: Text that is read, a caption, the value of an attribute, an answer in words or numbers.
        score: 0..1, the service's own.
        likelihood: 1 very unlikely, 2 unlikely, 3 possible, 4 likely, 5 very likely.
        left_px, top_px, width_px, height_px: The box in pixels of the upright picture, rounded to hundredths.
        left, top, right, bottom: The same as fractions 0..1 of its width and height, as `--crop` takes them.
        model: Version of the model, where the service states it.
        request_id: The service's identifier of the request.
        answered: When, ISO 8601, by the service's clock.
        note: How the picture was read, where a reader of the table should know.
        found: How many things of this feature the picture has, without attributes, and of those that have a
            likelihood only the likely ones.
    """

    engine: str | None = None
    feature: str | None = None
    number: int | None = None
    label: str | None = None
    label_id: str | None = None
    attribute: str | None = None
    value: str | None = None
    score: float | None = None
    likelihood: int | None = None
    left_px: float | None = None
    top_px: float | None = None
    width_px: float | None = None
    height_px: float | None = None
    left: float | None = None
    top: float | None = None
    right: float | None = None
    bottom: float | None = None
    model: str | None = None
    request_id: str | None = None
    answered: str | None = None
    note: str | None = None

    def counted(self) -> tuple[str | None, int, float | None]:
        """See `Finding`; a label of one feature is another than that of the next."""
        is_there = self.label is not None and counts(self)
        return (f"{self.feature}:{self.label}" if is_there else None), int(is_there), self.score


@dataclass(frozen=True, kw_only=True)
class Tagging(VisionEngines, CountSettings, PartSettings, EngineRunSettings):
    """Have a service, or a language model with a codebook, say what pictures show: a row for each label or answer.

    It is one table for all of them. To a service the pictures leave this machine and are paid for: the price is shown
    first, and nothing that has arrived is ever bought again.
    """

    name: ClassVar[str] = "tag"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = Tagged

    engine: Annotated[
        str | None,
        Option("Who recognises. Microsoft ends the service of azure-vision on 25 September 2028.",
               choices=ENGINES.keys),
    ] = None  # fmt: skip

    stored: Annotated[
        str | Path | None,
        Option(
            "Instead of INPUT: a file (.json, .jsonl) or folder of answers of Google Vision, Rekognition or Azure that "
            "another program kept. Nothing is sent, and no key is needed.", flag="--from", metavar="FILE",
        ),
    ] = None  # fmt: skip
    wide: Annotated[
        bool, Option("A row for each picture, with a column for each feature or variable: a coded table.")
    ] = False

    @property
    def chosen(self) -> type[VisionEngine]:
        """The engine.

        Raises:
            UsageError: None is named.
        """
        if self.engine is None:
            raise UsageError(f"name who recognises: --engine with one of {', '.join(ENGINES)}")
        return ENGINES[self.engine]

    @property
    def is_paid(self) -> bool:
        """Whether the engine's answers cost money."""
        return self.stored is None and hasattr(self.chosen, "price_usd")

    @property
    def is_free(self) -> bool:
        """See `PaidSettings`."""
        return self.chosen.usd(self, 1) == 0

    def estimate_usd(self, content: Content | None) -> float | None:
        """What all pictures of a source cost at most, or a text."""
        if content is None:
            return None
        if isinstance(content, Cell):
            return self.chosen.text_usd(self, content.text)
        return self.chosen.usd(self, most_pictures(content, self))

    @property
    def columns(self) -> tuple[str, ...]:
        """Features or variables, in their order."""
        return tuple(self.features) or FEATURES if self.stored is not None else self.chosen.columns(self)

    @property
    def price_list(self) -> str:
        """See `PaidSettings`."""
        return self.chosen.price_list(self)

    def start(self, resources: Resources) -> Started:
        """Make the engine ready.

        Raises:
            EngineError: A package is missing, or credentials.
            UsageError: Options do not go together, or the engine lacks a feature.
        """
        if self.stored is not None:
            return StartedStored(self)
        engine = self.chosen
        check_options(self, str(self.engine), ENGINES)
        if self.wide and self.per:
            raise UsageError("--wide has a row for each picture, and --per counts: choose one")
        columns = self.columns
        patience_s = min(self.request_timeout_s, resources.engine_timeout_s or self.request_timeout_s)
        return StartedTagging(str(self.engine), engine(self, resources), columns, patience_s)


class _Asked(NamedTuple):
    """What is asked about a picture of that (width, height), and how it was read."""

    requests: Sequence[Any]
    size: tuple[int, int] | None
    note: str


class StartedTagging(Started):
    """See `tasks.task.Started`."""

    def __init__(self, name: str, engine: VisionEngine, columns: Sequence[str], patience_s: float) -> None:
        self.engine: Any = engine
        self._name, self._columns, self._recogniser = name, columns, engine  # of which `run` may make a ledger's
        self.patience_s, self.batch_size = patience_s, engine.batch
        self.facts, self.concurrency = engine.facts, engine.concurrency

    def prepare(self, item: Item | TextItem) -> _Asked:
        """What is asked about it."""
        if isinstance(item, TextItem):
            return _Asked(self._recogniser.requests(item), None, "")
        return _Asked(self._recogniser.requests(item), item.original_size, item.note)

    def infer(self, batch: Sequence[_Asked]) -> list[Sequence[Row] | ItemError]:
        """The rows of each picture, its features in their order; for one that failed, a row with the error."""
        answers = iter(self._replies([request for one in batch for request in one.requests]))
        return [self._answered(one, [next(answers) for _ in one.requests]) for one in batch]

    def _replies(self, requests: list[Any]) -> list[Reply | ItemError]:
        """The reply to each request, or to what is asked after it until the reply is an answer."""
        replies: list[Reply | ItemError] = list(self.engine.run(requests))
        while True:
            again: dict[int, Any] = {}
            for at, reply in enumerate(replies):
                step = self._recogniser.after(requests[at], reply) if isinstance(reply, Reply) else None
                if isinstance(step, ItemError):
                    replies[at] = step
                elif step is not None:
                    again[at] = requests[at] = step
            if not again:
                return replies
            for at, reply in zip(again, self.engine.run(list(again.values())), strict=True):
                replies[at] = reply

    def _answered(self, asked: _Asked, answers: Sequence[Reply | ItemError]) -> Sequence[Row] | ItemError:
        errors = [one for one in answers if isinstance(one, ItemError)]
        if again := next((one for one in errors if isinstance(one, TryAgain)), None):
            return again
        if len(errors) == len(answers) > 0:
            return errors[0]
        rows: dict[str, list[Row]] = {name: [] for name in self._columns}
        for request, answer in zip(asked.requests, answers, strict=True):
            for feature in self._recogniser.asked(request):
                number = getattr(request, "number", None)
                blank = Tagged(engine=self._name, feature=feature, number=number, note=asked.note or None)
                if isinstance(answer, ItemError):
                    rows[feature].append(replace(blank, error=answer.as_cell()))
                else:
                    tags = [tag for tag in self._recogniser.tags(request, answer) if tag.feature == feature]
                    rows[feature] += tagged(blank, tags, answer, asked.size)
        return [row for name in self._columns for row in rows[name]]


class StartedStored(Started):
    """See `tasks.task.Started`; rows of answers that are here already."""

    def __init__(self, settings: Tagging) -> None:
        if settings.engine not in (None, *KEYS):
            raise UsageError(f"--from reads answers of {', '.join(KEYS)}; leave --engine out, or name one of them")
        if settings.boxes is not None or settings.texts:
            raise UsageError("--from reads answers, and needs no pictures: leave out --boxes and --texts")
        self._engine, self._features, self._columns = settings.engine, tuple(settings.features), settings.columns

    def prepare(self, item: StoredAnswer) -> list[Row]:
        """The rows of an answer: of the features that are asked for, or of all that it has.

        Raises:
            Unsupported: It is another service's than the one that is named.
            InferenceFailed: It says that the service failed.
        """
        if self._engine not in (None, item.service):
            raise Unsupported(f"an answer of {item.service}, not of {self._engine}")
        reply, parts, size = stored_reply(item.service, item.answer)
        blank = Tagged(engine=item.service)
        tags = list(PARSERS[item.service](reply.raw, size))
        there = dict.fromkeys((*parts, *(tag.feature for tag in tags)))
        if not there and isinstance(error := item.answer.get("error"), dict):
            raise InferenceFailed(f"{item.service} answered: {error.get('message')}")
        rows = list[Row]()
        for name in self._columns:
            if name in there or (self._features and item.service == "google-vision"):  # it leaves out what has nothing
                own = [tag for tag in tags if tag.feature == name]
                rows += tagged(replace(blank, feature=name), own, reply, size)
            elif self._features:
                rows.append(replace(blank, feature=name, note="the answer does not have this feature"))
        return rows or [replace(blank, found=0)]


def tagged(blank: Tagged, tags: Sequence[Tag], reply: Reply, size: tuple[int, int] | None) -> list[Tagged]:
    """The rows of one feature in one reply; one where nothing was recognised.

    Args:
        blank: What all of them have.
        tags: What was recognised.
        reply: In it.
        size: (width, height) of the picture; None where it is not known.
    """
    blank = replace(
        blank, model=reply.model or None, request_id=reply.request_id or None, answered=reply.answered or None,
        found=sum(map(counts, tags)), note="; ".join(part for part in (blank.note, reply.note) if part) or None,
    )  # fmt: skip
    return [
        replace(
            blank, number=tag.number, label=tag.label, label_id=tag.label_id, attribute=tag.attribute or None,
            value=tag.value, score=None if tag.score is None else round(tag.score, 6), likelihood=tag.likelihood,
            **_box(tag, size),
        ) for tag in tags
    ] or [blank]  # fmt: skip


def _box(tag: Tag, size: tuple[int, int] | None) -> dict[str, Any]:
    """The columns of a box; without the picture's size, those that the service gave."""
    if tag.box is not None:
        left, top, right, bottom = (min(1.0, max(0.0, side)) for side in tag.box)
        columns = box_columns((left, top, right, bottom), size or (0, 0))
        return columns if size else {name: columns[name] for name in ("left", "top", "right", "bottom")}
    if tag.box_px is None:
        return {}
    left, top, right, bottom = tag.box_px
    return {"left_px": left, "top_px": top, "width_px": round(right - left, 2), "height_px": round(bottom - top, 2)}
