"""Engines that recognise what pictures show: services behind an address."""

from __future__ import annotations

from dataclasses import dataclass

from mediasift.engines.vision.codebook import CodebookCoder, CodebookSettings
from mediasift.engines.vision.google import GoogleVision
from mediasift.engines.vision.service import ServiceSettings
from mediasift.engines.vision.tags import VisionEngine

ENGINES: dict[str, type[VisionEngine]] = {"google-vision": GoogleVision, "codebook": CodebookCoder}
"""Name → engine."""


@dataclass(frozen=True, kw_only=True)
class VisionEngines(ServiceSettings, CodebookSettings):
    """Options of all of them."""
