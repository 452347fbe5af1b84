"""One function per command: what `import mediasift` offers and what the command line calls.

The module of a function is imported when the function is asked for: no command pays for the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediasift.verbs.comparing import CompareOptions, compare, compare_pairs, duplicates, search, similarity
    from mediasift.verbs.evaluation import evaluate_labels, evaluate_text, evaluated_column
    from mediasift.verbs.models import (
        check_model,
        describe_model,
        doctor,
        list_models,
        pull_model,
        show_model,
        verify_models,
    )
    from mediasift.verbs.pictures import classify, convert, detect, embed, info
    from mediasift.verbs.speed import bench, compare_bench
    from mediasift.verbs.tables import TableOptions
    from mediasift.verbs.videos import keyframes, shot_summary, shots, timeline
    from mediasift.verbs.words import ocr, sound_minutes, transcribe

_HOMES: dict[str, tuple[str, ...]] = {
    "mediasift.verbs.comparing": (
        "CompareOptions",
        "compare",
        "compare_pairs",
        "duplicates",
        "search",
        "similarity",
    ),
    "mediasift.verbs.evaluation": (
        "evaluate_labels",
        "evaluate_text",
        "evaluated_column",
    ),
    "mediasift.verbs.models": (
        "check_model",
        "describe_model",
        "doctor",
        "list_models",
        "pull_model",
        "show_model",
        "verify_models",
    ),
    "mediasift.verbs.pictures": (
        "classify",
        "convert",
        "detect",
        "embed",
        "info",
    ),
    "mediasift.verbs.speed": (
        "bench",
        "compare_bench",
    ),
    "mediasift.verbs.tables": ("TableOptions",),
    "mediasift.verbs.videos": (
        "keyframes",
        "shot_summary",
        "shots",
        "timeline",
    ),
    "mediasift.verbs.words": (
        "ocr",
        "sound_minutes",
        "transcribe",
    ),
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'mediasift.verbs' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
