"""`mediasift rerun`: the run that a manifest describes, once more, and its rows beside those of the table."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, TextIO

from mediasift.engines.engine import PaidSettings
from mediasift.errors import InputError, UsageError
from mediasift.provenance.comparing import Compared, compared
from mediasift.provenance.recorded import Recorded, read_manifest, short
from mediasift.rows import Row
from mediasift.run.table import Table
from mediasift.settings import Option, Settings, from_json, options
from mediasift.sources.content import LocalFile
from mediasift.tables.formats import each_record
from mediasift.tables.manifest import computing

TOLERANCE = 1e-4
"""Networks in float32 sum up in another order on another processor."""


@dataclass(frozen=True, kw_only=True)
class Rerun(Settings):
    """Prove the numbers of a table on this machine, or name the first difference.

    MANIFEST is TABLE.run.json, TABLE beside it. The verb runs again with the recorded settings on the recorded inputs,
    into a temporary place: neither the table nor a file that the verb wrote is touched. Then rows are compared: numbers
    that a model or engine computed (not times) may differ by --tolerance, all else must be equal.

    Exit code 0: all rows are the same. 1: they are not, or an input, the model or the table itself is another one; the
    first row with an error names the difference. Other versions and devices are reported, and are no difference while
    the rows are the same. Answers of paid services are taken from where they are kept, and never bought again.
    """

    tolerance: Annotated[float, Option("Computed numbers may differ by so much.", least=0)] = TOLERANCE
    device: Annotated[
        str | None, Option("Compute here instead of on the recorded device.", metavar="DEVICE", default="as recorded")
    ] = None
    password: Annotated[
        str | None, Option("Opens encrypted PDFs; no manifest holds it.", secret=True, metavar="PASSWORD")
    ] = None
    paid: Annotated[
        str | None, Option("Where paid answers are kept.", metavar="DIR", default="the user's cache folder")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Row):
    """One thing that the manifest records, beside what is here.

    Attributes:
        check: table, inputs, model, device, versions or rows.
        result: same; other, where it may differ while the rows are the same; different; or unknown, where the manifest
            does not say.
        recorded: What the manifest or the table says.
        here: What is so on this machine.
    """

    shared: ClassVar[tuple[str, ...]] = ("error",)

    check: str = ""
    result: str = "same"
    recorded: str = ""
    here: str = ""


class Repeat(NamedTuple):
    """How a verb that reads tables is repeated: its settings, and what writes its table into a folder."""

    settings: Any
    again: Callable[[Sequence[str], Any, Path], Path]


def rerun(
    path: str | Path, settings: Rerun, *, kinds: Callable[[str], Any], table_of: Callable[[Any, Any], Table[Any]],
    progress: TextIO | None = None,
) -> list[Check]:  # fmt: skip
    """The checks, in order; the first with an error is the first difference.

    Args:
        path: The manifest.
        settings: See `Rerun`.
        kinds: A verb's name → the class of its settings, or its `Repeat`; None for one that is not repeated.
        table_of: Settings and inputs → the started table.
        progress: Where to report how far it is.

    Raises:
        InputError: There is no such manifest or table, or none of the inputs.
        UsageError: The verb or its inputs cannot be had again, or a paid answer is not kept.
        ModelError, EngineError: What computed the table is not on this machine.
    """
    recorded = read_manifest(path)
    if recorded.table_sha256 is None:
        raise InputError(f"{recorded.table}: the table is not beside its manifest; put it there")
    kind = kinds(recorded.verb)
    if kind is None:
        what_made = f"was made by {recorded.verb}" if recorded.verb else "does not say what made it"
        raise UsageError(f"{recorded.path}: {what_made}, which rerun does not repeat")
    checks = [_table(recorded)]
    with tempfile.TemporaryDirectory(prefix="mediasift-rerun-") as folder:
        if isinstance(kind, Repeat):
            return checks + _repeated(recorded, kind, Path(folder), settings)
        values, inputs, folders = _settings(recorded, kind, settings, Path(folder))
        try:
            table = table_of(from_json(kind, values), inputs)
        except InputError as error:
            raise InputError(f"{error}; type the command in the folder in which the table was made") from error
        with table:
            checks += [_inputs(recorded, table.inputs()), *_made_by(recorded, table.facts)]
            if any(one.error for one in checks[1:]):
                return checks
            new = Path(folder) / f"again.{recorded.part('table').get('format', 'csv')}"
            table.write(new, spreadsheet_safe=bool(recorded.part("table").get("spreadsheet_safe")), progress=progress)
        return [*checks, _rows(recorded, new, settings.tolerance, folders, checks)]


def _settings(
    recorded: Recorded, kind: Any, settings: Rerun, folder: Path
) -> tuple[dict[str, Any], Any, dict[str, str]]:
    """What the verb is called with, its inputs, and folder here → folder that the table names."""
    values: Mapping[str, Any] = recorded.part("settings")
    inputs: Any = recorded.inputs
    if hasattr(kind, "recorded"):
        values, inputs = kind.recorded(values)
    names = {field.name for field in fields(kind)}
    chosen = {name: value for name, value in values.items() if name in names}
    if chosen.get("boxes") is not None:
        inputs = []
    if lost := [name for name in inputs if name == "-" or (name.endswith("]") and not Path(name).exists())]:
        raise UsageError(f"{recorded.path}: the input {lost[0]!r} was in memory, or came through a pipe; it is gone")
    folders = {}
    for number, declared in enumerate(options(kind)):
        old = chosen.get(declared.name)
        if declared.option.writes and isinstance(old, str):
            chosen[declared.name] = new = str(folder / f"written{number}")
            folders[new] = str(Path(old))
    resources = recorded.part("resources")
    mine = {"isolate": True, "batch_size": resources.get("batch_size"), "password": settings.password}
    mine |= {"device": settings.device} if settings.device else {}
    mine |= {"kept_only": True, "paid": settings.paid} if issubclass(kind, PaidSettings) else {}
    return {**chosen, **{name: value for name, value in mine.items() if name in names}}, inputs, folders


def _table(recorded: Recorded) -> Check:
    was, now = recorded.part("table").get("sha256"), recorded.table_sha256
    return _check("table", short(was), short(now), was == now, f"{recorded.table} was changed since it was written")


def _check(name: str, was: str, now: str, is_same: bool, sentence: str) -> Check:
    error = "" if is_same else f"different: {sentence}"
    return Check(check=name, result="same" if is_same else "different", recorded=was, here=now, error=error)


def _inputs(recorded: Recorded, inputs: Iterable[tuple[str, int | None]]) -> Check:
    """Whether what was read is there, and as large as it was."""
    now, sizes = list(inputs), recorded.sizes
    count = recorded.part("counts").get("sources", len(sizes))
    difference = _first_input(recorded, now, count)
    made = _check("inputs", f"{count:,}", f"{len(now):,}", not difference, difference)
    return replace(made, result="unknown") if not sizes and not difference else made


def _first_input(recorded: Recorded, now: Sequence[tuple[str, int | None]], count: int) -> str:
    paths = {path for path, _ in now}
    if gone := next((path for path in recorded.part("counts").get("vanished", ()) if path not in paths), ""):
        return f"{gone} is missing"
    before = _paths(recorded)
    if missing := next((path for path in before if path not in paths), ""):
        return f"{missing} is missing"
    if len(now) != count:
        new = [path for path, _ in now if path not in before]
        named = f", {new[0]} among them" if before and len(new) == len(now) - count else ""
        return f"there are {len(now):,} inputs{named}, and {count:,} were recorded"
    for (path, size), was in zip(now, recorded.sizes, strict=False):
        if None not in (size, was) and size != was:
            return f"{path} has {size:,} bytes, and had {was:,}"
    return ""


def _paths(recorded: Recorded) -> dict[str, None]:
    """The inputs that the table names; none where its paths are those of folders, or are changed for spreadsheets."""
    names = [str(one.get("name")) for one in recorded.fields]
    columns = [name for name in ("path", "path_a", "path_b", "query") if name in names]
    texts = recorded.part("settings").get("text"), recorded.part("table").get("spreadsheet_safe")
    if not columns or any(texts) or recorded.part("settings").get("per") == "source":
        return {}
    records = each_record(recorded.table, recorded.part("table")["format"])
    return dict.fromkeys(str(record[name]) for record in records for name in columns if record.get(name))


_DEVICE = ("device", "provider", "share_of_nodes", "precision", "runtime", "notes")
"""Facts of an engine that say where it computes, not what."""


def _made_by(recorded: Recorded, facts: Mapping[str, Any]) -> Iterator[Check]:
    """Model or engine, device, versions."""
    was, now = recorded.part("model"), json.loads(json.dumps(facts, default=str))
    names = [name for name in dict.fromkeys((*was, *now)) if name not in _DEVICE and "version" not in name]
    hashed = any("sha256" in name for name in names)
    apart = [
        name for name in names if was.get(name) != now.get(name) and not (hashed and name == "model")  # a file's name
    ]  # fmt: skip
    shown = [name for name in names if "sha256" in name or name in ("engine", "model", "language")]
    model = _check(
        "model", _listed(was, apart or shown), _listed(now, apart or shown), not apart,
        f"{', '.join(apart)}: recorded {_listed(was, apart)}; here {_listed(now, apart)}",
    )  # fmt: skip
    yield model if names else replace(model, recorded="none", here="none")
    places = [name for name in _DEVICE if was.get(name) != now.get(name)]
    if names:
        yield Check(check="device", result="other" if places else "same", recorded=_listed(was, places or ["device"]),
                    here=_listed(now, places or ["device"]))  # fmt: skip
    old, here = dict(recorded.part("versions")), dict(computing())
    old |= {name: value for name, value in was.items() if "version" in name}
    here |= {name: value for name, value in now.items() if "version" in name}
    yield _versions(old, here)


def _versions(old: Mapping[str, Any], here: Mapping[str, Any]) -> Check:
    other = [name for name in here if old.get(name) != here[name]]
    shown = other or ["mediasift"]
    result = "other" if other else "same"
    return Check(check="versions", result=result, recorded=_listed(old, shown), here=_listed(here, shown))


def _listed(values: Mapping[str, Any], names: Iterable[str]) -> str:
    return ", ".join(f"{name} {short(values.get(name)) if 'sha256' in name else values.get(name)}" for name in names)


def _rows(
    recorded: Recorded, new: Path, tolerance: float, folders: Mapping[str, str], checks: Sequence[Check]
) -> Check:
    made = json.loads(new.with_name(f"{new.name}.run.json").read_text(encoding="utf-8"))
    computed = made["model"] or made["settings"].get("device") is not None
    numbers = [
        one["name"] for one in made["schema"]["fields"]
        if computed and one["type"] in ("number", "array") and not one["name"].endswith("_s")
    ]  # fmt: skip
    result = compared(recorded.table, new, made["table"]["format"], numbers=numbers, tolerance=tolerance,
                      folders=folders)  # fmt: skip
    return _verdict(recorded, result, tolerance, made["counts"]["rows"], checks)


def _verdict(recorded: Recorded, result: Compared, tolerance: float, rows: int, checks: Sequence[Check]) -> Check:
    counted = recorded.part("counts").get("rows", 0)
    causes = [f"{one.check} {one.recorded} there and {one.here} here" for one in checks if one.result == "other"]
    with suppress(KeyError, ValueError, OSError):
        if result.path and LocalFile(Path(result.path)).has_changed_since(
            datetime.fromisoformat(recorded.data["started"])
        ):
            causes.append("the file was changed since")
    sentence = result.difference + (f" (see {'; '.join(causes)})" if causes else "")
    row = _check("rows", f"{counted:,}", f"{rows:,}", not result.difference, sentence)
    if result.largest and not result.difference:
        row = replace(row, here=f"{rows:,}, numbers within {result.largest:.2g} of {tolerance:g}")
    return row


def _repeated(recorded: Recorded, kind: Repeat, folder: Path, settings: Rerun) -> list[Check]:
    """A verb that reads tables: its inputs by their hash, then its rows."""
    files = recorded.part("inputs").get("files", ())
    checks = [_check("inputs", f"{len(files):,}", f"{len(files):,}", not (text := _first_file(files)), text)]
    if checks[0].error:
        return checks
    checks.append(_versions(recorded.part("versions"), computing()))
    values = {name: value for name, value in recorded.part("settings").items() if name not in ("task", "inputs")}
    for number, declared in enumerate(options(kind.settings)):
        if declared.option.writes and values.get(declared.name) is not None:
            values[declared.name] = str(folder / f"written{number}")
    new = kind.again(recorded.inputs, from_json(kind.settings, values), folder)
    written = recorded.part("table").get("format", "csv")
    numbers = [str(one["name"]) for one in recorded.fields if one["type"] == "number"]
    result = compared(recorded.table, new, written, numbers=numbers, tolerance=settings.tolerance, folders={})
    rows = sum(1 for _ in each_record(new, written))
    return [*checks, _verdict(recorded, result, settings.tolerance, rows, checks)]


def _first_file(files: Sequence[Mapping[str, Any]]) -> str:
    for one in files:
        path = Path(one["path"])
        if not path.exists():
            return f"{path} is missing"
        if one["sha256"] is not None and LocalFile(path).sha256()[1] != one["sha256"]:
            return f"{path} was changed since"
    return ""
