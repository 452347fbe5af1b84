"""Evaluating a table of labels against a table of what is true, or against a coded sample."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, NamedTuple

from mediasift.errors import InputError
from mediasift.evaluate.codings import NOT_ASKED, chosen_variable, read_codings, verdicts
from mediasift.evaluate.corpus import ALL_OTHERS, recoding
from mediasift.evaluate.design import read_design
from mediasift.evaluate.grouped import group_measures
from mediasift.evaluate.labels import NO_LABEL, Evaluation, Prediction, measure_labels
from mediasift.evaluate.plots import need_plots
from mediasift.evaluate.references import PLACE, Truth, groups_of, key_of, predictions, tells_presence, true_labels
from mediasift.evaluate.report import write_report
from mediasift.evaluate.thresholds import Aim, threshold_measures
from mediasift.evaluate.units import part_columns
from mediasift.settings import Option, Settings
from mediasift.tables.formats import read_table


@dataclass(frozen=True, kw_only=True)
class EvaluateLabels(Settings):
    """How labels are evaluated."""

    report: Annotated[
        str | Path | None,
        Option(
            "Folder for tables and plots: confusion, calibration, mistakes.", metavar="DIR", short="-d", writes=True
        ),
    ] = None
    by: Annotated[
        str | None,
        Option("A column of RESULT: measure each of its values as well, against all others.", metavar="NAME"),
    ] = None
    precision: Annotated[
        float | None, Option("Report from which score on each label reaches this precision.", above=0, most=1)
    ] = None
    recall: Annotated[
        float | None, Option("Report from which score on each label reaches this recall.", above=0, most=1)
    ] = None
    variable: Annotated[
        str | None, Option("Which column of a coded table.", metavar="NAME", default="the only one")
    ] = None
    codebook: Annotated[str | Path | None, Option("The codebook of a coded table.", metavar="FILE")] = None
    design: Annotated[
        str | Path | None,
        Option(
            "The design.csv of a coded sample: measures are then of the table that it was drawn from.", metavar="FILE"
        ),
    ] = None
    recode: Annotated[
        Sequence[str],
        Option("What a label of RESULT counts as; * is all others. May be given several times.",
               metavar="LABEL=VALUE", multiple=True),
    ] = ()  # fmt: skip
    coder: Annotated[
        str | None, Option("Take this coder's answers alone.", metavar="NAME", default="what most coders answered")
    ] = None
    seed: Annotated[int, Option("Of the bootstrap that intervals come from.", least=0)] = 0
    encoding: Annotated[
        str | None, Option("Of both tables, e.g. utf-16 or cp1252.", metavar="NAME", default="utf-8")
    ] = None


class _Reference(NamedTuple):
    """What is true, and how many pictures each stands for."""

    truth: Truth
    several: bool = False
    weights: Mapping[str, float] | None = None


def evaluated(result: str | Path, reference: str | Path, settings: EvaluateLabels) -> Evaluation:
    """How good a table of labels is, measured against what is true.

    Args:
        result: Written by `classify`, or any table with the columns path and label (score, rank, label_id and found
            count); of `detect`, `segment` or `--per item`, of which a label counts as predicted where it is there at
            all. Paths that differ from the reference's are matched by name, where that is unique.
        reference: A table with the columns path and label, or a folder with a folder for each label; or a coded table:
            one with a column coder, or for which a variable, codebook, design or coder is named.
        settings: See `EvaluateLabels`.

    Raises:
        InputError: A table cannot be read, lacks a column, has scores that are none, or they have no path in common.
        UsageError: There is no such variable or column.
        MissingPackage: A report needs matplotlib.
    """
    result, reference = Path(result), Path(reference)
    if settings.report is not None:
        need_plots()
    true = _coded(reference, settings) if _is_coded(reference, settings) else _Reference(
        true_labels(reference, settings.encoding)
    )  # fmt: skip
    predicted, notes = predictions(result, true.truth, settings.encoding)
    for note in notes:
        logging.getLogger("mediasift").warning(note)
    presence = tells_presence(result, settings.encoding)
    predicted = _recoded(predicted, recoding(settings.recode), presence)
    labels = true.truth.labels
    several = true.several or presence or any(len(one) > 1 for one in labels.values())
    evaluation = measure_labels(predicted, labels, several=several, seed=settings.seed, weights=true.weights)
    measures = list(evaluation.measures)
    if settings.by is not None:
        groups = groups_of(result, true.truth, settings.by, settings.encoding)
        measures += group_measures(predicted, labels, groups, several=several, weights=true.weights)
    wanted: dict[Aim, float | None] = {"precision": settings.precision, "recall": settings.recall}
    if aims := {aim: share for aim, share in wanted.items() if share is not None}:
        measures += threshold_measures(predicted, labels, wanted=aims, weights=true.weights, seed=settings.seed)
    evaluation = replace(evaluation, measures=tuple(measures))
    if settings.report is not None:
        write_report(evaluation, Path(settings.report))
    return evaluation


def _is_coded(reference: Path, settings: EvaluateLabels) -> bool:
    if any(one is not None for one in (settings.variable, settings.codebook, settings.design, settings.coder)):
        return True
    return not reference.is_dir() and "coder" in read_table(reference, settings.encoding)[0]


def _coded(reference: Path, settings: EvaluateLabels) -> _Reference:
    """A coded table as what is true: what most coders answered of each item."""
    codings = read_codings([reference], settings.codebook, settings.encoding)
    if part_columns(codings.columns):
        raise InputError(f"{reference}: is coded by boxes or stretches of time; labels are evaluated by whole items")
    variable = chosen_variable(codings, settings.variable)
    answers = {unit: one for unit, one in verdicts(codings, variable, settings.coder).items() if one != NOT_ASKED}
    keys = {}
    for unit in answers:
        cells = dict(zip(codings.columns, unit, strict=True))
        keys[unit] = key_of(cells["path"], cells, PLACE)
    labels = {keys[unit]: list(one) if isinstance(one, tuple) else [str(one)] for unit, one in answers.items()}
    place = tuple(name for name in PLACE if name in codings.columns)
    truth = Truth(labels, tuple(dict.fromkeys(unit[0] for unit in answers)), place)
    if settings.design is None:
        return _Reference(truth, variable.kind == "several")
    weights, _ = read_design(settings.design).weights(list(answers))
    by_key = {keys[unit]: float(weight) for unit, weight in zip(answers, weights, strict=True)}
    return _Reference(truth, variable.kind == "several", by_key)


def _recoded(
    predicted: Mapping[str, list[Prediction]], recode: Mapping[str, str], presence: bool
) -> dict[str, list[Prediction]]:
    """Labels as what they count as, each once: the first of those that count as the same."""
    if not recode:
        return dict(predicted)
    others = recode.get(ALL_OTHERS)
    nothing = recode.get(NO_LABEL, others)
    known: dict[str, list[Prediction]] = {}
    for path, given in predicted.items():
        by_label: dict[str, Prediction] = {}
        named = [one for one in given if one.label in recode] if presence and others else []
        for one in named or given:
            label = recode.get(one.label, others or one.label)
            by_label.setdefault(label, replace(one, label=label))
        if not given and nothing is not None:
            by_label[nothing] = Prediction(label=nothing)
        known[path] = list(by_label.values())
    return known
