"""Which sources a journal has finished: some fifty bytes for each of them, so that a million can be gone on with."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""The place of a source whose rows cannot be taken over."""

DIGEST_BYTES, STATE_BYTES = 12, 6
"""Of a hash that is looked for among millions, and of one that is compared with a single other one."""

_KEY = np.dtype(f"S{DIGEST_BYTES}")
_FAILED, _PASSING, _FOLDED = 1, 2, 4


def key_of(path: str, kept: Mapping[str, str]) -> bytes:
    """What tells a source from all others: its path as tables show it, and what is carried along with it."""
    return _hash(
        [path, {name: value for name, value in kept.items() if value}], DIGEST_BYTES
    )  # in a table, empty is missing


def digest_of(state: Any) -> bytes:
    """What tells a state of a source from its others."""
    return _hash(state, STATE_BYTES)


def _hash(value: Any, size: int) -> bytes:
    return blake2b(json.dumps(value).encode(), digest_size=size).digest()


@dataclass(slots=True)
class Begun:
    """A source of which an earlier run finished the first items: how many, and where their rows are."""

    state: bytes
    items: int = 0
    places: list[int] = field(default_factory=list)

    def goes_on(self, state: bytes, first: int) -> bool:
        """Whether a line that begins with this item of the source, in this state, follows those before."""
        return (self.state, self.items) == (state, first)

    def add(self, items: int, place: int) -> None:
        """So many items more, whose rows stand there."""
        self.items += items
        self.places.append(place)


class Done:
    """Finished sources in the order of their first lines; each has a number, from 0, though some numbers mean nothing.

    A source is looked for by its key: the next one first, as inputs mostly come in the order of the journal.

    Attributes:
        places: Where the line of each begins, or `UNKNOWN`.
        named: How often an input named it in this run.
        rows: How many rows were taken over from a finished table.
        times: Of those that a finished table has several times, how many.
    """

    def __init__(self) -> None:
        self._keys, self._states, self._flags = bytearray(), bytearray(), bytearray()
        self.places, self.named, self.rows = array("q"), array("L"), array("L")
        self.times: dict[int, int] = {}
        self._order: NDArray[np.intp] | None = None  # of the keys, once nothing more is read
        self._later: dict[bytes, int] = {}
        self._next = self._folded = 0

    def __len__(self) -> int:
        self._settle()
        return len(self._flags) - self._folded

    def numbers(self) -> Iterator[int]:
        """Those of sources."""
        self._settle()
        return (number for number, flags in enumerate(self._flags) if not flags & _FOLDED)

    def add(self, key: bytes, state: bytes, place: int, *, failed: bool, passing: bool, rows: int) -> None:
        """A line of the journal that is read. The last one of a source counts; rows of a finished table add up.

        Args:
            key, state: Of the source, as `key_of` and `digest_of` make them.
            place: Where the line begins.
            failed: Whether one of its rows carries an error.
            passing: Whether it is one that passes by itself.
            rows: How many were taken over from a finished table.
        """
        self._order = None
        self._append(key, state, place, failed * _FAILED | passing * _PASSING, rows)

    def finish(self, key: bytes, state: bytes, place: int, *, failed: bool) -> None:
        """A line that this run writes, so that the source is found at once."""
        number = self.find(key)
        if number is None:
            self._later[key] = len(self._flags)
            self._append(key, state, place, failed * _FAILED, 0)
        else:
            self._set(number, state, place, failed * _FAILED, 0)

    def find(self, key: bytes) -> int | None:
        """The number of the source with this key."""
        self._settle()
        begin = DIGEST_BYTES * (number := self._next)
        if self._keys[begin : begin + DIGEST_BYTES] != key or self._flags[number] & _FOLDED:
            number = self._later[key] if key in self._later else self._searched(key)
            if number == UNKNOWN:
                return None
        self._next = number + 1
        return number

    def state(self, number: int) -> bytes:
        """That of the file when it was read."""
        return bytes(self._states[STATE_BYTES * number : STATE_BYTES * (number + 1)])

    def failed(self, number: int) -> bool:
        """Whether one of its rows carries an error."""
        return bool(self._flags[number] & _FAILED)

    def passing(self, number: int) -> bool:
        """Whether one of its rows carries an error that passes by itself."""
        return bool(self._flags[number] & _PASSING)

    def forget_names(self) -> None:
        """As if no input had named any."""
        self.named = array("L", bytes(self.named.itemsize * len(self.named)))

    def _append(self, key: bytes, state: bytes, place: int, flags: int, rows: int) -> None:
        self._keys += key
        self._states += state
        self._flags.append(flags)
        self.places.append(place)
        self.named.append(0)
        self.rows.append(rows)

    def _set(self, number: int, state: bytes, place: int, flags: int, rows: int) -> None:
        self._states[STATE_BYTES * number : STATE_BYTES * (number + 1)] = state
        self._flags[number] = flags
        self.places[number], self.named[number], self.rows[number] = place, 0, rows
        self.times.pop(number, None)

    def _searched(self, key: bytes) -> int:
        """By halving; a number, or `UNKNOWN`. Of equal keys the first one stands for all."""
        order = self._order
        if order is None or not len(order):
            return UNKNOWN
        keys = np.frombuffer(self._keys, _KEY, len(order))
        at = int(np.searchsorted(keys, np.frombuffer(key, _KEY), sorter=order)[0])
        return int(order[at]) if at < len(order) and self._key(int(order[at])) == key else UNKNOWN

    def _key(self, number: int) -> bytes:
        return bytes(self._keys[DIGEST_BYTES * number : DIGEST_BYTES * (number + 1)])

    def _settle(self) -> None:
        """Make one source of all lines with the same key, once all are read."""
        if self._order is not None:
            return
        keys = np.frombuffer(bytes(self._keys), _KEY)
        self._order, self._later, self._next = np.argsort(keys, kind="stable"), {}, 0
        ordered, number = keys[self._order], UNKNOWN
        for at in np.flatnonzero(ordered[1:] == ordered[:-1]).tolist():
            if number == UNKNOWN or self._key(number) != ordered[at].ljust(DIGEST_BYTES, b"\0"):
                number = int(self._order[at])
            self._fold(number, int(self._order[at + 1]))

    def _fold(self, number: int, later: int) -> None:
        if self.rows[number] and self.rows[later]:  # further down in a finished table
            self.rows[number] += self.rows[later]
            self._flags[number] |= self._flags[later]
        else:
            self._set(number, self.state(later), self.places[later], self._flags[later], self.rows[later])
        self._flags[later] |= _FOLDED
        self._folded += 1
