"""Texts in a table, each an input of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import ClassVar

from mediasift.sources.content import SCHEMES, Content

_SCHEME = "\0text:"
"""No name of a file can begin so."""


@dataclass(frozen=True, slots=True)
class Cell(Content):
    """The text in a cell.

    Attributes:
        name: The table, and the row below its header, from 1: `posts.csv#row=3`.
        text: What stands there.
    """

    refusal: ClassVar[str] = "a text of a table, not a file"

    name: str
    text: str = field(repr=False)

    @property
    def address(self) -> str:
        """All of it: a worker need not read the table again."""
        return _SCHEME + json.dumps([self.name, self.text])

    @property
    def size(self) -> int:
        """Of the text as UTF-8."""
        return len(self.text.encode("utf-8", "replace"))

    def state(self) -> str:
        """Its hash."""
        return hashlib.blake2b(self.text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


SCHEMES[_SCHEME] = lambda address: Cell(*json.loads(address.removeprefix(_SCHEME)))
