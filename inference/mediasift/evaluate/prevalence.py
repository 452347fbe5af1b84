"""How often each label occurs in a corpus, corrected for the errors of the classifier that labelled it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import InputError
from mediasift.evaluate.coded import Answer
from mediasift.evaluate.codings import Codings, chosen_variable, read_codings, verdicts
from mediasift.evaluate.corpus import Corpus, read_corpus, recoding
from mediasift.evaluate.correction import CORRECTIONS, FEW, Sample, Undefined, is_small
from mediasift.evaluate.design import Design, read_design, simple_design
from mediasift.evaluate.dsl import write_dsl
from mediasift.evaluate.grouped import EMPTY
from mediasift.evaluate.intervals import Interval
from mediasift.evaluate.units import Unit
from mediasift.rows import Row
from mediasift.settings import Option, Settings
from mediasift.sources.codebook import Variable

_HELPS = 0.95
"""An interval wider than this share of the coded items' own is no help."""


@dataclass(frozen=True, kw_only=True)
class Prevalence(Settings):
    """Report how often each label occurs in a table, corrected for the classifier's errors by a coded sample.

    TABLE is the classifier's, with a row for every item of the corpus; CODED is what people coded of a random sample of
    it, as from `mediasift sample`, whose design.csv says how likely each item was to be drawn. A row for each label and
    method: the naive share of TABLE; the share among the coded items; two corrections of the naive share, design_based
    and prediction_powered; and for comparison the classical matrix. Each but the naive one has a 95 % interval.
    """

    design: Annotated[
        str | None,
        Option("The sample's design.csv.", metavar="FILE", default="a simple random sample is assumed"),
    ] = None
    codebook: Annotated[str | None, Option("The codebook of CODED.", metavar="FILE")] = None
    variable: Annotated[str | None, Option("The column of CODED.", metavar="NAME", default="the only one")] = None
    label_column: Annotated[
        str | None, Option("The column of TABLE.", metavar="NAME", default="label, or the variable's name")
    ] = None
    recode: Annotated[
        Sequence[str],
        Option("What a label of TABLE counts as in CODED; * is all others. May be given several times.",
               metavar="LABEL=VALUE", multiple=True),
    ] = ()  # fmt: skip
    by: Annotated[str | None, Option("A column of TABLE: report each of its values as well.", metavar="NAME")] = None
    coder: Annotated[
        str | None, Option("Take this coder's answers alone.", metavar="NAME", default="what most coders answered")
    ] = None
    dsl: Annotated[
        str | None,
        Option("Write the corpus here for R's package dsl, with the probability of each item.", metavar="FILE",
               writes=True),
    ] = None  # fmt: skip
    encoding: Annotated[
        str | None, Option("Of the tables, e.g. utf-16 or cp1252.", metavar="NAME", default="utf-8")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share(Row):
    """The share of a label, by one method.

    Attributes:
        group: The value of the column that was grouped by; empty for the whole corpus.
        label: As CODED names it.
        method: naive, coded, design_based, prediction_powered or matrix.
        share: 0 to 1; None where it is undefined.
        low, high: A 95 % interval; None where there is none.
        items: In the corpus, or in this group of it.
        coded: Of these, how many are coded.
        positives: Of the coded ones, how many have the label.
        note: Why there is no share or interval, or why not to rely on it.
    """

    shared: ClassVar[tuple[str, ...]] = ()

    group: str = ""
    label: str = ""
    method: str = ""
    share: float | None = None
    low: float | None = None
    high: float | None = None
    items: int | None = None
    coded: int | None = None
    positives: int | None = None
    note: str = ""


NAIVE = "no interval: its error is the classifier's, which no number of items makes smaller"
OUTSIDE = "outside the interval of design_based: the classifier's errors do not cancel out"
NO_HELP = "no narrower than the interval of the coded items alone: nothing is gained from the classifier here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A corpus with what people coded of it.

    Attributes:
        corpus: What the machine says.
        verdicts: Coded unit → what is true of it.
        weights, strata: Of the coded units in their order, see `Sample`.
        values: The labels that are reported.
        groups: Unit → its group; empty without one.
        design: How the sample was drawn.
    """

    corpus: Corpus
    verdicts: Mapping[Unit, frozenset[str]]
    weights: NDArray[np.float64]
    strata: NDArray[np.int64]
    values: tuple[str, ...]
    groups: Mapping[Unit, str]
    design: Design


def shares(table: str | Path, coded: Sequence[str | Path], settings: Prevalence) -> list[Share]:
    """The share of each label in a corpus, by each method.

    Args:
        table: The machine's.
        coded: Coded tables of a random sample of it.
        settings: See `Prevalence`.

    Raises:
        InputError: A table cannot be read, lacks a column, or they do not belong together.
        UsageError: A variable or column that is not there.
    """
    judged = judge(Path(table), coded, settings)
    if settings.dsl is not None:
        write_dsl(Path(settings.dsl), judged.corpus, judged.verdicts, judged.design, judged.values)
    units = list(judged.corpus.units)
    groups = sorted({*judged.groups.values()}) if settings.by is not None else []
    rows = list(_of_group(judged, units, np.ones(len(judged.verdicts), dtype=bool), ""))
    for group in groups:
        inside = [unit for unit in units if judged.groups[unit] == group]
        chosen = np.array([judged.groups[unit] == group for unit in judged.verdicts])
        rows += _of_group(judged, inside, chosen, group)
    return rows


def judge(table: Path, coded: Sequence[str | Path], settings: Prevalence) -> Judged:
    """The tables, read and joined; arguments and errors as for `shares`."""
    codings = read_codings(coded, settings.codebook, settings.encoding)
    variable = chosen_variable(codings, settings.variable)
    answers = verdicts(codings, variable, settings.coder)
    design = None if settings.design is None else read_design(settings.design)
    by = [] if settings.by is None else [settings.by]
    corpus = read_corpus(
        table, codings.columns, label=settings.label_column, variable=variable.name,
        by=[*(design.by if design else ()), *by], recode=recoding(settings.recode), several=variable.kind == "several",
        encoding=settings.encoding,
    )  # fmt: skip
    answers = _of_corpus(corpus, codings, answers)
    if design is None:
        design = simple_design(table, corpus.columns, answers, len(corpus.units))
        logging.getLogger("mediasift").warning(
            "without --design, the %d coded items are taken for a simple random sample of the %d of %s; if they were "
            "chosen in any other way, no share is right", len(answers), len(corpus.units), table,
        )  # fmt: skip
    else:
        _check_strata(design, corpus)
    weights, strata = design.weights(list(answers))
    sets = {unit: frozenset(one if isinstance(one, tuple) else (str(one),)) for unit, one in answers.items()}
    return Judged(
        corpus=corpus, verdicts=sets, weights=weights, strata=strata, design=design,
        values=_values(corpus, variable, sets),
        groups={unit: values[-1] or EMPTY for unit, values in corpus.units.items()} if settings.by is not None else {},
    )  # fmt: skip


def _of_corpus(corpus: Corpus, codings: Codings, answers: Mapping[Unit, Answer]) -> dict[Unit, Answer]:
    """The verdicts by the corpus's own columns."""
    cells = [dict(zip(codings.columns, unit, strict=True)) for unit in answers]
    units = [tuple(one.get(name, "") for name in corpus.columns) for one in cells]
    if strange := [unit for unit in units if unit not in corpus.units]:
        left_out = f" ({corpus.errors:,} of its items carry an error)" if corpus.errors else ""
        raise InputError(
            f"{corpus.file}: lacks {len(strange):,} of the coded items, first {strange[0][0]}{left_out}; name the "
            "table that the sample was drawn from"
        )
    if twice := [unit for unit, count in Counter(units).items() if count > 1]:
        raise InputError(
            f"{corpus.file}: {twice[0][0]} is one item there, but several are coded; name the table that the sample "
            "was drawn from"
        )
    return dict(zip(units, answers.values(), strict=True))


def _check_strata(design: Design, corpus: Corpus) -> None:
    sizes: dict[tuple[str, ...], int] = {}
    for values in corpus.units.values():
        stratum = values[: len(design.by)]
        sizes[stratum] = sizes.get(stratum, 0) + 1
    if sizes != dict(design.population):
        raise InputError(
            f"{design.file}: was drawn from {sum(design.population.values()):,} items in {len(design.population)} "
            f"strata, but {corpus.file} has {sum(sizes.values()):,} in {len(sizes)}, or others; name the table that "
            "the sample was drawn from, as it was then"
        )


def _values(corpus: Corpus, variable: Variable, answers: Mapping[Unit, frozenset[str]]) -> tuple[str, ...]:
    """The codebook's; else those that coded items have, by people or by the machine."""
    given = {value for one in answers.values() for value in one}
    predicted = {label for unit in answers for label in corpus.labels[unit]}
    values = variable.answers or tuple(sorted(given | predicted))
    wanted = variable.answers or tuple(sorted(given))
    if not {label for one in corpus.labels.values() for label in one} & set(wanted):
        raise InputError(
            f"{corpus.file}: none of its labels, e.g. {next(iter(sorted(predicted)), 'nothing')!r}, is a value of "
            f"{variable.name}, e.g. {wanted[0]!r}; say what they count as: --recode LABEL={wanted[0]} --recode "
            f"'*={wanted[-1]}'"
        )
    return values


def _of_group(judged: Judged, units: Sequence[Unit], chosen: NDArray[np.bool_], group: str) -> Iterator[Share]:
    coded = [unit for unit, inside in zip(judged.verdicts, chosen, strict=True) if inside]
    counts = Counter(label for unit in units for label in judged.corpus.labels[unit])
    for value in judged.values:
        sample = Sample(
            predicted=np.array([value in judged.corpus.labels[unit] for unit in coded], dtype=np.float64),
            true=np.array([value in judged.verdicts[unit] for unit in coded], dtype=np.float64),
            weights=judged.weights[chosen], strata=judged.strata[chosen],
            predicted_share=counts[value] / len(units), corpus=len(units),
        )  # fmt: skip
        yield from _of_label(sample, group, value)


def _of_label(sample: Sample, group: str, label: str) -> Iterator[Share]:
    estimates: dict[str, Interval | str] = {}
    for method, corrected in CORRECTIONS.items():
        try:
            estimates[method] = corrected(sample) if len(sample.true) else "no item is coded"
        except Undefined as error:
            estimates[method] = str(error)
    positives = int(sample.true.sum())

    def row(method: str, share: float | None, low: float | None, high: float | None, note: str) -> Share:
        share, low, high = (None if one is None else round(float(one), 6) for one in (share, low, high))
        return Share(group=group, label=label, method=method, share=share, low=low, high=high, items=sample.corpus,
                     coded=len(sample.true), positives=positives, note=note)  # fmt: skip

    best = estimates["design_based"]
    outside = isinstance(best, Interval) and not best.low <= sample.predicted_share <= best.high
    yield row("naive", sample.predicted_share, None, None, f"{OUTSIDE}; {NAIVE}" if outside else NAIVE)
    for method, one in estimates.items():
        if isinstance(one, str):
            yield row(method, None, None, None, one)
        else:
            yield row(method, one.value, one.low, one.high, "; ".join(_notes(sample, method, one, estimates["coded"])))


def _notes(sample: Sample, method: str, one: Interval, alone: Interval | str) -> Iterator[str]:
    if is_small(sample):
        having = int(sample.true.sum())
        fewer, verb = min((having, "have"), (len(sample.true) - having, "lack"))
        yield (
            f"do not rely on it: {fewer} coded items {verb} the label"
            if fewer < FEW
            else f"do not rely on it: by their weights, fewer than {FEW} coded items count"
        )
    if (
        method in ("design_based", "prediction_powered")
        and isinstance(alone, Interval)
        and one.high - one.low > _HELPS * (alone.high - alone.low)
    ):
        yield NO_HELP
