"""Interlaced frames put together, so that what moves is no comb."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from mediasift.media.libraries import av


def joined_fields(frames: Iterable[tuple[Any, int]]) -> Iterator[tuple[Any, int]]:
    """The same (`av.VideoFrame`, number), the interlaced ones as whole pictures; the others as they are.

    FFmpeg's bwdif makes one frame of each: the lines of its first field, those between from the frames around it. All
    frames from the film's beginning have to pass, so that a picture does not depend on how it was reached.
    """
    graph, size, numbers = None, None, deque[int]()
    for frame, number in frames:
        if graph is None or size != (frame.width, frame.height, frame.format.name):
            yield from _pulled(graph, numbers, at_end=True)
            graph, size = _graph(frame), (frame.width, frame.height, frame.format.name)
        numbers.append(number)
        frame.pts = None  # numbers tell frames apart; the filter shall not mind what a clock says
        graph.push(frame)
        yield from _pulled(graph, numbers)
    yield from _pulled(graph, numbers, at_end=True)


def _graph(frame: Any) -> Any:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 90_000)
    )
    weave = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(weave)
    weave.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Any, numbers: deque[int], *, at_end: bool = False) -> Iterator[tuple[Any, int]]:
    """What the filter has ready: it gives as many frames as it got, in order."""
    if graph is None:
        return
    if at_end:
        graph.push(None)
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame, numbers.popleft()
