"""A table that was made of other tables, and what made it: the same manifest as beside a table of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mediasift.rows import Row
from mediasift.settings import to_json
from mediasift.sources.content import LocalFile
from mediasift.system.files import write_atomically
from mediasift.tables.formats import FORMATS, format_of
from mediasift.tables.manifest import Summary, computing, manifest, manifest_path
from mediasift.tables.schema import schema
from mediasift.tables.writers import Form


def write_report(
    output: Path, row_type: type[Row], rows: Sequence[Row], *, task: str, settings: Any, inputs: Sequence[Path],
    began: datetime, format: str | None = None,
) -> None:  # fmt: skip
    """Write a table and its manifest.

    Args:
        output: The table's file.
        row_type, rows: Its rows.
        task: The verb that made them.
        settings: Of the verb.
        inputs: The tables that it read; those that its settings name count as well.
        began: When it began.
        format: Of the table; None: as the name's suffix says.

    Raises:
        UsageError, OutputError, MissingPackage: As `format_of`.
    """
    name, form, hashes = format_of(output, format, row_type), Form(row_type=row_type), list[str]()
    write_atomically(output, lambda file: FORMATS[name].write(rows, form, file), then=hashes.append)
    sections = {
        **made_from(task, settings, inputs), "table": {"format": name, "sha256": hashes[0]}, "schema": schema(form)
    }  # fmt: skip
    summary = Summary(sources=len(inputs), rows=len(rows))
    about = "".join(manifest(summary, sections=sections, resources={}, started=began))
    write_atomically(manifest_path(output), about.encode())


def made_from(task: str, settings: Any, inputs: Sequence[Path]) -> dict[str, Any]:
    """What a manifest says of the settings of a verb that reads tables, and of each file that it read."""
    own = to_json(settings, secrets=False)
    named = (own.get(name) for name in ("codebook", "design"))
    return {
        "settings": {"task": task, **own, "inputs": [str(path) for path in inputs]},
        "versions": computing(),
        "inputs": {"files": list(_hashed([*inputs, *(Path(name) for name in named if name)]))},
    }


def _hashed(paths: Iterable[Path]) -> Iterable[Mapping[str, Any]]:
    for path in paths:
        size, sha256 = LocalFile(path).sha256() if path.is_file() else (None, None)
        yield {"path": str(path), "bytes": size, "sha256": sha256}
