"""Tables of tags as coded tables: whether each service sees in each picture what a mapping file names.

    variable,engine,feature,label,min_score
    dog,google-vision,labels,Dog,
    dog,rekognition,labels,Dog,0.8
    dog,azure-vision,labels,dog,

A variable may stand in several lines of an engine: one of its labels is enough. An empty `feature` means all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediasift.engines.vision.tags import Tag, counts
from mediasift.errors import InputError
from mediasift.evaluate.coded import Coded, CodedTable
from mediasift.evaluate.units import PLACE, Unit, number_text, unit_of
from mediasift.sources.codebook import Value, Variable
from mediasift.sources.records import composed
from mediasift.tables.formats import need_columns, read_table

TAG_COLUMNS = ("engine", "feature", "label", "attribute", "found")
"""By which a table of tags is known."""

YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A line of the mapping: the label of an engine that stands for a variable."""

    variable: str
    engine: str
    feature: str
    label: str
    min_score: float


def read_mapping(path: str | Path, encoding: str | None = None) -> tuple[Mapped, ...]:
    """The lines of a mapping file, a table in any format.

    Raises:
        InputError: It cannot be read, lacks a column, or a cell that must not be empty is.
    """
    path = Path(path)
    records = read_table(path, encoding)
    need_columns(path, records, "variable", "engine", "label")
    lines = []
    for number, record in enumerate(records, 1):
        where = f"{path}: row {number}"
        cells = {name: _text(record.get(name)) for name in ("variable", "engine", "feature", "label", "min_score")}
        if empty := [name for name in ("variable", "engine", "label") if not cells[name]]:
            raise InputError(f"{where}: {empty[0]} is empty")
        least = float(number_text(cells.pop("min_score") or 0, f"{where}: column min_score"))
        lines.append(Mapped(**cells, min_score=least))
    if not lines:
        raise InputError(f"{path}: has no lines; each has a variable, an engine and a label")
    return tuple(lines)


def read_tagged(path: str | Path, mapping: Sequence[Mapped], encoding: str | None = None) -> CodedTable:
    """A table that `mediasift tag` wrote: yes, no, or nothing where a service did not answer, for each variable.

    Args:
        path: The table. Its coder is named for the file, or for the engines where it has several.
        mapping: What stands for what.
        encoding: Of its text; None takes UTF-8.

    Raises:
        InputError: It cannot be read, or is no table of tags.
    """
    path = Path(path)
    records = read_table(path, encoding)
    need_columns(path, records, "path", *TAG_COLUMNS)
    engines = sorted({_text(record.get("engine")) for record in records} - {""})
    names = tuple(dict.fromkeys(one.variable for one in mapping))
    if not [one for one in mapping if one.engine in engines]:
        raise InputError(f"{path}: the mapping has no line for {' or '.join(engines) or 'its engine'}")
    by_unit: dict[tuple[Unit, str], list[Mapping[str, Any]]] = {}
    for number, record in enumerate(records, 1):
        unit = unit_of(record, PLACE, f"{path}: row {number}")
        for engine in [_text(record.get("engine"))] if _text(record.get("engine")) else engines:
            by_unit.setdefault((unit, engine), []).append(record)
    rows = [
        Coded(unit=unit, coder=path.stem if len(engines) == 1 else engine,
              answers=dict(_answers(rows, [one for one in mapping if one.engine == engine])))
        for (unit, engine), rows in by_unit.items()
    ]  # fmt: skip
    values = (Value(value=YES, label=YES), Value(value=NO, label=NO))
    variables = tuple(Variable(name=name, question=name, values=values) for name in names)
    return CodedTable(columns=PLACE, variables=variables, rows=tuple(rows))


def _answers(records: Sequence[Mapping[str, Any]], mapping: Sequence[Mapped]) -> Iterator[tuple[str, str]]:
    """Variable → yes or no; none for one that the engine was not asked about, or failed at."""
    answered = [record for record in records if not _text(record.get("error")) and _text(record.get("feature"))]
    seen = [_tag(record) for record in answered if _text(record.get("found"))]
    for name in dict.fromkeys(one.variable for one in mapping):
        lines = [one for one in mapping if one.variable == name]
        features = {one.feature for one in lines}
        asked = [tag for tag in seen if "" in features or tag.feature in features]
        if asked:
            yield name, YES if any(_is_meant(tag, one) for tag in asked for one in lines) else NO


def _is_meant(tag: Tag, line: Mapped) -> bool:
    is_it = _same(tag.label or "", line.label) and line.feature in ("", tag.feature)
    return is_it and counts(tag) and (not line.min_score or (tag.score or 0.0) >= line.min_score)


def _tag(record: Mapping[str, Any]) -> Tag:
    likelihood, score = (_text(record.get(name)) for name in ("likelihood", "score"))
    return Tag(
        feature=_text(record.get("feature")), label=_text(record.get("label")) or None,
        attribute=_text(record.get("attribute")), value=_text(record.get("value")) or None,
        likelihood=int(float(likelihood)) if likelihood else None, score=float(score) if score else None,
    )  # fmt: skip


def _same(a: str, b: str) -> bool:
    return composed(a).casefold() == composed(b).casefold()


def _text(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell).strip()  # noqa: PLR0124  (NaN of numpy archives)
