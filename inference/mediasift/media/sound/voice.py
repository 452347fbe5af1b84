"""Pitch, loudness and pauses of a voice.

Pitch: Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
sound", Proceedings of the Institute of Phonetic Sciences 17, 1993, with Praat's usual settings: the autocorrelation of
a Hanning window of three of the longest periods, divided by that of the window; of the candidates of each step, the
path that costs least. Peaks are interpolated by parabolas. Pauses: de Jong and Wempe, "Praat script to detect syllable
nuclei and measure speech rate automatically", Behavior Research Methods 41, 2009: at least 0.3 s that is 25 dB below
the loudest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mediasift.errors import Damaged
from mediasift.media.sound.audio import SAMPLE_RATE_HZ, SoundTrack
from mediasift.sources.content import Content

FLOOR_HZ, CEILING_HZ = 75.0, 600.0
STEP_S = 0.01
PAUSE_S = 0.3
SILENCE_DB = -25.0

_WINDOW = int(3 * SAMPLE_RATE_HZ / FLOOR_HZ)
_STEP = int(STEP_S * SAMPLE_RATE_HZ)
_CANDIDATES = 14
_SILENCE, _VOICING, _OCTAVE, _JUMP, _CHANGE = 0.03, 0.45, 0.01, 0.35, 0.14
"""Praat's thresholds of silence and voicing, and its costs, at steps of 10 ms: of a lower octave, of a jump of an
octave, of a change to or from voice."""
_BATCH = 512
_NO_SOUND_DB = -120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What a recording's voice is like; None where nothing is voiced, or nothing sounds.

    Attributes:
        pitch_hz: Median over the voiced frames of 10 ms.
        pitch_low_hz, pitch_high_hz: Their 5th and 95th percentile.
        voiced: Share of all frames that are voiced, 0..1.
        loudness_db: Mean power from the first to the last sound, pauses left out, relative to full scale (dBFS).
        pauses: How many there are between the first and the last sound.
        pauses_s: How long all of them are.
    """

    pitch_hz: float | None = None
    pitch_low_hz: float | None = None
    pitch_high_hz: float | None = None
    voiced: float | None = None
    loudness_db: float | None = None
    pauses: int | None = None
    pauses_s: float | None = None


def voice_of(content: Content) -> Voice:
    """The voice of a recording, or of a video's sound track; an hour of it takes about 50 MB.

    Raises:
        ItemError: It cannot be read, has no sound track, or is damaged.
    """
    track = SoundTrack(content, rate=SAMPLE_RATE_HZ)
    frames = measured(track)
    if track.damaged:
        raise Damaged(f"{track.damaged} packets of the sound do not decode: its voice would be measured in part")
    return summarised(frames)


class Frames(NamedTuple):
    """Sound in steps of 10 ms.

    Attributes:
        peaks: Largest amplitude around each, float64 (N,).
        powers: Mean square of each, float64 (N,).
        pitches, strengths: Candidates, float32 (N, 14) each, in Hz and as correlations; 0 where there is none.
    """

    peaks: NDArray[np.float64]
    powers: NDArray[np.float64]
    pitches: NDArray[np.float32]
    strengths: NDArray[np.float32]


def measured(blocks: Iterable[NDArray[np.float32]]) -> Frames:
    """A sound of 16,000 samples a second, float32 (N,) blocks, in steps."""
    nothing = np.zeros((0, _CANDIDATES), np.float32)
    batches = [Frames(np.zeros(0), np.zeros(0), nothing, nothing), *_batches(blocks)]
    return Frames(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))


def _batches(blocks: Iterable[NDArray[np.float32]]) -> Iterator[Frames]:
    """The same, some steps at a time; the window is centred on each."""
    held = np.zeros(_WINDOW // 2 - _STEP // 2, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= _WINDOW + _STEP * (_BATCH - 1):
            yield _batch(held, _BATCH)
            held = held[_BATCH * _STEP :]
    rest = (len(held) - (_WINDOW // 2 - _STEP // 2)) // _STEP
    if rest > 0:
        yield _batch(np.concatenate([held, np.zeros(_WINDOW, np.float32)]), rest)


def _windowed() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The Hanning window, and its normalised autocorrelation at lags from 0."""
    window = np.hanning(_WINDOW + 2)[1:-1]
    power = np.abs(np.fft.rfft(window, 2 * _WINDOW)) ** 2
    correlation = np.fft.irfft(power)[: _WINDOW // 2]
    return window, correlation / correlation[0]


_HANNING, _HANNING_CORRELATION = _windowed()


def _batch(samples: NDArray[np.float32], count: int) -> Frames:
    places = np.arange(count)[:, None] * _STEP + np.arange(_WINDOW)
    frames = samples[places].astype(np.float64)
    middle = frames[:, _WINDOW // 2 - _STEP // 2 : _WINDOW // 2 + _STEP // 2]
    powers = (middle**2).mean(axis=1)
    frames -= frames.mean(axis=1, keepdims=True)
    peaks = np.abs(frames).max(axis=1)
    spectrum = np.abs(np.fft.rfft(frames * _HANNING, 2 * _WINDOW)) ** 2
    correlation = np.fft.irfft(spectrum)[:, : _WINDOW // 2]
    whole = correlation[:, :1].copy()
    whole[whole <= 0] = 1.0
    correlation = correlation / whole / _HANNING_CORRELATION
    return Frames(peaks, powers, *_peaks(correlation))


def _peaks(correlation: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The strongest maxima between the longest and the shortest period, as pitches and strengths (frames, 14)."""
    first, last = int(SAMPLE_RATE_HZ / CEILING_HZ), min(int(SAMPLE_RATE_HZ / FLOOR_HZ) + 1, correlation.shape[1] - 1)
    before, here, after = (correlation[:, first + shift : last + shift] for shift in (-1, 0, 1))
    is_peak = (here > before) & (here >= after) & (here > 0.5 * _VOICING)
    curve = 2 * here - before - after
    shift = np.divide(after - before, 2 * curve, out=np.zeros_like(here), where=curve > 0)
    height = here + 0.25 * (after - before) * shift
    pitch = SAMPLE_RATE_HZ / (np.arange(first, last) + shift)
    height = np.where(height > 1, 1 / np.maximum(height, 1), height)  # beyond what a correlation can be, as in Praat
    is_peak &= (pitch >= FLOOR_HZ) & (pitch <= CEILING_HZ)
    rated = np.where(is_peak, height + _OCTAVE * np.log2(np.maximum(pitch, 1) / FLOOR_HZ), -1)
    order = np.argsort(-rated, axis=1, kind="stable")[:, :_CANDIDATES]
    chosen = np.take_along_axis(is_peak, order, axis=1)
    pitches, strengths = (np.take_along_axis(one, order, axis=1) * chosen for one in (pitch, height))
    return pitches.astype(np.float32), strengths.astype(np.float32)


def pitches_of(frames: Frames) -> NDArray[np.float64]:
    """The pitch of each step in Hz, float64 (N,), 0 where it is unvoiced: the path that costs least (Viterbi)."""
    count = len(frames.peaks)
    if not count or not frames.peaks.any():
        return np.zeros(count)
    pitches = np.concatenate([np.zeros((count, 1)), frames.pitches], axis=1)  # the first stands for no voice
    is_voiced = pitches > 0
    octaves = np.log2(np.where(is_voiced, pitches, FLOOR_HZ))
    unvoiced = _VOICING + np.maximum(0, 2 - frames.peaks / frames.peaks.max() * (1 + _VOICING) / _SILENCE)
    gains = np.where(frames.pitches > 0, frames.strengths + _OCTAVE * (octaves[:, 1:] - np.log2(FLOOR_HZ)), -np.inf)
    gains = np.concatenate([unvoiced[:, None], gains], axis=1)
    back = np.zeros(pitches.shape, np.int8)
    best = gains[0]
    for number in range(1, count):
        before, after = is_voiced[number - 1][:, None], is_voiced[number][None]
        jumps = _JUMP * np.abs(octaves[number - 1][:, None] - octaves[number][None])
        total = best[:, None] - np.where(before & after, jumps, np.where(before ^ after, _CHANGE, 0.0))
        back[number] = total.argmax(axis=0)
        best = total.max(axis=0) + gains[number]
    path, place = np.zeros(count), int(best.argmax())
    for number in range(count - 1, -1, -1):
        path[number] = pitches[number, place]
        place = int(back[number, place])
    return path


def summarised(frames: Frames) -> Voice:
    """The measures of a recording with these steps."""
    powers = frames.powers
    if not powers.any():
        return Voice()
    levels = 10 * np.log10(np.maximum(powers, 10 ** (_NO_SOUND_DB / 10)))
    sounding = levels > np.percentile(levels, 99) + SILENCE_DB
    places = np.flatnonzero(sounding)
    lengths = np.diff(places) - 1
    is_pause = lengths * STEP_S >= PAUSE_S - 1e-9
    pauses = lengths[is_pause]
    is_heard = np.zeros(len(powers), bool)
    is_heard[places[0] : places[-1] + 1] = True
    for start, length in zip(places[:-1][is_pause], pauses, strict=True):
        is_heard[start + 1 : start + 1 + length] = False
    pitches = pitches_of(frames)
    voiced = pitches[pitches > 0]
    low, median, high = np.percentile(voiced, [5, 50, 95]).tolist() if len(voiced) else (None, None, None)
    return Voice(
        pitch_hz=_rounded(median, 1), pitch_low_hz=_rounded(low, 1), pitch_high_hz=_rounded(high, 1),
        voiced=round(len(voiced) / len(powers), 4), loudness_db=round(10 * float(np.log10(powers[is_heard].mean())), 2),
        pauses=len(pauses), pauses_s=round(float(pauses.sum()) * STEP_S, 2),
    )  # fmt: skip


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)
