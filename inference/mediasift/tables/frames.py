"""Rows as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mediasift.rows import Row, columns
from mediasift.system.optional import require

if TYPE_CHECKING:
    import pandas as pd

_DTYPES: dict[type, str] = {str: "string", int: "Int64", float: "float64", bool: "boolean"}


def need_pandas() -> Any:
    """pandas; raises a MissingPackage with the line to type."""
    return require("pandas")


def to_frame(records: Sequence[dict[str, Any]], names: Sequence[str], row_type: type[Row]) -> pd.DataFrame:
    """A DataFrame with these columns; those that are not the row type's own are text, vectors are objects."""
    pandas = need_pandas()
    kinds = {column.name: column.type for column in columns(row_type)}
    return pandas.DataFrame(
        {
            name: pandas.Series([record[name] for record in records], dtype=_DTYPES.get(kinds.get(name, str), "object"))
            for name in names
        }
    )
