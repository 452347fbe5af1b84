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
    from mediasift.engines.onnx.description import InputDescription, ModelDescription, OutputDescription
    from mediasift.engines.onnx.session import OnnxModel, load_model
    from mediasift.errors import ItemError, MediasiftError, SetupError
    from mediasift.verbs import (
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

_HOMES: dict[str, tuple[str, ...]] = {
    "mediasift.errors": ("ItemError", "MediasiftError", "SetupError"),
    "mediasift.engines.onnx.description": ("InputDescription", "ModelDescription", "OutputDescription"),
    "mediasift.engines.onnx.session": ("OnnxModel", "load_model"),
}
"""Where public names live that are no commands; all others are in `mediasift.verbs`."""

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
    """This package's own class: `mediasift.compare` is the function, whatever was imported before.

    A room of the same name stays importable (`from mediasift.compare import cosine`); but importing it makes Python set
    the attribute to the module, over any function of that name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in __all__ or not isinstance(value, ModuleType):  # `sys.modules` has the module all the same
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'mediasift' has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "mediasift.verbs")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
