"""Video files: frames with their number and the container's time, decoding no more than is asked for."""

from __future__ import annotations

import contextlib
import itertools
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mediasift.errors import Damaged
from mediasift.media.pictures.colors import WHITE, Background
from mediasift.media.video.decoder import Decoder, Viewing
from mediasift.media.video.every import Chosen, Timetable
from mediasift.media.video.fields import joined_fields
from mediasift.media.video.frames import CodedFrame, View, converted, seen
from mediasift.media.video.index import Misled, Way, film_packets, noted, read_outline, read_timetable
from mediasift.media.video.stretches import Result, side_by_side
from mediasift.sources.content import Reach
from mediasift.system.machine import available_cores

_MAX_THREADS = 8
"""Of one decoder, or decoders of one video. Each holds frames in flight, so memory grows with it."""

_STEADY_THREADS = 4
"""Of a decoder that reads from the beginning, whatever the cores: near damage, what it gives depends on them."""

_SEEK_GAIN = 16
"""Frames by which a seek must shorten the way: it throws away the frames in flight in the decoder's threads."""


_A_FRAME_EACH = ("h264", "hevc", "mpeg1video", "mpeg2video")
"""Codecs whose packets hold one frame each, unless it is interlaced."""


class Video:
    """An opened video, to be closed.

    What frames it has, their numbers and times are those of one decoder that reads it from its beginning, whichever
    way they are reached and on however many cores.

    Args:
        file, demuxer, viewing: Of `Decoder`.
        alive: The same; `side_by_side` calls it from several threads.
        threads: Of the decoder; None for one per core.
        twin: The same video, opened already.

    Attributes:
        timetable: Numbers and times of all frames.
        way: How it is read.
        weaves: Whether its frames are interlaced, and are put together.
        missing: Frames that were wanted and did not decode, number → time_s.
        is_damaged: Whether frames that were counted have to be read without threads.
        lost: Packets that did not decode, where frames were counted.
        reached: The frame after the last that `stretch` gave.

    Raises:
        ItemError: It cannot be read, holds no video, or is no video at all.
    """

    def __init__(
        self,
        file: Path | Reach,
        demuxer: str,
        *,
        viewing: Viewing = Viewing(),  # noqa: B008  (frozen)
        alive: Callable[[], None] = lambda: None,
        threads: int | None = None,
        twin: Video | None = None,
    ) -> None:
        self._threads = min(threads or available_cores(), _MAX_THREADS)
        self._opened = partial(Decoder, file, demuxer, viewing=viewing, alive=alive)
        self._again = partial(Video, file, demuxer, viewing=viewing, alive=alive, twin=self)
        self._as_stored = viewing.as_stored
        self._reach = partial(read_outline, file, demuxer, alive=alive) if callable(file) else None
        self.ground = Background(viewing.background)
        self._view: View | None = None
        self._wanted = self.reached = 0
        self.lost: set[int] = set()
        self.missing: dict[int, float] = {}
        self.is_damaged = False
        self.timetable: Timetable
        self.way: Way
        self.weaves: bool
        self._decoder = self._opened(threads=self._threads, strict=True)
        try:
            if twin is not None:
                self.timetable, self.way = twin.timetable, twin.way
                self.weaves, self.is_damaged = twin.weaves, twin.is_damaged
                self.ground = twin.ground
            else:
                self._look_through()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file and the decoder."""
        self._decoder.close()

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as stored."""
        return self._decoder.stream.codec_context.width, self._decoder.stream.codec_context.height

    @property
    def note(self) -> str:
        """Which stream was chosen, where there are several and `viewing` names no one."""
        return self._decoder.note

    def frames(self) -> Iterator[CodedFrame]:
        """Every frame in order."""
        return self.rest(0)

    def rest(self, first: int) -> Iterator[CodedFrame]:
        """Every frame from number `first` on, for which all before it are decoded, too."""
        return self.at(lambda table: range(first, len(table.ticks)))

    def side_by_side(self, work: Callable[[Iterator[CodedFrame]], Iterator[Result]], *, ahead: int) -> Iterator[Result]:
        """What `work` makes of every frame, in order; see `stretches.side_by_side`."""
        if self.way is not Way.JUMP:
            return work(self.frames())
        self._wanted += len(self.timetable.ticks)
        return side_by_side(self, work, cores=min(available_cores(), _MAX_THREADS), ahead=ahead)

    def stretch(self, first: int, end: int) -> Iterator[CodedFrame]:
        """The frames first..end-1, of which the first is an I-frame, or the video's first; fewer where a jump misleads.

        The frame after the last one is `reached`.
        """
        self.reached = first
        with contextlib.suppress(Misled):
            for frame in self._from(first):
                if frame.number >= end:
                    return
                yield frame
                self.reached = frame.number + 1

    def twin(self, *, threads: int) -> Video:
        """The same video with a decoder of its own, of so many threads."""
        return self._again(threads=threads)

    def learn(self, twin: Video) -> None:
        """Take over what a twin that read to the end found out, and what was missing there."""
        self.timetable, self.way = twin.timetable, twin.way
        self.weaves, self.is_damaged = twin.weaves, twin.is_damaged
        self._wanted = len(self.timetable.ticks)
        self.missing |= twin.missing
        self.lost |= twin.lost

    def iframes(self) -> Iterator[CodedFrame]:
        """The frames that the codec stored whole; where packets can be trusted, nothing else is decoded.

        Raises:
            Damaged: There is none.
        """
        keys = self.timetable.keys
        if not keys:
            raise Damaged(f"none of its {len(self.timetable.ticks):,} frames is marked as one that is stored whole")
        last = -1
        for alone in (False, True):  # where it does not begin again at an I-frame, the decoder misses those between
            if self.way is not Way.JUMP:
                break
            rest = keys[bisect_left(keys, last + 1) :]
            try:
                frames = self._from_beginning(rest, keys_only=True, alone=alone)
                if self._reach is not None:  # what lies between is not fetched
                    places = [self.timetable.seeks[at] for at in range(len(keys) - len(rest), len(keys))]
                    frames = self._decoded(self._decoder.packets_at(places), rest, alone=True)
                for frame in frames:
                    last = frame.number
                    self._wanted += 1
                    yield frame
            except Misled as misled:
                if alone:
                    self._follow(misled)
            else:
                return
        yield from self.at(lambda table: [key for key in table.keys if key > last])

    def at(self, chosen: Chosen) -> Iterator[CodedFrame]:
        """The frames of these numbers, which ascend; jumps over what lies between where that is shorter."""
        last = -1
        while True:
            numbers = [one for one in (chosen(self.timetable) if callable(chosen) else chosen) if one > last]
            try:
                for frame in self._at(numbers):
                    last = frame.number
                    self._wanted += 1
                    yield frame
            except Misled as misled:
                self._follow(misled)
            else:
                return

    def _at(self, numbers: Sequence[int]) -> Iterator[CodedFrame]:
        frames: Iterator[CodedFrame] | None = None
        position = waiting = 0
        while waiting < len(numbers):
            target = numbers[waiting]
            if frames is None or self._is_far(position, target):
                frames = self._from(target)
            reached = next((frame for frame in frames if frame.number >= target), None)
            passed = len(numbers) if reached is None else bisect_left(numbers, reached.number, waiting)
            self._wanted += passed - waiting
            self.missing |= {number: self.timetable.time_s(number) for number in numbers[waiting:passed]}
            waiting = passed
            if reached is not None:
                position = reached.number + 1
                if waiting < len(numbers) and numbers[waiting] == reached.number:
                    waiting += 1
                    yield reached

    def complaint(self) -> Damaged | None:
        """What was wrong with the frames read so far; None when nothing was."""
        if count := len(self.missing) + len(self.lost):
            first = min(self.missing.items(), default=None)
            where = "" if first is None else f", the first of them frame {first[0]} at {first[1]:.3f} s"
            whole = min(max(self._wanted, len(self.missing)), len(self.timetable.ticks)) + len(self.lost)
            return Damaged(f"{count:,} of {whole:,} frames do not decode and are left out{where}")
        return Damaged(self.timetable.problem) if self.timetable.problem else None

    def _look_through(self) -> None:
        """Make the timetable, and choose the way that the packets and the stream's own description allow."""
        decoder = self._decoder
        known = None if self._reach is None else self._reach(decoder.stream.index)
        if known is None:
            self._reach, known = None, read_timetable(decoder.container, decoder.stream, alive=decoder.say_alive)
        self.timetable, self.way = known
        self.weaves = getattr(decoder.stream.codec_context, "field_order", 1) > 1 and not self._as_stored
        if self.way is Way.COUNTED:
            self._count()
        elif self.weaves:
            self.way = Way.THROUGH
        if decoder.is_transparent and self.ground.color is None:  # the first frame chooses for all
            self._reopen()
            for raw in itertools.islice(self._decoder.frames(self._decoder.packets()), 1):
                rgba = converted(raw, "rgba")
                self.ground.lay(rgba[:, :, :3], rgba[:, :, 3])

    def _follow(self, misled: Misled) -> None:
        """Go on the way that is to be trusted."""
        if misled.way > self.way:
            self.way = misled.way
            if self.way is Way.COUNTED:
                self._count()

    def _reopen(self) -> None:
        self.close()
        is_careful = self.way is Way.CAREFUL or self.is_damaged
        threads = 1 if is_careful else self._threads if self.way is Way.JUMP else _STEADY_THREADS
        self._decoder = self._opened(threads=threads, strict=not is_careful)

    def _count(self) -> None:
        """Make the timetable again, from the frames that the decoder gives."""
        self._reopen()
        ticks, keys, step, coded = array("q"), array("q"), 1, array("q")
        is_whole, is_sound = self._decoder.stream.codec_context.name in _A_FRAME_EACH, not self.timetable.problem
        for raw in self._decoder.frames(noted(self._decoder.packets(film_packets), coded)):
            is_whole = is_whole and not raw.interlaced_frame
            is_sound = is_sound and not raw.interlaced_frame and not raw.is_corrupt
            stamp = raw.pts if raw.pts is not None else raw.dts
            if ticks:  # stamps that repeat or overlap are moved as little as frames need to have an order
                step = max(1, raw.duration or step)
                stamp = ticks[-1] + step if stamp is None else max(ticks[-1] + 1, stamp)
            if raw.key_frame:
                keys.append(len(ticks))
            ticks.append(stamp or 0)
        silent = sum(stamp >= ticks[0] for stamp in coded) - len(ticks) - len(self._decoder.faults) if ticks else 0
        if not self.is_damaged and (not ticks or not is_sound or self._decoder.faults or (is_whole and silent)):
            self.is_damaged = True
            self._count()
            return
        if not ticks:
            count = len(self.timetable.ticks)
            raise Damaged(f"{count:,} of {count:,} frames do not decode and are left out")
        self.timetable = replace(self.timetable, ticks=ticks, keys=keys, seeks=())
        self.lost |= set(range(-silent, 0)) if is_whole else set()  # damage of which the decoder does not speak

    def _is_far(self, position: int, target: int) -> bool:
        """Whether jumping to the I-frame before `target` is shorter than decoding on from `position`."""
        key = self.timetable.key_before(target)
        return self.way is Way.JUMP and key >= 0 and self.timetable.keys[key] > position + _SEEK_GAIN

    def _from(self, target: int) -> Iterator[CodedFrame]:
        """Frames from the I-frame before `target`, or from the beginning where jumping does not work."""
        key, whole = self.timetable.key_before(target), range(len(self.timetable.ticks))
        if self.way is not Way.JUMP or key <= 0:
            return self._from_beginning(whole)
        if not self._decoder.jump(self.timetable.seeks[key]):
            raise Misled(Way.THROUGH)
        return self._decoded(self._decoder.packets(), whole[self.timetable.keys[key] :])

    def _from_beginning(
        self, expected: Sequence[int], *, keys_only: bool = False, alone: bool = False
    ) -> Iterator[CodedFrame]:
        self._reopen()
        packets = (packet for packet in self._decoder.packets() if packet.is_keyframe or not keys_only)
        return self._decoded(packets, expected, alone=alone)

    def _decoded(self, packets: Iterator[Any], expected: Sequence[int], *, alone: bool = False) -> Iterator[CodedFrame]:
        """Frames as they are to be seen; those that the decoder itself calls corrupt are left out."""
        bad: set[int] = set()
        frames = self._numbered(self._decoder.frames(packets, alone=alone), expected, bad)
        for raw, number in joined_fields(frames) if self.weaves else frames:
            if self._view is None:
                view = seen(raw, self._decoder.stream, as_stored=self._as_stored)
                self._view = replace(view, ground=self.ground.color or WHITE)
            if number not in bad:
                yield CodedFrame(raw=raw, view=self._view, number=number, time_s=self.timetable.time_s(number))
        if self.way is Way.COUNTED:
            self.lost.update(self._decoder.faults)

    def _numbered(self, raws: Iterator[Any], expected: Sequence[int], bad: set[int]) -> Iterator[tuple[Any, int]]:
        """Frames with their numbers; those before the first expected one, which a jump leaves half made, are left out.

        Raises:
            Misled: Not all of the expected ones come, each once, in order and whole, and damage does not explain it.
        """
        place, faults, is_strict = 0, self._decoder.faults, self.way < Way.CAREFUL
        otherwise = Misled(Way(min(self.way + 1, Way.COUNTED)))
        for raw in raws:
            number = self._number(raw, expected[place : place + 1])
            if number is not None and number < expected[0]:
                continue
            has_holes = bool(faults or bad or raw.is_corrupt)
            if number is None or place >= len(expected) or number < expected[place] or (is_strict and has_holes):
                raise otherwise
            if number > expected[place] and not has_holes:
                raise otherwise
            if raw.interlaced_frame and not self.weaves and not self._as_stored:
                self.weaves = True
                raise Misled(Way.THROUGH)
            if raw.is_corrupt:
                bad.add(number)
            place = bisect_left(expected, number) + 1
            yield raw, number
        if place < len(expected) and (is_strict or not (faults or bad)):
            raise otherwise

    def _number(self, raw: Any, following: Sequence[int]) -> int | None:
        """A frame's number: the following one in a film that was counted; None where no frame has its stamp."""
        stamp: int | None = raw.pts if raw.pts is not None else raw.dts
        if self.way is Way.COUNTED or stamp is None:
            return following[0] if following else None
        return self.timetable.number(stamp)
