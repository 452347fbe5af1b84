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

from mediasift.errors import Damaged, EmptyFile, ItemError, Unsupported, UsageError
from mediasift.items import Clip, FailedItem
from mediasift.media.clock import clocked
from mediasift.media.containers import picture_streams, probe_container, sound_streams
from mediasift.media.libraries import av
from mediasift.media.sound.channels import Mixer, Waveform
from mediasift.sources.content import Content
from mediasift.system.optional import require

SAMPLE_RATE_HZ = 16_000
"""What the speech engines want, and one of the rates that the voice detector knows."""

PIECE_S = 30.0

_FRAME_S = 0.03
_PAUSE_S = 0.5
_AGGRESSIVENESS = 2
"""Of the WebRTC detector, 0 (all is speech) to 3."""

_SMALLEST_GAP_S = 0.1
"""Stamps are rounded, to milliseconds in many containers, and drift a little."""
_LONGEST_GAP_S = 86_400.0
"""A leap of more than a day is a broken stamp."""
_COUNTING = frozenset(
    {"aac", "ac3", "aiff", "amr", "au", "caf", "eac3", "flac", "loas", "mp3", "s16le", "tta", "w64", "wav", "wv"}
)
"""Formats whose stamps are counted from the samples, so that they know no gaps: one there is damage."""

_VOICED, _AMONG = 5, 10
"""So many frames among so many neighbours must be speech for a piece to hold any: 0.15 of 0.3 s. The detector takes 3
frames at the beginning of any noise for speech."""


class SoundTrack:
    """The sound of a file, decoded as it is iterated over: float32 (N,) blocks, mono, -1..1.

    Args:
        content: Any container with a sound track.
        rate: Samples per second of what comes out.
        channel: From 1; None mixes all of them, and takes the best where they cancel each other.
        stream: Which sound track, from 1 in the file's order; None takes the default one.
        raw_rate: For headerless 16-bit mono little-endian files (`.raw`): their rate.

    Attributes:
        start_s: Time of the first sample: on the container's clock where there is also video; else 0.
        origin_s: Where the container's clock begins, which is where players count from; else 0.
        damaged: Packets so far that did not decode.

    Raises:
        ItemError: It cannot be read, is no container, or has no such track; raised when it is iterated over.
    """

    def __init__(
        self, content: Content, *, rate: int, channel: int | None = None, stream: int | None = None,
        raw_rate: int | None = None,
    ) -> None:  # fmt: skip
        self._content, self._rate, self._channel, self._stream = content, rate, channel, stream
        self._raw_rate = raw_rate
        self._mixer = Mixer(rate, channel)
        self._tracks = ""
        self.start_s = self.origin_s = 0.0
        self.damaged = 0

    def __iter__(self) -> Iterator[Waveform]:
        """Blocks in order."""
        raw = {} if self._raw_rate is None else {"sample_rate": str(self._raw_rate), "ch_layout": "mono"}
        form = "s16le" if raw else None
        try:
            with self._content.local() as file, probe_container(file, demuxer=form, options=raw) as container:
                yield from self._blocks(container, self._chosen(container))
        except av.error.FFmpegError as error:
            raise Damaged(f"the sound does not decode ({error.strerror})") from error

    def note(self, first: int, last: int) -> str:
        """What a reader should know of the sound between two samples; empty for most."""
        channels = {channel for start, end, channel in self._mixer.chosen if start < last and first < end}
        cancelled = [f"the channels cancel each other: channel {channel} was taken" for channel in sorted(channels)]
        return "; ".join([*([self._tracks] if self._tracks else []), *cancelled])

    def _chosen(self, container: Any) -> Any:
        """The sound track to hear."""
        tracks = container.streams.audio
        if not tracks:
            raise Unsupported("it has no sound track")
        if self._stream is not None and self._stream > len(tracks):
            raise Unsupported(f"it has {len(tracks)} sound tracks; there is no track {self._stream}")
        chosen = sound_streams(container)[0] if self._stream is None else tracks[self._stream - 1]
        if len(tracks) > 1 and self._stream is None:
            number = 1 + [one.index for one in tracks].index(chosen.index)
            self._tracks = f"sound track {number} of {len(tracks)} was heard; --stream chooses"
        return chosen

    def _blocks(self, container: Any, track: Any) -> Iterator[Waveform]:
        """Resampled blocks; where the stream changes its kind midway, so does the resampler."""
        origin, done = None, 0.0
        pictures, is_counting = picture_streams(container)[:1], container.format.name in _COUNTING
        if pictures and container.start_time is not None:
            self.origin_s = container.start_time / av.time_base
        for _, frames in itertools.groupby(self._frames(container, pictures, track), key=_kind):
            planes = av.AudioResampler("fltp", None, self._rate)
            for frame in frames:
                if self._channel is not None and self._channel > frame.layout.nb_channels:
                    raise Unsupported(
                        f"it has {frame.layout.nb_channels} channels; there is no channel {self._channel}"
                    )
                time_s = None if frame.pts is None or frame.time_base is None else frame.time
                if time_s is not None:
                    if origin is None:
                        origin = time_s
                        self.start_s = float(time_s) if pictures else 0.0
                    gap_s = float(time_s - origin - done)
                    if is_counting or abs(gap_s) > _LONGEST_GAP_S:
                        origin, gap_s = time_s - done, 0.0
                    if gap_s < -_SMALLEST_GAP_S:  # parts that overlap: heard already
                        continue
                    if gap_s > _SMALLEST_GAP_S:  # nothing was recorded, however long
                        yield from self._mixed(planes.resample(None))
                        yield from self._mixer.silence(gap_s)
                        planes, done = av.AudioResampler("fltp", None, self._rate), done + gap_s
                done += frame.samples / frame.sample_rate
                frame.pts = None  # what the clock says is dealt with already
                yield from self._mixed(planes.resample(frame))
            yield from self._mixed(planes.resample(None))
            yield from self._mixer.finish()

    def _mixed(self, frames: Iterable[Any]) -> Iterator[Waveform]:
        for frame in frames:
            yield from self._mixer.add(frame.to_ndarray())

    def _frames(self, container: Any, pictures: list[Any], track: Any) -> Iterator[Any]:
        """Decoded frames; packets that do not decode are counted and left out."""
        packets = clocked(container, [*pictures, track])
        is_ended = False
        while not is_ended:
            try:
                for packet in packets:
                    if packet.stream.index == track.index:
                        yield from packet.decode()
                is_ended = True
                yield from track.codec_context.decode(None)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:  # of a packet, and others follow; or of the container, which then ends
                self.damaged += 1


def _kind(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def read_clips(
    content: Content, path: str, *, piece_s: float = PIECE_S, channel: int | None = None, stream: int | None = None,
    raw_rate: int | None = None,
) -> Iterator[Clip | FailedItem]:  # fmt: skip
    """The sound of a file at `SAMPLE_RATE_HZ` in pieces of at most `piece_s` seconds, cut at silences.

    Args:
        content, channel, stream, raw_rate: See `SoundTrack`.
        path: What its rows say in the `path` column.
        piece_s: Longest piece; see `cut`.

    Raises:
        ItemError: The file as a whole cannot be read.
    """
    is_raw, rate = content.suffix.lower() == ".raw", SAMPLE_RATE_HZ
    if is_raw and raw_rate is None:
        raise Unsupported("a .raw file does not tell its rate; type --raw-rate, e.g. --raw-rate 16000")
    track = SoundTrack(content, rate=rate, channel=channel, stream=stream, raw_rate=raw_rate if is_raw else None)
    end = 0
    for start, waveform, has_speech in cut(track, rate=rate, piece_s=piece_s):
        begin_s = track.start_s + start / rate
        end = start + len(waveform)
        yield Clip(
            path=path, time_s=begin_s, start_s=begin_s, origin_s=track.origin_s, waveform=waveform, sample_rate=rate,
            has_speech=has_speech, note=track.note(start, end),
        )  # fmt: skip
    if track.damaged:
        error: ItemError = Damaged(f"{track.damaged} packets of the sound did not decode; their words are missing")
        yield FailedItem(path=path, time_s=track.start_s + end / rate if end else None, error=error)
    elif not end:
        yield FailedItem(path=path, error=EmptyFile("the sound track has no samples"))


def check_detector() -> None:
    """Raise a MissingPackage unless the voice detector is installed."""
    require("webrtcvad", extra="speech")


def cut(blocks: Iterable[Waveform], *, rate: int, piece_s: float) -> Iterator[tuple[int, Waveform, bool]]:
    """(first sample, waveform, whether anybody speaks) of pieces that follow each other without overlap or gap.

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
                yield first, sound[: place * size].copy(), _has_speech(speech[:place])
                first, sound = first + place * size, sound[place * size :].copy()
                speech, energy = speech[place:], energy[place:]
    if len(sound):
        yield first, sound, _has_speech(speech)


def _has_speech(speech: list[bool]) -> bool:
    return bool(speech) and bool(np.convolve(speech, np.ones(_AMONG)).max() >= _VOICED)


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
