"""Rows: one line of a table as a small frozen dataclass, and the columns that follow from it."""

from __future__ import annotations

import base64
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from mediasift.items import Place

_PLACE = ("path", "page", "frame", "time_s")
_LAST = ("found", "error")
"""Columns behind all others, those that are carried along among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every row carries; tasks add their columns by subclassing. Its place is that of `mediasift.items.Place`.

    Attributes:
        error: `CODE: sentence`, empty when all went well.
        kept: Columns carried along from an input list (`--keep`), as (name, value) pairs.
        shared: Which of these columns the table has; rows about two pictures have places of their own.
    """

    shared: ClassVar[tuple[str, ...]] = (*_PLACE, "error")

    path: str = ""
    page: int | None = None
    frame: int | None = None
    time_s: float | None = None
    error: str = ""
    kept: tuple[tuple[str, str], ...] = ()


RowType = TypeVar("RowType", bound=Row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Row):
    """A row of a verb that may find nothing: then there is one row, whose `found` is 0.

    Attributes:
        found: How many the item has; None where it could not be read.
    """

    found: int | None = None

    def counted(self) -> tuple[str | None, int, float | None]:
        """What the row adds to counts: a label, how many, and its score."""
        label = getattr(self, "label", None)
        return label, int(label is not None), getattr(self, "score", None)


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name and type: one of str, int, float, bool or numpy.ndarray (a vector of float32)."""

    name: str
    type: type


class _Fields(NamedTuple):
    """Of a type of rows: its fields, their defaults, what reads and sets them; its columns."""

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    defaults: tuple[Any, ...]
    get: Callable[[Any], tuple[Any, ...]]
    shown: tuple[str, ...]
    get_shown: Callable[[Any], tuple[Any, ...]]
    put: tuple[Callable[[Any, Any], None], ...]
    vectors: tuple[str, ...]


_known: dict[Any, _Fields] = {}


def columns(row_type: type[Row]) -> tuple[Column, ...]:
    """The columns of a table of such rows: place, the task's own, `found` where something may be found, `error`."""
    return _fields(row_type).columns


def _fields(row_type: type[Row]) -> _Fields:
    if row_type not in _known:
        hints, own = typing.get_type_hints(row_type), fields(row_type)
        names = [f.name for f in own if f.name not in Row.shared or f.name in row_type.shared]
        middle = [name for name in names if name not in (*_PLACE, *_LAST, "kept")]
        place, last = ([name for name in part if name in names] for part in (_PLACE, _LAST))
        shown = tuple(Column(name, _plain(hints[name])) for name in (*place, *middle, *last))
        _known[row_type] = _Fields(
            columns=shown, names=tuple(f.name for f in own), defaults=tuple(f.default for f in own),
            get=attrgetter(*(f.name for f in own)), shown=tuple(one.name for one in shown),
            get_shown=attrgetter(*(one.name for one in shown)),
            put=tuple(getattr(row_type, f.name).__set__ for f in own),
            vectors=tuple(one.name for one in shown if one.type is np.ndarray),
        )  # fmt: skip
    return _known[row_type]


def names_with(kept: Sequence[str], row_type: type[Row]) -> list[str]:
    """Column names of a table of such rows that has these carried-along columns, too."""
    own = [column.name for column in columns(row_type)]
    last = [name for name in own if name in _LAST]
    return [*own[: len(own) - len(last)], *kept, *last]


def _plain(hint: Any) -> type:
    """The one concrete type of `X`, `X | None` or `NDArray[...]`."""
    if isinstance(hint, types.UnionType):
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
    origin = typing.get_origin(hint)
    return typing.cast("type", origin or hint)


def kept_names(kept: tuple[tuple[str, str], ...] | Mapping[str, str], row_type: type[Row]) -> tuple[str, ...]:
    """Column names of carried-along values; a name the table owns already becomes `input_NAME`."""
    own = {column.name for column in columns(row_type)}
    names = kept if isinstance(kept, Mapping) else [name for name, _ in kept]
    return tuple(f"input_{name}" if name in own else name for name in names)


def placed(row: RowType, place: Place, kept: tuple[tuple[str, str], ...] = ()) -> RowType:
    """The same row, located at `place`. A row that has its own page, frame or time keeps them."""
    known = _fields(type(row))
    _, page, frame, time_s, error, _, *own = known.get(row)  # the fields of `Row` come first
    page, frame = place.page if page is None else page, place.frame if frame is None else frame
    cells = place.path, page, frame, place.time_s if time_s is None else time_s, error, kept, *own
    located = object.__new__(type(row))  # as `replace` does, in a third of the time
    for put, cell in zip(known.put, cells, strict=True):
        put(located, cell)
    return located


def locate(row: Row, place: Place, kept: tuple[tuple[str, str], ...] = ()) -> Row:
    """The row itself, located as by `placed` in a tenth of the time; for a row that is held by no one else."""
    _put_path(row, place.path)
    if row.page is None and place.page is not None:
        _put_page(row, place.page)
    if row.frame is None and place.frame is not None:
        _put_frame(row, place.frame)
    if row.time_s is None and place.time_s is not None:
        _put_time(row, place.time_s)
    if kept:
        _put_kept(row, kept)
    return row


_put_path, _put_page, _put_frame, _put_time, _put_kept = (
    getattr(Row, name).__set__ for name in ("path", "page", "frame", "time_s", "kept")
)  # what sets the fields of a frozen dataclass


def own_values(row: Row) -> tuple[Any, ...]:
    """The row's columns without those carried along, in the table's order."""
    return _fields(type(row)).get_shown(row)


def values(row: Row) -> dict[str, Any]:
    """Column name → value, in the table's order."""
    known = _fields(type(row))
    own = dict(zip(known.shown, known.get_shown(row), strict=True))
    if not row.kept:
        return own
    kept = dict(zip(kept_names(row.kept, type(row)), (value for _, value in row.kept), strict=True))
    return {name: own.get(name, kept.get(name)) for name in names_with(list(kept), type(row))}


def printable(text: str) -> str:
    r"""Text that any file can hold: halves of characters, which are not text, as the bytes or numbers that they are.

    NUL is `\x00`: numpy drops it at the end of a text, and R and spreadsheets what follows it.
    """
    return text if text.isascii() and "\0" not in text else _UNHELD.sub(_spelled, text)


_UNHELD = re.compile("[\0\ud800-\udfff]")


def _spelled(half: re.Match[str]) -> str:
    number = ord(half[0])
    if not number:
        return r"\x00"
    return f"\\x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"\\u{number:04x}"


def to_json(row: Row) -> dict[str, Any]:
    """The row as JSON values, without `path` and `kept`, which are its source's.

    Empty fields are left out; vectors are base64 of little-endian float32.
    """
    known = _fields(type(row))
    out = {
        name: value for name, value, default in zip(known.names, known.get(row), known.defaults, strict=True)
        if value is not None and value is not default
    }  # fmt: skip
    out.pop("path", None)
    out.pop("kept", None)
    for name in known.vectors:
        if name in out:
            out[name] = base64.b64encode(out[name].astype("<f4").tobytes()).decode("ascii")
    return out


def from_json(
    row_type: type[RowType], data: Mapping[str, Any], path: str = "", kept: tuple[tuple[str, str], ...] = ()
) -> RowType:
    """The row of a source that `to_json` wrote."""
    vectors = {
        name: np.frombuffer(base64.b64decode(data[name]), dtype="<f4").astype(np.float32)
        for name in _fields(row_type).vectors
        if name in data
    }
    return row_type(path=path, kept=kept, **{**data, **vectors} if vectors else data)
