"""A video in stretches, several at a time: each core decodes one with a decoder of its own, and works on its frames.

Decoders that share nothing make more of the cores than one decoder with as many threads, and what is done with the
frames is done beside each other, too.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from mediasift.media.video.index import Misled, Way

if TYPE_CHECKING:
    from mediasift.media.video.every import Timetable
    from mediasift.media.video.frames import CodedFrame
    from mediasift.media.video.video import Video

Result = TypeVar("Result")

_LEAST_FRAMES = 96
"""In a stretch: jumping to its beginning costs about as much as decoding one."""

_PATIENCE_S = 0.1
"""Between two looks, while a result waits for room, whether anybody still wants it."""


_END = object()
"""Behind the results of a stretch."""


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
    _films.append(video)
    team = _Team(video, work, cores=max(1, cores // len(_films)), ahead=ahead)
    try:
        yield from team.results()
    except Misled as misled:
        team.close()
        video.way = max(video.way, misled.way)
        with closing(video.twin(threads=cores)) as decoder:
            yield from work(decoder.rest(team.first_undone))
            video.learn(decoder)
    finally:
        team.close()
        _films.remove(video)


_films: list[Video] = []
"""Videos that are read at this time: readers that have one each shall share the cores."""


def stretches(timetable: Timetable) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of each stretch."""
    begins = [0]
    for number in timetable.keys:
        if number - begins[-1] >= _LEAST_FRAMES:
            begins.append(number)
    return list(zip(begins, [*begins[1:], len(timetable.ticks)], strict=True))


class _Team:
    """Threads, a decoder for each, and the queues that hold their results."""

    def __init__(self, video: Video, work: Callable[[Iterator[CodedFrame]], Any], *, cores: int, ahead: int) -> None:
        self.first_undone = 0  # the frame after those whose results are taken
        self._video, self._work, self._ahead = video, work, ahead
        self._todo = deque(stretches(video.timetable))
        self._workers = min(cores, len(self._todo))
        self._threads = cores // self._workers
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="mediasift-stretch")
        self._decoders: queue.SimpleQueue[Video] = queue.SimpleQueue()

    def results(self) -> Iterator[Any]:
        """Of all stretches in order; raises what a thread raised."""
        begun: deque[tuple[int, queue.Queue[Any], Future[int]]] = deque()
        while self._todo or begun:
            while self._todo and len(begun) <= self._workers:
                first, end = self._todo.popleft()
                results: queue.Queue[Any] = queue.Queue(self._ahead)
                begun.append((end, results, self._pool.submit(self._decode, results, first, end)))
            end, results, done = begun.popleft()
            while (result := results.get()) is not _END:
                yield result
            self.first_undone = done.result()
            if self.first_undone < end:
                raise Misled(Way.THROUGH)

    def _decode(self, results: queue.Queue[Any], first: int, end: int) -> int:
        """In a thread: what the work makes of one stretch, into the queue; the frame after the last that is sure."""
        try:
            decoder = self._decoder()
            try:
                for result in self._work(decoder.stretch(first, end)):
                    if not self._put(results, result):
                        break
                return decoder.reached
            finally:
                self._decoders.put(decoder)
        finally:
            self._put(results, _END)

    def _decoder(self) -> Video:
        try:
            return self._decoders.get_nowait()
        except queue.Empty:
            return self._video.twin(threads=self._threads)

    def _put(self, results: queue.Queue[Any], result: Any) -> bool:
        while not self._stop.is_set():
            with suppress(queue.Full):
                results.put(result, timeout=_PATIENCE_S)
                return True
        return False

    def close(self) -> None:
        """Stop the threads, wait for them, and close their decoders."""
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        while not self._decoders.empty():
            self._decoders.get().close()
