"""How a sample was drawn: the strata and probabilities that `mediasift sample` wrote into design.csv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError
from mediasift.evaluate.sample_drawing import Stratum
from mediasift.evaluate.units import UNIT_COLUMNS, Unit, number_text, unit_of
from mediasift.tables.formats import need_columns, read_table

_OWN = ("stratum", "population", "sampled", "probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A sample as it was drawn.

    Attributes:
        file: Where it was read from; for messages.
        columns: Those of the units.
        by: The table's columns that make the strata.
        strata: Unit → its stratum's values of these columns.
        population: Stratum → how many units it has.
    """

    file: Path
    columns: tuple[str, ...]
    by: tuple[str, ...]
    strata: Mapping[Unit, Stratum]
    population: Mapping[Stratum, int]

    def weights(self, coded: Sequence[Unit]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """How many units each coded one stands for, float64 (n,), and the number of its stratum, int64 (n,).

        Of a stratum that is not coded to its end, those that are coded stand for all: who left some out must not have
        chosen which.

        Raises:
            InputError: A coded unit was not drawn, or a stratum has no coded one.
        """
        if strange := [unit for unit in coded if unit not in self.strata]:
            raise InputError(
                f"{self.file}: lacks {len(strange):,} of the coded items, first {strange[0][0]}; name the "
                "design.csv of this sample"
            )
        counts = Counter(self.strata[unit] for unit in coded)
        if missing := [stratum for stratum in self.population if stratum not in counts]:
            named = ", ".join(f"{name} {value!r}" for name, value in zip(self.by, missing[0], strict=True))
            raise InputError(
                f"{self.file}: no item is coded of the stratum {named or 'of all'} ({self.population[missing[0]]:,} "
                "items), so that nothing is known of it; code at least two"
            )
        place = {stratum: number for number, stratum in enumerate(self.population)}
        of = [self.strata[unit] for unit in coded]
        weights = np.array([self.population[stratum] / counts[stratum] for stratum in of], dtype=np.float64)
        return weights, np.array([place[stratum] for stratum in of], dtype=np.int64)


def read_design(path: str | Path) -> Design:
    """A design.csv of `mediasift sample`.

    Raises:
        InputError: It cannot be read, lacks a column, or contradicts itself.
    """
    path = Path(path)
    records = read_table(path)
    need_columns(path, records, "path", *_OWN)
    names = list(records[0])
    columns = tuple(name for name in UNIT_COLUMNS if name in names)
    makes = [name for name in names if name not in (*columns, *_OWN)]
    strata: dict[Unit, Stratum] = {}
    population: dict[Stratum, int] = {}
    for number, record in enumerate(records, 1):
        where = f"{path}: row {number}"
        stratum = tuple(_text(record[name]) for name in makes)
        size = float(number_text(record["population"], f"{where}: column population") or 0)
        if size < 1 or population.setdefault(stratum, int(size)) != size:
            raise InputError(f"{where}: population {record['population']!r} is not that of the stratum's other rows")
        strata[unit_of(record, columns, where)] = stratum
    by = tuple(name.removeprefix("by_") if name.removeprefix("by_") in columns else name for name in makes)
    return Design(file=path, columns=columns, by=by, strata=strata, population=population)


def simple_design(file: Path, columns: tuple[str, ...], units: Collection[Unit], population: int) -> Design:
    """That of a simple random sample."""
    return Design(file=file, columns=columns, by=(), strata=dict.fromkeys(units, ()), population={(): population})


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)
