"""Videos that benchmarks make: shots of moving pictures, with a number in each frame that survives coding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

FPS = 25
_FIELD = 16
"""Side of the dark and light fields in which a frame's number is written, pixels."""


def make_clip(path: Path, *, seconds: int, width: int, height: int, seed: int = 0) -> Path:
    """A clip of shots of 2 to 7 s, each a camera moving over a textured scene with grain; H.264, usual settings."""
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        number, total = 0, seconds * FPS
        while number < total:
            scene, speed = _scene(rng, width, height), rng.integers(-3, 4, 2)
            for step in range(min(int(rng.integers(2 * FPS, 7 * FPS)), total - number)):
                left, top = (int(side) for side in np.abs(speed * step) % (width // 4, height // 4))
                image = scene[top : top + height, left : left + width].copy()
                write_number(image, number)
                frame = av.VideoFrame.from_ndarray(image, "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))
    return path


def _scene(rng: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """A picture a quarter larger than the frame: large shapes, small shapes, grain."""
    size = (width + width // 4, height + height // 4)
    layers = [
        cv2.resize(rng.integers(0, 256, (9 * fine, 16 * fine, 3), dtype=np.uint8), size, interpolation=cv2.INTER_CUBIC)
        for fine in (1, 8)
    ]
    mixed = cv2.addWeighted(layers[0], 0.7, layers[1], 0.2, 0)
    return np.asarray(cv2.add(mixed, rng.integers(0, 7, mixed.shape, dtype=np.uint8)), dtype=np.uint8)


def write_number(image: NDArray[np.uint8], number: int) -> None:
    """Write 16 bits into the top left corner of a uint8 (H, W, 3) picture."""
    bits = (number >> np.arange(16)) & 1
    image[:_FIELD, : 16 * _FIELD] = np.repeat(np.where(bits, 230, 20), _FIELD)[None, :, None]


def read_number(image: NDArray[np.uint8]) -> int:
    """The number that `write_number` wrote, after any coding."""
    fields = image[4 : _FIELD - 4, : 16 * _FIELD].reshape(_FIELD - 8, 16, _FIELD, 3)[:, :, 4:-4].mean(axis=(0, 2, 3))
    return int(((fields > 125) * (1 << np.arange(16))).sum())


def repeated(source: Path, path: Path, times: int) -> Path:
    """The same clip so many times in a row, packets copied, not coded again."""
    with av.open(str(source)) as first, av.open(str(path), "w") as container:
        length = first.streams.video[0].duration
        stream = container.add_stream_from_template(first.streams.video[0])
        for turn in range(times):
            first.seek(0)
            for packet in first.demux(video=0):
                if packet.size:
                    packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                    packet.stream = stream
                    container.mux(packet)
    return path
