"""One door to packages that are imported where they are used: optional ones, with the line to type, and heavy ones."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from mediasift.errors import MissingPackage


def require(module: str, *, extra: str | None = None) -> Any:
    """The imported module.

    Args:
        module: Import name, e.g. `pyarrow.parquet`.
        extra: The extra of mediasift that installs it; None where it is installed by its own name.

    Raises:
        MissingPackage: The package is not installed. A package that is there but broken inside raises its own error.
    """
    top = module.partition(".")[0]
    if not is_installed(top):
        wanted = top if extra is None else f"'mediasift[{extra}]'"
        raise MissingPackage(f"the package {top} is not installed; type: pip install {wanted}")
    return importlib.import_module(module)


def is_installed(top_level: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(top_level) is not None


class _Lazy:
    """Stands for a module until one of its names is used; the import system's locks make that safe in threads."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module(self._module), name)
        setattr(self, name, found)
        return found


def lazily(module: str) -> Any:
    """A heavy library that costs nothing until it is used: most commands need few, the supervising process none.

    For type checkers the real import stands beside it, under `TYPE_CHECKING`.
    """
    return _Lazy(module)
