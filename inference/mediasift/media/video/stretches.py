"""A video in stretches, several at a time: each core decodes one with a decoder of its own, and works on its frames.

Decoders that share nothing make more of the cores than one decoder with as many threads, and what is done with the
frames is done beside each other, too.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mediasift.media.video.frames import CodedFrame
    from mediasift.media.video.timetable import Timetable
    from mediasift.media.video.video import Video

Result = TypeVar("Result")

_LEAST_FRAMES = 96
"""In a stretch: jumping to its beginning costs about as much as decoding one."""

_PATIENCE_S = 0.1
"""Between two looks, while a result waits for room, whether anybody still wants it."""


class _Missing(list[tuple[int, float]]):
    """The frames of a stretch that are missing, behind its results."""


class CannotJump(Exception):
    """The way to an I-frame in the middle is not to be trusted; only reading from the beginning is."""


def side_by_side(
    video: Video, work: Callable[[Iterator[CodedFrame]], Iterator[Result]], *, cores: int, ahead: int
) -> Iterator[Result]:
    """What `work` makes of all frames, in order.

    Args:
        video: It is not moved: other frames of it can be read meanwhile.
        work: Called in several threads, each time with the frames of one stretch in order. Stretches begin at I-frames.
        cores: Stretches decoded at a time, over all videos that are read at the same time.
        ahead: Results of a stretch that may wait until those of the stretches before it are taken.
    """
    with _one_of_several() as films:
        team = _Team(video, work, cores=max(1, cores // films), ahead=ahead)
        try:
            yield from team.results()
        except CannotJump:
            team.close()
            with closing(video.twin(threads=cores)) as decoder:
                yield from work(decoder.rest(team.first_undone))
                video.missing.extend(decoder.missing)
        finally:
            team.close()


_running = 0
_lock = threading.Lock()


@contextmanager
def _one_of_several() -> Iterator[int]:
    """How many videos are read at a time, this one included: readers that have one each shall share the cores."""
    global _running  # noqa: PLW0603  (of the process, as the cores are)
    with _lock:
        _running += 1
        films = _running
    try:
        yield films
    finally:
        with _lock:
            _running -= 1


def stretches(timetable: Timetable) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each stretch."""
    begins = [0]
    for ticks in timetable.keys:
        number = timetable.number(ticks)
        if number - begins[-1] >= _LEAST_FRAMES:
            begins.append(number)
    return list(zip(begins, [*begins[1:], len(timetable.ticks)], strict=True))


class _Team:
    """Threads, a decoder for each, and the queues that hold what they found.

    Attributes:
        first_undone: First frame of the stretch whose results are not all taken yet.
    """

    def __init__(self, video: Video, work: Callable[[Iterator[CodedFrame]], Any], *, cores: int, ahead: int) -> None:
        self.first_undone = 0
        self._video, self._work, self._ahead = video, work, ahead
        self._todo = deque(stretches(video.timetable))
        self._workers = min(cores, len(self._todo))
        self._threads = cores // self._workers
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="mediasift-stretch")
        self._decoders: queue.SimpleQueue[Video] = queue.SimpleQueue()

    def results(self) -> Iterator[Any]:
        """Of all stretches in order; raises what a thread raised."""
        begun: deque[tuple[int, queue.Queue[Any]]] = deque()
        while self._todo or begun:
            while self._todo and len(begun) <= self._workers:
                first, end = self._todo.popleft()
                found: queue.Queue[Any] = queue.Queue(self._ahead)
                begun.append((end, found))
                self._pool.submit(self._decode, found, first, end)
            end, found = begun.popleft()
            while not isinstance(result := found.get(), _Missing):
                if isinstance(result, BaseException):
                    raise result
                yield result
            self._video.missing.extend(result)
            self.first_undone = end

    def _decode(self, found: queue.Queue[Any], first: int, end: int) -> None:
        """In a thread: what the work makes of one stretch, then the end, or the exception that no row may hide."""
        try:
            decoder = self._decoder()
            try:
                for result in self._work(decoder.stretch(first, end)):
                    if not self._put(found, result):
                        return
                missing, decoder.missing = decoder.missing, []
            finally:
                self._decoders.put(decoder)
            self._put(found, _Missing(missing))
        except BaseException as error:  # handed over to the calling thread, which raises it
            self._put(found, error)

    def _decoder(self) -> Video:
        try:
            return self._decoders.get_nowait()
        except queue.Empty:
            return self._video.twin(threads=self._threads)

    def _put(self, found: queue.Queue[Any], result: Any) -> bool:
        while not self._stop.is_set():
            with suppress(queue.Full):
                found.put(result, timeout=_PATIENCE_S)
                return True
        return False

    def close(self) -> None:
        """Stop the threads, wait for them, and close their decoders."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        while not self._decoders.empty():
            self._decoders.get().close()
