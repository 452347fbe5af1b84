"""The text in a picture or on a page: by an engine, or out of the file where it is there already."""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mediasift.engines.ocr.engine import Engine, EngineSettings, Reading, Region, line_of, page_text, regions
from mediasift.engines.ocr.rapidocr import RapidOcr
from mediasift.engines.ocr.tesseract import Tesseract
from mediasift.errors import OutputError, UsageError
from mediasift.items import Item, Place, TextPage
from mediasift.media.pictures.cleaning import STEPS, clean, map_box
from mediasift.media.settings import PictureSettings
from mediasift.rows import Row
from mediasift.system.machine import available_cores
from mediasift.tasks.task import EngineRunSettings, Reads, Resources, Started

DPI = 300.0
"""At which pages are rendered to be read."""

LEVELS = ("page", "line", "word")

CLEANING = ("rotate", *STEPS)
"""All steps of cleaning, in the order in which they are done."""

HELPFUL = ("rotate", "invert", "deskew", "border")
"""The steps that lowered the error rate on some test picture and raised it on none."""

ENGINES: dict[str, Callable[[EngineSettings], Engine]] = {"tesseract": Tesseract, "rapidocr": RapidOcr}
"""Name → engine."""

FILES: dict[str, tuple[str, ...]] = {"txt": tuple(ENGINES), "hocr": ("tesseract",), "pdf": ("tesseract",)}
"""Files that can be made of each page → the engines that make them."""

_OWN_LIMIT = 0.9
"""An engine stops a page itself a little before the run would stop the whole worker for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRegion(Row):
    """A page, line or word of text; a picture without text is one row with an empty `text`.

    Attributes:
        level: page, line or word.
        text: What it says; the lines of a page end in line feeds.
        confidence: 0..1, the engine's own, averaged over characters; None for a text layer.
        left_px, top_px, width_px, height_px: Its box in the picture, or in the page rendered at `dpi`.
        engine: What read it; `text-layer` when it was in the file.
    """

    level: str | None = None
    text: str | None = None
    confidence: float | None = None
    left_px: int | None = None
    top_px: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    engine: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ocr(PictureSettings, EngineRunSettings):
    """Settings of reading text.

    Attributes:
        engine: See `ENGINES`.
        language: As the engine writes it, `eng+deu` for Tesseract; None for its default.
        level: page, line or word.
        psm, oem: Tesseract's page segmentation mode (0-13) and engine mode (0-3).
        clean: Steps out of `CLEANING`.
        files: Files to make of each page, see `FILES`.
        folder: Where they go.
        timeout_s: A page that takes longer becomes an error row; None for any time.
    """

    name: ClassVar[str] = "ocr"
    reads: ClassVar[Reads] = "pictures"
    row: ClassVar[type[Row]] = TextRegion

    engine: str = "tesseract"
    language: str | None = None
    level: str = "page"
    psm: int | None = None
    oem: int | None = None
    clean: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    folder: str | None = None

    def start(self, resources: Resources) -> StartedOcr:
        """Find the engine.

        Raises:
            EngineError: It is missing, too old, or lacks the language.
            UsageError: A setting is none of those there are.
        """
        choices = {
            "engine": ((self.engine,), tuple(ENGINES)),
            "level": ((self.level,), LEVELS),
            "cleaning": (self.clean, CLEANING),
            "file": (self.files, tuple(FILES)),
        }
        for what, (chosen, known) in choices.items():
            if unknown := [name for name in chosen if name not in known]:
                raise UsageError(f"no {what} {unknown[0]!r}; there are {', '.join(known)}")
        if lacking := [name for name in self.files if self.engine not in FILES[name]]:
            raise UsageError(f"{self.engine} makes no {lacking[0]} files; --engine {FILES[lacking[0]][0]} does")
        if bool(self.files) != (self.folder is not None):
            raise UsageError("files of each page need a folder to go to, and a folder needs --files")
        if self.folder is not None:
            try:
                Path(self.folder).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"{self.folder}: the folder cannot be made ({error.strerror})") from error
        threads = resources.threads or available_cores()
        settings = EngineSettings(
            language=self.language,
            psm=self.psm,
            oem=self.oem,
            threads=threads,
            timeout_s=None if self.timeout_s is None else self.timeout_s * _OWN_LIMIT,
            upright="rotate" in self.clean,
        )
        return StartedOcr(self, ENGINES[self.engine](settings))


class StartedOcr(Started):
    """An engine and the settings; see `tasks.task.Started`.

    Reading a page takes long and is done by another program or by native code, so pages are read by a pool of the
    engine's size, begun in `prepare` and waited for in `infer`: all cores work, also on the pages of one document.
    """

    batch_size = 1
    needs = None

    def __init__(self, settings: Ocr, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.facts: Mapping[str, Any] = engine.facts
        self._pool = ThreadPoolExecutor(engine.workers, thread_name_prefix="mediasift-ocr")
        self._room = threading.Semaphore(2 * engine.workers)  # pages in memory
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)

    def prepare(self, item: Item | TextPage) -> Future[list[Row]] | list[Row]:
        """The rows of a page that is text already; else the promise of them."""
        if isinstance(item, TextPage):
            return self._from_layer(item)
        self._room.acquire()
        promise = self._pool.submit(self._read, item)
        promise.add_done_callback(lambda _: self._room.release())
        return promise

    def infer(self, batch: Sequence[Future[list[Row]] | list[Row]]) -> list[list[Row]]:
        """The rows of each page."""
        return [page.result() if isinstance(page, Future) else page for page in batch]

    def _read(self, item: Item) -> list[Row]:
        height, width = item.image.shape[:2]
        steps = self.settings.clean
        turn = self.engine.upright_deg(item.image) if "rotate" in steps else 0
        if not steps:
            reading = self.engine.read(item.image, self.settings.files)
            found = regions(reading.lines, self.settings.level)
        else:
            cleaned = clean(item.image, steps, clockwise_deg=turn)
            reading = self.engine.read(cleaned.image, self.settings.files)
            found = [
                Region(
                    text=part.text,
                    confidence=part.confidence,
                    box=map_box(part.box, cleaned.to_original, width, height),
                )
                for part in regions(reading.lines, self.settings.level)
            ]
        self._write(item, reading)
        return self._rows(found, self.settings.engine)

    def _from_layer(self, page: TextPage) -> list[Row]:
        lines = tuple(
            line_of(
                [Region(text=w.text, confidence=None, box=(w.left_px, w.top_px, w.width_px, w.height_px)) for w in line]
            )
            for _, line in itertools.groupby(page.words, key=lambda word: word.line)
        )
        self._write(page, Reading(lines=lines, files={}))
        return self._rows(regions(lines, self.settings.level), "text-layer")

    def _rows(self, found: Sequence[Region], engine: str) -> list[Row]:
        if not found:
            return [TextRegion(level=self.settings.level, text="", engine=engine)]
        rows: list[Row] = []
        for part in found:
            left, top, width, height = (round(side) for side in part.box)
            rows.append(
                TextRegion(
                    level=self.settings.level,
                    text=part.text,
                    confidence=None if part.confidence is None else round(part.confidence, 4),
                    left_px=left,
                    top_px=top,
                    width_px=width,
                    height_px=height,
                    engine=engine,
                )
            )
        return rows

    def _write(self, place: Place, reading: Reading) -> None:
        """The page's files, each at once and whole; done again, they are the same."""
        for name in self.settings.files:
            text = f"{page_text(reading.lines)}\n" if reading.lines else ""
            data = text.encode() if name == "txt" else reading.files[name]
            output = page_file(Path(self.settings.folder or "."), place, name)
            temporary = output.with_name(f".{output.name[:200]}.{os.getpid()}.part")
            try:
                output.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(data)
                temporary.replace(output)
            except OSError as error:
                raise OutputError(f"{output}: cannot be written ({error.strerror or error})") from error


def page_file(folder: Path, place: Place, suffix: str) -> Path:
    """`scans/a.tif`, page 2 → `FOLDER/scans/a.tif.page-2.SUFFIX`; nothing ever lies outside the folder."""
    source = Path(place.path)
    parts = [part for part in source.parts if part not in (source.anchor, "..", ".")]
    place_name = "".join(
        f".{what}-{value}" for what, value in (("page", place.page), ("frame", place.frame)) if value is not None
    )
    return folder.joinpath(*parts[:-1], f"{(parts or ['unnamed'])[-1]}{place_name}.{suffix}")
