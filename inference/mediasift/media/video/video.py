"""Video files: frames with their number and the container's time, decoding no more than is asked for."""

from __future__ import annotations

import contextlib
import itertools
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from mediasift.errors import Damaged, Unreadable, Unsupported
from mediasift.media.containers import picture_streams, probe_container, reason
from mediasift.media.libraries import av
from mediasift.media.pictures.headers import check_size
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.video.every import Timetable
from mediasift.media.video.frames import CodedFrame, Turn, display_turn
from mediasift.media.video.stretches import CannotJump, Result, side_by_side
from mediasift.system.machine import available_cores

_MAX_THREADS = 8
"""Of one decoder, or decoders of one video. Each holds frames in flight, so memory grows with it."""

_SEEK_GAIN = 16
"""Frames by which a seek must shorten the way: it throws away the frames in flight in the decoder's threads."""


class Video:
    """An opened video, to be closed.

    Args:
        file: Where it is.
        demuxer: FFmpeg's name for its format; no other is tried.
        max_megapixels: Larger frames are refused.
        alive: Called about once a second while packets are read and frames decoded, by several threads in
            `side_by_side`.
        threads: Of the decoder; None for one per core.
        timetable: Of the same video, where it is known already.

    Attributes:
        timetable: Numbers and times of all frames.
        missing: Frames that were wanted and did not decode, as (number, time_s).

    Raises:
        ItemError: It cannot be read, holds no video, or is no video at all.
    """

    def __init__(
        self,
        file: Path,
        demuxer: str,
        *,
        max_megapixels: float = MAX_MEGAPIXELS,
        alive: Callable[[], None] = lambda: None,
        threads: int | None = None,
        timetable: Timetable | None = None,
    ) -> None:
        self._file, self._demuxer, self._max_megapixels, self._alive = file, demuxer, max_megapixels, alive
        self._again = partial(Video, file, demuxer, max_megapixels=max_megapixels, alive=alive)
        self._spoke = time.monotonic()
        self._sequential = False
        self._threads = min(threads or available_cores(), _MAX_THREADS)
        self._turn: Turn | None = None
        self._wanted = 0
        self.missing: list[tuple[int, float]] = []
        self._container, self._stream = self._open()
        try:
            self.timetable = timetable or self._read_timetable()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file and the decoder."""
        self._container.close()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as stored."""
        return self._stream.codec_context.width, self._stream.codec_context.height

    def frames(self) -> Iterator[CodedFrame]:
        """Every frame in order."""
        self._wanted += len(self.timetable.ticks)
        return self.rest(0)

    def side_by_side(self, work: Callable[[Iterator[CodedFrame]], Iterator[Result]], *, ahead: int) -> Iterator[Result]:
        """What `work` makes of every frame, in order; see `stretches.side_by_side`."""
        self._wanted += len(self.timetable.ticks)
        return side_by_side(self, work, cores=min(available_cores(), _MAX_THREADS), ahead=ahead)

    def rest(self, first: int) -> Iterator[CodedFrame]:
        """Every frame from number `first` on, for which all before it are decoded, too."""
        return self._noted(self._from_beginning(), first, len(self.timetable.ticks))

    def stretch(self, first: int, end: int) -> Iterator[CodedFrame]:
        """The frames first..end-1, of which the first is an I-frame, or the video's first.

        Raises:
            CannotJump: Only reading from the beginning would lead there.
        """
        frames = self._from(first, only_by_jumping=True) if first else self._from_beginning()
        return self._noted(frames, first, end)

    def _noted(self, frames: Iterable[CodedFrame], first: int, end: int) -> Iterator[CodedFrame]:
        """Those of number first..end-1; the ones that are not there are remembered."""
        following = first
        for frame in frames:
            if frame.number >= end:
                break
            if frame.number >= first:
                self._note(range(following, frame.number))
                following = max(following, frame.number + 1)
                yield frame
        self._note(range(following, end))

    def twin(self, *, threads: int) -> Video:
        """The same video with a decoder of its own, of so many threads."""
        return self._again(threads=threads, timetable=self.timetable)

    def _say_alive(self) -> None:
        """Report progress to the caller, about once a second."""
        now = time.monotonic()
        if now - self._spoke > 1:
            self._spoke = now
            self._alive()

    def iframes(self) -> Iterator[CodedFrame]:
        """The frames that the codec stored whole; nothing else is decoded.

        Raises:
            Damaged: There is none.
        """
        remaining = set(self.timetable.keys)
        if not remaining:
            raise Damaged(f"none of its {len(self.timetable.ticks):,} frames is marked as one that is stored whole")
        self._wanted += len(remaining)
        for frame in self._from_beginning(keys_only=True):
            if frame.number in remaining:
                remaining.discard(frame.number)
                yield frame
        self._note(sorted(remaining))

    def at(self, numbers: Sequence[int]) -> Iterator[CodedFrame]:
        """The frames of these numbers, which ascend; jumps over what lies between where that is shorter."""
        self._wanted += len(numbers)
        frames: Iterator[CodedFrame] | None = None
        position = waiting = 0
        while waiting < len(numbers):
            target = numbers[waiting]
            if frames is None or self._is_far(position, target):
                frames = self._from(target)
            found = next((frame for frame in frames if frame.number >= target), None)
            if found is None:
                self._note(numbers[waiting:])
                return
            position = found.number + 1
            passed = bisect_left(numbers, found.number, waiting)
            self._note(numbers[waiting:passed])
            waiting = passed
            if waiting < len(numbers) and numbers[waiting] == found.number:
                waiting += 1
                yield found

    def complaint(self) -> Damaged | None:
        """What was wrong with the frames read so far; None when nothing was."""
        if self.missing:
            number, time_s = self.missing[0]
            return Damaged(
                f"{len(self.missing):,} of {self._wanted:,} frames do not decode and are left out, "
                f"the first of them frame {number} at {time_s:.3f} s"
            )
        return Damaged(self.timetable.problem) if self.timetable.problem else None

    def _open(self) -> tuple[Any, Any]:
        """A container with its first video stream."""
        try:
            container = probe_container(self._file, demuxer=self._demuxer)
        except (PermissionError, FileNotFoundError) as error:
            raise Unreadable(f"cannot be opened ({reason(error)})") from error
        except (av.error.FFmpegError, ValueError) as error:
            raise Damaged(f"the video cannot be opened ({reason(error)})") from error
        try:
            stream = next(iter(picture_streams(container)), None)
            if stream is None:
                kinds = sorted({one.type for one in container.streams}) or ["nothing"]
                raise Unsupported(f"there is no video in it, only {', '.join(kinds)}")
            if stream.codec_context is None:
                raise Unsupported("its video is in a coding that cannot be read here")
            check_size(stream.codec_context.width, stream.codec_context.height, self._max_megapixels)
            stream.codec_context.thread_count = self._threads
            stream.thread_type = "AUTO"
        except BaseException:
            container.close()
            raise
        return container, stream

    def _read_timetable(self) -> Timetable:
        """Read all packets once, decoding none."""
        ticks, keys, seeks = array("q"), array("q"), array("q")
        early = self._demuxer in ("mpegts", "mpeg")  # these are searched by decoding time
        problem, packets = "", 0
        hidden = self._stream.codec_context.name in ("vp8", "libvpx")
        try:
            for packet in self._container.demux(self._stream):
                self._say_alive()
                shown = packet.pts if packet.pts is not None else packet.dts
                packets += packet.size > 0
                if shown is None or packet.size == 0 or packet.is_discard:
                    continue
                if hidden and not bytes(packet)[0] & 0x10:  # VP8's show_frame, RFC 6386, 9.1
                    continue
                ticks.append(shown)
                if packet.is_keyframe:
                    keys.append(shown)
                    seeks.append(packet.dts if early and packet.dts is not None else shown)
        except (av.error.FFmpegError, ValueError) as error:
            problem = f"reading ends early, after {len(ticks):,} frames ({reason(error)})"
        if not ticks:
            raise Damaged(f"there is no frame in it{': ' + problem if problem else ''}")
        promised = self._stream.frames if self._demuxer == "mp4" else 0
        if not problem and packets < promised:
            problem = f"the file ends early: it announces {promised:,} frames and holds {packets:,}"
        ascending = array("q", sorted(ticks))
        pairs = sorted(zip(keys, seeks, strict=True))
        return Timetable(
            ticks=ascending,
            keys=array("q", (bisect_left(ascending, key) for key, _ in pairs)),
            seeks=array("q", (seek for _, seek in pairs)),
            time_base=Fraction(self._stream.time_base),
            problem=problem,
        )

    def _is_far(self, position: int, target: int) -> bool:
        """Whether jumping to the I-frame before `target` is shorter than decoding on from `position`."""
        key = self.timetable.key_before(target)
        return not self._sequential and key >= 0 and self.timetable.keys[key] > position + _SEEK_GAIN

    def _from(self, target: int, *, only_by_jumping: bool = False) -> Iterator[CodedFrame]:
        """Frames from the I-frame before `target`, or from the beginning where jumping does not work."""
        key = self.timetable.key_before(target)
        if not self._sequential and key > 0:
            expected = self.timetable.keys[key]
            with contextlib.suppress(av.error.FFmpegError):
                self._container.seek(self.timetable.seeks[key], stream=self._stream)
                frames = self._decoded(self._packets())
                first = next((frame for frame in frames if frame.number >= expected), None)
                if first is not None and first.number == expected:
                    yield first
                    yield from frames
                    return
            self._sequential = True  # the container's index cannot be trusted, or this I-frame is none
        if only_by_jumping and self._sequential:
            raise CannotJump
        yield from self._from_beginning()

    def _from_beginning(self, *, keys_only: bool = False) -> Iterator[CodedFrame]:
        self.close()
        self._container, self._stream = self._open()
        yield from self._decoded(packet for packet in self._packets() if packet.is_keyframe or not keys_only)

    def _packets(self) -> Iterator[Any]:
        """The stream's packets, the empty last one left out; ends where the file is broken."""
        with contextlib.suppress(av.error.FFmpegError):
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet

    def _decoded(self, packets: Iterator[Any]) -> Iterator[CodedFrame]:
        """Frames in order; packets that do not decode give none."""
        context, last = self._stream.codec_context, len(self.timetable.ticks) - 1
        number = -1
        for packet in itertools.chain(packets, [None]):  # None: give what is still held back
            self._say_alive()
            try:
                raws = context.decode(packet)
            except (av.error.FFmpegError, ValueError):
                continue
            for raw in raws:
                check_size(raw.width, raw.height, self._max_megapixels)
                ticks = raw.pts if raw.pts is not None else raw.dts
                number = min(number + 1 if ticks is None else self.timetable.number(ticks), last)
                time_s = self.timetable.time_s(number) if ticks is None else self.timetable.seconds(ticks)
                if self._turn is None:
                    self._turn = display_turn(raw)
                yield CodedFrame(raw=raw, turn=self._turn, number=number, time_s=time_s)

    def _note(self, numbers: Iterable[int]) -> None:
        """Remember frames that were wanted and are not there."""
        self.missing.extend((number, self.timetable.time_s(number)) for number in numbers)
