"""What a result is measured against: a table, a folder for each label, or a folder of texts; and whose row is whose."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from mediasift.errors import InputError, UsageError, did_you_mean
from mediasift.evaluate.labels import Prediction
from mediasift.evaluate.units import alike
from mediasift.sources.labelled import read_labelled, split_labels
from mediasift.sources.records import bytes_of, composed, decoded
from mediasift.tables.formats import need_columns, read_table
from mediasift.tables.stored import Record

PLACE = ("page", "frame", "crop")
"""Columns that tell several pictures of one path apart."""


def evaluated_column(reference: str | Path, encoding: str | None = None) -> Literal["label", "text"]:
    """What a reference holds: `text` if it is a folder of .txt files, or has such a column and none `label`.

    Raises:
        InputError: It cannot be read.
    """
    reference = Path(reference)
    if reference.is_dir():
        return "text" if any(reference.glob("*.txt")) else "label"
    names = read_table(reference, encoding)[0]
    return "text" if "text" in names and "label" not in names else "label"


class Truth(NamedTuple):
    """What is true of pictures.

    Attributes:
        labels: Path, or `scan.pdf, page 2`, → its labels.
        paths: Every path.
        place: The columns beside the path that say which picture it is, e.g. page.
    """

    labels: dict[str, list[str]]
    paths: tuple[str, ...]
    place: tuple[str, ...] = ()


def true_labels(reference: Path, encoding: str | None = None) -> Truth:
    """What a reference says.

    Args:
        reference: A table with the columns `path` and `label`, and perhaps page, frame or crop; several rows, or
            `a|b`, are several labels. Or a folder with a folder for each label.
        encoding: Of the table.

    Raises:
        InputError: A column or a path is missing.
    """
    if reference.is_dir():
        labelled = read_labelled(reference)
        pairs = zip(labelled.files, labelled.labels, strict=True)
        labels = {str(file): [composed(label) for label in names] for file, names in pairs}
        return Truth(labels, tuple(labels))
    records = read_table(reference, encoding)
    need_columns(reference, records, "path", "label")
    place = tuple(name for name in PLACE if name in records[0])
    labels = {}
    for number, record in enumerate(records, start=1):
        if record["path"] is None:
            raise InputError(f"{reference}: row {number} has no path")
        names = labels.setdefault(key_of(str(record["path"]), record, place), [])
        names += [name for name in split_labels(_text(record["label"])) if name not in names]
    return Truth(labels, tuple(dict.fromkeys(str(record["path"]) for record in records)), place)


def key_of(path: str, record: Mapping[str, object], place: Sequence[str]) -> str:
    """A path, and where in it: `scan.pdf, page 2`."""
    cells = (
        (name, _text(record.get(name)).removesuffix(".0")) for name in place
    )  # pandas writes 2.0 beside empty cells
    return path + "".join(f", {name} {cell}" for name, cell in cells if cell)


def true_texts(reference: Path, encoding: str | None = None) -> dict[str, str]:
    """Path → what it says.

    Args:
        reference: A table with the columns `path` and `text`, whose rows of one path are joined in their order; or a
            folder of `a.txt` or `a.gt.txt` for `a.png`, or of `a.png.txt`.
        encoding: Of its text.

    Raises:
        InputError: It cannot be read, or lacks a column.
    """
    if reference.is_dir():
        files = sorted(reference.rglob("*.txt"))
        names = [str(file.relative_to(reference)).removesuffix(".txt").removesuffix(".gt") for file in files]
        return {name: decoded(bytes_of(file), file, encoding) for name, file in zip(names, files, strict=True)}
    records = read_table(reference, encoding)
    need_columns(reference, records, "path", "text")
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for record in records:
        texts[str(record["path"])].append(str(record["text"] or ""))
    return {path: "\n".join(parts) for path, parts in texts.items()}


def predictions(
    result: Path, true: Truth, encoding: str | None = None
) -> tuple[dict[str, list[Prediction]], list[str]]:
    """Path of the reference → labels, best first, of a table with `path` and `label`; and notes for people.

    Order is by `rank`, without it by `score`, without both as the rows stand. Blanks around labels do not count. Rows
    with an error, or without a label, say nothing; but where `found` is 0, they say that there is no label. Where the
    reference speaks in identifiers, `label_id` is taken.

    Args:
        result: The table.
        true: The reference.
        encoding: Of the result.

    Raises:
        InputError: A column is missing, a score is no number from 0 to 1, or one path has several pictures, which
            the reference does not tell apart.
    """
    records = read_table(result, encoding)
    need_columns(result, records, "path", "label")
    if shows_presence(records):  # what is there is there, however sure the model was
        records = [
            record | {"score": None, "label": None if _number(result, record, "count") == 0 else record["label"]}
            for record in records
        ]
    known = {label for labels in true.labels.values() for label in labels}
    in_known = {name: any(_text(record.get(name)) in known for record in records) for name in ("label", "label_id")}
    column = "label_id" if in_known["label_id"] and not in_known["label"] else "label"
    paths, rows = _keyed(result, records, true)
    by_key: dict[str, list[tuple[float, Prediction]]] = {}
    for number, (key, record) in enumerate(rows):
        if label := _text(record.get(column)):
            _add(by_key.setdefault(key, []), result, record, number, label)
        elif 0 in (_number(result, record, "found"), _number(result, record, "count")):
            by_key.setdefault(key, [])
    ordered = {key: [one for _, one in sorted(labels, key=lambda pair: pair[0])] for key, labels in by_key.items()}
    return ordered, _notes(paths, ordered, known)


def tells_presence(result: Path, encoding: str | None = None) -> bool:
    """Whether a table is one of objects with boxes, or of counts, so that a picture may have several labels or none.

    Raises:
        InputError: It cannot be read.
    """
    return shows_presence(read_table(result, encoding))


def shows_presence(records: Sequence[Record]) -> bool:
    """The same of its rows."""
    names = set(records[0] if records else ())
    return "count" in names or ("left_px" in names and "rank" not in names)


def _keyed(result: Path, records: Sequence[Record], true: Truth) -> tuple[dict[str, str], list[tuple[str, Record]]]:
    """Path of the result → the reference's; and (key of the reference, row) of each row without an error."""
    rows = [record for record in records if record["path"] is not None and not record.get("error")]
    paths = matched(dict.fromkeys(str(record["path"]) for record in rows), true.paths)
    places: dict[str, set[str]] = defaultdict(set)
    keyed = []
    for record in rows:
        path = str(record["path"])
        key = key_of(paths.get(path, path), record, true.place)
        places[key].add(key_of("", record, PLACE))
        if len(places[key]) > 1:
            raise InputError(
                f"{result}: {path} has rows of several pages, frames or crops; put the column that tells them apart "
                f"({', '.join(PLACE)}) into the reference"
            )
        keyed.append((key, record))
    return paths, keyed


def groups_of(result: Path, true: Truth, by: str, encoding: str | None = None) -> dict[str, str]:
    """Path of the reference → the value of a column of the result.

    Raises:
        UsageError: There is no such column.
        InputError: A picture has several values.
    """
    records = read_table(result, encoding)
    if by not in records[0]:
        likely = did_you_mean(by, records[0])
        raise UsageError(f"{result}: no column {by!r} to group by; it has {', '.join(map(str, records[0]))}{likely}")
    groups: dict[str, str] = {}
    for key, record in _keyed(result, records, true)[1]:
        if groups.setdefault(key, _text(record[by])) != _text(record[by]):
            raise InputError(f"{result}: {key} has two values of {by}: {groups[key]!r} and {_text(record[by])!r}")
    return groups


def _add(labels: list[tuple[float, Prediction]], result: Path, record: Record, number: int, label: str) -> None:
    """Put one label of a picture among its others, with what orders them; a row that stands twice counts once."""
    score, rank = _score(result, record), _number(result, record, "rank")
    one = Prediction(label=label, score=score)
    same = [other for order, other in labels if rank is not None and order == rank]
    if any(other != one for other in same):
        raise InputError(f"{result}: {record['path']} has two labels of rank {rank:g}; is it two tables in one?")
    if not same:
        labels.append((rank if rank is not None else number if score is None else -score, one))


def _text(cell: object) -> str:
    """A cell, whatever type a table gives it: 3 and 3.0 are one, so are True and true; without blanks around it."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else composed(str(cell).lower() if isinstance(cell, bool) else str(cell)).strip()


def _number(path: Path, record: Record, column: str) -> float | None:
    cell = record.get(column)
    try:
        number = None if cell is None else float(cell)
        if column == "score" or number is None or math.isfinite(number):
            return number
        raise ValueError
    except (TypeError, ValueError):
        raise InputError(f"{path}: column {column}: {cell!r} is no number") from None


def _score(path: Path, record: Record) -> float | None:
    """A score is a probability: of anything else neither calibration nor the order of mistakes can be trusted."""
    score = _number(path, record, "score")
    if score is not None and not (math.isfinite(score) and 0 <= score <= 1):
        advice = "per cent? divide it by 100" if 1 < score <= 100 else "take the column out if it is something else"
        raise InputError(f"{path}: column score: {record['score']!r} ({record['path']}) is not from 0 to 1; {advice}")
    return score


def _notes(paths: Mapping[str, str], ordered: Mapping[str, Sequence[Prediction]], known: set[str]) -> list[str]:
    notes = []
    by_name = [f"{path} as {meant}" for path, meant in paths.items() if _parts(path) != _parts(meant)]
    if by_name:
        notes.append(f"{len(by_name)} paths are written differently and matched by name, e.g. {by_name[0]}")
    given = {one.label for labels in ordered.values() for one in labels}
    if pairs := alike(given | known):
        notes.append(f"labels that look alike count as different: {', '.join(pairs[:5])}")
    return notes


def matched(results: Collection[str], references: Collection[str]) -> dict[str, str]:
    """Path of a result → the path in the reference that is meant.

    It is the same path; else the one with the same name, if there is one only, in which case as many folders above it
    as it takes must agree. The name in the reference may lack the last suffix, as that of a text does.
    """
    exactly = {_parts(path): path for path in references}
    exact = {path: exactly[_parts(path)] for path in results if _parts(path) in exactly}
    taken = set(exact.values())
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for path in results:
        if path not in exact:
            for name in {PurePath(composed(path)).name, PurePath(composed(path)).stem}:
                by_name[name].append(path)
    claims: defaultdict[str, list[str]] = defaultdict(list)
    for reference in exactly.values():
        if reference not in taken and (one := _nearest(reference, by_name[PurePath(composed(reference)).name])):
            claims[one].append(reference)
    nearest = {path: _nearest(path, wanting) for path, wanting in claims.items()}
    return exact | {path: one for path, one in nearest.items() if one is not None}


def _parts(path: str) -> tuple[str, ...]:
    return PurePath(os.path.normpath(composed(path))).parts


def _nearest(path: str, others: Sequence[str]) -> str | None:
    """The one that has most folders above the name in common; None where several have as many."""
    folders = _parts(path)[-2::-1]

    def common(other: str) -> int:
        pairs = zip(folders, _parts(other)[-2::-1], strict=False)
        return next(
            (at for at, (mine, its) in enumerate(pairs) if mine != its), min(len(folders), len(_parts(other)) - 1)
        )

    ranked = sorted(others, key=common, reverse=True)
    if not ranked or (len(ranked) > 1 and common(ranked[0]) == common(ranked[1])):
        return None
    return ranked[0]
