"""What a machine's table says of every unit of a corpus: its labels, and the group and stratum it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediasift.errors import InputError, UsageError
from mediasift.evaluate.coded import CODER
from mediasift.evaluate.labels import NO_LABEL, THRESHOLD
from mediasift.evaluate.references import shows_presence
from mediasift.evaluate.sample_drawing import Stratum, read_population
from mediasift.evaluate.units import Unit, number_text, part_columns, unit_of
from mediasift.sources.codebook import NOTHING
from mediasift.sources.labelled import split_labels
from mediasift.sources.records import composed
from mediasift.tables.formats import need_columns, read_table
from mediasift.tables.stored import Record

ALL_OTHERS = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Every unit that could have been drawn.

    Attributes:
        file: The table; for messages.
        columns: Those of the units.
        by: The columns that were asked for.
        units: Unit → its values of these.
        labels: Unit → what the machine says of it.
        errors: Units left out because a row of theirs carries an error.
    """

    file: Path
    columns: tuple[str, ...]
    by: tuple[str, ...]
    units: Mapping[Unit, Stratum]
    labels: Mapping[Unit, frozenset[str]]
    errors: int


def read_corpus(
    table: Path, columns: Sequence[str], *, label: str | None, variable: str, by: Sequence[str],
    recode: Mapping[str, str], several: bool, encoding: str | None = None,
) -> Corpus:  # fmt: skip
    """A machine's table.

    The label of a unit is that of rank 1; where several may apply, all whose score is at least 0.5, or that have none;
    of a table of objects or counts, all that are there; of a coded table, all that stand in its cell. A unit without a
    label, as where nothing was found, has the label `(no label)`.

    Args:
        table: Its file.
        columns: Those by which coded units are known, which say whether items or parts of them are meant.
        label: The column of the labels; None takes `label`, and without such a column that of the variable's name.
        variable: Its name.
        by: Columns whose values are wanted of each unit.
        recode: Label → what it counts as; `*` stands for all that are not named, of a table of objects or counts for
            units that have none of those that are.
        several: Whether several labels of a unit may apply.
        encoding: Of its text; None takes UTF-8.

    Raises:
        InputError: It cannot be read, lacks a column, is of several coders, or says several things of a unit where one
            is wanted.
        UsageError: It has no such column to group by.
    """
    records = read_table(table, encoding)
    label = label or (variable if "label" not in records[0] and variable in records[0] else "label")
    need_columns(table, records, "path", label)
    population = read_population(table, by=by, per="part" if part_columns(columns) else "item", encoding=encoding)
    presence, coders = shows_presence(records), {record[CODER] for record in records if record.get(CODER)}
    if len(coders) > 1:
        raise InputError(
            f"{table}: has {len(coders)} coders, e.g. {' and '.join(sorted(coders)[:2])}; one is wanted: keep the rows "
            "of one of them"
        )
    ranked: dict[Unit, list[tuple[float, float | None, str]]] = {}
    for number, record in enumerate(records, 1):
        where = f"{table}: row {number}"
        if (unit := unit_of(record, population.columns, where)) in population.units:
            given = ranked.setdefault(unit, [])
            text = _text(record[label])
            if coders and several:
                given += [(0, None, one) for one in split_labels(text) if one != NOTHING]
            elif text and not (presence and _number(record, "count", where) == 0):
                score = None if presence else _number(record, "score", where)
                given.append((_number(record, "rank", where) or 0, score, text))
    labels = {unit: _recoded(_chosen(given, several), recode, presence) for unit, given in ranked.items()}
    if not several:
        _check_single(table, labels)
    return Corpus(
        file=table, columns=population.columns, by=tuple(by), units=population.units, labels=labels,
        errors=population.errors,
    )  # fmt: skip


def recoding(pairs: Sequence[str]) -> dict[str, str]:
    """`LABEL=VALUE` → a mapping.

    Raises:
        UsageError: One has no =, or a label stands twice.
    """
    recode: dict[str, str] = {}
    for pair in pairs:
        label, sign, value = pair.rpartition("=")
        if not sign or not label.strip() or not value.strip():
            raise UsageError(f"recode {pair!r}: must be LABEL=VALUE, e.g. 'golden retriever=dog' or '*=other'")
        if recode.setdefault(composed(label.strip()), composed(value.strip())) != composed(value.strip()):
            raise UsageError(f"recode: {label!r} stands twice, with different values")
    return recode


def _chosen(given: Sequence[tuple[float, float | None, str]], several: bool) -> set[str]:
    if several:
        return {text for _, score, text in given if score is None or score >= THRESHOLD}
    first = min((rank for rank, *_ in given), default=0)
    return {text for rank, _, text in given if rank == first}


def _recoded(chosen: Collection[str], recode: Mapping[str, str], presence: bool) -> frozenset[str]:
    named = [text for text in chosen if text in recode]
    if presence and named and ALL_OTHERS in recode:
        chosen = named
    return frozenset(recode.get(text, recode.get(ALL_OTHERS, text)) for text in chosen or (NO_LABEL,))


def _check_single(table: Path, labels: Mapping[Unit, frozenset[str]]) -> None:
    if double := next((unit for unit, known in labels.items() if len(known) > 1), None):
        raise InputError(
            f"{table}: {double[0]} has several labels and no ranks, e.g. {' and '.join(sorted(labels[double])[:2])}; "
            "one is wanted: say which counts with --recode LABEL=VALUE --recode '*=OTHER', or make the variable of "
            "kind several in the codebook"
        )


def _number(record: Record, name: str, where: str) -> float | None:
    text = number_text(cell, f"{where}: column {name}") if (cell := record.get(name)) is not None else ""
    return float(text) if text else None


def _text(cell: Any) -> str:
    """A label, whatever type a table gives it."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else composed(str(cell).lower() if isinstance(cell, bool) else str(cell)).strip()
