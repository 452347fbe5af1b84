"""Folders of pictures, video, PDFs and sound in; a tidy table out.

    import mediasift as ms
    for row in ms.classify(["photos/"], top=3):
        print(row.path, row.label, row.score)

One function per command of the `mediasift` program. Nothing heavy is imported until one of them is called.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mediasift.api import (
        bench,
        classify,
        compare,
        compare_bench,
        compare_pairs,
        convert,
        describe_model,
        detect,
        doctor,
        duplicates,
        embed,
        evaluate_labels,
        evaluate_text,
        info,
        keyframes,
        list_models,
        ocr,
        pull_model,
        search,
        shot_summary,
        shots,
        show_model,
        similarity,
        timeline,
        transcribe,
        verify_models,
    )
    from mediasift.errors import ItemError, MediasiftError, SetupError
    from mediasift.models.description import InputDescription, ModelDescription, OutputDescription
    from mediasift.models.session import OnnxModel, load_model

_HOMES: dict[str, tuple[str, ...]] = {
    "mediasift.errors": ("ItemError", "MediasiftError", "SetupError"),
    "mediasift.models.description": ("InputDescription", "ModelDescription", "OutputDescription"),
    "mediasift.models.session": ("OnnxModel", "load_model"),
}
"""Where public names live that are no commands; all others are in `mediasift.api`."""

__all__ = [
    "InputDescription",
    "ItemError",
    "MediasiftError",
    "ModelDescription",
    "OnnxModel",
    "OutputDescription",
    "SetupError",
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
    "info",
    "keyframes",
    "list_models",
    "load_model",
    "ocr",
    "pull_model",
    "search",
    "shot_summary",
    "shots",
    "show_model",
    "similarity",
    "timeline",
    "transcribe",
    "verify_models",
]


class _Package(ModuleType):
    """This package's own class: `mediasift.similarity` is the function, whatever was imported before.

    The room of the same name stays importable (`from mediasift.similarity import cosine`); but importing it makes
    Python set the attribute to the module, over any function of that name.
    """

    @property
    def similarity(self) -> Any:
        """See `mediasift.api.similarity`."""
        return import_module("mediasift.api").similarity

    @similarity.setter
    def similarity(self, module: ModuleType) -> None:
        pass  # what the import system sets; `sys.modules` has it too


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mediasift' has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "mediasift.api")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
