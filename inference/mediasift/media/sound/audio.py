"""Sound → clips: any container's sound track as mono float32 at one rate, cut into pieces at silences.

Everything streams: hours of sound need no more memory than one piece. Pieces follow each other without overlap or
gap, so their times add up exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged, EmptyFile, ItemError, Unsupported, UsageError
from mediasift.items import Clip, FailedItem
from mediasift.media.containers import picture_streams, probe_container
from mediasift.media.libraries import av
from mediasift.sources.content import Content
from mediasift.system.optional import require

Waveform = NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000
"""What the speech engines want, and one of the rates that the voice detector knows."""

PIECE_S = 30.0

_FRAME_S = 0.03
_PAUSE_S = 0.5
_AGGRESSIVENESS = 2
"""Of the WebRTC detector, 0 (all is speech) to 3."""

_LONGEST_GAP_S = 60.0
"""A jump of the clock up to this becomes silence; a larger one is a broken time stamp."""

_SMALLEST_GAP_S = 0.1


class SoundTrack:
    """The sound of a file, decoded as it is iterated over: float32 (N,) blocks, mono, -1..1.

    Args:
        content: Any container with a sound track.
        rate: Samples per second of what comes out.
        channel: From 1; None mixes all of them.
        raw_rate: For headerless 16-bit mono little-endian files (`.raw`): their rate.

    Attributes:
        start_s: Time of the first sample: on the container's clock where there is also video; else 0.
        damaged: Packets so far that did not decode.

    Raises:
        ItemError: It cannot be read, is no container, or has no sound track; raised when it is iterated over.
    """

    def __init__(self, content: Content, *, rate: int, channel: int | None = None, raw_rate: int | None = None) -> None:
        self._content, self._rate, self._channel, self._raw_rate = content, rate, channel, raw_rate
        self.start_s = 0.0
        self.damaged = 0

    def __iter__(self) -> Iterator[Waveform]:
        """Blocks in order."""
        raw = {} if self._raw_rate is None else {"sample_rate": str(self._raw_rate), "ch_layout": "mono"}
        form = "s16le" if raw else None
        try:
            with self._content.local() as file, probe_container(file, demuxer=form, options=raw) as container:
                if not container.streams.audio:
                    raise Unsupported("it has no sound track")
                yield from self._blocks(container)
        except av.error.FFmpegError as error:
            raise Damaged(f"the sound does not decode ({error.strerror})") from error

    def _blocks(self, container: Any) -> Iterator[Waveform]:
        """Resampled blocks; where the stream changes its kind midway, so does the resampler."""
        origin, done = None, 0
        has_video = bool(picture_streams(container))
        for _, frames in itertools.groupby(self._frames(container), key=_kind):
            planes = av.AudioResampler("fltp", None, self._rate)
            for frame in frames:
                if frame.time is not None:
                    if origin is None:
                        origin = frame.time
                        self.start_s = float(frame.time) if has_video else 0.0
                    gap = frame.time - origin - done
                    if _SMALLEST_GAP_S < gap < _LONGEST_GAP_S:
                        yield np.zeros(round(gap * self._rate), np.float32)
                        done += gap
                    elif abs(gap) >= _LONGEST_GAP_S:
                        origin = frame.time - done
                done += frame.samples / frame.sample_rate
                frame.pts = None  # what the clock says is dealt with already
                yield from map(self._mono, planes.resample(frame))
            yield from map(self._mono, planes.resample(None))

    def _mono(self, frame: Any) -> Waveform:
        """One channel, or the mean of all: FFmpeg's own mix of floats is louder and clips."""
        planes, channel = frame.to_ndarray(), self._channel
        if channel is not None and channel > len(planes):
            raise Unsupported(f"it has {len(planes)} channels; there is no channel {channel}")
        mono = planes.mean(axis=0) if channel is None else planes[channel - 1]
        waveform: Waveform = np.nan_to_num(mono.clip(-1, 1))
        return waveform

    def _frames(self, container: Any) -> Iterator[Any]:
        """Decoded frames; packets that do not decode are counted and left out."""
        packets = container.demux(container.streams.audio[0])
        while True:
            try:
                for packet in packets:
                    yield from packet.decode()
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:  # of a packet, and others follow; or of the container, which then ends
                self.damaged += 1


def _kind(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def read_clips(
    content: Content, path: str, *, piece_s: float = PIECE_S, channel: int | None = None, raw_rate: int | None = None
) -> Iterator[Clip | FailedItem]:
    """The sound of a file at `SAMPLE_RATE_HZ` in pieces of at most `piece_s` seconds, cut at silences.

    Args:
        content, channel, raw_rate: See `SoundTrack`.
        path: What its rows say in the `path` column.
        piece_s: Longest piece; see `cut`.

    Raises:
        ItemError: The file as a whole cannot be read.
    """
    is_raw, rate = content.suffix.lower() == ".raw", SAMPLE_RATE_HZ
    if is_raw and raw_rate is None:
        raise Unsupported("a .raw file does not tell its rate; type --raw-rate, e.g. --raw-rate 16000")
    track = SoundTrack(content, rate=rate, channel=channel, raw_rate=raw_rate if is_raw else None)
    end = 0
    for start, waveform in cut(track, rate=rate, piece_s=piece_s):
        begin_s = track.start_s + start / rate
        end = start + len(waveform)
        yield Clip(path=path, time_s=begin_s, start_s=begin_s, waveform=waveform, sample_rate=rate)
    if track.damaged:
        error: ItemError = Damaged(f"{track.damaged} packets of the sound did not decode; their words are missing")
        yield FailedItem(path=path, time_s=end / rate if end else None, error=error)
    elif not end:
        yield FailedItem(path=path, error=EmptyFile("the sound track has no samples"))


def check_detector() -> None:
    """Raise a MissingPackage unless the voice detector is installed."""
    require("webrtcvad", extra="speech")


def cut(blocks: Iterable[Waveform], *, rate: int, piece_s: float) -> Iterator[tuple[int, Waveform]]:
    """(first sample, waveform) of pieces that follow each other without overlap or gap.

    A piece ends in the first pause of half a second after half its longest time; where none comes, in the middle of
    its longest pause since then; where there is no pause, at the quietest point.

    Args:
        blocks: Mono sound, -1..1.
        rate: 8, 16, 32 or 48 thousand.
        piece_s: Longest piece, at least 2 seconds.

    Raises:
        UsageError: `piece_s` is too short.
    """
    if piece_s < 2:
        raise UsageError("pieces must be at least 2 seconds long")
    detector = require("webrtcvad", extra="speech").Vad(_AGGRESSIVENESS)
    size, first = round(rate * _FRAME_S), 0
    sound, speech, energy = np.empty(0, np.float32), list[bool](), list[float]()
    waiting: list[Waveform] = []
    for block in itertools.chain(blocks, [None]):
        if block is not None:
            waiting.append(block)  # blocks may be tiny
            if sum(map(len, waiting)) < 16 * size:
                continue
        sound, waiting = np.concatenate([sound, *waiting]), []
        while (len(speech) + 1) * size <= len(sound):
            frame = sound[len(speech) * size :][:size]
            speech.append(detector.is_speech((frame * 32767).astype("<i2").tobytes(), rate))
            energy.append(float(np.dot(frame, frame)))
            if (place := _place(speech, energy, longest=round(piece_s / _FRAME_S))) is not None:
                yield first, sound[: place * size].copy()
                first, sound = first + place * size, sound[place * size :].copy()
                speech, energy = speech[place:], energy[place:]
    if len(sound):
        yield first, sound


def _place(speech: list[bool], energy: list[float], *, longest: int) -> int | None:
    """After which frame to cut now; None to go on."""
    count, half, pause = len(speech), longest // 2, math.ceil(_PAUSE_S / _FRAME_S)
    if count >= half + pause and not any(speech[-pause:]):
        return count - pause // 2
    if count < longest:
        return None
    groups = itertools.groupby(range(half, count), key=speech.__getitem__)
    pauses = [run for run in (list(group) for is_speech, group in groups if not is_speech) if len(run) >= 3]
    if pauses:
        longest_pause = max(pauses, key=len)
        return (longest_pause[0] + longest_pause[-1] + 1) // 2
    loudness = np.convolve(energy[half:], np.ones(5), mode="valid")
    return half + int(loudness.argmin()) + 2


def duration_s(content: Content, *, raw_rate: int | None = None) -> float | None:
    """How long the sound is, as the container says; None where it does not."""
    if content.suffix.lower() == ".raw":
        return content.size / 2 / raw_rate if raw_rate and content.size is not None else None
    try:
        with content.local() as file, probe_container(file) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            if stream.duration is not None and stream.time_base is not None:
                return float(stream.duration * stream.time_base)
            return container.duration / av.time_base if container.duration else None
    except (av.error.FFmpegError, ValueError, ItemError):
        return None
