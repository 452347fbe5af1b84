"""What produced a table: the JSON file `OUT.run.json` beside it."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from mediasift import __version__

_PACKAGES = ("numpy", "opencv-python-headless", "opencv-python", "pillow", "onnxruntime", "onnxruntime-gpu", "av")


@dataclass(slots=True)
class Summary:
    """Counts of a run, filled in while it goes on.

    Attributes:
        sources: Inputs read.
        rows: Rows written.
        error_rows: Those with `error` filled.
        errors: Error code → rows.
        skipped: Files in named folders that are no rows, by reason.
        seconds: Per stage.
    """

    sources: int = 0
    rows: int = 0
    error_rows: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, error: str) -> None:
        """Count one row; `error` is its error cell."""
        self.rows += 1
        if error:
            self.error_rows += 1
            code = error.partition(":")[0]
            self.errors[code] = self.errors.get(code, 0) + 1


def manifest_path(output: Path) -> Path:
    """`out.csv` → `out.csv.run.json`."""
    return output.with_name(output.name + ".run.json")


def manifest(
    summary: Summary,
    *,
    settings: Mapping[str, Any],
    facts: Mapping[str, Any],
    resources: Mapping[str, Any],
    started: datetime,
) -> str:
    """The manifest as indented JSON."""
    data = {
        "mediasift": __version__,
        "command": sys.argv if sys.argv and "mediasift" in Path(sys.argv[0]).name else None,
        "settings": settings,
        "model": facts,
        "resources": resources,
        "counts": {name: value for name, value in asdict(summary).items() if name != "seconds"},
        "seconds": {name: round(value, 3) for name, value in summary.seconds.items()},
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }
    return json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n"


def versions() -> dict[str, str]:
    """Python, platform, and the packages that decode and compute."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
