"""Engines that read text in pictures."""

from __future__ import annotations

from dataclasses import dataclass

from mediasift.engines.ocr.codebook import CodebookOcr, PageChatSettings
from mediasift.engines.ocr.google_vision import GoogleOcrSettings, GoogleVisionOcr
from mediasift.engines.ocr.page import OcrEngine
from mediasift.engines.ocr.rapidocr import RapidOcr
from mediasift.engines.ocr.tesseract import Tesseract, TesseractSettings

ENGINES: dict[str, type[OcrEngine]] = {
    "tesseract": Tesseract,
    "rapidocr": RapidOcr,
    "google-vision": GoogleVisionOcr,
    "codebook": CodebookOcr,
}
"""Name → engine."""

OFFLINE = tuple(name for name, engine in ENGINES.items() if not hasattr(engine, "price_usd"))
"""Those that send nothing away and cost nothing."""


@dataclass(frozen=True, kw_only=True)
class OcrEngines(TesseractSettings, GoogleOcrSettings, PageChatSettings):
    """Options of all of them (RapidOCR has none)."""
