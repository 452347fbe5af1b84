"""Where an object lies that is fetched, its versions, and what a request gives of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, Protocol

from mediasift.errors import Unavailable
from mediasift.sources.content import Alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What tells one version of an object from another.

    Attributes:
        tag: Its ETag; empty where the server has none.
        size: Bytes; None where that is known only at the end.
        date: When it was changed, as the server writes it.
    """

    tag: str = ""
    size: int | None = None
    date: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether the server can be asked for no other: with a strong tag, or a date."""
        return self.size is not None and bool(self.date or (self.tag and not self.tag.startswith("W/")))


def version_of(meta: Mapping[str, Any]) -> Version:
    """That of an object in a bucket, of which `e_tag`, `size` and `last_modified` are known."""
    changed = format_datetime(meta["last_modified"].replace(microsecond=0), usegmt=False)
    return Version(tag=meta["e_tag"] or "", size=meta["size"], date=changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a request gives: bytes of one version, from this place on."""

    version: Version
    first: int
    pieces: Iterator[bytes]


class Origin(Protocol):
    """Where an object lies."""

    def ask(self, first: int, end: int | None, version: Version | None, alive: Alive) -> AbstractContextManager[Given]:
        """The bytes `first`..`end`-1, or all from `first` on; those that come may begin at 0, and be all.

        Args:
            first, end: Which.
            version: The only one that will do.
            alive: Called now and then.

        Raises:
            Changed: It is another version.
            Unavailable: It cannot be had at present.
            ItemError: Nothing is there.
        """


class Changed(Unavailable):
    """The object is another one than when reading began; the same command reads the new one."""

    def __init__(self) -> None:
        super().__init__("it was changed while it was read")
