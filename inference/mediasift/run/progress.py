"""How far a run is: a bar on a terminal, plain lines elsewhere; rate, time left, errors so far."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

_EVERY_S = 10.0


class Progress:
    """Counts finished sources and tells the given stream.

    Args:
        stream: Where to write; None writes nothing.
        total: Number of sources, where it is known.
    """

    def __init__(self, stream: TextIO | None, total: int | None) -> None:
        self._stream = stream
        self._total = total
        self._started = self._told = time.monotonic()
        self.done = 0
        self._taken_over = 0
        self.errors = 0
        self._bar: tqdm[None] | None = None
        if stream is not None and stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, file=stream, unit="file", dynamic_ncols=True, leave=False)

    def advance(self, errors: int) -> None:
        """One source is done, with so many error rows."""
        self.done += 1
        self.errors += errors
        if self._bar is not None:
            self._bar.set_postfix(errors=self.errors, refresh=False)
            self._bar.update()
        elif self._stream is not None and time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            self._stream.write(self._line() + "\n")
            self._stream.flush()

    def take_over(self) -> None:
        """One source was done by an earlier run: it counts, but not as speed."""
        self.done += 1
        self._taken_over += 1
        if self._bar is not None:
            self._bar.initial += 1
            self._bar.update()

    def _line(self) -> str:
        rate = (self.done - self._taken_over) / max(time.monotonic() - self._started, 1e-9)
        of_total = f" of {self._total:,}" if self._total is not None else ""
        left = f", {_duration((self._total - self.done) / rate)} left" if self._total is not None and rate else ""
        return f"{self.done:,}{of_total} files, {rate:.1f} per second{left}, {self.errors:,} errors"

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


class Transfer:
    """Tells how far a download is; call it with the bytes that are here and the bytes there will be.

    Args:
        stream: Where to write; None writes nothing.
        name: What is fetched.
    """

    def __init__(self, stream: TextIO | None, name: str) -> None:
        self._stream = stream
        self._name = name
        self._told = time.monotonic()
        self._bar: tqdm[None] | None = None

    def __call__(self, here: int, total: int) -> None:
        """So many bytes are here."""
        if self._stream is None:
            return
        if self._stream.isatty():
            if self._bar is None:
                self._bar = tqdm(
                    total=total,
                    initial=here,
                    desc=self._name,
                    unit="B",
                    unit_scale=True,
                    file=self._stream,
                    leave=False,
                )
            self._bar.update(here - self._bar.n)
        elif time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            self._stream.write(f"{self._name}: {here / 1e6:.1f} of {total / 1e6:.1f} MB\n")
            self._stream.flush()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
