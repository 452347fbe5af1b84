"""The coded tables of all coders as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mediasift.errors import InputError, UsageError, did_you_mean
from mediasift.evaluate.coded import Answer, Coded, read_coded
from mediasift.evaluate.tagged import read_mapping, read_tagged
from mediasift.evaluate.units import UNIT_COLUMNS, Unit
from mediasift.sources.codebook import Variable, read_codebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Codings:
    """The rows of all coders.

    Attributes:
        columns: Those of the units.
        variables: In their order.
        units: In the order of the tables.
        coders: In the order of the tables.
        rows: (unit, coder) → the row.
    """

    columns: tuple[str, ...]
    variables: tuple[Variable, ...]
    units: tuple[Unit, ...]
    coders: tuple[str, ...]
    rows: Mapping[tuple[Unit, str], Coded]

    def answers(self, variable: str) -> list[list[Answer | None]]:
        """Items x coders; None where one did not answer."""
        empty = Coded(unit=(), coder="", answers={})
        return [[self.rows.get((unit, one), empty).answers.get(variable) for one in self.coders] for unit in self.units]


def read_codings(
    paths: Sequence[str | Path], codebook: str | Path | None = None, encoding: str | None = None,
    mapping: str | Path | None = None,
) -> Codings:  # fmt: skip
    """Coded tables as one.

    Args:
        paths: The tables.
        codebook: The codebook's file.
        encoding: Of the tables.
        mapping: They are tables of tags, and this file says which labels are compared, see `tagged`.

    Raises:
        InputError: One cannot be read, or a coder has an item twice.
    """
    book = None if codebook is None else read_codebook(codebook)
    lines = None if mapping is None else read_mapping(mapping, encoding)
    tables = [
        (path, read_coded(path, book, encoding) if lines is None else read_tagged(path, lines, encoding))
        for path in paths
    ]
    columns = tuple(name for name in UNIT_COLUMNS if any(name in table.columns for _, table in tables))
    variables = {one.name: one for _, table in tables for one in table.variables}
    rows: dict[tuple[Unit, str], Coded] = {}
    for path, table in tables:
        for row in table.rows:
            cells = dict(zip(table.columns, row.unit, strict=True))
            unit = tuple(cells.get(name, "") for name in columns)
            if (unit, row.coder) in rows:
                raise InputError(
                    f"{path}: coder {row.coder} has coded {unit[0]} in another table, too; keep one of them"
                )
            rows[unit, row.coder] = replace(row, unit=unit)
    return Codings(
        columns=columns, variables=tuple(variables.values()), units=tuple(dict.fromkeys(unit for unit, _ in rows)),
        coders=tuple(dict.fromkeys(coder for _, coder in rows)), rows=rows,
    )  # fmt: skip


def chosen_variable(codings: Codings, name: str | None) -> Variable:
    """The variable of this name; without a name, the only one.

    Raises:
        UsageError: There is no such variable, or one must be chosen, or it is a number, which is no label.
    """
    known = [one.name for one in codings.variables]
    names = ", ".join(known)
    chosen = [one for one in codings.variables if one.name == name or (name is None and len(codings.variables) == 1)]
    if not chosen and name is None:
        raise UsageError(f"choose one of the variables {names} with --variable")
    if not chosen:
        raise UsageError(f"variable {name!r}: there is none; there are {names}{did_you_mean(name, known)}")
    if chosen[0].kind == "number":
        raise UsageError(f"variable {chosen[0].name}: is a number; this is about values")
    return chosen[0]


NOT_ASKED = "(not asked)"
"""The verdict on a unit to which a question does not apply; it counts as none of the values."""


def verdicts(codings: Codings, variable: Variable, coder: str | None = None) -> dict[Unit, Answer]:
    """What is true of each coded unit: what most of its coders answered; units without an answer are left out.

    Args:
        codings: The coded tables.
        variable: The question.
        coder: Take this one's answers alone, e.g. of the one who settled the disagreements.

    Raises:
        InputError: There is no such coder; no answer; or coders of a unit disagree and none of their answers prevails.
    """
    if coder is not None and coder not in codings.coders:
        likely = did_you_mean(coder, codings.coders)
        raise InputError(f"no row is by coder {coder!r}; there are {', '.join(codings.coders)}{likely}")
    given: dict[Unit, Counter[Answer]] = {}
    for (unit, name), row in codings.rows.items():
        if coder in (None, name):
            answer = row.answers.get(variable.name)
            if answer is None and _is_skipped(variable, row, {one.name: one for one in codings.variables}):
                answer = NOT_ASKED
            if answer is not None:
                given.setdefault(unit, Counter())[answer] += 1
    if not given:
        raise InputError(f"no item has an answer to {variable.name}")
    leading = {unit: counts.most_common(2) for unit, counts in given.items()}
    if split := [unit for unit, best in leading.items() if len(best) == 2 and best[0][1] == best[1][1]]:
        raise InputError(
            f"coders disagree on {variable.name} of {len(split)} items, e.g. {split[0][0]}; settle them (mediasift "
            "agree lists them with --disagreements), or take one coder's answers with --coder NAME"
        )
    return {unit: best[0][0] for unit, best in leading.items()}


def _is_skipped(variable: Variable, row: Coded, variables: Mapping[str, Variable]) -> bool:
    """Whether the answers to earlier questions say that this one does not apply."""
    for name, wanted in variable.ask_if:
        answer = row.answers.get(name)
        if answer is None:
            if name in variables and _is_skipped(variables[name], row, variables):
                return True
        elif not set(answer if isinstance(answer, tuple) else (answer,)) & set(wanted):
            return True
    return False
