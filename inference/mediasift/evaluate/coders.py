"""How far coders agree on each variable of their coded tables, and the items on which they do not."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError, UsageError
from mediasift.evaluate.agreement import (
    FEW_VALUES,
    NO_PAIRS,
    ONE_VALUE,
    Level,
    Measured,
    cohen_kappa,
    counts_of,
    estimated,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent,
)
from mediasift.evaluate.coded import Answer, answer_cell
from mediasift.evaluate.codings import Codings, read_codings
from mediasift.evaluate.units import PLACE, alike
from mediasift.rows import Row
from mediasift.settings import Option, Settings
from mediasift.sources.codebook import Variable
from mediasift.tables.formats import format_of, write_rows

_NUMBERS = "compares names; for numbers see agreement and krippendorff_alpha"
_SETS = "several values may apply: see the rows of each value"
_NO_BOTH = "no item was coded by both"


@dataclass(frozen=True, kw_only=True)
class Agree(Settings):
    """Report how far coders agree: a row for each variable, value and measure, with a 95 % interval.

    CODED are coded tables: one for each coder, or several coders in one by its column coder. Reported are the share of
    pairs of codings that are equal (agreement), Cohen's kappa of each pair of coders, Fleiss' kappa, Krippendorff's
    alpha and Gwet's AC1. A codebook says which variables are ordered or numbers; without one, all are names.
    """

    codebook: Annotated[
        str | None,
        Option("The codebook: which variables are ordered, numbers, or may have several values.", metavar="FILE"),
    ] = None
    mapping: Annotated[
        str | None,
        Option(
            "The tables are of tags, as mediasift tag writes them, and each service is a coder: this table, with the "
            "columns variable, engine, label (feature, min_score), says which of their labels mean the same.",
            metavar="FILE",
        ),
    ] = None  # fmt: skip
    disagreements: Annotated[
        str | None,
        Option("Write the items here on which coders disagree, with each coder's answer.", metavar="FILE", writes=True),
    ] = None
    seed: Annotated[int, Option("Of the bootstrap over items that intervals come from.", least=0)] = 0
    encoding: Annotated[
        str | None, Option("Of the tables, e.g. utf-16 or cp1252.", metavar="NAME", default="utf-8")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement(Row):
    """One measure of agreement.

    Attributes:
        variable: The variable.
        label: One of several values against all others; empty for the variable as a whole.
        measure: agreement, cohen_kappa, fleiss_kappa, krippendorff_alpha or gwet_ac1.
        value: 1 is perfect, and 0 is chance for all but agreement; None where it is undefined.
        low, high: A 95 % interval.
        items: Items with at least two codings.
        coders: Whose codings.
        level: What alpha takes differences between values for: nominal, ordinal or interval.
        undefined: Bootstrap samples, of 1,000, in which it is undefined; they are left out of the interval.
        reason: Why there is no value, or no interval.
    """

    shared: ClassVar[tuple[str, ...]] = ()

    variable: str = ""
    label: str = ""
    measure: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    items: int | None = None
    coders: str = ""
    level: str = ""
    undefined: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement(Row):
    """An item and a variable on which coders disagree; a column for each coder holds the answer, empty without one."""

    shared: ClassVar[tuple[str, ...]] = PLACE

    variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What comes out.

    Attributes:
        measures: In the order of the variables and their values.
        disagreements: In the order of the variables and items.
    """

    measures: tuple[Agreement, ...]
    disagreements: tuple[Disagreement, ...]


def agreed(paths: Sequence[str | Path], settings: Agree) -> Agreed:
    """How far coders agree.

    Args:
        paths: Coded tables, one for each coder, or several coders in one.
        settings: See `Agree`.

    Raises:
        InputError: A table cannot be read, or there is one coder only.
        UsageError, OutputError: The disagreements cannot be written by that name.
    """
    if settings.codebook is not None and settings.mapping is not None:
        raise UsageError("--codebook is for coded tables, --mapping for tables of tags: choose one")
    codings = read_codings(paths, settings.codebook, settings.encoding, settings.mapping)
    if len(codings.coders) < 2:
        raise InputError(
            f"{', '.join(map(str, paths))}: all rows are by coder {codings.coders[0]!r}; agreement needs two: name a "
            "table of each, or fill in the column coder"
        )
    output = None if settings.disagreements is None else Path(settings.disagreements)
    if output is not None:
        format_of(output, None, Disagreement)  # a name that says no format, before all is computed
    compared = [one for one in codings.variables if one.kind != "text"]
    if words := [one.name for one in codings.variables if one.kind == "text"]:
        logging.getLogger("mediasift").warning("%s: free text is not compared", ", ".join(words))
    for one in compared:
        given = {answer for line in codings.answers(one.name) for answer in line if isinstance(answer, str)}
        if pairs := alike(given):
            shown = f"{one.name}: answers that look alike count as different: {', '.join(pairs[:5])}"
            logging.getLogger("mediasift").warning("%s", shown)
    disagreements = tuple(row for one in compared for row in _disagreements(codings, one))
    measures = tuple(row for one in compared for row in _measured(codings, one, settings.seed))
    if output is not None:
        kept = (*(name for name in codings.columns if name not in PLACE), *codings.coders)
        write_rows(output, Disagreement, disagreements, kept=kept)
    return Agreed(measures=measures, disagreements=disagreements)


def _disagreements(codings: Codings, variable: Variable) -> Iterator[Disagreement]:
    for unit, answers in zip(codings.units, codings.answers(variable.name), strict=True):
        if len({one for one in answers if one is not None}) < 2:
            continue
        place = dict(zip(codings.columns, unit, strict=True))
        beside = [(name, place[name]) for name in codings.columns if name not in PLACE]
        given = [str("" if one is None else answer_cell(one)) for one in answers]
        yield Disagreement(
            path=place["path"], variable=variable.name, kept=(*beside, *zip(codings.coders, given, strict=True)),
            page=_whole(place["page"]), frame=_whole(place["frame"]),
            time_s=float(place["time_s"]) if place["time_s"] else None,
        )  # fmt: skip


def _whole(cell: str) -> int | None:
    return int(float(cell)) if cell else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A row to be computed; `measured` is None where there can be nothing, for the reason given."""

    label: str = ""
    measure: str
    measured: Measured | None
    reason: str
    coders: str = ""
    level: Level = "nominal"


def _measured(codings: Codings, variable: Variable, seed: int) -> Iterator[Agreement]:
    answers = [line for line in codings.answers(variable.name) if any(one is not None for one in line)]
    items = sum(sum(one is not None for one in line) >= 2 for line in answers)
    names = ", ".join(codings.coders)
    lines = list(_lines(variable, answers, codings.coders))
    computed = [(line.measured, line.reason) for line in lines if line.measured is not None]
    coefficients = iter(estimated(computed, len(answers), np.random.default_rng(seed)))
    for line in lines:
        row = Agreement(variable=variable.name, label=line.label, measure=line.measure, items=items,
                        coders=line.coders or names, level=line.level, reason=line.reason)  # fmt: skip
        if line.measured is not None:
            one = next(coefficients)
            value, low, high = (None if n is None else round(n, 6) for n in (one.value, one.low, one.high))
            row = replace(row, value=value, low=low, high=high, undefined=one.undefined, reason=one.reason)
        yield row


def _lines(variable: Variable, answers: list[list[Answer | None]], coders: Sequence[str]) -> Iterator[_Line]:
    """What is computed of a variable: as a whole, then of each value."""
    given = sorted({one for line in answers for one in line if one is not None}, key=_order)
    values: list[Answer] = list(variable.answers) or given
    if variable.kind == "several":
        yield from _only(_coefficients(_codes(answers, given), len(given), coders), ("agreement",), _SETS)
        for value in values:
            has = [[None if one is None else float(value in _several(one)) for one in line] for line in answers]
            yield from _of_value(_codes(has, [1.0, 0.0]), str(value), coders)
        return
    codes = _codes(answers, values)
    if variable.kind == "number":
        numbers = np.array(values, dtype=np.float64)
        lines = _coefficients(codes, len(values), coders, level="interval", numbers=numbers)
        yield from _only(lines, ("agreement", "krippendorff_alpha"), _NUMBERS)
        return
    level: Level = "ordinal" if variable.kind == "ordinal" else "nominal"
    yield from _coefficients(codes, len(values), coders, level=level)
    for number, value in enumerate(values if len(values) > 2 else []):  # of two, each says what the whole says
        yield from _of_value(np.where(codes < 0, -1, (codes != number).astype(np.int64)), str(value), coders)


def _several(answer: Answer) -> tuple[str, ...]:
    return answer if isinstance(answer, tuple) else ()


def _order(answer: Answer) -> tuple[float | str, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def _codes(answers: Sequence[Sequence[Answer | None]], values: Sequence[Answer]) -> NDArray[np.int64]:
    """Numbers of values, items x coders, -1 where there is no answer."""
    place = {value: number for number, value in enumerate(values)}
    codes = [[-1 if one is None else place[one] for one in line] for line in answers]
    return np.array(codes, dtype=np.int64)


def _of_value(codes: NDArray[np.int64], value: str, coders: Sequence[str]) -> Iterator[_Line]:
    """A value against all others."""
    return (replace(line, label=value) for line in _coefficients(codes, 2, coders))


def _only(lines: Iterable[_Line], measures: Collection[str], reason: str) -> Iterator[_Line]:
    """The others say nothing, for this reason."""
    for line in lines:
        yield line if line.measure in measures else replace(line, measured=None, reason=reason)


def _coefficients(
    codes: NDArray[np.int64], values: int, coders: Sequence[str], *, level: Level = "nominal",
    numbers: NDArray[np.float64] | None = None,
) -> Iterator[_Line]:  # fmt: skip
    """All measures.

    Args:
        codes: int64, items x coders, -1 where there is no answer.
        values: How many values there are.
        coders: Their names.
        level: Of alpha.
        numbers: What values are at the interval level.
    """
    if not len(codes):
        codes = np.full((1, len(coders)), -1)  # an item without a coding: every measure is undefined
    counts = counts_of(codes, max(1, values))
    has_pairs = bool((counts.sum(axis=1) >= 2).any())
    alike, few = (reason if has_pairs else NO_PAIRS for reason in (ONE_VALUE, FEW_VALUES))
    yield _Line(measure="agreement", measured=percent(counts), reason=NO_PAIRS)
    for first, second in itertools.combinations(range(len(coders)), 2):
        pair = codes[:, [first, second]]
        names = f"{coders[first]}, {coders[second]}"
        reason = ONE_VALUE if (pair >= 0).all(axis=1).any() else _NO_BOTH
        yield _Line(measure="cohen_kappa", measured=cohen_kappa(pair, max(1, values)), coders=names, reason=reason)
    yield _Line(measure="fleiss_kappa", measured=fleiss_kappa(counts), reason=alike)
    alpha = krippendorff_alpha(counts, level, numbers)
    yield _Line(measure="krippendorff_alpha", measured=alpha, reason=alike, level=level)
    yield _Line(measure="gwet_ac1", measured=gwet_ac1(counts), reason=few)
