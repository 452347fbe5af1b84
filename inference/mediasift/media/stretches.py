"""A video in stretches that decode on their own, side by side.

Threads within one decoder wait for each other at every frame. Decoders that each have a stretch of the video, from an
I-frame to a later one, do not; but they share the memory's bandwidth, and so does what is measured on their frames.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import groupby, pairwise, takewhile
from queue import SimpleQueue
from typing import Generic, TypeVar

from mediasift.media.frames import CodedFrame, Frame
from mediasift.media.video import Video, available_cores

F = TypeVar("F", bound=Frame)
T = TypeVar("T")

_MAX_DECODERS = 4
"""Each holds a few frames, and so does each stretch that is done before an earlier one."""


def in_turn(frames: Iterable[F], starts: Iterable[int], look: Callable[[Iterator[F]], T]) -> Iterator[T]:
    """What `look` finds in each stretch of frames that come one after the other; `starts` as in a timetable."""
    borders = list(starts)
    for _, stretch in groupby(frames, key=lambda frame: bisect_right(borders, frame.number)):
        yield look(stretch)


def side_by_side(video: Video, look: Callable[[Iterator[CodedFrame]], T]) -> Iterator[T]:
    """The same, in the same order, from all frames of a video, several stretches being decoded at a time.

    What `look` finds should be small: that of a few stretches waits for its turn. It is called in several threads.
    """
    starts = video.timetable.starts
    decoders = min(_MAX_DECODERS, available_cores(), len(starts))
    if decoders < 2:
        yield from in_turn(video.frames(), starts, look)
        return
    stretches = list(pairwise([*starts, len(video.timetable.ticks)]))
    with _Decoders(video, decoders, look) as team:
        done = yield from team.results(stretches)
    if done < len(stretches):  # a jump has led astray: the rest as it comes
        first, end = stretches[done][0], stretches[-1][1]
        video.wanted(end - first, ())
        yield from in_turn(video.between(first, end), starts, look)


class _Decoders(Generic[T]):
    """Some decoders of one file, each in a thread; a context manager."""

    def __init__(self, video: Video, count: int, look: Callable[[Iterator[CodedFrame]], T]) -> None:
        self._video = video
        self._look = look
        self._count = count
        self._stop = threading.Event()
        self._free: SimpleQueue[Video] = SimpleQueue()
        self._closing = ExitStack()
        threads = max(1, available_cores() // count)
        try:
            for _ in range(count):
                self._free.put(self._closing.enter_context(video.another(threads=threads)))
        except BaseException:
            self._closing.close()
            raise
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="mediasift-decoder")
        self._jumps = True

    def __enter__(self) -> _Decoders[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._closing.close()

    def results(self, stretches: list[tuple[int, int]]) -> Generator[T, None, int]:
        """What was found in each, in order. Returns how many there were before a jump led astray, or all."""
        waiting = set(range(len(stretches)))
        running: set[Future[tuple[T, list[tuple[int, float]]]]] = set()
        begun: dict[int, Future[tuple[T, list[tuple[int, float]]]]] = {}
        next_one = 0
        while next_one < len(stretches):
            while len(running) < self._count and self._jumps:
                near = [one for one in range(next_one, next_one + self._count + 2) if one in waiting]
                if not near:
                    break
                longest = max(near, key=lambda one: stretches[one][1] - stretches[one][0])
                waiting.discard(longest)
                begun[longest] = self._pool.submit(self._read, *stretches[longest])
                running.add(begun[longest])
            if next_one not in begun:
                break
            running = wait(running, timeout=1, return_when=FIRST_COMPLETED).not_done
            self._video.say_alive()
            while next_one in begun and begun[next_one].done():
                first, end = stretches[next_one]
                found, missing = begun.pop(next_one).result()
                self._video.wanted(end - first, missing)
                next_one += 1
                yield found
        return next_one

    def _read(self, first: int, end: int) -> tuple[T, list[tuple[int, float]]]:
        video = self._free.get()
        try:
            video.missing.clear()
            found = self._look(takewhile(lambda _: not self._stop.is_set(), video.between(first, end)))
            return found, list(video.missing)
        finally:
            self._jumps = self._jumps and video.jumps
            self._free.put(video)
