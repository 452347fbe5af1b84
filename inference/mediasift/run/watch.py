"""What is being worked on, for somebody outside who may have to find out what a crash is due to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mediasift.errors import ItemError

Culprit = tuple[int, int]
"""(number of a source in its run, number of an item in the source), both from 0."""


@dataclass(frozen=True, slots=True)
class Trouble:
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


class Watch:
    """Learns what is being worked on, so that somebody outside can find out what a crash or a standstill is due to.

    This one ignores it. Its methods are called from several threads.
    """

    def reading(self, item: Culprit) -> None:
        """A reader begins to read an item, or goes on after waiting."""

    def preparing(self, item: Culprit) -> None:
        """The item is read; its reader prepares it."""

    def waiting(self, item: Culprit) -> None:
        """The reader waits, or is done with its source."""

    def inferring(self, items: Sequence[Culprit], slot: int) -> None:
        """An engine is called on these; empty: the call is over. `slot` numbers the calls that go on at a time."""
