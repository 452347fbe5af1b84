"""Google Cloud Vision as a reader of dense text: the pages leave this machine, and each is paid for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from mediasift.engines.engine import Paid, PaidSettings, Resources
from mediasift.engines.ocr.page import Line, OcrEngine, PageRequest, PageText, Region, joined, line_of
from mediasift.engines.vision.google import GoogleVision
from mediasift.engines.vision.service import Question
from mediasift.engines.vision.tags import Reply
from mediasift.errors import ItemError
from mediasift.items import Item
from mediasift.settings import Option

_ENDS_LINE = ("LINE_BREAK", "EOL_SURE_SPACE", "HYPHEN")
"""Kinds of breaks behind the last word of a line:
https://cloud.google.com/vision/docs/reference/rest/v1/AnnotateImageResponse#BreakType."""


@dataclass(frozen=True, kw_only=True)
class GoogleOcrSettings(PaidSettings):
    """Options of Google Cloud Vision."""

    endpoint: Annotated[
        str | None,
        Option("For google-vision: another address; http:// is plain text, for a test server.", metavar="URL"),
    ] = None


class _Documents(GoogleVision):
    """The service that `tag` has, asked for dense text alone."""

    operations: ClassVar[Mapping[str, str]] = {"text": "DOCUMENT_TEXT_DETECTION"}
    prices: ClassVar[Mapping[str, float]] = {"DOCUMENT_TEXT_DETECTION": 1.50}

    @classmethod
    def columns(cls, settings: Any) -> tuple[str, ...]:
        """See `VisionEngine`."""
        del settings
        return ("text",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page(PageText):
    """What was read, the reply that says so, and by how much the picture was shrunk for it (x, y)."""

    reply: Reply
    scale: tuple[float, float]


class GoogleVisionOcr(OcrEngine, Paid):
    """See `engines.vision.google`; it shares the ledger of `tag`."""

    settings = GoogleOcrSettings

    def __init__(self, settings: GoogleOcrSettings, resources: Resources, *, upright: bool = False) -> None:
        del upright  # it reads pages that lie on their side
        self._settings, self._service = settings, _Documents(settings, resources)
        self.folder, self.concurrency, self.facts = (
            self._service.folder, self._service.concurrency, self._service.facts,
        )  # fmt: skip

    @classmethod
    def usd(cls, settings: GoogleOcrSettings, pictures: int) -> float:
        """What so many pages cost at most."""
        return _Documents.usd(settings, pictures)

    @classmethod
    def price_list(cls, settings: GoogleOcrSettings) -> str:
        """A sentence on the prices that `usd` reckons with."""
        return _Documents.price_list(settings)

    def _question(self, request: PageRequest) -> Question:
        image = request.image if request.image.ndim == 3 else np.repeat(request.image[:, :, None], 3, axis=2)
        (question,) = self._service.requests(Item(path="", image=image, original_size=image.shape[1::-1]))
        return question

    def price_usd(self, request: PageRequest) -> float:
        """See `Paid`."""
        del request
        return self._service.unit_usd(self._settings, tuple(_Documents.prices))

    def key(self, request: PageRequest) -> str:
        """See `Paid`."""
        return self._service.key(self._question(request))

    def answer(self, request: PageRequest) -> PageText:
        """See `OcrEngine`."""
        question = self._question(request)
        (reply,) = self._service.run([question])
        if isinstance(reply, ItemError):
            raise reply
        height, width = request.image.shape[:2]
        return _page(reply, (width / question.size[0], height / question.size[1]))

    def answer_to_json(self, answer: _Page) -> dict[str, Any]:
        """See `Paid`: the service's own answer."""
        return {"reply": asdict(answer.reply), "scale": answer.scale}

    def answer_from_json(self, data: Mapping[str, Any]) -> PageText:
        """See `Paid`."""
        return _page(Reply(**data["reply"]), tuple(data["scale"]))


def _page(reply: Reply, scale: tuple[float, float]) -> _Page:
    whole = reply.raw.get("fullTextAnnotation", {})
    return _Page(lines=tuple(_lines(whole, scale)), files={}, reply=reply, scale=scale)


def _lines(whole: Mapping[str, Any], scale: tuple[float, float]) -> Iterator[Line]:
    paragraphs = (
        paragraph for page in whole.get("pages", ()) for block in page.get("blocks", ())
        for paragraph in block.get("paragraphs", ())
    )  # fmt: skip
    for number, paragraph in enumerate(paragraphs):
        words, parts = list[Region](), list[Region]()
        for word in paragraph.get("words", ()):
            symbols: Sequence[Mapping[str, Any]] = word.get("symbols", ())
            broken = (symbols[-1].get("property", {}).get("detectedBreak", {}) if symbols else {}).get("type", "")
            text = "".join(symbol.get("text", "") for symbol in symbols) + ("-" if broken == "HYPHEN" else "")
            parts.append(Region(text=text, confidence=word.get("confidence"), box=_box(word, scale)))
            if broken:  # of what no break follows, as a comma after a word, the next is a part
                words.append(joined(parts, "".join(part.text for part in parts)))
                parts = []
            if broken in _ENDS_LINE:
                yield line_of(words, paragraph=number)
                words = []
        if parts:
            words.append(joined(parts, "".join(part.text for part in parts)))
        if words:
            yield line_of(words, paragraph=number)


def _box(word: Mapping[str, Any], scale: tuple[float, float]) -> tuple[float, float, float, float]:
    corners = word.get("boundingBox", {}).get("vertices") or [{}]
    xs, ys = ([corner.get(name, 0) * by for corner in corners] for name, by in zip("xy", scale, strict=True))
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
