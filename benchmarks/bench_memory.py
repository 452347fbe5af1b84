"""Peak memory: does it grow with the number of pictures, their size, or the length of a recording?

    python -m benchmarks.bench_memory [--hours 2] [--quick]

Draws its own pictures and recordings (silence with five seconds of noise in every minute, for an engine that
understands nothing). Each run is a program of its own, watched a hundred times a second.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import psutil
from PIL import Image

from benchmarks.harness import Result, Row, Versus, run
from tests.null_speech import long_recording


def peak_mib(*command: str) -> float:
    """Largest resident memory of one program and its children together, shared pages counted twice."""
    child = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)
    process, peak = psutil.Process(child.pid), 0
    while child.poll() is None:
        held = 0
        with contextlib.suppress(psutil.Error):
            for one in (process, *process.children(recursive=True)):
                held += one.memory_info().rss
        peak = max(peak, held)
        time.sleep(0.01)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return peak / 2**20


def classified(folder: Path, *options: str) -> float:
    """Peak of `classify` over a folder."""
    return peak_mib("mediasift", "classify", str(folder), "-m", "fashion-mlp", "--quiet", *options)


def pictures(folder: Path, count: int, width: int, height: int) -> Path:
    """So many JPEGs; further names of twenty different ones."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number < 20:
            small = rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
            Image.fromarray(small).resize((width, height)).save(path, quality=90)
        else:
            os.link(folder / f"{number % 20:06}.jpg", path)
    return folder


def measure(folder: Path, quick: bool, hours: float) -> Result:
    """Few and many, small and large, short and long."""
    many = 1000 if quick else 10_000
    few_mib = classified(pictures(folder / "few", many // 10, 640, 480))
    many_mib = classified(pictures(folder / "many", many, 640, 480))
    large = pictures(folder / "large", 20 if quick else 100, 4000, 3000)
    seconds = 3600 if quick else round(hours * 3600)
    short, long = (
        peak_mib("tests.null_speech", str(long_recording(folder / f"{length}.wav", length)))
        for length in (600, seconds)
    )
    facts = {
        f"classify, {many // 10:,} pictures of 640x480, MiB": few_mib,
        f"classify, {many:,} pictures of 640x480, MiB": many_mib,
        "classify, pictures of 4000x3000, reduced while decoding, MiB": classified(large, "--batch-size", "8"),
        "classify, the same, every pixel (--crop), MiB": classified(large, "--batch-size", "8", "--crop", "0,0,1,1"),
        "transcribe, 10 minutes, MiB": short,
        f"transcribe, {seconds / 3600:g} hours, MiB": long,
    }
    rows = [
        Row(what=f"memory of classify, {many:,} pictures beside {many // 10:,}",
            limit=Versus(few_mib / many_mib, "as much as for a tenth of them", 0.9)),
        Row(what=f"memory of transcribe, {seconds / 3600:g} hours beside 10 minutes",
            limit=Versus(short / long, "as much as for 10 minutes", 0.9)),
    ]  # fmt: skip
    return Result(what="peak resident memory, both processes together", rows=rows, facts=facts,
                  packages=("onnxruntime", "opencv-python-headless", "av", "numpy"))  # fmt: skip


if __name__ == "__main__":
    run("memory", measure, click.Option(["--hours"], type=float, default=2.0, show_default=True))
