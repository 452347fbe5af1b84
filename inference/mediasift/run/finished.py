"""A source and its rows on their way from the pipeline to the table, as objects or as the JSON that a journal keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mediasift.rows import Row, from_json, to_json
from mediasift.sources.naming import Source

_decoded = json.JSONDecoder().decode
_encoded = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(slots=True, kw_only=True)
class Finished:
    """A source and all its rows; or, of one that takes long and goes on, its next rows.

    Attributes:
        source: The source.
        row_type: Of the rows.
        given: The rows, or a JSON list of them in ASCII, without their path and what is carried along.
        errors: How many of them carry an error.
        items: How many of its pages or frames these are; with those an earlier run finished if it has ended.
        ended: Whether nothing more comes of this source.
    """

    source: Source
    row_type: type[Row]
    given: list[Row] | bytes
    errors: int
    items: int = 0
    ended: bool = True

    @property
    def rows(self) -> list[Row]:
        """The rows."""
        if isinstance(self.given, bytes):
            path, kept = self.source.path, self.source.kept
            return [from_json(self.row_type, row, path, kept) for row in _decoded(self.given.decode())]
        return self.given

    @property
    def text(self) -> bytes:
        """The rows as such a list."""
        if isinstance(self.given, bytes):
            return self.given
        return _encoded([to_json(row) for row in self.given]).encode()
