"""One function per command: what `import mediasift` offers and what the command line calls."""

from __future__ import annotations

from mediasift.api.comparing import CompareOptions, compare, compare_pairs, duplicates, search, similarity
from mediasift.api.evaluation import evaluate_labels, evaluate_text, evaluated_column
from mediasift.api.models import check_model, describe_model, doctor, list_models, pull_model, show_model, verify_models
from mediasift.api.pictures import classify, convert, detect, embed, info
from mediasift.api.speed import TOLERANCE, bench, compare_bench
from mediasift.api.tables import TableOptions
from mediasift.api.videos import keyframes, shot_summary, shots, timeline
from mediasift.api.words import ocr, sound_minutes, transcribe

__all__ = [
    "TOLERANCE",
    "CompareOptions",
    "TableOptions",
    "bench",
    "check_model",
    "classify",
    "compare",
    "compare_bench",
    "compare_pairs",
    "convert",
    "describe_model",
    "detect",
    "doctor",
    "duplicates",
    "embed",
    "evaluate_labels",
    "evaluate_text",
    "evaluated_column",
    "info",
    "keyframes",
    "list_models",
    "ocr",
    "pull_model",
    "search",
    "shot_summary",
    "shots",
    "show_model",
    "similarity",
    "sound_minutes",
    "timeline",
    "transcribe",
    "verify_models",
]
