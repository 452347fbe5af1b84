"""How many pixels may be decoded at a time, over all readers."""

from __future__ import annotations

import threading


class Budget:
    """Lets at most so many megapixels be decoded at a time; a larger picture waits until it is alone."""

    def __init__(self, megapixels: float) -> None:
        self._limit = _pixels(megapixels)
        self._used = 0  # whole pixels: fractions would leave a rest, and whoever waits to be alone would wait forever
        self._changed = threading.Condition()

    def take(self, megapixels: float, *, wait: bool = True) -> bool:
        """Hold room for a picture; without `wait`, only if there is some now. Whether it is held."""
        pixels = _pixels(megapixels)

        def has_room() -> bool:
            return self._used == 0 or self._used + pixels <= self._limit

        with self._changed:
            if not wait and not has_room():
                return False
            self._changed.wait_for(has_room)
            self._used += pixels
            return True

    def give_back(self, megapixels: float) -> None:
        """Make room again."""
        with self._changed:
            self._used -= _pixels(megapixels)
            self._changed.notify_all()


def _pixels(megapixels: float) -> int:
    return round(megapixels * 1e6)


class Share:
    """What one source holds of the budget: from before a decode until its item is prepared, never while it waits."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0.0

    def take(self, megapixels: float, *, wait: bool = True) -> bool:
        """As `Budget.take`, instead of what was held before."""
        self.give_back()
        if self._budget.take(megapixels, wait=wait):
            self._held = megapixels
            return True
        return False

    def give_back(self) -> None:
        """Hold nothing any more."""
        if self._held:
            self._budget.give_back(self._held)
            self._held = 0.0
