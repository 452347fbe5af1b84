"""A language model as a coder: it answers a codebook about each picture, page, frame or text.

Every answer is one unit of the ledger, also one to a question that is repeated after an invalid answer. So what has
arrived is never asked for again, not even from a server that costs nothing but time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from mediasift.engines.engine import Paid, Resources
from mediasift.engines.vision.codebook_form import Answer, Invalid, answers_of, prompt_of, quoted, schema_of
from mediasift.engines.vision.codebook_format import Completion, Question
from mediasift.engines.vision.codebook_server import JPEG_QUALITY, ChatSettings, Server, as_url, complaint_of, digest_of
from mediasift.engines.vision.tags import Reply, Tag, VisionEngine
from mediasift.errors import InferenceFailed, ItemError, Unsupported, UsageError
from mediasift.items import Item, TextItem
from mediasift.settings import Option
from mediasift.sources.codebook import NOTHING, Codebook, Variable, read_codebook
from mediasift.sources.content import LocalFile

_ECHO = 2000
"""Characters of an invalid answer, and of what is wrong with it, that the model is shown when it is asked again."""


@dataclass(frozen=True, kw_only=True)
class CodebookSettings(ChatSettings):
    """Options of a coder that is a language model."""

    codebook: Annotated[
        str | None, Option("For codebook: what is asked, the file that human coders get, too.", metavar="FILE")
    ] = None
    repeat: Annotated[
        int,
        Option("For codebook: ask so often, with one seed after the other; each time is a coder.", least=1, most=99),
    ] = 1
    retries: Annotated[
        int, Option("For codebook: how often to ask again after an answer that the codebook does not have.", least=0)
    ] = 2
    coder: Annotated[
        str | None, Option("For codebook: the coder's name in the table.", metavar="NAME", default="the model's")
    ] = None
    texts: Annotated[
        bool, Option("For codebook: INPUT is a table, and --column names the texts to code instead of pictures.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """What is asked at a time.

    Attributes:
        question: It.
        number: Which time the same is asked, from 1.
        attempt: How many invalid answers there were.
        began: When work on the item began, by `time.monotonic`; its requests share it; empty before.
    """

    question: Question
    number: int
    attempt: int = 0
    began: list[float] = field(default_factory=list, compare=False)


class CodebookCoder(VisionEngine, Paid):
    """A model that codes by a codebook.

    Raises:
        UsageError: An option is missing.
        InputError: The codebook is none.
        EngineError: Nothing answers at the address.
    """

    settings = CodebookSettings
    keeps_free = True
    nothing = ""

    def __init__(self, settings: CodebookSettings, resources: Resources) -> None:
        self._settings, self._codebook = settings, _codebook(settings)
        self._server = Server(settings, resources, pictures=not settings.texts)
        self.folder, self.concurrency = self._server.folder, settings.parallel
        self._first = _question(settings)
        self.facts = {
            "engine": "codebook", "url": self._server.chat.url, "model": settings.model,
            "codebook": self._codebook.name, "prompt": self._first.text, "schema": self._first.schema,
            **({} if settings.texts else {"jpeg_quality": JPEG_QUALITY}),
        }  # fmt: skip

    @classmethod
    def columns(cls, settings: CodebookSettings) -> tuple[str, ...]:
        """See `VisionEngine`: the variables."""
        return tuple(one.name for one in _codebook(settings).variables)

    @classmethod
    def coder(cls, settings: CodebookSettings, number: int | None) -> str:
        """The coder's name in a coded table: the model's, and which time it was asked."""
        name = settings.coder or str(settings.model)
        return name if settings.repeat == 1 else f"{name} #{number or 1}"

    @classmethod
    def usd(cls, settings: CodebookSettings, pictures: int) -> float:
        """See `VisionEngine`; as if every answer were as long as allowed, and all but the last one invalid."""
        return pictures * _most_usd(settings, replace(_question(settings), picture="yes"))

    @classmethod
    def text_usd(cls, settings: CodebookSettings, text: str) -> float:
        """See `VisionEngine`."""
        return _most_usd(settings, with_text(_question(settings), text))

    @classmethod
    def price_list(cls, settings: CodebookSettings) -> str:
        """See `VisionEngine`."""
        return settings.reckoned(f", {settings.retries} invalid ones before each")

    def requests(self, item: Item | TextItem) -> list[Coding]:
        """See `VisionEngine`: the same question as often as wanted."""
        first, began = self._first, list[float]()
        if isinstance(item, TextItem):
            first = with_text(first, item.text)
        elif self._settings.texts:
            raise Unsupported("a picture, and --texts codes the texts of a table (.csv, .tsv, .jsonl)")
        else:
            first = replace(first, picture=as_url(item.image, self._settings.pixels), digest=digest_of(item.image))
        times = range(self._settings.repeat)
        return [Coding(question=replace(first, seed=first.seed + n), number=n + 1, began=began) for n in times]

    def run(self, batch: Sequence[Coding]) -> list[Reply | ItemError]:
        """See `VisionEngine`."""
        return [self._reply(one) for one in batch]

    def _reply(self, coding: Coding) -> Reply | ItemError:
        if not coding.began:
            coding.began.append(time.monotonic())
        try:
            completion = self._server.ask(coding.question, coding.began[0])
        except ItemError as error:
            return error
        return Reply(
            raw=completion.raw, model=completion.model, request_id=str(completion.raw.get("id") or ""),
            answered=_time(completion.raw.get("created")), note=completion.note,
        )  # fmt: skip

    def after(self, request: Coding, reply: Reply) -> Coding | ItemError | None:
        """See `VisionEngine`: an invalid answer is shown to the model, with the reason."""
        completion = Completion(raw=reply.raw)
        if complaint := complaint_of(completion):
            return InferenceFailed(complaint)
        try:
            answers_of(completion.text, self._codebook)
        except Invalid as error:
            if request.attempt >= self._settings.retries:
                count = f"{request.attempt + 1} answers are" if request.attempt else "the answer is"
                return InferenceFailed(f"{count} not valid: {error}. The last one is {quoted(completion.text)}")
            more = (*request.question.more, *_again(completion.text, str(error)))
            return replace(request, attempt=request.attempt + 1, question=replace(request.question, more=more))
        return None

    def asked(self, request: Coding) -> tuple[str, ...]:  # noqa: ARG002  (as every VisionEngine)
        """See `VisionEngine`: all variables."""
        return self.columns(self._settings)

    def tags(self, request: Coding, reply: Reply) -> list[Tag]:
        """See `VisionEngine`; a variable that does not apply has none."""
        answers = answers_of(Completion(raw=reply.raw).text, self._codebook)
        variables = [one for one in self._codebook.variables if one.name in answers]
        return [tag for one in variables for tag in _tags(one, answers[one.name], request.number)]

    def price_usd(self, request: Coding) -> float:
        """See `Paid`."""
        return self._settings.most_usd(request.question)

    def key(self, request: Coding) -> str:
        """See `Paid`; which time it is asked, stands in the seed."""
        return self._server.key(request.question)

    def bill(self, request: Coding, answer: Reply) -> Mapping[str, Any]:  # noqa: ARG002  (as every Paid)
        """See `Paid`."""
        return self._server.bill(Completion(raw=answer.raw))


def _codebook(settings: CodebookSettings) -> Codebook:
    if settings.codebook is None:
        raise UsageError("--engine codebook needs the questions: --codebook FILE")
    return _read(settings.codebook, repr(LocalFile(Path(settings.codebook)).state()))


@lru_cache(maxsize=4)
def _read(path: str, _state: str) -> Codebook:
    """The codebook; whatever asks for its variables, it is read once while its file stays the same."""
    return read_codebook(path)


def _question(settings: CodebookSettings) -> Question:
    """What is asked, but for the picture or text."""
    codebook = _codebook(settings)
    return settings.question(
        prompt_of(codebook, "text" if settings.texts else "picture"), schema_of(codebook), "codebook"
    )


def with_text(question: Question, text: str) -> Question:
    """The question about a text; halves of characters are no part of it."""
    text = text.encode("utf-8", "replace").decode()
    return replace(question, text=f"{question.text}\nThe text:\n\n{text}\n")


def _most_usd(settings: CodebookSettings, question: Question) -> float:
    """What one item costs at most, with all answers as long as allowed, and all but the last one invalid."""
    longest, usd = "\N{GRINNING FACE}" * _ECHO, 0.0  # no character has more bytes
    for _ in range(settings.retries + 1):
        usd += settings.most_usd(question)
        question = replace(question, more=(*question.more, *_again(longest, longest)))
    return settings.repeat * usd


def _again(answer: str, reason: str) -> Iterator[dict[str, str]]:
    """What the model is shown of an invalid answer, and why it is."""
    yield {"role": "assistant", "content": answer[:_ECHO] or "-"}
    yield {"role": "user", "content": f"That is not valid: {reason[:_ECHO]}. Answer again, with one JSON object only."}


def _time(created: Any) -> str:
    """ISO 8601 of a Unix time; empty for anything else."""
    is_time = isinstance(created, int) and 0 < created < 1 << 33
    return datetime.fromtimestamp(created, UTC).isoformat() if is_time else ""


def _tags(variable: Variable, answer: Answer, number: int) -> Iterator[Tag]:
    if variable.kind in ("number", "text"):
        if isinstance(answer, float) and answer.is_integer():
            answer = str(int(answer))
        yield Tag(feature=variable.name, number=number, value=str(answer))
    else:
        for one in (answer or (NOTHING,)) if isinstance(answer, tuple) else (answer,):
            yield Tag(feature=variable.name, number=number, label=str(one))
