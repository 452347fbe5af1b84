"""What a film is: its size as it is seen, all its sizes, and what is done so that it is seen so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from mediasift.media.clock import RESTARTING, clocked
from mediasift.media.containers import picture_streams, sound_streams
from mediasift.media.libraries import av
from mediasift.media.video.frames import View, pixel_aspect, seen

_TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 11: "xvycc", 13: "srgb",
    14: "bt2020-10", 15: "bt2020-12", 16: "pq", 17: "smpte428", 18: "hlg",
}  # fmt: skip
"""Transfer functions by their numbers in ITU-T H.273, table 3."""


def film_facts(container: Any, stream: Any, *, alive: Callable[[], None]) -> dict[str, Any]:
    """Columns of `information.Info` of a film; of its pictures, those are decoded that begin with a size of their own.

    Args:
        container: At its beginning.
        stream: Of its pictures.
        alive: Called now and then.
    """
    context = stream.codec_context
    view, sizes, interlaced = View(aspect=pixel_aspect(stream)), dict[tuple[int, int], None](), False
    stated, begins, ends = b"", list[float](), list[float]()
    restarts = container.format.name in RESTARTING  # FFmpeg guesses how long it is
    sound = sound_streams(container)[:1] if restarts else []
    with contextlib.suppress(av.FFmpegError):
        for packet in clocked(container, [stream, *sound]):
            alive()
            if packet.pts is not None:
                begins.append(float(packet.pts * packet.time_base))
                ends.append(float((packet.pts + (packet.duration or 0)) * packet.time_base))
                begins, ends = [min(begins)], [max(ends)]
            if packet.stream.index != stream.index or not (packet.is_keyframe or not sizes):
                continue
            if sizes and (stated == (new := _stated(packet, context.name)) or not new):
                continue
            stated = _stated(packet, context.name) or stated
            for raw in _alone(context, packet):
                view = seen(raw, stream, as_stored=False) if not sizes else view
                interlaced = interlaced or bool(raw.interlaced_frame)
                sizes.setdefault(view.size(raw.width, raw.height))
    width, height = next(iter(sizes), view.size(context.width, context.height))
    facts = {
        "width": width,
        "height": height,
        "sizes": " ".join(f"{width}x{height}" for width, height in sizes) if len(sizes) > 1 else None,
        "color_model": context.pix_fmt,
        "pixel_aspect": f"{view.aspect.numerator}:{view.aspect.denominator}",
        "interlaced": interlaced or getattr(context, "field_order", 1) > 1,
        "transfer": _TRANSFERS.get(context.color_trc),
        "fps": round(float(stream.average_rate), 3) if stream.average_rate else None,
        "video_streams": len(picture_streams(container)),
    }
    return {**facts, "duration_s": round(ends[0] - begins[0], 3)} if ends and restarts else facts


def _alone(context: Any, packet: Any) -> Iterator[Any]:
    """What one packet decodes to, by itself."""
    with contextlib.suppress(av.FFmpegError, ValueError):
        yield from context.decode(packet)
        yield from context.decode(None)
    context.flush_buffers()


def _stated(packet: Any, codec: str) -> bytes:
    """The bytes of an I-frame that say its size; empty where they are elsewhere, and the size is that of before."""
    if packet.has_sidedata("new_extradata"):
        return bytes(packet.get_sidedata("new_extradata"))
    head = bytes(memoryview(packet)[:4096])
    if codec in ("mpeg1video", "mpeg2video"):
        return head[:8]
    if codec in ("vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d"):
        return head[3:10]
    if codec not in ("h264", "hevc"):
        return b""
    shift, mask, parameters = (0, 31, 7) if codec == "h264" else (1, 63, 33)
    return next((unit[:24] for unit in _units(head) if unit and unit[0] >> shift & mask == parameters), b"")


def _units(head: bytes) -> Iterator[bytes]:
    """The NAL units of the beginning of a packet, with start codes or lengths (ITU-T H.264, B; ISO/IEC 14496-15)."""
    if head.startswith((b"\0\0\1", b"\0\0\0\1")):
        yield from head.split(b"\0\0\1")[1:]
        return
    place = 0
    while place + 4 < len(head):
        size = int.from_bytes(head[place : place + 4], "big")
        yield head[place + 4 : place + 4 + size]
        place += 4 + size
