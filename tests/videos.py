"""Videos that tests make themselves, with known times and known grey levels."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MILLISECONDS = Fraction(1, 1000)


def numbered(count: int) -> list[np.ndarray]:
    """Frames of 64 x 48 that show their number: sixteen bits as dark and light fields of 8 x 24."""
    bits = (np.arange(count)[:, None] >> np.arange(16)) & 1
    fields = np.where(bits.reshape(count, 2, 8), 220, 40).astype(np.uint8)
    return list(np.repeat(np.kron(fields, np.ones((1, 24, 8), np.uint8))[..., None], 3, axis=3))


def shown(image: np.ndarray) -> int:
    """The number that such a frame shows, after any coding."""
    fields = image.reshape(2, 24, 8, 8, 3).mean(axis=(1, 3, 4)) > 130
    return int((fields.reshape(-1) * (1 << np.arange(16))).sum())


def make_video(
    path: Path,
    frames: Sequence[np.ndarray],
    times: Iterable[int],
    *,
    codec: str = "libx264",
    time_base: Fraction = MILLISECONDS,
    rate: int = 25,
    keyframe_distance: int = 10,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    format: str | None = None,
) -> Path:
    """Encode uint8 (H, W, 3) RGB frames at the given times, in units of `time_base`."""
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.gop_size = keyframe_distance
        stream.codec_context.time_base = time_base
        stream.time_base = time_base
        for image, ticks in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = ticks, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if codec == "libsvtav1":  # run as root, it makes its caller a process of real time, which starves all others
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def sounding(path: Path, frames: Sequence[np.ndarray], waveform: np.ndarray, *, rate: int = 44_100) -> Path:
    """A film of 25 frames a second in Matroska, with float32 (N,) as its uncompressed sound."""
    with av.open(str(path), "w", format="matroska") as container:
        pictures, sound = container.add_stream("libx264", rate=25), container.add_stream("pcm_s16le", rate=rate)
        pictures.height, pictures.width = frames[0].shape[:2]
        sound.layout = "mono"
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts = number
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        block = av.AudioFrame.from_ndarray((waveform[None] * 32767).astype(np.int16), format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
        container.mux([*sound.encode(block), *sound.encode(None)])
    return path


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The same MP4 with another display matrix (a, b, c, d) in its track header (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 4
    place = start + (52 if data[start] == 1 else 40)
    a, b, c, d = (value << 16 for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


def beginning(source: Path, path: Path, seconds: float) -> Path:
    """The first seconds of a clip with its sound, packets copied."""
    with av.open(str(source)) as whole, av.open(str(path), "w") as out:
        streams = {one.index: out.add_stream_from_template(one) for one in (*whole.streams.video, *whole.streams.audio)}
        for packet in whole.demux(*whole.streams.video, *whole.streams.audio):
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return path
