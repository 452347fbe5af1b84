"""An engine that hears everything and understands nothing, to see what all the rest needs.

    python -m tests.null_speech RECORDING

transcribes with it in this process and prints, as JSON, how much it heard, how many rows came and the largest memory.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from pathlib import Path

import numpy as np

import mediasift as ms
from mediasift.engines.engine import Resources
from mediasift.engines.speech import ENGINES
from mediasift.engines.speech.phrases import Phrase, SpeechEngine
from mediasift.settings import Settings

RATE = 16_000


class NullSpeech(SpeechEngine):
    """See `engines.speech.phrases.SpeechEngine`."""

    piece_s = 30.0
    concurrency = 2

    def __init__(self, settings: Settings, resources: Resources) -> None:
        self.facts = {"engine": "null"}
        self.heard = 0

    def answer(self, request) -> tuple[Phrase, ...]:
        self.heard += request.waveform.size
        loudest = float(np.abs(request.waveform).max())
        return (Phrase(text=f"{loudest:.1f}", start_s=0.0, end_s=request.waveform.size / request.sample_rate),)


def long_recording(path: Path, seconds: int) -> Path:
    """A WAV file of silence with five seconds of noise in every minute; the silence takes no room on the disk."""
    size = seconds * RATE * 2
    burst = np.random.default_rng(0).normal(0, 3000, 5 * RATE).astype("<i2").tobytes()
    with path.open("wb") as file:
        file.write(struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2,
                               16, b"data", size))  # fmt: skip
        start = file.tell()
        for second in range(0, seconds - 5, 60):
            file.seek(start + second * RATE * 2)
            file.write(burst)
        file.truncate(start + size)
    return path


def main(path: str) -> None:
    """Transcribe and print."""
    engines: list[NullSpeech] = []

    class Noted(NullSpeech):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            engines.append(self)

    ENGINES["null"] = Noted
    rows, end_s = 0, 0.0
    for row in ms.transcribe(path, engine="null"):
        if row.error or row.start_s != round(end_s, 3):
            raise SystemExit(f"not the next piece: {row}")
        rows, end_s = rows + 1, row.end_s
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"heard_s": sum(engine.heard for engine in engines) / RATE, "rows": rows, "peak_mib": peak}))


if __name__ == "__main__":
    main(sys.argv[1])
