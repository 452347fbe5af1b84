"""What is read and prepared: sources with their items, on the way to the engines; and what that took."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from mediasift.errors import ItemError
from mediasift.run.lanes import Entry
from mediasift.sources.naming import Source


class Trouble(NamedTuple):
    """What is known of an item from an earlier attempt that did not survive it.

    Attributes:
        item: Its number in the source, from 0.
        reading: It was being read: the source cannot be read from here on. Else it was prepared or computed, and is
            left out.
        error: What its row says.
    """

    item: int
    reading: bool
    error: ItemError


class Seconds(dict[str, float]):
    """Time spent per stage, summed over threads."""

    def __init__(self) -> None:
        super().__init__(read=0.0, prepare=0.0, infer=0.0)
        self._lock = threading.Lock()

    def add(self, **more: float) -> None:
        """More of some, from any thread."""
        with self._lock:
            self.update({stage: self[stage] + seconds for stage, seconds in more.items()})


Piece = list[tuple["Work", Entry | None]]
"""Prepared items of neighbouring sources; None behind the last one of each source."""


@dataclass(slots=True, eq=False)
class Work:
    """A source, and what has become of its items: so many are `given`, lately then; the first ones are `done`."""

    number: int
    source: Source
    entries: list[Entry] = field(default_factory=list)
    ended: bool = False
    given: int = 0
    done: int = 0
    handed_out: float = field(default_factory=time.monotonic)

    @property
    def is_done(self) -> bool:
        """Whether it has ended, and every engine has answered; asked often."""
        if not self.ended:
            return False
        while self.done < len(self.entries) and self.entries[self.done].is_done:
            self.done += 1
        return self.done == len(self.entries)


@dataclass(slots=True, eq=False)
class Spent:
    """Seconds of one reader: reading, preparing, and both for the slowest item."""

    read: float = 0.0
    prepare: float = 0.0
    longest_item: float = 0.0
