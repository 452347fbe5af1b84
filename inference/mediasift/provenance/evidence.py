"""How a table was validated: evaluations, agreement of coders, corrected shares and samples that are about it.

They are found by hashes, not by names: a manifest belongs to a table if one of the files that it was made from is the
table, or one that a manifest which belongs to it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mediasift.errors import InputError, UsageError
from mediasift.provenance.recorded import Recorded, read_manifest
from mediasift.tables.formats import read_table

VERBS = ("sample", "agree", "evaluate", "evaluate-text", "prevalence")
"""In the order in which a paper reports them."""

VALIDATING = ("evaluate", "evaluate-text", "prevalence")
"""Those that compare the table with what is true."""


def evidence(recorded: Recorded, named: Sequence[str | Path]) -> list[Recorded]:
    """The manifests of what validates a table: those named, and those that lie in its folder or in one below that.

    Raises:
        InputError: One that was named has no manifest.
        UsageError: One that was named is about another table.
    """
    chosen = [read_manifest(path) for path in named]
    folder, known = recorded.table.parent, {recorded.part("table").get("sha256")} - {None}
    lying = [one for file in sorted({*folder.glob("*.run.json"), *folder.glob("*/*.run.json")}) for one in _read(file)]
    belonging: dict[Path, Recorded] = {}
    while new := [
        one for one in (*chosen, *lying) if one.path.resolve() not in belonging and _hashes(one) & known
    ]:  # fmt: skip
        for one in new:
            belonging[one.path.resolve()] = one
            known |= _hashes(one)
    for one in chosen:
        if one.path.resolve() not in belonging and one.verb != "agree":
            raise UsageError(
                f"{one.table}: is about another table than {recorded.table}: none of the files that it was made from "
                "has the SHA-256 of that one"
            )
        belonging[one.path.resolve()] = one
    return sorted(belonging.values(), key=lambda one: VERBS.index(one.verb))


def _read(file: Path) -> Iterator[Recorded]:
    """A manifest of one of `VERBS` whose table is there, as it was written; else nothing."""
    try:
        recorded = read_manifest(file)
    except InputError:
        return
    if recorded.verb in VERBS and recorded.is_unchanged:
        yield recorded


def _hashes(recorded: Recorded) -> set[str]:
    """Of the tables that it was made from; a codebook serves several studies, and makes none of them the other's."""
    files = recorded.part("inputs").get("files", ())
    return {one["sha256"] for one in files if one["sha256"] and one["path"] in recorded.inputs}


def sentences(recorded: Recorded) -> list[str]:
    """What one of them says, as a paper would; numbers as they stand in its table."""
    if recorded.verb == "sample":
        return [_sample(recorded)]
    rows = read_table(recorded.table)
    if recorded.verb in ("agree", "prevalence"):
        return list(_agreement(rows) if recorded.verb == "agree" else _shares(rows))
    return list(_evaluation(recorded, rows) if recorded.verb == "evaluate" else _errors(recorded, rows))


def _sample(recorded: Recorded) -> str:
    drawn, settings = recorded.part("sample"), recorded.part("settings")
    by = f" in {drawn['strata']:,} strata (by {', '.join(settings['by'])})" if settings.get("by") else ""
    return (
        f"A random sample of {drawn['drawn']:,} of {drawn['population']:,} items{by} was drawn for coding by "
        f"{settings['coders']} coder{'s' * (settings['coders'] > 1)} (seed {settings['seed']})."
    )


def _agreement(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    whole = [row for row in rows if not row["label"]]
    for variable in dict.fromkeys(row["variable"] for row in whole):
        mine = [row for row in whole if row["variable"] == variable]
        shown = [f"{_words(row['measure'])} {_number(row)}" for row in mine if row["value"] not in (None, "")]
        why = next((row["reason"] for row in mine if row["reason"]), "no measure could be computed")
        items = mine[0]["items"]
        yield f"Coders' agreement on {variable} ({items} items coded twice or more): {_joined(shown) or why}."


def _evaluation(recorded: Recorded, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    wanted = ("accuracy", "exact_match", "f1_macro", "kappa")
    shown = [
        f"{_words(row['measure'])} {_number(row)}" for row in rows
        if not row["label"] and not row["group"] and row["measure"] in wanted and row["value"] not in (None, "")
    ]  # fmt: skip
    weighted = ", weighted to the whole table by the sample's design" if recorded.part("settings").get("design") else ""
    yield f"Against {recorded.inputs[1]}{weighted}: {_joined(shown) or 'no measure could be computed'}."


def _errors(recorded: Recorded, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    total = rows[-1]
    rates = [f"{_words(name)} {total[name]}" for name in ("word_error_rate", "character_error_rate")]
    yield f"Against {recorded.inputs[1]}: {_joined(rates)}, of {total['words']} words."


def _shares(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    whole = [row for row in rows if not row["group"]]
    for label in dict.fromkeys(row["label"] for row in whole):
        by = {row["method"]: row for row in whole if row["label"] == label}
        naive, best = by.get("naive"), by.get("design_based")
        if naive is None or best is None or best["share"] in (None, ""):
            yield f"The share of {label} could not be corrected: {(best or {}).get('note') or 'see the table'}."
            continue
        note = f"; {best['note']}" if best["note"] else ""
        yield (
            f"The share of {label} is {naive['share']} as the machine labelled, and "
            f"{_number(best, 'share')} corrected by {best['coded']} coded items (design-based){note}."
        )


def _number(row: Mapping[str, Any], name: str = "value") -> str:
    """A number with its interval, as the table has them."""
    has_interval = row["low"] not in (None, "") and row["high"] not in (None, "")
    return f"{row[name]}" + (f" (95 % interval {row['low']} to {row['high']})" if has_interval else " (no interval)")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(parts)
