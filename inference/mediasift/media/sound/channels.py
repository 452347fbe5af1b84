"""Several channels → one: their mean, or the best of them where the mean would cancel what is spoken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]

_WINDOW_S = 4.0
_FRAME = 512
_SPEECH_HZ = (300, 3400)
"""What a telephone carries."""

_CANCELLED = 0.4
"""Share of the power that mixing may take away. Two unlike channels lose a quarter or less, six unlike ones 0.37, a
voice in opposite phase all of it, and one under music that is equally loud and in phase 0.45."""


class Mixer:
    """Mixes channels, in windows of a few seconds.

    Args:
        rate: Samples per second.
        channel: From 1, to take that one always; None mixes.

    Attributes:
        chosen: (first sample, one past the last, channel) of the windows where one was chosen instead of the mean.
    """

    def __init__(self, rate: int, channel: int | None) -> None:
        self.chosen: list[tuple[int, int, int]] = []
        self._rate, self._channel, self._done = rate, channel, 0
        self._waiting: list[Waveform] = []

    def add(self, planes: Waveform) -> Iterator[Waveform]:
        """Float32 (channels, N) → mono blocks, as soon as they are decided."""
        if self._channel is not None or len(planes) == 1:
            yield self._clean(planes[(self._channel or 1) - 1])
            return
        self._waiting.append(planes)
        if sum(part.shape[1] for part in self._waiting) >= _WINDOW_S * self._rate:
            yield from self.finish()

    def finish(self) -> Iterator[Waveform]:
        """What still waits; also called before the number of channels changes."""
        if self._waiting:
            planes, self._waiting = np.concatenate(self._waiting, axis=1), []
            before = self.chosen[-1] if self.chosen and self.chosen[-1][1] == self._done else None
            channel = best_channel(planes, self._rate, favourite=before[2] if before else None)
            if channel is not None:
                start = self.chosen.pop()[0] if before and before[2] == channel else self._done
                self.chosen.append((start, self._done + planes.shape[1], channel))
            yield self._clean(planes.mean(axis=0) if channel is None else planes[channel - 1])

    def silence(self, seconds: float) -> Iterator[Waveform]:
        """So much silence, in blocks."""
        yield from self.finish()
        samples = round(seconds * self._rate)
        for start in range(0, samples, 10 * self._rate):
            yield self._clean(np.zeros(min(10 * self._rate, samples - start), np.float32))

    def _clean(self, mono: Waveform) -> Waveform:
        self._done += len(mono)
        return cast("Waveform", np.nan_to_num(mono.clip(-1, 1)))


def best_channel(planes: Waveform, rate: int, *, favourite: int | None = None) -> int | None:
    """The channel, from 1, that is clearest where the mean would lose what is spoken; None where it would not.

    Args:
        planes: Float32 (channels, N), at least two channels.
        rate: Samples per second.
        favourite: Keep this channel unless another one is twice as clear.
    """
    count = planes.shape[1] // _FRAME
    frames = planes[:, : count * _FRAME].reshape(len(planes), count, _FRAME)
    low, high = (round(hertz * _FRAME / rate) for hertz in _SPEECH_HZ)
    spectrum = np.fft.rfft(frames * np.hanning(_FRAME), axis=2)[:, :, low:high]
    power = np.square(np.abs(spectrum))
    apart = power.sum(axis=0)  # what unlike channels would have together, by frame and frequency
    lost = np.clip(apart - np.square(np.abs(spectrum.sum(axis=0))), 0, None)
    if not apart.any() or lost.sum() <= _CANCELLED * apart.sum():
        return None
    loudness = power.sum(axis=2)
    quiet, loud = np.percentile(loudness, [10, 90], axis=1)
    clear = loud / (quiet + 1e-4 * loud.max() + 1e-12)  # speech pauses, noise does not
    best = int(clear.argmax()) + 1
    return favourite if favourite is not None and 2 * clear[favourite - 1] >= clear[best - 1] else best
