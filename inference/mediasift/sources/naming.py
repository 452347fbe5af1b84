"""What a user names, and what is read: names with how lists are understood, and sources with their content.

Nothing is opened here; `finding` goes from names to sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mediasift.errors import ItemError
from mediasift.sources import answers, archives, buckets, places, remote, texts  # noqa: F401  (enter their addresses)
from mediasift.sources.addresses import hidden
from mediasift.sources.boxes import box_columns
from mediasift.sources.content import Content, addressed
from mediasift.sources.lists import Kept
from mediasift.sources.settings import AS_USUAL, ListSettings, RemoteSettings
from mediasift.system.network import refuse_if_offline


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something to read.

    Attributes:
        path: The input as typed plus the path below it; what the table's `path` column says.
        content: What it holds; None for a failure.
        kept: Values from the list it was named in, (column, value).
        failure: Why it cannot even be tried (a folder that cannot be opened, a pattern without matches).
        done: How many of its items an earlier run finished, and their rows.
    """

    path: str
    content: Content | None = None
    kept: Kept = ()
    failure: ItemError | None = None
    done: tuple[int, Sequence[Any]] = (0, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What to read, as a user names it.

    Attributes:
        named: Paths, folders, globs, lists (see `lists.LISTS`), `-` for standard input, or what a caller has in memory.
        recursive: Enter folders inside named folders.
        column: Column of a list that holds the paths; None takes `path`, or the only one. In JSON Lines a dotted name.
        keep: Columns of a list to carry into every row.
        encoding: Of lists; None takes UTF-8.
        boxes: What is named is a table of boxes, and each box an input; or each picture with boxes, whole.
        texts: What stands in `column` is no path, but the text that is an input.
        stored: What is named is a file or folder of answers that other programs kept.
        access: How addresses are fetched.
    """

    named: Sequence[str | Path | Content]
    recursive: bool = True
    column: str | None = None
    keep: tuple[str, ...] = ()
    encoding: str | None = None
    boxes: Literal["", "each", "whole"] = ""
    texts: bool = False
    stored: bool = False
    access: RemoteSettings = AS_USUAL

    @classmethod
    def of(cls, settings: ListSettings, named: Sequence[str | Path | Content]) -> Inputs:
        """These names, read as the settings say."""
        own = [one.name for one in fields(ListSettings) if one.name in cls.__slots__]
        lists = {**{name: getattr(settings, name) for name in own}, "access": settings.access}
        table = getattr(settings, "boxes", None)
        if table is None:
            lists |= {name: bool(getattr(settings, name, False)) for name in ("texts", "stored")}
            return cls(named=named, **lists)
        if getattr(settings, "blur", False):
            return cls(named=named, **lists, boxes="whole")
        lists["keep"] = tuple(dict.fromkeys((*box_columns(table, settings.encoding), *settings.keep)))
        return cls(named=named, **lists, boxes="each")

    @property
    def names(self) -> list[str]:
        """What was named, as text that may be shown."""
        return [name.name if isinstance(name, Content) else typed(str(name)) for name in self.named]

    def content(self, name: str) -> Content | None:
        """What is at an address; None where it is none.

        Raises:
            UsageError: Offline.
        """
        content = addressed(name)
        if content is not None and content.asks:
            refuse_if_offline(content.name)
        return content and content.under(self.access)


def typed(name: str) -> str:
    """A name as it was typed; an address without its secrets."""
    return hidden(name) if "://" in name else name
