"""Rows as the bytes of an answer: the columns and numbers of the command line."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

from mediasift.rows import Row
from mediasift.tables.writers import Form, write_csv, write_jsonl

Kind = Literal["json", "csv"]

CONTENT_TYPES: dict[Kind, str] = {"json": "application/json", "csv": "text/csv; charset=utf-8"}

TENSORS = "tensors"
"""The verb of those who have prepared pictures themselves."""

DATATYPES = {"float32": "FP32", "float16": "FP16", "float64": "FP64", "uint8": "UINT8", "int32": "INT32",
             "int64": "INT64", "bool": "BOOL"}  # fmt: skip
"""numpy's names of types → those of the Open Inference Protocol."""


def written(rows: Sequence[Row], row_type: type[Row], kind: Kind) -> bytes:
    """The rows of one picture: JSON objects, a line each, or CSV with its header."""
    out = io.BytesIO()
    (write_jsonl if kind == "json" else write_csv)(rows, Form(row_type=row_type), out)
    return out.getvalue()


def listed(lines: bytes) -> bytes:
    """Lines of JSON as one JSON array; text in them has no line feeds, which JSON escapes."""
    return b"[" + lines.rstrip(b"\n").replace(b"\n", b", ") + b"]"


def joined(parts: Sequence[bytes], kind: Kind) -> bytes:
    """The body of the answer to a request with these pictures."""
    if kind == "json":
        return b'{"rows": ' + listed(b"".join(parts)) + b"}\n"
    header, _, _ = parts[0].partition(b"\n")  # names of columns, which have no line feeds
    return header + b"\n" + b"".join(part.partition(b"\n")[2] for part in parts)
