"""Pictures whose labels are known: folders named for them, or a table with the columns `path` and `label`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mediasift.errors import InputError, did_you_mean
from mediasift.sources.content import LocalFile
from mediasift.sources.finding import find_sources
from mediasift.sources.naming import Inputs
from mediasift.sources.records import JsonRecords, Records, composed, read_records
from mediasift.sources.spellings import listed_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Files and what is on them.

    Attributes:
        name: Of the folder or table.
        files: Where the pictures are, (N,).
        labels: What is on each, (N,); several, or none at all, only where `multilabel`.
    """

    name: str
    files: tuple[Path, ...]
    labels: tuple[tuple[str, ...], ...]

    @property
    def multilabel(self) -> bool:
        """Whether any picture has another number of labels than one."""
        return any(len(names) != 1 for names in self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label, sorted."""
        return tuple(sorted({label for names in self.labels for label in names}))


def read_labelled(
    data: Path, *, path: str = "path", label: str = "label", encoding: str | None = None, can_choose: bool = False
) -> Labelled:
    """The pictures of a folder with one folder per label, or of a table: CSV or JSON Lines.

    A picture of the table has several labels where it has several lines, or a cell like `dog|cat`; one with an empty
    cell has none. Paths are relative to the current folder or to the table's.

    Args:
        data: The folder or the table.
        path: The table's column of paths.
        label: The table's column of labels.
        encoding: Of the table, as for `records.decoded`.
        can_choose: As for `records.decoded`.

    Raises:
        InputError: There is no such folder or table, nothing in it, or a picture beside the labels' folders.
        UsageError: There is no such encoding.
    """
    if data.is_file():
        by_file = _from_table(read_records(data, encoding, can_choose=can_choose), data, path, label)
    else:
        by_file = _from_folders(data)
    if not by_file:
        raise InputError(f"{data}: no pictures in it")
    # An accent may be a character of its own (macOS): one label must not be two.
    labels = tuple(tuple(dict.fromkeys(map(composed, names))) for names in by_file.values())
    return Labelled(name=data.resolve().name, files=tuple(by_file), labels=labels)


def _from_folders(data: Path) -> dict[Path, list[str]]:
    try:
        folders = sorted(path for path in data.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{data}: no folder or .csv table that can be read ({error.strerror})") from error
    if not folders:
        raise InputError(f"{data}: needs one folder per label, e.g. {data}/cats and {data}/dogs; there is none")
    if loose := _pictures(data, recursive=False):
        raise InputError(
            f"{data}: pictures lie beside the folders of the labels, {len(loose)} of them, such as {loose[0].name}; "
            "move them into the folders of their labels, or away"
        )
    by_file: dict[Path, list[str]] = {}
    for folder in folders:
        files = _pictures(folder)
        if not files:
            raise InputError(f"{folder}: no pictures in this label's folder; put some in, or remove the folder")
        by_file.update((file, [folder.name]) for file in files)
    return by_file


def _pictures(folder: Path, *, recursive: bool = True) -> list[Path]:
    sources = find_sources(Inputs(named=[folder], recursive=recursive))
    return [source.content.path for source in sources if isinstance(source.content, LocalFile)]


def _from_table(records: Records | JsonRecords, data: Path, path: str, label_column: str) -> dict[Path, list[str]]:
    home, label = records.column(path), records.column(label_column)
    if home is None or label is None:
        likely = did_you_mean(path if home is None else label_column, records.names)
        raise InputError(
            f"{data}: needs the columns {path} and {label_column}; it has {', '.join(records.names) or 'nothing'}"
            f"{likely}"
        )
    by_file: dict[Path, list[str]] = {}
    for record in records:
        if not record[home].strip():
            raise InputError(f"{data}: line {records.line} has no path")
        by_file.setdefault(listed_file(record[home], data.parent), []).extend(split_labels(record[label]))
    return by_file


def split_labels(cell: str) -> list[str]:
    """The labels in one cell: `dog|cat` or `dog;cat` are two; `dog, cat` is one, as many labels contain commas."""
    return [label.strip() for label in re.split(r"[|;]", cell) if label.strip()]
