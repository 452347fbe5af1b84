"""What is worked on, item by item, in memory that the supervisor shares: exact, whatever ends the worker, whenever.

Each reader and each call of an engine has a place. A reader's item is one number of 64 bits, which is written at once;
the items of a call are written before their count. So a look at any moment shows exactly what goes on, and no message
is sent for an item. Beside the item stands a turn, another one each time: it shows to a supervisor that looks now and
then that a reader makes progress, though with the same item.
"""

from __future__ import annotations

import itertools
import mmap
import os
from collections.abc import Sequence
from typing import NamedTuple

Culprit = tuple[int, int]
"""(number of a source in its run, number of an item in the source), both from 0."""

WAITS, READS, PREPARES = range(3)

_SOURCE_BITS, _ITEM_BITS = 30, 32
_SOURCE, _ITEM = (1 << _SOURCE_BITS) - 1, (1 << _ITEM_BITS) - 1


class Doing(NamedTuple):
    """Something that goes on.

    Attributes:
        place: Of which reader, or of which call.
        turn: Another one each time.
        items: One item of a reader; those of a call.
        doing: READS or PREPARES; WAITS for a call.
    """

    place: int
    turn: int
    items: tuple[Culprit, ...]
    doing: int

    @property
    def reading(self) -> bool:
        """Whether the item is being read."""
        return self.doing == READS


class Marks:
    """The places, all of them empty at first.

    Args:
        readers: How many items are read and prepared at a time.
        calls: The most items of each engine call that may go on at a time.
        memory: The open file that holds them, for two processes; -1 for memory of this one.
    """

    def __init__(self, readers: int, calls: Sequence[int], memory: int = -1) -> None:
        self.readers, self.calls = readers, list(calls)
        self._at = list(itertools.accumulate((2 + most for most in calls), initial=2 * readers))
        size = 8 * self._at[-1]
        if memory >= 0:
            os.ftruncate(memory, size)
        self._words = memoryview(mmap.mmap(memory, size)).cast("Q")
        self._turns = itertools.count(1)

    def read(self, reader: int, source: int, item: int) -> None:
        """A reader begins to read an item, or goes on after waiting."""
        self._words[2 * reader] = (item << _SOURCE_BITS | source) << 2 | READS
        self._words[2 * reader + 1] = next(self._turns)

    def alive(self, reader: int) -> None:
        """It goes on with what it does, which takes long."""
        self._words[2 * reader + 1] = next(self._turns)

    def prepare(self, reader: int, source: int, item: int) -> None:
        """It prepares the item that it read; the turn is the same."""
        self._words[2 * reader] = (item << _SOURCE_BITS | source) << 2 | PREPARES

    def wait(self, reader: int) -> None:
        """It waits, or is done."""
        self._words[2 * reader] = WAITS

    def call(self, call: int, items: Sequence[Culprit] = ()) -> None:
        """An engine is called on these; none: the call is over."""
        at = self._at[call]
        self._words[at] = 0
        for word, (source, item) in enumerate(items, at + 2):
            self._words[word] = item << _SOURCE_BITS | source
        self._words[at + 1] = next(self._turns)
        self._words[at] = len(items)

    def going_on(self) -> list[Doing]:
        """All that goes on."""
        words, all_of_it = self._words, list[Doing]()
        for reader in range(self.readers):
            word = words[2 * reader]
            if word & 3 != WAITS:
                all_of_it.append(Doing(reader, words[2 * reader + 1], (_culprit(word >> 2),), word & 3))
        for call, at in enumerate(self._at[:-1]):
            if count := words[at]:
                items = tuple(map(_culprit, words[at + 2 : at + 2 + count]))
                all_of_it.append(Doing(self.readers + call, words[at + 1], items, WAITS))
        return all_of_it


def _culprit(word: int) -> Culprit:
    return word & _SOURCE, word >> _SOURCE_BITS & _ITEM
