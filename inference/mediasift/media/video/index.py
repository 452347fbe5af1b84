"""The timetable of a video by the headers of its packets, none of them decoded."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any

from mediasift.errors import Damaged
from mediasift.media.clock import clocked
from mediasift.media.containers import probe_container, reason, sound_streams
from mediasift.media.libraries import av
from mediasift.media.video.every import Timetable
from mediasift.sources.content import Reach

_SHARING_A_CLOCK = ("mpegts", "mpeg")
"""Containers of which sound is looked at, too: a pause of the pictures alone is no break of the clock."""

_HALF_STAMPED = ("mpeg", "mpegvideo")
"""Containers that stamp only some of their packets: after a jump, FFmpeg guesses the others differently."""


class Way(IntEnum):
    """How a video is read: what is faster is given up for good as soon as a frame shows that it misleads.

    JUMP: by the packets' stamps, with jumps to I-frames. THROUGH: by their stamps, from the beginning. CAREFUL: the
    same without threads, which lose frames near damage. COUNTED: from the beginning, and each frame that the decoder
    gives has the next number.
    """

    JUMP, THROUGH, CAREFUL, COUNTED = range(4)


class Misled(Exception):
    """The way that a video is read is not to be trusted; only `way` is."""

    def __init__(self, way: Way) -> None:
        super().__init__(f"only {way.name} is to be trusted")
        self.way = way


def film_packets(container: Any, stream: Any, *, at_break: Callable[[], None] = lambda: None) -> Iterator[Any]:
    """The packets of a film from its beginning, on the clock that it shares with its sound."""
    sharing = sound_streams(container)[:1] if container.format.name in _SHARING_A_CLOCK else []
    packets = clocked(container, [stream, *sharing], at_break=at_break)
    return (packet for packet in packets if packet.stream.index == stream.index)


def noted(packets: Iterable[Any], stamps: array[int]) -> Iterator[Any]:
    """The same packets, their stamps put aside."""
    for packet in packets:
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and not packet.is_discard:
            stamps.append(stamp)
        yield packet


def read_outline(file: Reach, demuxer: str, index: int, *, alive: Callable[[], None]) -> tuple[Timetable, Way] | None:
    """The timetable of an MP4 file by its index alone, with no packet fetched; None where that is not sure.

    The index has times, sizes and I-frames of all packets (ISO/IEC 14496-12, 8.6). FFmpeg reads zeros for what they
    hold; it takes I-frames from there, too, so that those of the index are taken instead.
    """
    opened: Any = file()
    with opened, probe_container(lambda: opened, demuxer=demuxer) as container:
        stream = container.streams[index]
        entries = [(one.timestamp, one.is_keyframe) for one in getattr(stream, "index_entries", ())]
        if "mp4" not in container.format.name.split(",") or not entries:
            return None
        opened.blank = True
        try:
            return read_timetable(container, stream, alive=alive, entries=entries)
        except LookupError:  # a file in fragments, or with a clock that breaks
            return None


def read_timetable(
    container: Any, stream: Any, *, alive: Callable[[], None], entries: Sequence[tuple[int, bool]] | None = None
) -> tuple[Timetable, Way]:
    """The timetable, and the fastest way that the packets allow; its numbers hold unless that is to count.

    Args:
        container, stream: An opened film.
        alive: Called for each packet.
        entries: Decoding time of each packet, and whether it is an I-frame, where packets are empty.

    Raises:
        LookupError: The packets are others than the entries.
        Damaged: There is no packet.
    """
    ticks, keys, seeks, decoding = array("q"), array("q"), array("q"), array("q")
    name, codec = container.format.name, stream.codec_context.name
    breaks: list[bool] = []
    problem, packets = "", 0
    try:
        for packet in film_packets(container, stream, at_break=lambda: breaks.append(True)):
            alive()
            packets += 1
            is_key = packet.is_keyframe if entries is None else entries[packets - 1][1]
            if entries is not None and entries[packets - 1][0] != packet.dts:
                raise LookupError
            shown = packet.pts if packet.pts is not None else packet.dts
            if shown is None:
                breaks.append(True)
                continue
            if packet.is_discard or (codec in ("vp8", "libvpx") and not bytes(packet)[0] & 0x10):
                continue  # VP8's show_frame, RFC 6386, 9.1
            ticks.append(shown)
            if packet.dts is not None:
                decoding.append(packet.dts)
            if is_key:
                keys.append(shown)
                # Some containers are searched by decoding time.
                seeks.append(packet.dts if name in _SHARING_A_CLOCK and packet.dts is not None else shown)
    except (av.FFmpegError, ValueError) as error:
        problem = f"reading ends early, after {len(ticks):,} frames ({reason(error)})"
    if entries is not None and (problem or packets != len(entries)):
        raise LookupError
    if not packets:
        raise Damaged(f"there is no frame in it{': ' + problem if problem else ''}")
    promised = stream.frames if "mp4" in name.split(",") else 0
    if not problem and packets < promised:
        problem = f"the file ends early: it announces {promised:,} frames and holds {packets:,}"
    ascending = array("q", sorted(ticks))
    pairs = sorted(zip(keys, seeks, strict=True))
    table = Timetable(
        ticks=ascending,
        keys=array("q", (bisect_left(ascending, key) for key, _ in pairs)),
        seeks=array("q", (seek for _, seek in pairs)),
        time_base=Fraction(stream.time_base),
        problem=problem,
    )
    if breaks or any(a >= b for a, b in pairwise(ascending)) or any(a > b for a, b in pairwise(decoding)):
        return table, Way.COUNTED
    return table, Way.THROUGH if name in _HALF_STAMPED else Way.JUMP
