"""One door to optional packages: imported where they are used, with the line to type when they are missing."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from mediasift.errors import MissingPackage


def require(module: str, *, extra: str) -> Any:
    """The imported module.

    Args:
        module: Import name, e.g. `pyarrow.parquet`.
        extra: The extra of mediasift that installs it.

    Raises:
        MissingPackage: The package is not installed. A package that is there but broken inside raises its own error.
    """
    top = module.partition(".")[0]
    if not is_installed(top):
        raise MissingPackage(f"the package {top} is not installed; type: pip install 'mediasift[{extra}]'")
    return importlib.import_module(module)


def is_installed(top_level: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(top_level) is not None
