"""Whether a run begins, goes on where another ended, or has nothing to do: what stands beside the output decides."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from mediasift.errors import OutputError, UsageError
from mediasift.run.journal import Journal
from mediasift.system.files import faults
from mediasift.tables.manifest import manifest_path
from mediasift.tables.stored import Reader, Stored
from mediasift.tables.writers import Form

Plan = Literal["begin", "continue", "extend", "finished"]
"""Start; go on with the journal; add to the finished table; leave the finished table alone."""


def look(output: Path) -> tuple[str | None, Mapping[str, Any]]:
    """What earlier runs left at the output: the SHA-256 of the table, None if there is none; the manifest's JSON.

    Raises:
        OutputError: Something is there that cannot be read.
    """
    beside, table = manifest_path(output), None
    with faults(output):
        if output.exists():
            with output.open("rb") as file:
                table = hashlib.file_digest(file, "sha256").hexdigest()
        text = beside.read_text(encoding="utf-8") if beside.exists() else "{}"
    try:
        manifest = json.loads(text)
    except ValueError:
        manifest = {}
    return table, manifest if isinstance(manifest, dict) else {}


def plan(
    output: Path, table: str | None, manifest: Mapping[str, Any], journal: Journal, now: Mapping[str, Any], *,
    restart: bool, update: bool,
) -> Plan:  # fmt: skip
    """What is to be done.

    Args:
        output: The table.
        table, manifest: What `look` found there.
        journal: What an unfinished run left.
        now: What this run would compute, and how: JSON objects under `settings`, `model`, `versions`, `table`.
        restart: Start again, whatever is there; but never over a table that was changed since.
        update: Add inputs that are not in the finished table.

    Raises:
        OutputError: The table there was not written by us, or was changed since.
        UsageError: It was begun, or written, in another way.
    """
    header = journal.header or {}
    ours = {manifest.get("table", {}).get("sha256"), header.get("replaces"), journal.table_sha256}
    if table is not None and table not in ours:
        raise OutputError(
            f"{output}: was changed since mediasift wrote it, or was written by something else; it is never "
            "overwritten. Move it away, or choose another name with -o"
        )
    if restart or not (header or table):
        return "begin"
    begun, before = ("begun", header["what"]) if header else ("written", manifest)
    sections = ("settings", "model", "table", *(["versions"] if header or update else []))  # a finished table stays
    if different := differences(before, now, sections, () if update else ("inputs",)):
        raise UsageError(
            f"{output}: was {begun} with other settings: {'; '.join(different)}. Repeat them, choose another name with "
            "-o, or start again with --restart"
        )
    return "continue" if header else "extend" if update else "finished"


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], sections: Sequence[str], inputs: Sequence[str] = ("inputs",)
) -> list[str]:
    """`name: was this, now that`, for each value that differs in the sections; `inputs` only where named there."""
    found = []
    for section in sections:
        old, new = before.get(section, {}), json.loads(json.dumps(now[section]))
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name) and name != "sha256" and (name != "inputs" or inputs):
                was, is_now = (json.dumps(one.get(name), ensure_ascii=False)[:200] for one in (old, new))
                found.append(f"{name} was {was}, now {is_now}")
    return found


def stored_rows(output: Path, read: Reader, form: Form) -> Iterator[tuple[str, dict[str, str], list[Stored]]]:
    """(path, carried-along values, rows) of each input in a finished table: neighbouring rows of the same path."""
    kept = {name: form.written(column) for name, column in zip(form.kept, form.kept_columns, strict=True)}
    with output.open("rb") as file:
        for path, records in itertools.groupby(read(file), key=itemgetter("path")):
            group = list(records)
            values = {name: form.read(group[0][column] or "") for name, column in kept.items()}
            yield form.read(path), values, [Stored(cells=tuple(record.values())) for record in group]
