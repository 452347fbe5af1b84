"""An opened container and the decoder of one of its video streams."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mediasift.errors import Unsupported
from mediasift.media.containers import picture_streams, probe_container
from mediasift.media.libraries import av
from mediasift.media.pictures.headers import check_size
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.video.frames import has_alpha
from mediasift.sources.content import Reach

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Codecs whose own decoders in FFmpeg leave out what is transparent, and those that do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewing:
    """What is wanted of a video.

    Attributes:
        max_megapixels: Larger frames are refused.
        background: The colour behind what is transparent, see `pictures.colors.Background`.
        stream: Which of its video streams, from 1 in the file's order; None for its default one.
        as_stored: Frames as they are coded: pixels that are no squares, fields apart, high dynamic range unmapped.
    """

    max_megapixels: float = MAX_MEGAPIXELS
    background: str = "auto"
    stream: int | None = None
    as_stored: bool = False


class Decoder:
    """A container at its beginning, to be closed.

    Args:
        file: Where it is, see `probe_container`.
        demuxer: FFmpeg's name for its format; no other is tried.
        viewing: Which of its streams.
        alive: Called about once a second while packets are read and frames decoded.
        threads: That decode.
        strict: Packets with errors do not decode, instead of being mended as well as may be. With threads, whether what
            is mended is marked as corrupt is a matter of chance.

    Attributes:
        container, stream: Of PyAV.
        faults: Ordinals of the packets that did not decode.
        note: Which stream was chosen, where there are several and `viewing` names no one.
        is_transparent: Whether frames may have an alpha channel.

    Raises:
        ItemError: It cannot be read, holds no video, or is no video at all.
    """

    def __init__(
        self,
        file: Path | Reach,
        demuxer: str,
        *,
        viewing: Viewing,
        alive: Callable[[], None],
        threads: int,
        strict: bool = False,
    ) -> None:
        self._viewing, self._alive, self._spoke = viewing, alive, time.monotonic()
        self.faults: list[int] = []
        self.note = ""
        self._is_fresh = True
        self.container = probe_container(file, demuxer=demuxer)
        try:
            self.stream = self._chosen()
            self._context = self._with_alpha() or self.stream.codec_context
            pixels = getattr(self.stream.codec_context, "pix_fmt", None)
            self.is_transparent = self._context is not self.stream.codec_context or bool(pixels and has_alpha(pixels))
            self._context.thread_count, self._context.thread_type = threads, "AUTO"
            if strict:
                self._context.options = {"err_detect": "explode"}
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self.container.close()

    def _chosen(self) -> Any:
        streams, number = picture_streams(self.container), self._viewing.stream
        if not streams:
            kinds = sorted({one.type for one in self.container.streams}) or ["nothing"]
            raise Unsupported(f"there is no video in it, only {', '.join(kinds)}")
        if number is not None and number > len(streams):
            raise Unsupported(f"it has {len(streams)} video streams; there is no stream {number}")
        in_order = sorted(streams, key=lambda one: one.index)
        stream = streams[0] if number is None else in_order[number - 1]
        if len(streams) > 1 and number is None:
            self.note = f"video stream {in_order.index(stream) + 1} of {len(streams)} was seen; --stream chooses"
        if stream.codec_context is None:
            raise Unsupported("its video is in a coding that cannot be read here")
        check_size(stream.codec_context.width, stream.codec_context.height, self._viewing.max_megapixels)
        return stream

    def _with_alpha(self) -> Any:
        """A decoder that also gives what is transparent, where the stream's own leaves it out; else None."""
        name = _WITH_ALPHA.get(self.stream.codec_context.name)
        if name is None or self.stream.metadata.get("alpha_mode", "0") in ("", "0"):
            return None
        context = av.CodecContext.create(name, "r")
        context.extradata = self.stream.codec_context.extradata
        return context

    def packets(self, demux: Callable[[Any, Any], Iterator[Any]] | None = None) -> Iterator[Any]:
        """The stream's packets, the empty last one left out; ends where the file is broken.

        Args:
            demux: Where they come from, instead of the container itself.
        """
        with contextlib.suppress(av.error.FFmpegError):
            packets = demux(self.container, self.stream) if demux else self.container.demux(self.stream)
            yield from (packet for packet in packets if packet.size)

    def frames(self, packets: Iterable[Any], *, alone: bool = False) -> Iterator[Any]:
        """Each `av.VideoFrame` in order of presentation.

        Args:
            packets: Of the stream.
            alone: Each packet is decoded as if there were no other.
        """
        self._is_fresh = False
        for ordinal, packet in enumerate(itertools.chain(packets, [None])):  # None: give what is still held back
            self.say_alive()
            try:
                raws = self._context.decode(packet)
                if alone and packet is not None:
                    raws += self._context.decode(None)
                    self._context.flush_buffers()
            except (av.error.FFmpegError, ValueError):
                self.faults.append(ordinal)
                continue
            for raw in raws:
                check_size(raw.width, raw.height, self._viewing.max_megapixels)
                yield raw

    def jump(self, ticks: int) -> bool:
        """Go to an I-frame; False where the container does not let us."""
        if self._is_fresh:  # what only the first packet says, such as the errors of its encoder, has to be heard
            next(self.frames(itertools.islice(self.packets(), 1)), None)
        try:
            self.container.seek(ticks, stream=self.stream)
        except av.error.FFmpegError:
            return False
        self._context.flush_buffers()
        self.faults.clear()
        return True

    def packets_at(self, seeks: Iterable[int]) -> Iterator[Any]:
        """The first packet at each of these places; ends where the container does not let us go there."""
        for ticks in seeks:
            if not self.jump(ticks) or (packet := next(self.packets(), None)) is None:
                return
            yield packet

    def say_alive(self) -> None:
        """Report progress to the caller, about once a second."""
        now = time.monotonic()
        if now - self._spoke > 1:
            self._spoke = now
            self._alive()
