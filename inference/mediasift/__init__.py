"""Folders of pictures, video, PDFs and sound in; a tidy table out.

    import mediasift as ms
    for row in ms.classify(["photos/"], top=3):
        print(row.path, row.label, row.score)

One function per verb of the `mediasift` program; the one list of public names is in `mediasift.verbs`. Nothing heavy is
imported until one of them is called.
"""

# ruff: noqa: E402  (no module may be imported from the current folder, so that is forgotten first)
from mediasift.system.trust import forget_current_folder

forget_current_folder()

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from mediasift.verbs import *  # noqa: F403  (the one list of public names; only type checkers read this)


class _Package(ModuleType):
    """This package's own class: `mediasift.compare` is the verb, whatever was imported before.

    A room of the same name stays importable (`from mediasift.compare import cosine`); but importing it makes Python set
    the attribute to the module, over any function of that name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not isinstance(value, ModuleType) or name == "verbs" or name not in import_module("mediasift.verbs").PUBLIC:
            super().__setattr__(name, value)  # else `sys.modules` has the module all the same


sys.modules[__name__].__class__ = _Package


if not TYPE_CHECKING:  # else every name would be there

    def __getattr__(name: str) -> Any:
        verbs = import_module("mediasift.verbs")
        if name == "__all__":
            return list(verbs.PUBLIC)
        if name not in verbs.PUBLIC:
            from mediasift.errors import did_you_mean

            raise AttributeError(f"module 'mediasift' has no attribute {name!r}{did_you_mean(name, verbs.PUBLIC)}")
        return getattr(verbs, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *import_module("mediasift.verbs").PUBLIC])
