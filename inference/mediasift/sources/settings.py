"""How inputs are found, whatever is read of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self

from mediasift.settings import INPUTS, Option, Settings
from mediasift.sources.records import composed

Encoding = Annotated[str | None, Option("Of lists, e.g. utf-16 or cp1252.", metavar="NAME", default="utf-8")]
"""An option of all that reads lists."""


@dataclass(frozen=True, kw_only=True)
class RemoteSettings(Settings, group=INPUTS):
    """What is fetched from addresses, how fast, and whether it is kept; what rows cost, never what they say."""

    allow_private: Annotated[
        bool, Option("Fetch from private, loopback and link-local network addresses, too: servers of your own.")
    ] = False
    per_host: Annotated[int, Option("Connections to one server at a time.", least=1, most=64, metavar="N")] = 4
    rate: Annotated[
        float | None, Option("Requests to one server per second, at most.", above=0, metavar="N", default="no limit")
    ] = None
    max_file_gb: Annotated[
        float, Option("Larger addresses end as an error row.", flag="--max-file", above=0, metavar="GB")
    ] = 10.0
    keep_files: Annotated[
        str | None,
        Option(
            "Keep what is fetched in this folder, named by its hash, with a table of addresses; what is there already "
            "is not fetched again.", metavar="DIR", default="nothing is kept",
        ),
    ] = None  # fmt: skip
    credentials: Annotated[
        Literal["auto", "none", "machine"],
        Option(
            "For buckets: those of the environment, else none (auto); none; or those that the machine's own metadata "
            "service hands out."
        ),
    ] = "auto"


AS_USUAL = RemoteSettings()


@dataclass(frozen=True, kw_only=True)
class ListSettings(RemoteSettings, group=INPUTS):
    """Folders, lists and addresses."""

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

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "keep", tuple(map(composed, self.keep)))  # as a table that is read back has them

    @property
    def access(self) -> RemoteSettings:
        """Those of fetching alone."""
        given = {one.name: getattr(self, one.name) for one in fields(RemoteSettings)}
        if self.keep_files is not None:
            given["keep_files"] = os.path.abspath(self.keep_files)  # noqa: PTH100  (a link stays a link)
        return RemoteSettings(**given)

    def for_inputs(self, named: Sequence[Any]) -> Self:
        """The same settings for these inputs; a verb that depends on their names overrides it."""
        del named
        return self
