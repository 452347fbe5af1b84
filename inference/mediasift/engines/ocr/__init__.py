"""Engines that read text in pictures."""

from __future__ import annotations

from dataclasses import dataclass

from mediasift.engines.ocr.page import OcrEngine
from mediasift.engines.ocr.rapidocr import RapidOcr
from mediasift.engines.ocr.tesseract import Tesseract, TesseractSettings

ENGINES: dict[str, type[OcrEngine]] = {"tesseract": Tesseract, "rapidocr": RapidOcr}
"""Name → engine."""


@dataclass(frozen=True, kw_only=True)
class OcrEngines(TesseractSettings):
    """Options of all of them (RapidOCR has none)."""
