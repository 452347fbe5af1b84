"""Tables of parts of the inputs, put together: the table of a run that was never divided, byte for byte."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from mediasift.errors import InputError, UsageError
from mediasift.rows import Row
from mediasift.run.journal import Journal, Stock, journal_path
from mediasift.run.resume import differences, look, stored_rows
from mediasift.run.table import Table
from mediasift.tables.formats import FORMATS, format_of
from mediasift.tables.manifest import Summary, manifest_path
from mediasift.tables.stored import Stored
from mediasift.tables.writers import Form

_SECTIONS = ("settings", "model", "versions", "table")


@dataclass(frozen=True, slots=True)
class Part:
    """A finished table of a part of the inputs, and its manifest."""

    path: Path
    manifest: Mapping[str, Any]

    @classmethod
    def at(cls, path: Path) -> Part:
        """The part in a file.

        Raises:
            InputError: There is none; it is not finished, not written with a shard, or was changed since.
        """
        sha256, manifest = look(path)
        if sha256 is None and journal_path(path).exists():
            raise InputError(f"{path}: is not finished; the command that began it goes on with it")
        if sha256 is None:
            raise InputError(f"{path}: no such file")
        if sha256 != manifest.get("table", {}).get("sha256"):
            raise InputError(f"{path}: was changed since mediasift wrote it, or has no manifest {manifest_path(path)}")
        if not manifest["counts"].get("shard"):
            raise InputError(f"{path}: is no part of a table; parts are written with --shard")
        if vanished := manifest["counts"]["vanished"]:
            raise InputError(f"{path}: holds rows of inputs that are gone, first {vanished[0]}; run it with --restart")
        return cls(path, manifest)

    @property
    def shard(self) -> Mapping[str, Any]:
        """Which part, and where its inputs stand among all."""
        shard: Mapping[str, Any] = self.manifest["counts"]["shard"]
        return shard

    @property
    def row_type(self) -> type[Row]:
        """The class of its rows."""
        module, _, name = self.shard["row"].partition(":")
        kind = getattr(import_module(module), name, None) if module.startswith("mediasift.") else None
        if not (isinstance(kind, type) and issubclass(kind, Row)):
            raise InputError(f"{manifest_path(self.path)}: names no rows of mediasift, but {self.shard['row']}")
        return kind

    @property
    def settled(self) -> Mapping[str, Mapping[str, Any]]:
        """What must be the same in all parts."""
        manifest = {name: dict(self.manifest[name]) for name in _SECTIONS}
        manifest["settings"]["shard"] = None
        manifest["table"].pop("sha256")
        return manifest

    def sources(self, form: Form) -> Iterator[tuple[int, list[Stored]]]:
        """Of each input its place among all, and its rows; of one that was named several times, as many each time."""
        times = {_key(path, kept): count for path, kept, count in self.manifest["counts"]["repeated"]}
        total: Counter[str] = Counter()
        if times:
            for path, kept, rows in self._stored(form):
                total[_key(path, kept)] += len(rows)
        places = itertools.accumulate(map(int, self.shard["places"].split()), initial=-1)
        next(places)
        for path, kept, rows in self._stored(form):
            each = total[key] // times[key] if (key := _key(path, kept)) in times else len(rows)
            for first in range(0, len(rows), each):
                yield next(places), rows[first : first + each]
        if next(places, None) is not None:
            raise InputError(f"{self.path}: has fewer inputs than its manifest says")

    def _stored(self, form: Form) -> Stock:
        read = FORMATS[self.manifest["table"]["format"]].read
        if read is None:
            raise InputError(
                f"{self.path}: a .{self.manifest['table']['format']} cannot be merged; write parts as .csv"
            )
        return stored_rows(self.path, read, form)


def _key(path: str, kept: Mapping[str, str]) -> str:
    return json.dumps([path, {name: value for name, value in kept.items() if value}])


class Merged:
    """The rows of all parts in the order of their inputs; see `mediasift.run.table.Rows`.

    Args:
        paths: Tables written with `--shard`, of all parts, in any order.

    Raises:
        InputError: A part is missing, is there twice, is none, or was made of other inputs or with other settings.
    """

    extends = False
    sources = ()

    def __init__(self, paths: Sequence[Path]) -> None:
        self.parts = parts = sorted(map(Part.at, paths), key=lambda part: part.shard["part"])
        _check(parts)
        first = parts[0]
        self.what: Mapping[str, Any] = {
            **{name: section for name, section in first.settled.items() if name != "table"},
            "merged": [{"path": str(part.path), "sha256": part.manifest["table"]["sha256"]} for part in parts],
        }
        self.form: Mapping[str, Any] = first.settled["table"]
        self.row_type: type[Row] = first.row_type
        self.keep = tuple(self.what["settings"].get("keep", ()))
        self.facts: Mapping[str, Any] = first.manifest["model"]
        self.resources: Mapping[str, Any] = first.manifest["resources"]
        self.began = min(datetime.fromisoformat(part.manifest["started"]) for part in parts)

    def run(self, summary: Summary, journal: Journal | None, progress: TextIO | None) -> Iterator[Stored]:
        """All rows, once."""
        del journal, progress
        counts = [Summary.of(part.manifest) for part in self.parts]
        summary.sources = sum(one.sources for one in counts)
        summary.skipped = dict(counts[0].skipped)
        summary.repeated = [repeated for one in counts for repeated in one.repeated]
        summary.taken_over = summary.sources
        summary.worker_restarts = sum(one.worker_restarts for one in counts)
        summary.worker_peak_bytes = max(one.worker_peak_bytes for one in counts)
        for part in self.parts:
            for stage, seconds in part.manifest["seconds"].items():
                longest = max if stage == "longest_item" else lambda *both: sum(both)
                summary.seconds[stage] = longest(summary.seconds.get(stage, 0.0), seconds)
        form = Form(row_type=self.row_type, kept=self.keep, spreadsheet_safe=self.form["spreadsheet_safe"])
        for _, rows in heapq.merge(*(part.sources(form) for part in self.parts), key=lambda source: source[0]):
            yield from rows

    def close(self) -> None:
        """Nothing computes."""


def _check(parts: Sequence[Part]) -> None:
    if not parts:
        raise UsageError("merge needs the tables of all parts")
    first = parts[0]
    for part in parts[1:]:
        if part.shard["parts"] != first.shard["parts"]:
            raise InputError(
                f"{part.path} is a part of {part.shard['parts']}, {first.path} one of {first.shard['parts']}; "
                "parts of one run have the same N in --shard I/N"
            )
        if different := differences(first.settled, part.settled, _SECTIONS):
            raise InputError(f"{part.path}: was written with other settings than {first.path}: {'; '.join(different)}")
        if part.shard["listing"] != first.shard["listing"]:
            raise InputError(
                f"{part.path}: was made of {part.shard['listed']:,} inputs, {first.path} of "
                f"{first.shard['listed']:,}, which are not the same; run the parts with --update, so that each sees all"
            )
    numbers = Counter(part.shard["part"] for part in parts)
    if twice := [part for part in parts if numbers[part.shard["part"]] > 1]:
        raise InputError(
            f"{twice[0].path} and {twice[1].path} are both part {twice[0].shard['part']}; name one of them"
        )
    if missing := [str(number) for number in range(1, first.shard["parts"] + 1) if not numbers[number]]:
        raise InputError(
            f"part {', '.join(missing[:20])} of {first.shard['parts']} is missing; run the command with --shard "
            f"{missing[0]}/{first.shard['parts']}, and name its table as well"
        )


def merge(parts: Sequence[str | Path], output: str | Path) -> Summary:
    """Put the tables of all parts of a run together, as the table of a run that was never divided.

    Args:
        parts: Tables written with `shard`, in any order.
        output: The table's file, in the format of the parts.

    Returns:
        Its counts.

    Raises:
        InputError: A part is missing, is there twice, or was made of other inputs or with other settings.
        UsageError: The output's name says another format than that of the parts.
        OutputError: It cannot be written, or is not ours.
    """
    output, rows = Path(output), Merged([Path(part) for part in parts])
    name = rows.form["format"]
    if format_of(output, None, rows.row_type) != name:
        raise UsageError(f"{output}: the parts are .{name} files; end the name so")
    table: Table[Row] = Table(rows)
    table.write(output, spreadsheet_safe=rows.form["spreadsheet_safe"], update=True)
    return table.summary
