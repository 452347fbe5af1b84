"""How far a run is: a bar on a terminal, plain lines elsewhere; rate, time left, errors so far."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TextIO

from mediasift.errors import count_of, plain

if TYPE_CHECKING:
    from tqdm import tqdm

_EVERY_S = 10.0


class _Shown:
    """A bar on a terminal, now and then a line elsewhere, nothing without a stream."""

    def __init__(self, stream: TextIO | None, **bar: Any) -> None:
        self._stream = stream
        self._started = self._reported = time.monotonic()
        self._bar: tqdm[None] | None = None
        if stream is not None and stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(file=stream, leave=False, **bar)

    def _report(self, *, at_once: bool = False) -> None:
        if self._stream is None or self._bar is not None:
            return
        if at_once or time.monotonic() - self._reported >= _EVERY_S:
            self._reported = time.monotonic()
            self._stream.write(self._line() + "\n")
            self._stream.flush()

    def _line(self) -> str:
        raise NotImplementedError  # each of those that are shown has its own

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


class Progress(_Shown):
    """Counts finished sources, of so many where that is known, and their pages and frames; reports to a stream."""

    def __init__(self, stream: TextIO | None = None, total: int | None = None) -> None:
        super().__init__(stream, total=total, unit="file", dynamic_ncols=True)
        self._total = total
        self.done = self.errors = self._taken_over = self._of_next = 0
        if total:
            self._report(at_once=True)

    def advance(self, errors: int, *, ended: int = 1, items: int = 0) -> None:
        """So many sources are done, with so many error rows; and so many more items of the next, which goes on."""
        self._of_next = items if ended else self._of_next + items
        self.done += ended
        self.errors += errors
        self._report()
        if self._bar is not None:
            self._bar.set_postfix(
                errors=self.errors, **({"pages": self._of_next} if self._of_next else {}), refresh=not ended
            )
            self._bar.update(ended)

    def take_over(self) -> None:
        """One source was done by an earlier run: it counts, but not as speed."""
        self.done += 1
        self._taken_over += 1
        if self._bar is not None:
            self._bar.initial += 1
            self._bar.update()

    @property
    def of_next(self) -> str:
        """What is done of the source that goes on, to follow the number of those that are done."""
        return f" and {self._of_next:,} pages or frames of the next" if self._of_next else ""

    def _line(self) -> str:
        if not self.done + self._of_next:
            return count_of(self._total or 0, "file")
        rate = (self.done - self._taken_over) / max(time.monotonic() - self._started, 1e-9)
        left = f", {_duration((self._total - self.done) / rate)} left" if self._total is not None and rate else ""
        speed = f", {plain(rate)} per second" if rate else ""
        done = (
            f"{self.done:,} of {count_of(self._total, 'file')}"
            if self._total is not None
            else count_of(self.done, "file")
        )
        return f"{done}{self.of_next}{speed}{left}, {count_of(self.errors, 'error')}"


class Transfer(_Shown):
    """Reports how far a download is to a stream; call it with the bytes that are here and the bytes there will be."""

    def __init__(self, stream: TextIO | None, name: str) -> None:
        super().__init__(stream, desc=name, unit="B", unit_scale=True)
        self._name, self._here, self._total = name, 0, 0

    def __call__(self, here: int, total: int) -> None:
        """So many bytes are here."""
        self._here, self._total = here, total
        self._report()
        if self._bar is None:
            return
        if self._bar.total is None:  # what an earlier attempt fetched is no speed
            self._bar.total, self._bar.initial = total, here
        self._bar.update(here - self._bar.n)

    def _line(self) -> str:
        return f"{self._name}: {self._here / 1e6:.1f} of {self._total / 1e6:.1f} MB"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
