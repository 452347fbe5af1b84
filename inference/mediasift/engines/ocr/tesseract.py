"""Tesseract, through pytesseract: the program of that name, one thread per picture."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from mediasift.engines.engine import Resources
from mediasift.engines.ocr.page import Line, OcrEngine, PageRequest, PageText, Picture, Region, line_of
from mediasift.errors import EngineError, InferenceFailed, ItemTimeout, UsageError
from mediasift.settings import Option, Settings
from mediasift.system.machine import core_share
from mediasift.system.optional import require

DEFAULT_LANGUAGE = "eng"
OLDEST = (4, 1)
"""The first version that recognises with a network and writes tables."""

_MIN_ORIENTATION_CONFIDENCE = 1.0
"""Below it Tesseract's guess of the orientation is wrong too often to turn a page by it."""

_PALE, _LARGE = 200, 0.005
"""Luminance of a ground, and the share of the picture that it has at least."""
_LUMINANCE = np.array([0.299, 0.587, 0.114])
"""ITU-R BT.601."""


def _check_psm(mode: int | None) -> None:
    if mode == 2:
        raise UsageError("psm 2: Tesseract finds the lines in this mode, but reads no text; those that do: 1, 3 to 13")


@dataclass(frozen=True, kw_only=True)
class TesseractSettings(Settings):
    """Options of Tesseract."""

    language: Annotated[
        str | None, Option("As Tesseract writes it, e.g. eng+deu.", metavar="LANG", default=DEFAULT_LANGUAGE)
    ] = None
    psm: Annotated[
        int | None,
        Option("Tesseract's page segmentation mode; 0 and 2 read no text.", least=1, most=13, check=_check_psm),
    ] = None
    oem: Annotated[int | None, Option("Tesseract's engine mode.", least=0, most=3)] = None


class Tesseract(OcrEngine):
    """Tesseract, checked: there, new enough, with the languages asked for.

    Raises:
        EngineError: It is not; the message says what was looked for and what to type.
    """

    settings = TesseractSettings
    files = ("hocr", "pdf")

    def __init__(self, settings: TesseractSettings, resources: Resources, *, upright: bool = False) -> None:
        self._tesseract = require("pytesseract", extra="ocr").pytesseract
        self._timeout_s = resources.engine_timeout_s
        self._language = settings.language or DEFAULT_LANGUAGE
        self._modes = {"psm": settings.psm, "oem": settings.oem}
        self.concurrency = resources.cores
        # Its OpenMP threads fight each other when several of it run; pytesseract hands our environment on.
        os.environ["OMP_THREAD_LIMIT"] = "1"
        version = self._version()
        self._knows_upright = "osd" in self._checked_languages(("osd",) if upright or settings.psm == 1 else ())
        if self._modes != {"psm": None, "oem": None}:
            self._try()
        self.facts = {"engine": "tesseract", "version": version, "language": self._language}

    def _version(self) -> str:
        name = self._tesseract.tesseract_cmd
        program, advice = shutil.which(name), "type: apt-get install tesseract-ocr (macOS: brew install tesseract)"
        if program is None:
            raise EngineError(
                f"the program {name} was looked for on PATH and is not there; {advice}, or use --engine rapidocr"
            )
        try:
            version = self._tesseract.get_tesseract_version()
        except (self._tesseract.TesseractNotFoundError, SystemExit, OSError) as error:
            raise EngineError(f"{program} does not report its version ({error})") from error
        if version.release < OLDEST:
            wanted = ".".join(map(str, OLDEST))
            raise EngineError(
                f"{program} is Tesseract {version}; {wanted} or newer is needed; {advice}, or use --engine rapidocr"
            )
        return str(version)

    def _checked_languages(self, more: Sequence[str]) -> set[str]:
        """The languages that are here, all that are needed among them."""
        here = set(self._tesseract.get_languages())
        wanted = [name for name in (*self._language.split("+"), *more) if name]
        if not wanted:
            raise UsageError(f"language {self._language!r}: as Tesseract writes it, e.g. eng+deu")
        if "osd" in self._language.split("+"):
            raise UsageError("language osd: it finds the orientation of pages, and reads no text; type e.g. eng")
        if missing := [name for name in wanted if name not in here]:
            packages = " ".join(f"tesseract-ocr-{name.lower().replace('_', '-')}" for name in missing)
            there = ", ".join(sorted(here - {"osd"})) or "no language"
            advice, folder = f"type: apt-get install {packages}", os.environ.get("TESSDATA_PREFIX")
            if folder:
                state = "has no such file" if Path(folder).is_dir() else "is no folder"
                advice = f"it looks in {folder}, as TESSDATA_PREFIX says, which {state}; unset it, or {advice}"
            raise EngineError(f"Tesseract has no language {', '.join(missing)}; it has {there}; {advice}")
        return here

    def _try(self) -> None:
        """Read an empty picture: modes that do not go together, or with the language, fail early and whole."""
        try:
            self.answer(PageRequest(image=np.full((64, 64), 255, np.uint8)))
        except InferenceFailed as error:
            given = " ".join(f"--{name} {value}" for name, value in self._modes.items() if value is not None)
            raise UsageError(f"{given} with --language {self._language}: {error}") from error

    def answer(self, request: PageRequest) -> PageText:
        """See `OcrEngine`."""
        wanted = [name for name in self.files if name in request.files]
        config = " ".join(f"-c tessedit_create_{name}=1" for name in ("tsv", *wanted))
        for option, value in self._modes.items():
            config += "" if value is None else f" --{option} {value}"
        made = self._call(on_white(request.image), config, self._language, ("tsv", *wanted))
        return PageText(lines=_lines(made["tsv"].decode("utf-8")), files={name: made[name] for name in wanted})

    def upright_deg(self, image: Picture) -> int:
        """See `OcrEngine`; by Tesseract's own detection of orientation and script."""
        if not self._knows_upright:
            return 0
        try:
            report = self._call(image, "--psm 0", "osd", ("osd",))["osd"].decode()
        except InferenceFailed:  # too few characters for a guess: it stays as it is
            return 0
        turn = re.search(r"Rotate: (\d+)", report)
        sure = re.search(r"Orientation confidence: ([\d.]+)", report)
        if not turn or not sure or float(sure[1]) < _MIN_ORIENTATION_CONFIDENCE:
            return 0
        return int(turn[1])

    def _call(self, image: Picture, config: str, language: str, suffixes: Sequence[str]) -> dict[str, bytes]:
        """One run over one picture; suffix → what it wrote."""
        limit = self._timeout_s
        with tempfile.TemporaryDirectory(prefix="mediasift-ocr-") as folder:
            picture, base = Path(folder, "in.pnm"), Path(folder, "out")
            # netpbm's P5 and P6 cost no time to write
            head = f"{'P5' if image.ndim == 2 else 'P6'}\n{image.shape[1]} {image.shape[0]}\n255\n"
            picture.write_bytes(head.encode() + np.ascontiguousarray(image).tobytes())
            try:
                self._tesseract.run_tesseract(
                    str(picture),
                    str(base),
                    extension="",
                    lang=language,
                    config=config,
                    timeout=limit / core_share() if limit else 0,  # of its own time
                )
            except self._tesseract.TesseractError as error:
                raise InferenceFailed(f"Tesseract gave up on it ({' '.join(str(error.message).split())})") from error
            except RuntimeError as error:
                if "timeout" not in str(error):
                    raise
                raise ItemTimeout(f"Tesseract took longer than {limit:g} s on it (--timeout)") from error
            try:
                return {suffix: base.with_suffix(f".{suffix}").read_bytes() for suffix in suffixes}
            except FileNotFoundError as error:
                raise InferenceFailed("Tesseract wrote nothing for it") from error


def on_white(image: Picture) -> Picture:
    """Flat pale colours, as in form fields, table rows and speech bubbles, as white.

    Tesseract divides a picture into two levels: of white, pale and a little black, pale would be the dark one.
    """
    if image.ndim == 2:
        return image
    sample = image[::4, ::4].reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1])
    colours, counts = np.unique(sample, return_counts=True)
    for packed in colours[counts >= _LARGE * max(1, len(sample))].tolist():
        colour = np.array([packed >> 16, packed >> 8 & 255, packed & 255])
        if colour @ _LUMINANCE >= _PALE and colour.min() < 255:
            image = np.where((image == colour).all(axis=2, keepdims=True), np.uint8(255), image)
    return image


def _lines(table: str) -> tuple[Line, ...]:
    """The lines of words in Tesseract's own table (level 5 of its tsv)."""
    paragraphs: dict[tuple[str, str], dict[str, list[Region]]] = {}
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text = (row["text"] or "").strip()
        if row["level"] == "5" and text:
            box = (float(row["left"]), float(row["top"]), float(row["width"]), float(row["height"]))
            word = Region(text=text, confidence=max(0.0, float(row["conf"])) / 100, box=box)
            paragraph = paragraphs.setdefault((row["block_num"], row["par_num"]), {})
            paragraph.setdefault(row["line_num"], []).append(word)
    return tuple(
        line_of(words, paragraph=number) for number, lines in enumerate(paragraphs.values()) for words in lines.values()
    )
