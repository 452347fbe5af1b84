"""The text in a picture or on a page: by an engine, or out of the file where it is there already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from mediasift.engines.engine import Resources, check_options
from mediasift.engines.ocr import ENGINES, OcrEngines
from mediasift.engines.ocr.page import (
    Line,
    OcrEngine,
    PageRequest,
    PageText,
    Picture,
    Region,
    is_doubtful,
    line_of,
    page_text,
    regions,
    sure,
)
from mediasift.errors import InferenceFailed, UsageError
from mediasift.items import Item, Place, TextPage
from mediasift.media.counting import most_pictures
from mediasift.media.pictures.cleaning import STEPS, Matrix, clean, map_box
from mediasift.media.settings import DPI_OPTION, PartSettings
from mediasift.rows import Finding, Row
from mediasift.settings import Option
from mediasift.sources.content import Content
from mediasift.system.files import fitting, need_folder, path_below, place_suffix, unlike_a_place, write_file
from mediasift.tasks.task import CountSettings, EngineRunSettings, Fork, Reads, Started

LEVELS = ("page", "line", "word")

CLEANING = ("rotate", *STEPS)
"""All steps of cleaning, in the order in which they are done."""

HELPFUL = ("rotate", "invert", "deskew", "border")
"""The steps that lowered the error rate on some test picture and raised it on none."""

FILES: dict[str, tuple[str, ...]] = {
    "txt": tuple(ENGINES),
    **{form: tuple(name for name, engine in ENGINES.items() if form in engine.files) for form in ("hocr", "pdf")},
}
"""Files that can be made of each page → the engines that make them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRegion(Finding):
    """A page, line or word of text; a picture without text is one row with an empty `text`.

    Attributes:
        level: page, line or word.
        text: What it says; the lines of a page end in line feeds.
        confidence: 0..1, the engine's own, averaged over characters; None for a text layer or a language model.
        left_px, top_px, width_px, height_px: Its box in the picture, or in the page rendered at `dpi`; None where the
            engine does not say, as a language model.
        engine: What read it; `text-layer` when it was in the file.
        note: How it was read, where that is not as usual.
        found: How many lines the engine read on the page, at level word how many words; 0 for a picture without text.
    """

    level: str | None = None
    text: str | None = None
    confidence: float | None = None
    left_px: int | None = None
    top_px: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    engine: str | None = None
    note: str | None = None

    def counted(self) -> tuple[str | None, int, float | None]:
        """Lines, at level word words; a page is a row that has all of its lines."""
        count = (self.found or 0) if self.level == "page" else int(bool(self.text))
        return "text" if count else None, count, self.confidence


@dataclass(frozen=True, kw_only=True)
class Ocr(OcrEngines, CountSettings, PartSettings, EngineRunSettings):
    """Read the text in pictures and PDFs: a row for each page, line or word.

    With -o TEXT.txt the text alone is written, pages divided by form feeds.
    """

    name: ClassVar[str] = "ocr"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = TextRegion

    engine: Annotated[
        str,
        Option(
            "tesseract is a program of its own; rapidocr comes whole with pip; google-vision sends pages to Google, "
            "paid for; codebook is a language model at --url, which gives the text without boxes.",
            choices=ENGINES.keys,
        ),
    ] = "tesseract"
    level: Annotated[str, Option("A row for each of these.", choices=LEVELS)] = "page"
    clean: Annotated[bool, Option(f"Before reading: {', '.join(HELPFUL)}.")] = False
    clean_steps: Annotated[Sequence[str], Option("Just these steps.", choices=CLEANING, metavar="A,B")] = ()
    min_confidence: Annotated[
        float, Option("Leave out lines, or words at level word, read with less.", least=0, most=1)
    ] = 0.0
    force_ocr: Annotated[bool, Option("Read PDF pages even where the text is in the file.")] = False
    files: Annotated[
        Sequence[str], Option("Make files of each page; pdf is searchable.", choices=tuple(FILES), metavar="A,B")
    ] = ()
    directory: Annotated[
        str | Path | None, Option("Where --files go.", short="-d", metavar="DIR", old=("--folder",), writes=True)
    ] = None
    dpi: Annotated[float, DPI_OPTION] = 300.0

    @property
    def text_layer(self) -> bool:
        """Whether a page that holds its text is wanted as text."""
        return not self.force_ocr and not {"hocr", "pdf"} & set(self.files)

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of cleaning."""
        return tuple(self.clean_steps) or (HELPFUL if self.clean else ())

    @property
    def is_paid(self) -> bool:
        """Whether answers of the engine are kept in the ledger."""
        return hasattr(ENGINES[self.engine], "price_usd")

    @property
    def is_free(self) -> bool:
        """See `PaidSettings`."""
        return bool(self._paid.usd(self, 1) == 0)

    @property
    def price_list(self) -> str:
        """See `PaidSettings`."""
        return str(self._paid.price_list(self))

    @property
    def _paid(self) -> Any:
        """The engine, of which `is_paid` says that it has prices."""
        return ENGINES[self.engine]

    def estimate_usd(self, content: Content | None) -> float | None:
        """What all pages of a source cost at most."""
        return None if content is None else float(self._paid.usd(self, most_pictures(content, self)))

    def start(self, resources: Resources) -> StartedOcr:
        """Find the engine.

        Raises:
            EngineError: It is missing, too old, or lacks the language.
            UsageError: Options do not go together.
            OutputError: The folder for files cannot be made.
        """
        check_options(self, self.engine, ENGINES)
        if lacking := [name for name in self.files if self.engine not in FILES[name]]:
            raise UsageError(f"{self.engine} makes no {lacking[0]} files; --engine {FILES[lacking[0]][0]} does")
        if bool(self.files) != (self.directory is not None):
            raise UsageError("files of each page need a folder to go to, and a folder needs --files")
        if self.directory is not None:
            need_folder(self.directory)
        if self.min_confidence and not ENGINES[self.engine].is_measured:
            raise UsageError(f"{self.engine} does not say how sure it is; leave --min-confidence out")
        patience_s = min(self.request_timeout_s, resources.engine_timeout_s or self.request_timeout_s)
        return StartedOcr(self, ENGINES[self.engine](self, resources, upright="rotate" in self.steps), patience_s)


class StartedOcr(Started):
    """See `tasks.task.Started`."""

    def __init__(self, settings: Ocr, engine: OcrEngine, patience_s: float) -> None:
        self.settings, self.patience_s = settings, patience_s
        self.engine: Any = engine
        self._is_measured, self._upright_deg = (
            engine.is_measured,
            engine.upright_deg,
        )  # of which `run` may make a ledger's
        self.facts, self.concurrency = engine.facts, engine.concurrency

    def prepare(self, item: Item | TextPage) -> Item | Fork:
        """The picture; of a page that is text already, the rows, and its picture where that may hold more text."""
        if isinstance(item, Item):
            return item
        lines = _lines_of(item)
        if item.picture is None:
            self._write(item, PageText(lines=lines, files={}))
        rows = self._rows(regions(lines, self.settings.level), lines, "text-layer")
        return Fork(rows=rows, prepared={} if item.picture is None else {"": item})

    def infer(self, batch: Sequence[Item | TextPage]) -> list[list[Row]]:
        """The rows of each page, without those of its text layer."""
        return [self._read(item) for item in batch]

    def _read(self, item: Item | TextPage) -> list[Row]:
        picture, known = (item, ()) if isinstance(item, Item) else (item.picture, _lines_of(item))
        if picture is None:
            return []
        text, back = self._upright(picture)
        height, width = picture.image.shape[:2]
        lines = sure(text.lines, self.settings.min_confidence, by_word=self.settings.level == "word")
        parts = regions(lines, self.settings.level)
        if back is not None and self._is_measured:
            parts = [replace(part, box=map_box(part.box, back, width, height)) for part in parts]
        self._write(item, replace(text, lines=(*known, *lines)))
        note = "; ".join(part for part in (picture.note, text.note) if part)
        return self._rows(parts, lines, self.settings.engine, note) if parts or not known else []

    def _upright(self, item: Item) -> tuple[PageText, Matrix | None]:
        """What is read, also where the page lies on its side or head; and the map from its boxes to the original's."""
        asked = "rotate" in self.settings.steps
        text, back = self._text(item.image, self._upright_deg(item.image) if asked else 0)
        is_page = item.frame is None  # single frames of a film are not turned
        if asked or not is_page or not is_doubtful(text.lines) or not (turn := self._upright_deg(item.image)):
            return text, back
        turned, turned_back = self._text(item.image, turn)
        if is_doubtful(turned.lines):
            return text, back
        return replace(turned, note=f"{turned.note} the page was turned by {turn} degrees".strip()), turned_back

    def _text(self, image: Picture, turn: int) -> tuple[PageText, Matrix | None]:
        """What is read in a picture, turned clockwise by so many degrees, and cleaned."""
        back = None
        if self.settings.steps or turn:
            image, back = clean(image, self.settings.steps, clockwise_deg=turn)
        (text,) = self.engine.run([PageRequest(image=image, files=self.settings.files)])
        if text.error:
            raise InferenceFailed(text.error)
        return text, back

    def _rows(self, parts: Sequence[Region], lines: Sequence[Line], engine: str, note: str = "") -> list[Row]:
        level, rows = self.settings.level, list[Row]()
        count = len(parts if level == "word" else lines)
        for part in parts:
            left, top, width, height = (None if math.isnan(side) else round(side) for side in part.box)
            confidence = None if part.confidence is None else round(part.confidence, 4)
            rows.append(TextRegion(level=level, text=part.text, confidence=confidence, left_px=left, top_px=top,
                                   width_px=width, height_px=height, engine=engine, note=note or None,
                                   found=count))  # fmt: skip
        return rows or [TextRegion(level=level, text="", engine=engine, note=note or None, found=0)]

    def _write(self, place: Place, page: PageText) -> None:
        """The page's files, each at once and whole; done again, they are the same."""
        for name in self.settings.files:
            text = f"{page_text(page.lines)}\n" if page.lines else ""
            data = text.encode() if name == "txt" else page.files[name]
            write_file(page_file(self.settings.directory or ".", place, name), data)


def _lines_of(page: TextPage) -> tuple[Line, ...]:
    words = ([Region(text=word.text, confidence=None, box=word.box) for word in line] for line in page.lines)
    return tuple(map(line_of, words))


def page_file(folder: str | Path, place: Place, suffix: str) -> Path:
    """`scans/a.tif`, page 2 → `FOLDER/scans/a.tif.page-2.SUFFIX`; nothing ever lies outside the folder."""
    source = path_below(folder, place.path)
    mark = place_suffix(place, frame=".frame-{}", page=".page-{}")
    return fitting(source.with_name(f"{unlike_a_place(source.name)}{mark}.{suffix}"))
