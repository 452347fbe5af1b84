"""Engines that recognise what pictures show: services behind an address, and language models with a codebook."""

from __future__ import annotations

from dataclasses import dataclass

from mediasift.engines.vision.azure import AzureVision
from mediasift.engines.vision.codebook import CodebookCoder, CodebookSettings
from mediasift.engines.vision.google import GoogleVision
from mediasift.engines.vision.rekognition import Rekognition, RekognitionSettings
from mediasift.engines.vision.tags import VisionEngine

ENGINES: dict[str, type[VisionEngine]] = {
    "google-vision": GoogleVision, "rekognition": Rekognition, "azure-vision": AzureVision, "codebook": CodebookCoder,
}  # fmt: skip
"""Name → engine."""


@dataclass(frozen=True, kw_only=True)
class VisionEngines(RekognitionSettings, CodebookSettings):
    """Options of all of them."""
