"""What produced a table: the JSON file `OUT.run.json` beside it."""

from __future__ import annotations

import base64
import json
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from mediasift import __version__
from mediasift.sources.addresses import hidden

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
        taken_over: Inputs whose rows an earlier run had computed.
        vanished: Inputs of an earlier run that are no longer there; their rows stay, at the end of the table.
        repeated: [path, carried-along columns, how often] of each input that was named more than once.
        shard: Which part of the inputs these are, and where they stand among all, see `sources.shards.Listing`.
        models: What a service says of the model that answered → rows that follow from its answers.
        worker_restarts: How often the worker process died.
        worker_peak_bytes: Its largest resident memory; 0 where there was none, or the system does not tell.
        seconds: Per stage; `longest_item` is the slowest to read and prepare.
        sizes: Of each input, in order, its bytes before it was read; -1 where they are unknown.
        states: Digests of the states in which inputs were read, in the order of their rows, see `run.done`.
    """

    sources: int = 0
    rows: int = 0
    error_rows: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    taken_over: int = 0
    vanished: list[str] = field(default_factory=list)
    repeated: list[list[Any]] = field(default_factory=list)
    shard: dict[str, Any] | None = None
    models: dict[str, int] = field(default_factory=dict)
    worker_restarts: int = 0
    worker_peak_bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: Sequence[int] = ()
    states: bytes | bytearray = b""

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Summary:
        """The counts of a finished table."""
        return cls(**{name: value for name, value in manifest["counts"].items() if name in cls.__slots__})

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
    summary: Summary, *, sections: Mapping[str, Any], resources: Mapping[str, Any], started: datetime
) -> Iterator[str]:
    """The manifest as indented JSON, piece by piece.

    Args:
        summary: Counts.
        sections: What was computed, and how: JSON objects under `settings`, `model`, `versions`, `table`, `schema`.
        resources: Threads and batch size.
        started: When.
    """
    data = {
        "mediasift": __version__,
        "command": _command(sys.argv),
        "inputs": {
            "sizes": _joined(summary.sizes) if len(summary.sizes) == summary.sources else "",
            "states": base64.b64encode(summary.states).decode(),
        },
        **sections,
        "resources": resources,
        "counts": {f.name: getattr(summary, f.name) for f in fields(summary) if f.name not in _APART},
        "seconds": {name: round(value, 3) for name, value in summary.seconds.items()},
        "started": started.isoformat(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _platform(),
    }
    yield from json.JSONEncoder(indent=2, ensure_ascii=False, default=str).iterencode(data)
    yield "\n"


_APART = ("seconds", "sizes", "states")
"""What a manifest has elsewhere than under `counts`."""


def _joined(sizes: Sequence[int]) -> str:
    """Some at a time, as each number of a million would be a text of its own."""
    parts = (sizes[begin : begin + 10_000] for begin in range(0, len(sizes), 10_000))
    return " ".join(" ".join("?" if size < 0 else str(size) for size in part) for part in parts)


def states_of(manifest: Mapping[str, Any]) -> bytes:
    """`Summary.states` of a manifest; none of one by an earlier version, and of tables that were put together."""
    return base64.b64decode(manifest.get("inputs", {}).get("states", ""))


def _command(words: list[str]) -> list[str] | None:
    """The command line, without a password and without what opens an address to others; None where it is not ours."""
    if not words or "mediasift" not in words[0]:
        return None
    shown = [re.sub(r"^--password=.*", "--password=***", word, flags=re.DOTALL) for word in words]
    shown = [hidden(word) if "://" in word else word for word in shown]
    return ["***" if before == "--password" else word for before, word in zip(["", *shown], shown, strict=False)]


def _platform() -> dict[str, str]:
    return {"python": platform.python_version(), "platform": platform.platform()}


def versions() -> dict[str, str]:
    """Python, platform, and the packages that decode and compute."""
    return {**_platform(), **computing()}


def computing() -> dict[str, str]:
    """Versions of what decodes and computes: with others, the same settings may give other rows."""
    return {"mediasift": __version__, **_installed()}


@cache
def _installed() -> dict[str, str]:
    packages = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return packages
