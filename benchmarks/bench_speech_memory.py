"""Peak memory of transcribing ten minutes and ten hours, by an engine that needs none itself.

    python -m benchmarks.bench_speech_memory

Makes its own recordings: silence with five seconds of noise in every minute, as WAV. Each run is a program of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from benchmarks.measure import save
from tests.null_speech import long_recording


def measured(folder: Path, seconds: int) -> dict[str, Any]:
    """What one run heard and needed."""
    path = long_recording(folder / f"{seconds}.wav", seconds)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "tests.null_speech", str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    result = json.loads(done.stdout)
    if result["heard_s"] != seconds:
        raise SystemExit(f"{result['heard_s']} of {seconds} s were heard")
    return {**result, "peak_mib": round(result["peak_mib"], 1), "took_s": round(time.perf_counter() - started, 1)}


@click.command()
@click.option("--hours", default=10.0, show_default=True)
def main(hours: float) -> None:
    """Measure and write results/bench_speech_memory.json."""
    with tempfile.TemporaryDirectory() as name:
        short = measured(Path(name), 600)
        long = measured(Path(name), round(hours * 3600))
    result = {
        "what": "peak resident memory of transcribing with an engine that understands nothing, MiB",
        "10 minutes": short,
        f"{hours:g} hours": long,
        "growth": round(long["peak_mib"] / short["peak_mib"], 3),
    }
    for key, value in result.items():
        print(f"{key}: {value}")
    save("bench_speech_memory", result, "av", "numpy", "webrtcvad-wheels")


if __name__ == "__main__":
    main()
