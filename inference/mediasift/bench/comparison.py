"""Two results beside each other: how many times as fast the second is, and whether that is more than chance."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediasift.bench.measurement import SCHEMA
from mediasift.bench.statistics import Ratio, Rounds, speed_ratio
from mediasift.errors import InputError, UsageError

_UNANSWERED_S = 3600.0
"""A question that was never answered counts as one that took an hour."""

_ENOUGH = 5
"""Rounds without which nothing is decided: of three on each side, one pair in twenty is in order by chance alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One measure of two results.

    Attributes:
        measure: cold, or a scenario.
        before_s, after_s: Median seconds per picture or answer.
        speed: How many times as fast the second is.
        verdict: faster, slower, same (within the tolerance, or not beyond chance), or undecided (too few rounds).
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
    def is_regression(self) -> bool:
        """Whether anything is slower, beyond chance and tolerance."""
        return any(row.verdict == "slower" for row in self.rows)


def read_result(path: Path) -> dict[str, Any]:
    """A result that `bench -o` wrote.

    Raises:
        InputError: It cannot be read, or is something else, or of another version.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = data["schema"]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no result of mediasift bench -o") from error
    if found != SCHEMA:
        raise InputError(f"{path}: has the schema {found}, this version reads {SCHEMA}; measure again")
    result: dict[str, Any] = data
    return result


def compare(
    before: Mapping[str, Any], after: Mapping[str, Any], *, across_machines: bool, tolerance: float, seed: int
) -> Comparison:
    """The second result beside the first.

    Args:
        before: The first.
        after: The second.
        across_machines: Compare even if they are of different machines.
        tolerance: By how much of the speed anything may be slower; 0.05 is 5 %.
        seed: Of the bootstrap.

    Raises:
        UsageError: They are of different machines or pictures, or have no measure in common.
    """
    if before["machine"]["id"] != after["machine"]["id"] and not across_machines:
        shown = " and ".join(
            f"{one['machine']['processor']} with {one['machine']['cores']} cores" for one in (before, after)
        )
        raise UsageError(
            f"measured on different machines ({shown}): a difference would say nothing about the program. "
            "To see it anyway: --across-machines"
        )
    if _pictures(before) != _pictures(after):
        raise UsageError(f"measured on different pictures: {before['input']} and {after['input']}; measure again")
    rows = tuple(_rows(before, after, tolerance=tolerance, seed=seed))
    if not rows:
        raise UsageError("they have no scenario in common (a server's must also have the same --qps)")
    return Comparison(rows=rows, differences=tuple(_differences(before, after)))


def _pictures(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result["input"].items() if name != "found"}


def _rows(before: Mapping[str, Any], after: Mapping[str, Any], *, tolerance: float, seed: int) -> Iterator[Compared]:
    for name in ("cold", *(name for name in before["scenarios"] if name in after["scenarios"])):
        a, b = (one["cold"] if name == "cold" else one["scenarios"][name] for one in (before, after))
        if a is None or b is None or a.get("qps") != b.get("qps"):
            continue
        rounds_a, rounds_b = _rounds(a), _rounds(b)
        speed = speed_ratio(rounds_a, rounds_b, seed=seed)
        yield Compared(
            measure=name,
            before_s=a["command_s"] if name == "cold" else a["median_s"],
            after_s=b["command_s"] if name == "cold" else b["median_s"],
            speed=speed,
            verdict=verdict(speed, tolerance) if min(len(rounds_a), len(rounds_b)) >= _ENOUGH else "undecided",
            before_bytes=a.get("peak_bytes"),
            after_bytes=b.get("peak_bytes"),
        )


def verdict(speed: Ratio, tolerance: float) -> str:
    """Slower or faster only where the whole interval is beyond the tolerance."""
    if speed.high < 1 - tolerance:
        return "slower"
    return "faster" if speed.low > 1 + tolerance else "same"


def _rounds(measured: Mapping[str, Any]) -> Rounds:
    return [[_UNANSWERED_S if one is None else one for one in samples] for samples in measured["rounds_s"]]


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for part in ("machine", "model", "settings", "versions"):
        a, b = before[part], after[part]
        for name in dict.fromkeys((*a, *b)):
            if name != "affinity" and a.get(name) != b.get(name):
                yield f"{part} {name}: {a.get(name)} → {b.get(name)}"
