"""One clock for all streams of a container, where its own starts again: joined transport streams, broadcasts, HLS.

A part whose stamps begin again is put where the pictures of the part before it end. All who read a container from its
beginning take its packets from here, so that pictures, sound and subtitles agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_BACK_S = 0.25
"""How far stamps may go back before they mean another part: segments overlap by some frames, and keep their times."""

_LEAP_S = 10.0
"""How far they may go ahead at once, in all streams together; FFmpeg's own limit (-dts_delta_threshold)."""

RESTARTING = ("mpegts", "mpeg")
"""Containers whose parts may also begin much later; in others, a leap is a pause. Their headers state no duration."""

_LOOKED_AHEAD = 1000
"""Packets in which the first picture of a part is searched for."""


@dataclass(slots=True, eq=False)
class _Part:
    """Packets between two breaks of the clock.

    Attributes:
        before: The part before it.
        offset_s: What is added to its stamps; None until its first picture is known.
        recent: Stream → its last stamp, seconds before the offset; empty for one that has not begun.
        ends: Where its pictures (True) and its sound (False) end, seconds before the offset.
    """

    before: _Part | None = None
    offset_s: float | None = None
    recent: dict[int, float] = field(default_factory=dict)
    ends: dict[bool, float] = field(default_factory=dict)

    def breaks(self, index: int, stamp: float, *, restarts: bool) -> bool:
        """Whether a stamp of a stream of this part cannot belong to it."""
        last = self.recent.get(index)
        if last is None or -_BACK_S <= stamp - last <= _LEAP_S:
            return False
        others = (other for one, other in self.recent.items() if one != index)
        return stamp < last or (restarts and not any(abs(stamp - other) <= _LEAP_S for other in others))

    def add(self, packet: Any, stamp: float | None) -> None:
        """Remember where a packet of it lies."""
        if stamp is not None:
            self.recent[packet.stream.index] = stamp
        shown = packet.dts if packet.pts is None else packet.pts
        if shown is not None:
            is_picture = packet.stream.type == "video"
            end = float((shown + (packet.duration or 0)) * packet.time_base)
            self.ends[is_picture] = max(end, self.ends.get(is_picture, end))

    def begin(self, stamp: float) -> None:
        """Put it behind the part before it; its pictures begin with this stamp."""
        self.offset_s = -stamp if self.before is None else self.before.end_s - stamp

    @property
    def end_s(self) -> float:
        """Where its pictures end on the common clock, or its sound where it has no pictures."""
        return (self.offset_s or 0.0) + self.ends.get(True, self.ends.get(False, 0.0))


def clocked(container: Any, streams: Sequence[Any], *, at_break: Callable[[], None] = lambda: None) -> Iterator[Any]:
    """The packets of some streams in file order, their stamps on one clock; the empty last ones are left out.

    Args:
        container: An opened container, at its beginning.
        streams: All that share the clock, pictures and sound, whichever of them is wanted.
        at_break: Called where a part begins whose stamps had to be moved.

    Raises:
        av.FFmpegError: The container is broken from here on.
    """
    has_pictures = any(stream.type == "video" for stream in streams)
    waiting: list[tuple[Any, _Part]] = []
    for packet, part, stamp in _in_parts(container, streams):
        waiting.append((packet, part))
        if part.offset_s is None and stamp is not None:
            is_first = packet.stream.type == "video" or not has_pictures
            if is_first or len(waiting) > _LOOKED_AHEAD:
                part.begin(stamp if packet.pts is None else float(packet.pts * packet.time_base))
                at_break()
        if part.offset_s is not None:
            yield from map(_placed, waiting)
            waiting.clear()
    for packet, part in waiting:
        if part.offset_s is None:
            part.begin(min(part.recent.values()))
            at_break()
        yield _placed((packet, part))


def _in_parts(container: Any, streams: Sequence[Any]) -> Iterator[tuple[Any, _Part, float | None]]:
    """Each packet with its part and its stamp in seconds, before any offset."""
    restarts = container.format.name in RESTARTING
    newest = _Part(offset_s=0.0)
    parts = {stream.index: newest for stream in streams}
    for packet in container.demux(*streams):
        if not packet.size:
            continue
        index = packet.stream.index
        # Only times of decoding ascend; where a packet has none, it cannot show a break.
        stamp = None if packet.dts is None else float(packet.dts * packet.time_base)
        if stamp is not None and parts[index].breaks(index, stamp, restarts=restarts):
            if parts[index] is newest or not any(abs(stamp - one) <= _LEAP_S for one in newest.recent.values()):
                newest = _Part(before=newest)
            parts[index] = newest
        parts[index].add(packet, stamp)
        yield packet, parts[index], stamp


def _placed(located: tuple[Any, _Part]) -> Any:
    """The packet with its stamps on the common clock."""
    packet, part = located
    if part.offset_s:
        ticks = round(part.offset_s / packet.time_base)
        packet.pts, packet.dts = (None if one is None else one + ticks for one in (packet.pts, packet.dts))
    return packet
