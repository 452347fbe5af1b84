"""Two results beside each other: how many times as fast the second is, and whether that is more than chance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mediasift.bench import SCHEMA
from mediasift.bench.child import ask
from mediasift.bench.measurement import cold_start
from mediasift.bench.scenarios import SCENARIOS, measured
from mediasift.bench.settings import CompareSettings
from mediasift.bench.subject import Setup
from mediasift.errors import InputError, UsageError
from mediasift.system.machine import machine_facts

_ENOUGH = 5
"""Rounds without which nothing is decided: of three on each side, one pair in twenty is in order by chance alone."""

_RESAMPLES = 2000
_FEW = 50
"""Samples per round that the bootstrap looks at: evenly spaced quantiles of the round say as much as all of them."""

_INSTALLATION = "PYTHON="

Rounds = Sequence[Sequence[float]]
"""Samples (seconds per picture), grouped by the round in which they were taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as fast the second is: above 1 it is faster, with the limits of a 95 % interval."""

    ratio: float
    low: float
    high: float

    def verdict(self, tolerance: float) -> str:
        """`slower`, `faster` or `same`, where the whole interval lies in that range; else `undecided`."""
        if self.high < 1 - tolerance:
            return "slower"
        if self.low > 1 + tolerance:
            return "faster"
        return "same" if self.low >= 1 - tolerance and self.high <= 1 + tolerance else "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One measure of two results.

    Attributes:
        measure: cold, or a scenario.
        before_s, after_s: Median seconds per picture, or to the first answer.
        speed: How many times as fast the second is.
        verdict: slower, same or faster: the whole interval lies there; else undecided, as with too few rounds.
        before_bytes, after_bytes: Peak memory; None where unknown.
    """

    measure: str
    before_s: float
    after_s: float
    speed: Ratio
    verdict: str
    before_bytes: int | None
    after_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that two results have in common.

    Attributes:
        rows: One for each measure.
        differences: What is not the same about them: model, settings, versions, and the machine if that was allowed.
    """

    rows: tuple[Compared, ...]
    differences: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The worst of all rows: slower, undecided, same, faster."""
        return min((row.verdict for row in self.rows), key=("slower", "undecided", "same", "faster").index)


def compare(settings: CompareSettings) -> Comparison:
    """The second result, model or installation beside the first.

    Raises:
        InputError: A file is not such a result, or there is no picture.
        UsageError: They are of different machines or pictures, have no measure in common, or an option does not fit.
        ModelError, EngineError: A model or an installation cannot be measured.
    """
    if settings.run:
        return compare_results(*_measured_in_turn(settings), tolerance=settings.tolerance, paired=True)
    if settings.inputs or settings.model:
        raise UsageError("results are of pictures and models measured before; to measure here: --run")
    before, after = (read_result(Path(one)) for one in (settings.before, settings.after))
    if before["machine"]["id"] != after["machine"]["id"] and not settings.across_machines:
        names = (f"{one['machine']['processor']} with {one['machine']['cores']} cores" for one in (before, after))
        raise UsageError(
            f"measured on different machines ({' and '.join(names)}): a difference would not be the program's. "
            "To see it anyway: --across-machines"
        )
    return compare_results(before, after, tolerance=settings.tolerance)


def read_result(path: Path) -> dict[str, Any]:
    """A result that `bench -o` wrote.

    Raises:
        InputError: It cannot be read, or is something else, or of another version.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema = result["schema"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no result of mediasift bench -o") from error
    if schema != SCHEMA:
        raise InputError(f"{path}: has the schema {schema}, this version reads {SCHEMA}; measure again")
    return result


def compare_results(
    before: Mapping[str, Any], after: Mapping[str, Any], *, tolerance: float, paired: bool = False
) -> Comparison:
    """Each measure that two results have in common.

    Args:
        before, after: Results.
        tolerance: Speeds that differ by less than this share are the same.
        paired: Their rounds were taken in turn, see `speed_ratio`.

    Raises:
        UsageError: They are of different pictures, or have no measure in common.
    """
    pictures = [{name: value for name, value in one["input"].items() if name != "available"} for one in (before, after)]
    if pictures[0] != pictures[1]:
        raise UsageError(f"measured on different pictures: {pictures[0]} and {pictures[1]}; measure again")
    rows = []
    for name in dict.fromkeys(("cold", *before["scenarios"], *after["scenarios"])):
        a, b = (one["cold"] if name == "cold" else one["scenarios"].get(name) for one in (before, after))
        if a is None or b is None:
            continue
        speed = speed_ratio(a["rounds_s"], b["rounds_s"], paired=paired)
        enough = min(len(a["rounds_s"]), len(b["rounds_s"])) >= _ENOUGH
        rows.append(Compared(
            measure=name, before_s=a["median_s"], after_s=b["median_s"], speed=speed,
            verdict=speed.verdict(tolerance) if enough else "undecided",
            before_bytes=a.get("peak_bytes"), after_bytes=b.get("peak_bytes"),
        ))  # fmt: skip
    if not rows:
        raise UsageError("they have no scenario in common; measure again")
    return Comparison(rows=tuple(rows), differences=tuple(_differences(before, after)))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for part in ("machine", "model", "settings", "versions"):
        a, b = before[part], after[part]
        for name in dict.fromkeys((*a, *b)):
            if name != "affinity" and a.get(name) != b.get(name):
                yield f"{part} {name}: {a.get(name)} → {b.get(name)}"
    for name, one in before["scenarios"].items():
        other = after["scenarios"].get(name, one)
        if one["errors"] != other["errors"]:
            yield f"{name} errors: {one['errors']} → {other['errors']}"


def _measured_in_turn(settings: CompareSettings) -> list[dict[str, Any]]:
    """Results of both, measured alternately in fresh processes; a round is one of these, so that it holds all of them.

    A slow minute of the machine then meets both, and what changes from process to process is in the interval.
    """
    sides = []
    for name in map(str, (settings.before, settings.after)):
        python = name.removeprefix(_INSTALLATION) if name.startswith(_INSTALLATION) else None
        if (model := name if python is None else settings.model) is None:
            raise UsageError(f"{name}: name the model that it runs: -m MODEL")
        sides.append(replace(settings.setup(model), python=python))
    seconds = settings.seconds / settings.rounds
    turns: list[list[dict[str, Any]]] = [[], []]
    with settings.shown(settings.inputs) as (files, pictures):
        for setup in sides:  # whether both can run, and the system's cache is warm then
            ask(setup, files)
        for number in range(settings.rounds):
            settings.report(f"round {number + 1} of {settings.rounds}")
            for own, setup in zip(turns, sides, strict=True):
                own.append(ask(setup, files, list(SCENARIOS), seconds=seconds, rounds=1))
    return [_result(own, setup, pictures) for own, setup in zip(turns, sides, strict=True)]


def _result(turns: list[dict[str, Any]], setup: Setup, pictures: dict[str, Any]) -> dict[str, Any]:
    """As far as a comparison reads it."""
    scenarios = {name: measured(turns, name) for name in SCENARIOS}
    for name, one in scenarios.items():
        one["rounds_s"] = [[sample for part in turn["measured"][name]["rounds_s"] for sample in part] for turn in turns]
    return {
        "machine": machine_facts(), "input": pictures, "model": turns[0]["model"], "versions": turns[0]["versions"],
        "settings": {**setup.settings, "batch_size": turns[0]["batch_size"]},
        "cold": cold_start(turns), "scenarios": scenarios,
    }  # fmt: skip


def speed_ratio(before: Rounds, after: Rounds, *, paired: bool = False) -> Ratio:
    """Median time of `before` over that of `after`, with a bootstrap interval.

    Whole rounds are drawn with replacement, not single samples (a cluster bootstrap): samples of one round were taken
    while the machine was equally busy and are not independent; single ones would give an interval far too narrow.

    Args:
        before, after: Their samples.
        paired: Rounds of the same number were taken one right after the other, and are drawn together.

    Raises:
        ValueError: One of them is empty.
    """
    rng = np.random.default_rng(0)
    rounds = []
    for one in (before, after):
        kept = [samples for samples in one if len(samples)]
        if not kept:
            raise ValueError("no samples")
        size = min(_FEW, max(map(len, kept)))
        rounds.append(np.stack([np.quantile(samples, (np.arange(size) + 0.5) / size) for samples in kept]))
    drawn = [rng.integers(0, len(one), (_RESAMPLES, len(one))) for one in rounds]
    if paired:
        drawn[1] = drawn[0]
    medians = [np.median(one[which].reshape(_RESAMPLES, -1), axis=1) for one, which in zip(rounds, drawn, strict=True)]
    low, high = np.percentile(medians[0] / medians[1], [2.5, 97.5])
    ratio = np.median(np.concatenate([*before])) / np.median(np.concatenate([*after]))
    return Ratio(ratio=float(ratio), low=float(low), high=float(high))
