"""Coded tables: what people answered about each unit; `path, page, frame, time_s, coder`, the variables, `note`.

A unit that is a crop, a box or a stretch of time has its columns before `coder`, too. An empty cell is not coded, or
not asked. Several answers stand as `a|b` in a cell, and `(none)` where no value applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediasift.errors import InputError, did_you_mean
from mediasift.evaluate.units import PLACE, UNIT_COLUMNS, Unit, number_text, unit_of
from mediasift.sources.codebook import BETWEEN, NOTHING, RESERVED, Codebook, Variable
from mediasift.sources.labelled import split_labels
from mediasift.sources.records import composed
from mediasift.tables.formats import need_columns, read_table

CODER, NOTE = "coder", "note"

Answer = str | float | tuple[str, ...]
"""A value or words; a number; of `several` the values that apply, in the codebook's order, perhaps none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """What one coder answered about one unit.

    Attributes:
        unit: The cells of the table's `columns`.
        coder: Who.
        answers: Variable → answer; what was not asked or not coded is absent.
        note: In the coder's own words.
    """

    unit: Unit
    coder: str
    answers: Mapping[str, Answer]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedTable:
    """A whole one.

    Attributes:
        columns: Those that say which unit a row is about.
        variables: In their order.
        rows: As they stand there; no unit twice by one coder.
    """

    columns: tuple[str, ...]
    variables: tuple[Variable, ...]
    rows: tuple[Coded, ...]


def coded_columns(columns: Sequence[str], codebook: Codebook) -> tuple[str, ...]:
    """The header of a coded table.

    Args:
        columns: Those of the units, see `units.unit_columns`.
        codebook: What is coded.
    """
    return (*columns, CODER, *(one.name for one in codebook.variables), NOTE)


def read_coded(path: str | Path, codebook: Codebook | None = None, encoding: str | None = None) -> CodedTable:
    """A coded table, checked against its codebook.

    Args:
        path: The table, in any format. Without a column `coder`, the coder is named for the file.
        codebook: What its answers may be. Without one, every other column is a nominal variable of any values.
        encoding: Of its text; None takes UTF-8.

    Raises:
        InputError: It cannot be read, lacks a column, has an answer that the codebook does not, or one to a question
            that does not apply; or one coder has a unit twice. The message names the row, from 1, and the variable.
    """
    path = Path(path)
    records = read_table(path, encoding)
    names = list(records[0])
    need_columns(path, records, "path", *(one.name for one in codebook.variables) if codebook else ())
    if {"engine", "feature", "label", "attribute", "found"} <= set(names):
        raise InputError(f"{path}: is a table of tags; compare them with --mapping FILE, or write it with tag --wide")
    columns = tuple(name for name in UNIT_COLUMNS if name in PLACE or name in names)
    variables = codebook.variables if codebook else tuple(
        Variable(name=name, question=name) for name in names if name not in RESERVED
    )  # fmt: skip
    if not variables:
        raise InputError(f"{path}: no column holds answers; it has {', '.join(names)}")
    rows: dict[tuple[Unit, str], Coded] = {}
    for number, record in enumerate(records, 1):
        where = f"{path}: row {number}"
        unit, coder = unit_of(record, columns, where), _text(record.get(CODER)) or path.stem
        if (unit, coder) in rows:
            raise InputError(f"{where}: coder {coder} has {record['path']} twice; keep one of the rows")
        answers = _answers(record, variables, where)
        rows[unit, coder] = Coded(unit=unit, coder=coder, answers=answers, note=_text(record.get(NOTE)))
    return CodedTable(columns=columns, variables=variables, rows=tuple(rows.values()))


def _answers(record: Mapping[str, Any], variables: Sequence[Variable], where: str) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    for variable in variables:
        answer = _answer(record.get(variable.name), variable, f"{where}, variable {variable.name}")
        if answer is None:
            continue
        if not variable.is_asked(answers):
            asked = " and ".join(f"{name} is {' or '.join(wanted)}" for name, wanted in variable.ask_if)
            raise InputError(
                f"{where}, variable {variable.name}: is answered, but asked only if {asked}; empty the cell, or "
                "correct the other one"
            )
        answers[variable.name] = answer
    return answers


def _answer(cell: Any, variable: Variable, where: str) -> Answer | None:
    """What a cell says; None where it is empty.

    Raises:
        InputError: The codebook has no such answer.
    """
    if isinstance(cell, (list, tuple)):  # of JSON Lines
        cell = BETWEEN.join(map(str, cell)) or NOTHING
    text = _text(cell)
    if not text:
        return None
    if variable.kind == "number":
        return float(number_text(cell, where))
    if variable.kind == "text" or not variable.values:
        return text
    if variable.kind == "several":
        chosen = () if text == NOTHING else tuple(_value(one, variable, where) for one in split_labels(text))
        return tuple(one for one in variable.answers if one in chosen)
    return _value(text, variable, where)


def _value(text: str, variable: Variable, where: str) -> str:
    known = variable.answers
    if text in known:
        return text
    if text.removesuffix(".0") in known:  # as pandas writes whole numbers beside empty cells
        return text.removesuffix(".0")
    raise InputError(f"{where}: {text!r} is not one of {', '.join(known)}{did_you_mean(text, known)}")


def _text(cell: Any) -> str:
    """A cell as text, whatever type a table gives it."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, bool):
        cell = str(cell).lower()
    return "" if cell is None or cell != cell else composed(str(cell)).strip()  # noqa: PLR0124  (NaN of numpy archives)


def answer_cell(answer: Answer | None) -> Any:
    """An answer as it stands in a coded table."""
    if isinstance(answer, tuple):
        return BETWEEN.join(answer) or NOTHING
    return int(answer) if isinstance(answer, float) and answer.is_integer() else answer
