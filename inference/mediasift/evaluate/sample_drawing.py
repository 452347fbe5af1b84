"""Random samples of a table's units, simple or stratified, with the probability of each known exactly.

Every unit gets a number from a hash (SHA-256) of the seed and of what it is; the units of a stratum with the smallest
numbers are drawn. So the same seed draws the same sample on every machine, in whatever order the rows stand and in
whatever format the table is: a permanent random number for each unit (Ohlsson, "Coordination of Samples Using
Permanent Random Numbers", 1995).
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from mediasift.errors import InputError, UsageError, did_you_mean
from mediasift.evaluate.units import (
    BOX,
    BOX_PX,
    CROP,
    STRETCH,
    Per,
    Unit,
    number_text,
    part_columns,
    unit_columns,
    unit_of,
)
from mediasift.tables.formats import need_columns, read_table
from mediasift.tables.schema import described, meanings
from mediasift.tables.stored import Record

Stratum = tuple[str, ...]
"""The values of the columns that make strata."""

Allocation = Literal["proportional", "equal"]

DESIGN = {"stratum": int, "population": int, "sampled": int, "probability": float}
"""Columns of a design beside those of units and strata, and their types."""

LEAST = 2
"""Units drawn of each stratum, where it has as many: with one, its variance is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What can be drawn.

    Attributes:
        columns: Those by which units are known.
        by: Those that make strata.
        units: Unit → its stratum.
        errors: Units left out because a row of theirs carries an error.
        without_part: Items left out because nothing was found in them, where parts are drawn.
    """

    columns: tuple[str, ...]
    by: tuple[str, ...]
    units: Mapping[Unit, Stratum]
    errors: int
    without_part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One unit of the sample.

    Attributes:
        unit: Which.
        values: Of the columns that make strata.
        stratum: Its number, from 1, in the order of the values.
        population: Units in its stratum.
        sampled: Those drawn of them.
        probability: That the unit is drawn, above 0 and at most 1.
    """

    unit: Unit
    values: Stratum
    stratum: int
    population: int
    sampled: int

    @property
    def probability(self) -> float:
        """That the unit is drawn, above 0 and at most 1."""
        return self.sampled / self.population


def read_population(
    table: Path, *, by: Sequence[str] = (), per: Per | None = None, encoding: str | None = None
) -> Population:
    """The units of a table and their strata.

    A unit's stratum is what its row of rank 1 says; without ranks, all different values of its rows, as `cat|dog`.

    Args:
        table: Any with the column path.
        by: Columns that make strata.
        per: Whether items or their parts are drawn; None takes parts where the table has any.
        encoding: Of its text; None takes UTF-8.

    Raises:
        InputError: It cannot be read, a cell is no number, or no unit is left.
        UsageError: It has no such column, or no parts.
    """
    records = read_table(table, encoding)
    need_columns(table, records, "path")
    names = [name for name in records[0] if name != CROP or any(record[CROP] is not None for record in records)]
    if missing := [name for name in by if name not in names]:
        likely = did_you_mean(missing[0], names)
        raise UsageError(f"{table}: no column {missing[0]!r} to make strata of; it has {', '.join(names)}{likely}")
    if taken := [name for name in by if name in DESIGN]:
        raise UsageError(f"{table}: design.csv has a column {taken[0]!r} of its own; rename the table's")
    parts = part_columns(names)
    if per == "part" and not parts:
        raise UsageError(f"{table}: has no columns of parts, such as left, top, right and bottom; leave out --per part")
    per = per or ("part" if any(record.get(name) is not None for record in records for name in parts) else "item")
    rows = _Rows(table, unit_columns(names, per), tuple(by))
    for number, record in enumerate(records, 1):
        rows.add(record, f"{table}: row {number}")
    return rows.population()


class _Rows:
    """Collects rows into units."""

    def __init__(self, table: Path, columns: tuple[str, ...], by: tuple[str, ...]) -> None:
        self._table, self._columns, self._by = table, columns, by
        self._parts = tuple(name for name in columns if name in part_columns(columns))
        self._ranks: dict[Unit, float] = {}
        self._values: dict[Unit, set[Stratum]] = {}
        self._failed: set[Unit] = set()
        self._empty: set[Unit] = set()

    def add(self, record: Record, where: str) -> None:
        unit = unit_of(record, self._columns, where)
        if record.get("error"):
            self._failed.add(unit)
            return
        cells = dict(zip(self._columns, unit, strict=True))
        if self._parts and not any(cells[name] for name in self._parts):
            self._empty.add(unit)
            return
        for group in (self._parts[:-4], self._parts[-4:]):  # a stretch of time, a box
            if any(cells[name] for name in group) and not all(cells[name] for name in group):
                raise InputError(f"{where}: some of {', '.join(group)} are empty; a part needs all of them")
        rank = float(number_text(record.get("rank") or 0, f"{where}: column rank") or 0)
        if rank < self._ranks.get(unit, float("inf")):
            self._ranks[unit], self._values[unit] = rank, set()
        if rank == self._ranks[unit]:
            self._values[unit].add(tuple(_text(record.get(name)) for name in self._by))

    def population(self) -> Population:
        units = {
            unit: tuple("|".join(sorted({one[at] for one in values})) for at in range(len(self._by)))
            for unit, values in self._values.items()
            if unit not in self._failed
        }
        if not units:
            left_out = f"; {len(self._failed):,} carry an error" if self._failed else ""
            empty = f"; in {len(self._empty):,} nothing was found (--per item draws those, too)" if self._empty else ""
            raise InputError(f"{self._table}: there is nothing to draw{left_out}{empty}")
        return Population(
            columns=self._columns, by=self._by, units=units, errors=len(self._failed),
            without_part=len(self._empty - self._failed),
        )  # fmt: skip


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell)


def allocate(sizes: Sequence[int], count: int, allocation: Allocation = "proportional") -> list[int]:
    """How many units to draw of each stratum.

    First `LEAST` of each, or all that it has; then one by one: `proportional` by the method of Sainte-Laguë (Webster),
    which gives the next one to the stratum with the largest size / (2 drawn + 1); `equal` to the one of which fewest
    are drawn. The first of several that are alike goes first. No stratum gives more than it has.

    Args:
        sizes: Units in each stratum, from 1.
        count: How many in all; more than there are takes all.
        allocation: See above.

    Raises:
        UsageError: There are too many strata for so many.
    """
    drawn = [min(LEAST, size) for size in sizes]
    if sum(drawn) > count and count < sum(sizes):
        raise UsageError(
            f"{len(sizes):,} strata need {sum(drawn):,} units, {LEAST} of each that has so many, but only {count:,} "
            "are to be drawn; draw more (-n), or make fewer strata (--by)"
        )
    claim: dict[Allocation, Callable[[int], Fraction]] = {
        "proportional": lambda at: -Fraction(sizes[at], 2 * drawn[at] + 1),
        "equal": lambda at: Fraction(drawn[at]),
    }
    queue = [(claim[allocation](at), at) for at, size in enumerate(sizes) if size > drawn[at]]
    heapq.heapify(queue)
    for _ in range(count - sum(drawn)):
        if not queue:
            break
        _, at = heapq.heappop(queue)
        drawn[at] += 1
        if sizes[at] > drawn[at]:
            heapq.heappush(queue, (claim[allocation](at), at))
    return drawn


def draw(population: Population, count: int, *, seed: int, allocation: Allocation = "proportional") -> list[Drawn]:
    """The sample, by stratum and then by unit.

    Args:
        population: What to draw from.
        count: How many units; more than there are draws all.
        seed: Another one draws another sample.
        allocation: See `allocate`.

    Raises:
        UsageError: There are too many strata for so many.
    """
    strata: dict[Stratum, list[Unit]] = {}
    for unit, values in population.units.items():
        strata.setdefault(values, []).append(unit)
    ordered = sorted(strata.items())
    sizes = allocate([len(units) for _, units in ordered], count, allocation)
    return [
        Drawn(unit=unit, values=values, stratum=number, population=len(units), sampled=size)
        for number, ((values, units), size) in enumerate(zip(ordered, sizes, strict=True), 1)
        for unit in sorted(shuffled(units, seed, "draw")[:size])
    ]


def assign(units: Sequence[Unit], coders: int, overlap: int, *, seed: int) -> list[tuple[int, list[Unit]]]:
    """(coder, from 1, the units that this coder codes) in an order that says nothing, another one for each coder.

    Args:
        units: The sample.
        coders: How many there are.
        overlap: Units that all of them code; each of the others has one coder, and shares differ by one at most.
        seed: As for `draw`.
    """
    ordered = shuffled(units, seed, "overlap")
    common, others = ordered[:overlap], ordered[overlap:]
    return [
        (coder, shuffled([*common, *others[coder - 1 :: coders]], seed, f"coder {coder}"))
        for coder in range(1, coders + 1)
    ]


def shuffled(units: Sequence[Unit], seed: int, purpose: str) -> list[Unit]:
    """The units in the order of their random numbers, which depends on the seed, the purpose and the units alone."""

    def number(unit: Unit) -> bytes:
        return hashlib.sha256(json.dumps([seed, purpose, *unit]).encode("ascii")).digest()

    return sorted(units, key=number)


def design_fields(names: Sequence[str]) -> list[dict[str, Any]]:
    """What the columns of a design are, for its Table Schema; those that make strata are text."""
    kinds: dict[str, type] = {**DESIGN, **dict.fromkeys(("page", "frame"), int),
                              **dict.fromkeys(("time_s", *STRETCH, *BOX, *BOX_PX), float)}  # fmt: skip
    text = meanings(Drawn)
    return [{"name": name, **described(name, kinds.get(name, str), text.get(name, ""))} for name in names]
