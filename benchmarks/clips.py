"""Videos that benchmarks make: shots of moving pictures, with a number in each frame that survives coding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FPS = 25
_FIELD = 16
"""Side of the dark and light fields in which a frame's number is written, pixels."""


def make_clip(path: Path, *, seconds: int, width: int, height: int, seed: int = 0) -> Path:
    """A clip of shots of 2 to 7 s, each a camera moving over a textured scene with grain.

    H.264 with x264's own distance of I-frames: at most 250 frames, and one wherever it sees a cut.
    """
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_type = "AUTO"
        number, total = 0, seconds * FPS
        while number < total:
            luma, cb, cr = _scene(rng, width, height)
            room = np.array(luma.shape[::-1]) - (width, height)
            speed = 2 * rng.integers(-2, 3, 2)
            for step in range(min(int(rng.integers(2 * FPS, 7 * FPS)), total - number)):
                left, top = (int(side) // 2 for side in _swung(speed * step, room))
                frame = av.VideoFrame(width, height, "yuv420p")
                for plane, scene, share in zip(frame.planes, (luma, cb, cr), (1, 2, 2), strict=True):
                    wide, high, x, y = width // share, height // share, 2 * left // share, 2 * top // share
                    pixels = np.frombuffer(memoryview(plane), np.uint8).reshape(high, plane.line_size)
                    pixels[:, :wide] = scene[y : y + high, x : x + wide]
                    if scene is luma:
                        write_number(pixels, number)
                    else:
                        pixels[: _FIELD // 2, : 8 * _FIELD] = 128
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))
    return path


def _swung(way: NDArray[Any], room: NDArray[Any]) -> NDArray[Any]:
    """Where a camera is after so many pixels, that turns back at the end of its room: a jump would be a cut."""
    return np.asarray(room - np.abs(np.abs(way) % (2 * room) - room))


def _scene(rng: np.random.Generator, width: int, height: int) -> tuple[NDArray[np.uint8], ...]:
    """Planes of a 4:2:0 picture a quarter larger than the frame: large shapes, small shapes, grain."""
    wide, high = (width + width // 4) // 4 * 4, (height + height // 4) // 4 * 4
    layers = [
        cv2.resize(
            rng.integers(0, 256, (9 * fine, 16 * fine, 3), dtype=np.uint8), (wide, high), interpolation=cv2.INTER_CUBIC
        )
        for fine in (1, 8)
    ]
    mixed = cv2.addWeighted(layers[0], 0.7, layers[1], 0.2, 0)
    grain = np.asarray(rng.integers(0, 7, mixed.shape, dtype=np.uint8))
    whole = cv2.cvtColor(cv2.add(mixed, grain), cv2.COLOR_RGB2YUV_I420)
    luma, rest = whole[:high], whole[high:].reshape(2, high // 2, wide // 2)
    return np.asarray(luma), np.asarray(rest[0]), np.asarray(rest[1])


def write_number(image: NDArray[np.uint8], number: int) -> None:
    """Write 16 bits into the top left corner of a uint8 (H, W) plane of luma."""
    bits = (number >> np.arange(16)) & 1
    image[:_FIELD, : 16 * _FIELD] = np.repeat(np.where(bits, 220, 30), _FIELD)


def read_number(image: NDArray[np.uint8]) -> int:
    """The number that `write_number` wrote, after any coding."""
    fields = image[4 : _FIELD - 4, : 16 * _FIELD].reshape(_FIELD - 8, 16, _FIELD, 3)[:, :, 4:-4].mean(axis=(0, 2, 3))
    return int(((fields > 125) * (1 << np.arange(16))).sum())


def repeated(source: Path, path: Path, times: int) -> Path:
    """The same clip so many times in a row, packets copied, not coded again."""
    with av.open(str(source)) as first, av.open(str(path), "w") as container:
        length = first.streams.video[0].duration or 0
        stream = container.add_stream_from_template(first.streams.video[0])
        for turn in range(times):
            first.seek(0)
            for packet in first.demux(video=0):
                if packet.size and packet.pts is not None and packet.dts is not None:
                    packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                    packet.stream = stream
                    container.mux(packet)
    return path
