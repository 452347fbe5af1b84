"""Items into batches, and batches into answers: the culprit of a refused batch is found, what may pass is repeated."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from mediasift.errors import ItemError, TryAgain

T = TypeVar("T")


class Batcher(Generic[T]):
    """Collects items until there are enough of them for one call.

    Args:
        max_size: Items per batch.
        max_wait_s: How long the first item of a batch may wait for the others; None for ever.
    """

    def __init__(self, max_size: int, *, max_wait_s: float | None = None) -> None:
        self._max_size, self._max_wait_s = max_size, max_wait_s
        self._waiting: list[T] = []
        self._since = 0.0

    def add(self, item: T) -> list[T]:
        """The batch that this item completes; empty while it waits for more."""
        if not self._waiting and self._max_wait_s is not None:
            self._since = time.monotonic()
        self._waiting.append(item)
        return self.rest() if len(self._waiting) >= self._max_size else []

    def wait_s(self) -> float | None:
        """Seconds until what waits must go as it is, 0 for now; None for ever, or because nothing waits."""
        if not self._waiting or self._max_wait_s is None:
            return None
        return max(0.0, self._since + self._max_wait_s - time.monotonic())

    def rest(self) -> list[T]:
        """What waits, however little."""
        batch, self._waiting = self._waiting, []
        return batch


def answered(batch: Sequence[T], call: Callable[[Sequence[T]], Sequence[Any]]) -> list[Any]:
    """An answer for each item, in order; an ItemError for those that make the call fail.

    A refused batch is halved until its culprit is alone, which takes about log2(n) calls; then all that is left goes in
    one call. Where several were to blame, what is left goes in as many parts as there were culprits so far: if all of n
    are to blame, that takes about 2n calls.

    Args:
        batch: The items.
        call: Items → as many answers, or an ItemError for all of them.
    """
    answers: list[Any] = []
    culprits, refused_until, size = 0, 0, len(batch)
    while (start := len(answers)) < len(batch):
        part = batch[start : start + size]
        try:
            results = call(part)
        except TryAgain as error:  # no item is to blame, and fewer at a time would not help
            answers += [error] * len(part)
        except ItemError as error:
            if len(part) == 1:
                answers.append(error)
                culprits, refused_until = culprits + 1, 0
            else:
                refused_until = start + len(part)
        else:
            answers += (answer for answer, _ in zip(results, part, strict=True))
        suspects = refused_until - len(answers)
        left = len(batch) - len(answers)
        size = max(1, suspects // 2) if suspects > 0 else -(-left // max(1, culprits))
    return answers


_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _JITTER = 1.0, 30.0, 0.1


def repeated(call: Callable[[], T], *, patience_s: float, stop: threading.Event) -> T:
    """What a call returns; one that may succeed later is repeated after 1, 2, 4 ... seconds, or when it says.

    Up to a tenth of the pause is added by chance, so that calls that failed together do not come back together.

    Args:
        call: What to do.
        patience_s: Since the first attempt; a pause that would end later is not made.
        stop: Once set, no attempt is made any more.

    Raises:
        TryAgain: It did not succeed in time; the sentence says how long it was tried.
    """
    ends, pause = time.monotonic() + patience_s, _FIRST_PAUSE_S
    while True:
        try:
            return call()
        except TryAgain as error:
            wait_s = (pause if error.after_s is None else error.after_s) * (1 + _JITTER * random.random())
            if time.monotonic() + wait_s > ends or stop.wait(wait_s):
                raise TryAgain(f"{error}; it was tried for {patience_s:g} s") from error
            pause = min(2 * pause, _LONGEST_PAUSE_S)
