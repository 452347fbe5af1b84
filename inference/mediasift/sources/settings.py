"""How inputs are found, whatever is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from mediasift.settings import Option, Settings

Encoding = Annotated[str | None, Option("Of lists, e.g. utf-16 or cp1252.", metavar="NAME", default="utf-8")]
"""An option of all that reads lists."""


@dataclass(frozen=True, kw_only=True)
class ListSettings(Settings):
    """Folders and lists."""

    recursive: Annotated[bool, Option("Enter folders inside folders.")] = True
    column: Annotated[
        str | None,
        Option("Column of a list that holds the paths, in JSON Lines a.b for what is inside a.", metavar="NAME",
               default="path, or the only one"),
    ] = None  # fmt: skip
    keep: Annotated[Sequence[str], Option("Columns of a list to carry into every row.", metavar="A,B")] = ()
    encoding: Encoding = None
    shard: Annotated[
        str | None,
        Option("Read part I of N of the inputs, for N runs on several machines; merge puts their tables together. auto "
               "in an array job, as of Slurm.", metavar="I/N|auto", default="all"),
    ] = None  # fmt: skip

    def for_inputs(self, named: Sequence[Any]) -> Self:
        """The same settings for these inputs; a verb that depends on their names overrides it."""
        del named
        return self
