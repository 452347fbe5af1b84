"""How much readers may decode at a time, so that memory stays small whatever the pictures are."""

from __future__ import annotations

import threading


class Budget:
    """Lets at most so many megapixels be decoded at a time; a larger picture waits until it is alone."""

    def __init__(self, megapixels: float) -> None:
        self._limit = round(megapixels * 1e6)
        # Whole pixels: fractions would leave a rest, and a reader that waits to be alone would wait forever.
        self._used = 0
        self._changed = threading.Condition()

    def take(self, megapixels: float, *, wait: bool = True) -> bool:
        """Hold room for a picture; without `wait`, only if there is some now. Whether it is held."""
        pixels = round(megapixels * 1e6)
        with self._changed:
            held = self._changed.wait_for(
                lambda: self._used == 0 or self._used + pixels <= self._limit, timeout=None if wait else 0
            )
            self._used += pixels if held else 0
        return held

    def give_back(self, megapixels: float) -> None:
        """Make room again."""
        with self._changed:
            self._used -= round(megapixels * 1e6)
            self._changed.notify_all()
