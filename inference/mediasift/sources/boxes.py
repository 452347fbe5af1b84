"""Boxes in a table, as `detect` writes it, as inputs of their own: parts of pictures, pages and frames."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from mediasift import errors
from mediasift.errors import InputError, ItemError, UsageError
from mediasift.sources.content import SCHEMES, Alive, Content, content_at
from mediasift.sources.lists import LISTS, Kept
from mediasift.sources.records import read_records
from mediasift.sources.settings import RemoteSettings

Box = tuple[float, float, float, float]
"""left, top, right, bottom as fractions 0..1 of the picture's width and height."""

_SIDES = ("left", "top", "right", "bottom")

ROW = "box_row"
"""The column that says which row of the table a box is, from 1: two boxes may be alike in all else."""

CARRIED = ("label", "label_id", "score", "left_px", "top_px", "width_px", "height_px", *_SIDES)
"""Columns of a table of boxes that come along into every row, where the table has them."""

_SCHEME = "\0box:"
"""No name of a file can begin so."""


@dataclass(frozen=True, slots=True)
class Part(Content):
    """What a box of a picture, page or frame holds.

    Attributes:
        whole: What the picture, document or film holds.
        page, frame, time_s: Where in it, see `items.Place`.
        box: The box; None for a picture in which there is none.
        number: Of the box among those of the same picture, page or frame, from 1.
    """

    whole: Content
    page: int | None = None
    frame: int | None = None
    time_s: float | None = None
    box: Box | None = None
    number: int = 1

    @property
    def name(self) -> str:
        """The whole's."""
        return self.whole.name

    @property
    def address(self) -> str | None:
        """The whole's, and where in it."""
        place = [self.page, self.frame, self.time_s, self.box, self.number, self.whole.address]
        return None if self.whole.address is None else _SCHEME + json.dumps(place)

    @property
    def asks(self) -> bool:  # type: ignore[override]  # of the class, for other kinds
        """The whole's."""
        return self.whole.asks

    def under(self, access: RemoteSettings) -> Part:
        """See `Content`."""
        return replace(self, whole=self.whole.under(access))

    def ask_ahead(self) -> None:
        """See `Content`."""
        self.whole.ask_ahead()

    def held(self, alive: Alive) -> AbstractContextManager[None]:
        """See `Content`."""
        return self.whole.held(alive)

    @property
    def fetched(self) -> tuple[int, int]:
        """See `Content`."""
        return self.whole.fetched

    def note(self, state: Any, fetched: Sequence[int] = (0, 0)) -> None:
        """See `Content`."""
        self.whole.note(state and state[0], fetched)

    def state(self) -> Any:
        """It changes when the whole does; two boxes of one film differ."""
        return [self.whole.state(), self.page, self.frame, self.number]

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The whole."""
        return self.whole.open()


def _part_at(address: str) -> Part:
    page, frame, time_s, box, number, whole = json.loads(address.removeprefix(_SCHEME))
    return Part(content_at(whole), page, frame, time_s, None if box is None else tuple(box), number)


SCHEMES[_SCHEME] = _part_at


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRow:
    """A line of the table.

    Attributes:
        path, page, frame, time_s: Where, as in every table.
        box: None where nothing was found.
        number: See `Part`.
        row: Of the table, from 1.
        failure: Why the picture could not be read when the table was made.
        record: All cells.
    """

    path: str
    page: int | None
    frame: int | None
    time_s: float | None
    box: Box | None
    number: int
    row: int
    failure: ItemError | None
    record: dict[str, str]

    def kept(self, names: tuple[str, ...]) -> Kept:
        """Some of its cells, and `ROW`."""
        return tuple((name, str(self.row) if name == ROW else self.record[name]) for name in names)


def box_columns(file: str | Path, encoding: str | None = None) -> tuple[str, ...]:
    """`ROW`, and which of `CARRIED` a table has.

    Raises:
        InputError: It cannot be read, or has no boxes.
    """
    if Path(file).suffix.lower() not in LISTS or Path(file).suffix.lower() == ".txt":
        raise InputError(
            f"{file}: boxes are read from .csv, .tsv and .jsonl tables; type: mediasift detect INPUT -m MODEL "
            f"-o {Path(file).with_suffix('.csv')}"
        )
    names = read_records(Path(file), encoding).names
    if missing := [name for name in ("path", *_SIDES) if name not in names]:
        raise InputError(
            f"{file}: no column {missing[0]!r}; a table of boxes has path, left, top, right and bottom, as mediasift "
            "detect writes it"
        )
    return (ROW, *(name for name in CARRIED if name in names))


def read_boxes(file: str | Path, encoding: str | None = None) -> Iterator[BoxRow]:
    """Each line of a table of boxes.

    Raises:
        InputError: It cannot be read, a cell is no number, or a box is none.
    """
    box_columns(file, encoding)
    records, counted = read_records(Path(file), encoding), Counter[tuple[Any, ...]]()
    for row, record in enumerate(records, start=1):
        where = f"{file}: line {records.line}"
        page, frame = (_number(where, record, name) for name in ("page", "frame"))
        sides = [_number(where, record, name) for name in _SIDES]
        box = _box(where, sides)
        place = record["path"], page, frame
        counted[place] += 1
        yield BoxRow(
            path=record["path"], page=None if page is None else int(page), frame=None if frame is None else int(frame),
            time_s=_number(where, record, "time_s"), box=box, number=counted[place], row=row,
            failure=_failure(record.get("error", "")), record=record,
        )  # fmt: skip


def _number(where: str, record: dict[str, str], name: str) -> float | None:
    cell = record.get(name, "")
    try:
        return None if cell in ("", None) else float(cell)
    except ValueError:
        raise InputError(f"{where}: column {name}: {cell!r} is no number") from None


def _box(where: str, sides: list[float | None]) -> Box | None:
    if all(side is None for side in sides):
        return None
    left, top, right, bottom = (float("nan") if side is None else side for side in sides)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        shown = ", ".join("empty" if side is None else f"{side:g}" for side in sides)
        raise InputError(
            f"{where}: left, top, right, bottom are {shown}; they must be fractions from 0 to 1, left < right, top < "
            "bottom"
        )
    return left, top, right, bottom


@cache
def _codes() -> dict[str, type[ItemError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ItemError)]
    return {kind.code: kind for kind in kinds if kind is not errors.TryAgain}


def _failure(cell: str) -> ItemError | None:
    """The error that a cell `CODE: sentence` reports."""
    if not cell:
        return None
    code, _, sentence = cell.partition(": ")
    return _codes().get(code, ItemError)(sentence or cell)


def check_no_inputs(named: list[Any], file: str | Path) -> None:
    """Raise a UsageError where inputs are named beside a table of boxes, or stored answers, which name them itself."""
    if named:
        raise UsageError(f"{file} names the pictures; leave out the other inputs, or the option that names {file}")
