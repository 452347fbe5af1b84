"""RapidOCR: PP-OCR's models on ONNX Runtime, which come in its wheel; no program, no download."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import numpy as np

from mediasift.engines.engine import Resources
from mediasift.engines.ocr.page import Line, OcrEngine, PageRequest, PageText, Picture, Region, in_reading_order
from mediasift.media.pictures.cleaning import rotated
from mediasift.media.pictures.transforms import resize
from mediasift.system.network import no_address_tried, no_telemetry
from mediasift.system.optional import require

_ORIENTATION_SIDE_PX = 960
_LONGEST_PX = 2000
"""Larger pictures are reduced to this side (max_side_len in its config.yaml)."""


class RapidOcr(OcrEngine):
    """RapidOCR with the models of its wheel, which read Latin and Chinese script alike.

    Raises:
        MissingPackage: It is not installed.
    """

    longest_px, most_elongated = _LONGEST_PX, 3.0

    def __init__(self, settings: Any, resources: Resources, *, upright: bool = False) -> None:  # noqa: ARG002  (every engine)
        no_telemetry()
        with no_address_tried():
            rapidocr = require("rapidocr", extra="rapidocr")
            self._model = rapidocr.RapidOCR(
                params={
                    "Global.log_level": "critical",
                    "Global.max_side_len": _LONGEST_PX,
                    "EngineConfig.onnxruntime.intra_op_num_threads": resources.cores,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                }
            )
        self.facts = {"engine": "rapidocr", "version": metadata.version("rapidocr")}

    def answer(self, request: PageRequest) -> PageText:
        """See `OcrEngine`."""
        result = self._model(_bgr(request.image), return_word_box=True)
        columns = zip(result.txts, result.scores, result.boxes, result.word_results, strict=True) if result.txts else ()
        lines = [
            Line(text=text.strip(), confidence=float(score), box=_box(corners), words=_parts(parts))
            for text, score, corners, parts in columns
            if text.strip()
        ]
        share = _LONGEST_PX / max(request.image.shape[:2])
        note = (
            f"reduced to {share:.0%} for RapidOCR, which reads {_LONGEST_PX} pixels a side: small print may be missing"
        )
        return PageText(lines=tuple(in_reading_order(lines)), files={}, note=note if share < 0.5 else "")

    def upright_deg(self, image: Picture) -> int:
        """See `OcrEngine`; the turn of four at which most is read with most confidence."""
        factor = min(1.0, _ORIENTATION_SIDE_PX / max(image.shape[:2]))
        small = resize(image, max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))

        def legible(turn: int) -> float:
            result = self._model(_bgr(rotated(small, turn)[0]), use_cls=False)
            boxes = () if result.boxes is None else result.boxes
            lines = zip(result.txts or (), result.scores or (), boxes, strict=True)
            # Lines that stand upright are turned by it before they are read: they would count for two turns.
            return float(sum(score * len(text) for text, score, box in lines if _box(box)[2] >= _box(box)[3]))

        return max((0, 90, 180, 270), key=legible)


def _parts(parts: Any) -> tuple[Region, ...]:
    """Words; of scripts without spaces, characters."""
    words = [(text.strip(), float(score), box) for text, score, box in parts or ()]
    return tuple(Region(text=text, confidence=score, box=_box(box)) for text, score, box in words if text)


def _bgr(image: Picture) -> Picture:
    colours = np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image[:, :, ::-1]
    return np.ascontiguousarray(colours)


def _box(corners: Any) -> tuple[float, float, float, float]:
    """The upright box around four corners."""
    points = np.asarray(corners, dtype=np.float64).reshape(-1, 2)
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    return float(left), float(top), float(right - left), float(bottom - top)
