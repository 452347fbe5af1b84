"""A language model that reads a page: its text alone, as no such model says where a word stands or how sure it is."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from mediasift.engines.engine import Paid, Resources
from mediasift.engines.ocr.page import Box, Line, OcrEngine, PageRequest, PageText, Region
from mediasift.engines.vision.codebook_form import Invalid, json_object, object_schema, quoted
from mediasift.engines.vision.codebook_format import Completion
from mediasift.engines.vision.codebook_server import JPEG_QUALITY, ChatSettings, Server, as_url, complaint_of, digest_of
from mediasift.settings import Option
from mediasift.sources.records import LINE_END, composed

PROMPT = """\
Copy all text in the picture letter by letter, as it stands there. Do not correct, translate, describe or add anything.
Keep its lines, from the top; of columns, one after the other.
Answer with one JSON object and nothing around it: {"lines": ["the first line", "the second line"]}, with an empty list
where there is no text.
"""

_SCHEMA = object_schema({"lines": {"type": "array", "items": {"type": "string"}}})

_NOWHERE: Box = (math.nan,) * 4


@dataclass(frozen=True, kw_only=True)
class PageChatSettings(ChatSettings):
    """The same options; a page has smaller print than a photograph."""

    pixels: Annotated[
        int, Option("For codebook: longest side of the pictures that are sent.", least=32, metavar="PIXELS")
    ] = 2048
    max_tokens: Annotated[
        int, Option("For codebook: longest answer, with what a model thinks before.", least=16, metavar="TOKENS")
    ] = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPage(PageText):
    """What was read, and the answer that it is read from."""

    raw: Mapping[str, Any]


class CodebookOcr(OcrEngine, Paid):
    """A model behind an address, asked with `PROMPT`.

    Raises:
        UsageError: An option is missing.
        EngineError: Nothing answers at the address.
    """

    settings = PageChatSettings
    keeps_free = True
    is_measured = False
    longest_px = 1 << 30  # it is shrunk, never read in bands

    def __init__(self, settings: Any, resources: Resources, *, upright: bool = False) -> None:  # noqa: ARG002  (every engine)
        self._settings, self._server = settings, Server(settings, resources)
        self.folder, self.concurrency = self._server.folder, settings.parallel
        self._first = settings.question(PROMPT, _SCHEMA, "page")
        self.facts = {
            "engine": "codebook", "url": self._server.chat.url, "model": settings.model, "prompt": PROMPT,
            "schema": _SCHEMA, "jpeg_quality": JPEG_QUALITY,
        }  # fmt: skip

    @classmethod
    def usd(cls, settings: Any, pictures: int) -> float:
        """What so many pages cost at most."""
        return pictures * float(settings.most_usd(replace(settings.question(PROMPT, _SCHEMA, "page"), picture="yes")))

    @classmethod
    def price_list(cls, settings: Any) -> str:
        """A sentence on what `usd` reckons with."""
        return str(settings.reckoned())

    def answer(self, request: PageRequest) -> ChatPage:
        """See `OcrEngine`."""
        question = replace(self._first, picture=as_url(request.image, self._settings.pixels))
        completion = self._server.ask(question, time.monotonic())
        share = self._settings.pixels / max(request.image.shape[:2])
        small = f"reduced to {share:.0%} (--pixels): small print may be missing" if share < 0.5 else ""
        return _page(completion.raw, "; ".join(part for part in (completion.model, completion.note, small) if part))

    def price_usd(self, request: PageRequest) -> float:  # noqa: ARG002  (of all pages the same)
        """See `Paid`."""
        return self.usd(self._settings, 1)

    def key(self, request: PageRequest) -> str:
        """See `Paid`."""
        return self._server.key(replace(self._first, digest=digest_of(request.image)))

    def answer_to_json(self, answer: ChatPage) -> dict[str, Any]:
        """See `Paid`."""
        return {"raw": answer.raw, "note": answer.note}

    def answer_from_json(self, data: Mapping[str, Any]) -> ChatPage:
        """See `Paid`."""
        return _page(data["raw"], data["note"])

    def bill(self, request: PageRequest, answer: ChatPage) -> Mapping[str, Any]:  # noqa: ARG002  (as every Paid)
        """See `Paid`."""
        return self._server.bill(Completion(raw=answer.raw))


def _page(raw: Mapping[str, Any], note: str) -> ChatPage:
    """The lines of an answer; or what is wrong with it, which has been paid for and is not asked for again."""
    completion = Completion(raw=raw)
    error, lines = complaint_of(completion), list[str]()
    if not error:
        try:
            lines = _lines(json_object(completion.text))
        except Invalid as invalid:
            error = f"the answer is not valid: {invalid}. It is {quoted(completion.text)}"
    return ChatPage(lines=tuple(map(_line, lines)), files={}, note=note, error=error, raw=raw)


def _lines(answer: Mapping[str, Any]) -> list[str]:
    lines = answer.get("lines")
    if list(answer) != ["lines"] or not isinstance(lines, list) or not all(isinstance(one, str) for one in lines):
        raise Invalid("it must have lines, a list of strings, and nothing else")
    return [line for one in lines for line in LINE_END.split(composed(one)) if line.strip()]


def _line(text: str) -> Line:
    words = tuple(Region(text=word, confidence=None, box=_NOWHERE) for word in text.split())
    return Line(text=text.strip(), confidence=None, box=_NOWHERE, words=words)
