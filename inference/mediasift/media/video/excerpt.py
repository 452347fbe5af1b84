"""Pieces of films and recordings as files that every browser plays: MP4 (H.264, AAC), WAV for sound alone."""

from __future__ import annotations

import io
import wave
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from mediasift.errors import Damaged, ItemError
from mediasift.media.containers import picture_streams, probe_container, sound_streams
from mediasift.media.libraries import av
from mediasift.media.pictures.transforms import resize
from mediasift.media.sound.audio import SoundTrack
from mediasift.media.sound.channels import Waveform
from mediasift.media.video.decoder import Viewing
from mediasift.media.video.footage import Footage, open_footage
from mediasift.sources.content import Content

SIDE = 640
"""Longer side of a film's piece, pixels, at most."""

_FILM_RATE_HZ, _SOUND_RATE_HZ = 44_100, 16_000
_QUALITY: dict[str, Any] = {"crf": "23", "preset": "veryfast"}
_AAC_SAMPLES = 1024
"""Of a frame of AAC."""

Stretch = tuple[float, float]
"""(start, end) in seconds on the clock that tables have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """A piece as the bytes of a file.

    Attributes:
        kind: Whether it shows anything.
        suffix: Of the file.
        data: Its bytes.
    """

    kind: Literal["film", "sound"]
    suffix: str
    data: bytes


def excerpts(
    content: Content,
    stretches: Sequence[Stretch],
    *,
    viewing: Viewing = Viewing(),  # noqa: B008  (frozen)
    track: int | None = None,
    channel: int | None = None,
) -> Iterator[Excerpt | ItemError]:
    """The piece of each stretch, or why there is none; of a film the frames that are shown in it, with its sound.

    Args:
        content: Any film or recording.
        stretches: In any order; they may overlap.
        viewing: What is wanted of the film.
        track, channel: The sound track, and its channel; see `SoundTrack`.

    Raises:
        ItemError: It cannot be read.
    """
    try:
        with content.local() as file, probe_container(file) as container:
            moves, sounds = bool(picture_streams(container)), bool(sound_streams(container))
    except av.error.FFmpegError as error:
        raise Damaged(f"it does not open ({error.strerror})") from error
    rate = _FILM_RATE_HZ if moves else _SOUND_RATE_HZ
    sound = [np.empty(0, np.float32)] * len(stretches)
    if sounds:
        sound = _sounds(stretches, rate, SoundTrack(content, rate=rate, stream=track, channel=channel))
    if not moves:
        for stretch, waveform in zip(stretches, sound, strict=True):
            missing = Damaged(f"there is no sound from {stretch[0]:g} to {stretch[1]:g} s")
            yield Excerpt(kind="sound", suffix=".wav", data=_wav(waveform, rate)) if len(waveform) else missing
        return
    with open_footage(content, viewing) as footage:
        for stretch, waveform in zip(stretches, sound, strict=True):
            piece: Excerpt | ItemError
            try:
                piece = Excerpt(kind="film", suffix=".mp4", data=_mp4(footage, stretch, waveform))
            except ItemError as error:
                piece = error
            yield piece


def _sounds(stretches: Sequence[Stretch], rate: int, track: SoundTrack) -> list[Waveform]:
    """The sound of each stretch, from one pass; shorter where the recording is."""
    pieces: list[list[Waveform]] = [[] for _ in stretches]
    last, done = max(end for _, end in stretches), 0
    for block in track:
        for piece, (start, end) in zip(pieces, stretches, strict=True):
            first, stop = (round((one - track.start_s) * rate) - done for one in (start, end))
            if first < len(block) and stop > 0:
                piece.append(block[max(0, first) : stop])
        done += len(block)
        if done > (last - track.start_s) * rate:
            break
    silences = [max(0, round((track.start_s - start) * rate)) if piece else 0
                for piece, (start, _) in zip(pieces, stretches, strict=True)]  # fmt: skip
    return [np.concatenate([np.zeros(lead, np.float32), *piece]) for lead, piece in zip(silences, pieces, strict=True)]


def _wav(waveform: Waveform, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(_sixteen_bits(waveform).tobytes())
    return out.getvalue()


def _sixteen_bits(waveform: Waveform) -> np.ndarray[Any, np.dtype[np.int16]]:
    return (np.clip(waveform, -1, 1) * 32767).astype("<i2")


def _mp4(footage: Footage, stretch: Stretch, waveform: Waveform) -> bytes:
    """The frames that are shown in a stretch, each as long as in the film, and the sound."""
    table = footage.timetable
    times = [table.seconds(tick) for tick in table.ticks]
    first = max(0, bisect_right(times, stretch[0]) - 1)
    numbers = [number for number in range(first, len(times)) if number == first or times[number] < stretch[1]]
    out = io.BytesIO()
    try:
        with av.open(out, "w", format="mp4") as container:
            _encode(container, footage, numbers, stretch, waveform)
    except av.error.FFmpegError as error:
        raise Damaged(f"the piece from {stretch[0]:g} to {stretch[1]:g} s cannot be encoded ({error})") from error
    return out.getvalue()


def film(frames: Sequence[np.ndarray[Any, np.dtype[np.uint8]]], rate_hz: int) -> bytes:
    """Frames, uint8 (H, W, 3) RGB of one even size, as an MP4 (H.264) without sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        height, width = frames[0].shape[:2]
        shows = container.add_stream("libx264", rate=rate_hz, width=width, height=height, pix_fmt="yuv420p")
        shows.options = _QUALITY
        for image in frames:
            container.mux(shows.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(shows.encode(None))
    return out.getvalue()


def _encode(container: Any, footage: Footage, numbers: Sequence[int], stretch: Stretch, waveform: Waveform) -> None:
    shows: Any = None
    tick, end = Fraction(1, 1000), -1
    sounds = container.add_stream("aac", rate=_FILM_RATE_HZ, layout="mono") if len(waveform) else None
    for frame in footage.at(numbers):
        image = frame.rgb()
        factor = min(1.0, SIDE / max(image.shape[:2]))
        height, width = (max(2, round(side * factor) // 2 * 2) for side in image.shape[:2])
        if shows is None:
            shows = container.add_stream("libx264", rate=30, width=width, height=height, pix_fmt="yuv420p")
            shows.codec_context.time_base = tick
            shows.options = _QUALITY
        raw = av.VideoFrame.from_ndarray(np.ascontiguousarray(resize(image, shows.width, shows.height)), "rgb24")
        raw.pts, raw.time_base = max(end + 1, round((frame.time_s - stretch[0]) / tick)), tick
        end = raw.pts
        container.mux(shows.encode(raw))
    if shows is None:
        raise Damaged("no frame of this piece decodes")
    if (last := round((stretch[1] - stretch[0]) / tick) - 1) > end:  # the last frame is seen until the end
        raw.pts = last
        container.mux(shows.encode(raw))
    container.mux(shows.encode(None))
    if sounds is not None:
        for at in range(0, len(waveform), _AAC_SAMPLES):
            samples = waveform[None, at : at + _AAC_SAMPLES]
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = _FILM_RATE_HZ, at, Fraction(1, _FILM_RATE_HZ)
            container.mux(sounds.encode(block))
        container.mux(sounds.encode(None))
