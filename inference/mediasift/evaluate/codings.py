"""The coded tables of all coders as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mediasift.errors import InputError
from mediasift.evaluate.codebook import Variable, read_codebook
from mediasift.evaluate.coded import Answer, Coded, read_coded
from mediasift.evaluate.units import UNIT_COLUMNS, Unit


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


def read_codings(paths: Sequence[str | Path], codebook: str | None = None, encoding: str | None = None) -> Codings:
    """Coded tables as one.

    Args:
        paths: The tables.
        codebook: The codebook's file.
        encoding: Of the tables.

    Raises:
        InputError: One cannot be read, or a coder has an item twice.
    """
    book = None if codebook is None else read_codebook(codebook)
    tables = [(path, read_coded(path, book, encoding)) for path in paths]
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
