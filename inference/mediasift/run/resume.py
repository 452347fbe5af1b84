"""Whether a run begins, goes on where another ended, or has nothing to do: what stands beside the output decides."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence, Set
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from mediasift.errors import OutputError, Unavailable, UsageError
from mediasift.run.journal import Journal, Stock
from mediasift.system.files import faults, refuse_special
from mediasift.tables.manifest import manifest_path
from mediasift.tables.stored import Reader, Stored
from mediasift.tables.writers import Form

Plan = Literal["begin", "continue", "extend", "finished"]
"""Start; go on with the journal; add to the finished table; leave the finished table alone."""


def look(output: Path) -> tuple[str | None, Mapping[str, Any]]:
    """What earlier runs left at the output: the SHA-256 of the table, None if there is none; the manifest's JSON.

    Raises:
        OutputError: Something is there that cannot be read, or is no file; the manifest there is not ours.
    """
    beside, table = manifest_path(output), None
    for file in (output, beside):
        refuse_special(file)
    with faults(output):
        if output.exists():
            with output.open("rb") as opened:
                table = hashlib.file_digest(opened, "sha256").hexdigest()
        text = beside.read_bytes() if beside.exists() else b'{"mediasift": ""}'
    try:
        manifest = json.loads(text)
        manifest["mediasift"]
    except (ValueError, TypeError, KeyError) as error:
        raise OutputError(
            f"{beside}: was not written by mediasift, or is damaged; it is never overwritten. Move it away, or choose "
            "another name with -o"
        ) from error
    return table, manifest


def plan(
    output: Path, table: str | None, manifest: Mapping[str, Any], journal: Journal, now: Mapping[str, Any], *,
    restart: bool, update: bool, retry_errors: bool, can_extend: bool,
) -> Plan:  # fmt: skip
    """What is to be done.

    Args:
        output: The table.
        table, manifest: What `look` found there.
        journal: What an unfinished run left.
        now: What this run would compute, and how: JSON objects under `settings`, `model`, `versions`, `table`.
        restart: Start again, whatever is there; but never over a table that was changed since.
        update: Add inputs that are not in the finished table.
        retry_errors: Read inputs again whose rows carry an error.
        can_extend: Whether inputs can be read again whose errors pass by themselves.

    Raises:
        OutputError: The table there was not written by us, or was changed since.
        UsageError: It was begun, or written, in another way.
    """
    header = journal.header or {}
    check_ours(output, table, {manifest.get("table", {}).get("sha256"), header.get("replaces"), journal.table_sha256})
    if restart:
        return "begin"
    if journal.is_of_another_version:
        raise UsageError(
            f"{journal.path}: was begun by another version of mediasift, which may go on with it; to begin again here: "
            "--restart"
        )
    if not (header or table):
        return "begin"
    begun, before = ("begun", header["what"]) if header else ("written", manifest)
    sections = ("settings", "model", "table", *(["versions"] if header or update else []))  # a finished table stays
    if different := differences(before, now, sections, () if update else ("inputs",)):
        if header and not journal.has_news and not journal.table_sha256:
            journal.forget()  # it ended before anything was done: a mistake may be corrected
            return plan(
                output, table, manifest, journal, now, restart=restart, update=update, retry_errors=retry_errors,
                can_extend=can_extend,
            )  # fmt: skip
        raise UsageError(
            f"{output}: was {begun} with other settings: {'; '.join(different)}. Repeat them, choose another name with "
            "-o, or start again with --restart"
        )
    if header:
        return "continue"
    counts = manifest["counts"]
    passing = can_extend and counts.get("errors", {}).get(Unavailable.code, 0) > 0
    again = update or passing or (retry_errors and counts["error_rows"] > 0)
    return "extend" if again else "finished"


def check_ours(output: Path, table: str | None, ours: Set[str | None]) -> None:
    """Raise an OutputError for a table (its SHA-256) that is none of ours."""
    if table is not None and table not in ours:
        raise OutputError(
            f"{output}: was changed since mediasift wrote it, or was written by something else; it is never "
            "overwritten. Move it away, or choose another name with -o"
        )


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], sections: Sequence[str], inputs: Sequence[str] = ("inputs",)
) -> list[str]:
    """`name: was this, now that`, for each value that differs in the sections; `inputs` only where named there."""
    listed = []
    for section in sections:
        old, new = before.get(section, {}), json.loads(json.dumps(now[section]))
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name) and name != "sha256" and (name != "inputs" or inputs):
                was, is_now = (json.dumps(one.get(name), ensure_ascii=False)[:200] for one in (old, new))
                listed.append(f"{name} was {was}, now {is_now}")
    return listed


def stored_rows(output: Path, read: Reader, form: Form) -> Stock:
    """(path, carried-along values, rows) of each input in a finished table: neighbouring rows with the same of both."""
    names = ("path", *map(form.written, form.kept_columns))

    def key(record: Mapping[str, Any]) -> list[str]:
        return [form.read(record[name] or "") for name in names]

    with output.open("rb") as file, closing(read(file)) as stored:
        for (path, *kept), records in itertools.groupby(stored, key=key):
            rows = [Stored(cells=tuple(record.values())) for record in records]
            yield path, dict(zip(form.kept, kept, strict=True)), rows
