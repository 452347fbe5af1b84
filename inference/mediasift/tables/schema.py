"""What the columns of a table are: type, unit, range and meaning, as a Table Schema (Frictionless Data).

The source is the docstring of the rows' class, from which `docs/reference.md` is made as well.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mediasift.items import Place
from mediasift.rows import columns
from mediasift.tables.writers import Form

TYPES: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean", np.ndarray: "array"}
"""Of a column → its name in a Table Schema; an array of numbers is a cell with blanks between them in CSV."""

_UNITS = {
    "s": "s", "seconds": "s", "px": "px", "hz": "Hz", "db": "dB", "usd": "USD", "bytes": "byte", "fps": "1/s",
    "minute": "1/min", "latitude": "degree", "longitude": "degree",
}  # fmt: skip
"""Last part of a column's name → its unit."""

_RANGE = re.compile(r"(?<![\d.])(-?\d+)(?:\.\.| to )(-?\d+)(?!\d|\.\d)")
_KEPT = "Carried along from the list of inputs."


def schema(form: Form) -> dict[str, Any]:
    """A Table Schema of tables in this form: what a reader of CSV needs where whole columns are empty."""
    kinds = {column.name: column.type for column in columns(form.row_type)}
    text = {**dict.fromkeys(form.kept_columns, _KEPT), **meanings(form.row_type)}
    fields = [
        {"name": head, **described(name, kinds.get(name, str), text.get(name, ""))}
        for name, head in zip(form.names, form.header, strict=True)
    ]
    return schema_of(fields)


def schema_of(fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same of fields that are described already."""
    return {"fields": list(fields), "missingValues": [""]}


def described(name: str, kind: type, text: str) -> dict[str, Any]:
    """A column's type, and where they are known its unit, range and meaning."""
    about: dict[str, Any] = {"type": TYPES[kind]}
    if unit := _UNITS.get(name.rpartition("_")[2]):
        about["unit"] = unit
    if kind in (int, float):
        if ends := _RANGE.search(text):
            about["constraints"] = {"minimum": int(ends[1]), "maximum": int(ends[2])}
        elif start := re.search(r"\b[Ff]rom (\d)\b", text):
            about["constraints"] = {"minimum": int(start[1])}
    return {**about, "description": text} if text else about


def meanings(row_type: type[Any]) -> dict[str, str]:
    """Column → what the docstrings of the class and its bases say under `Attributes:`; None is an empty cell there."""
    texts: dict[str, str] = {}
    for kind in (Place, *reversed(row_type.__mro__[:-1])):
        part = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:")[2]
        for names, text in re.findall(r"^    ([\w, ]+): (.*(?:\n {8}.*)*)", part, re.MULTILINE):
            sentence = re.sub(r"(\. )?\bNone\b", lambda sign: ". Empty" if sign[1] else "empty", " ".join(text.split()))
            texts |= dict.fromkeys(names.split(", "), sentence)
    return texts
