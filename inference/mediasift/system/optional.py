"""One door to packages that are imported where they are used: optional ones, with the line to type, and heavy ones."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shlex
from pathlib import Path
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
        line = f"pip install {top}" if extra is None else install_line(extra)
        raise MissingPackage(f"the package {top} is not installed; type: {line}")
    return importlib.import_module(module)


def install_line(extra: str = "") -> str:
    """What to type to install mediasift again, with an extra, from where it was installed: a folder, a file, an index.

    Installers record a direct address in `direct_url.json` (PEP 610); what came from an index has none.
    """
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    wanted = f"[{extra}]" if extra else ""
    try:
        direct = json.loads(distribution("mediasift").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        direct = {}
    address = str(direct.get("url", ""))
    place = Path(url2pathname(urlsplit(address).path)) if address.startswith("file:") else None
    if place is not None and not place.exists():  # a checkout or a wheel that was removed since
        address = ""
    if place is not None and place.is_dir():
        editable = "-e " if direct.get("dir_info", {}).get("editable") else ""
        return f"pip install {editable}{shlex.quote(f'{place}{wanted}')}"
    if "vcs_info" in direct:
        address = f"{direct['vcs_info']['vcs']}+{address}@{direct['vcs_info']['commit_id']}"
    return f"pip install {shlex.quote(f'mediasift{wanted}' + (f' @ {address}' if address else ''))}"


def is_installed(module: str) -> bool:
    """Whether a module can be found; of a dotted name the packages above it are imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is not there
        return False


def package_folder(top_level: str) -> Path | None:
    """The folder of an installed package, which is not imported; None where it is not installed."""
    spec = importlib.util.find_spec(top_level)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


class _Lazy:
    """Stands for a module until one of its names is used; the import system's locks make that safe in threads."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self._module), name)
        setattr(self, name, value)
        return value


def lazily(module: str) -> Any:
    """A heavy library that costs nothing until it is used: most commands need few, the supervising process none.

    For type checkers the real import stands beside it, under `TYPE_CHECKING`.
    """
    return _Lazy(module)
