"""Peak memory of `mediasift classify`: does it grow with the number of inputs, and what do large photographs need?

    python -m benchmarks.bench_memory

Draws its own pictures. Each run is a program of its own, watched a hundred times a second.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import psutil
from PIL import Image

from benchmarks.measure import save

MODEL = "fashion-mlp"


def peak_mib(folder: Path, *options: str) -> float:
    """Largest resident memory of one run: supervisor and worker together, shared pages counted twice."""
    command = [sys.executable, "-m", "mediasift", "classify", str(folder), "-m", MODEL, "--quiet", *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    process, peak = psutil.Process(child.pid), 0
    while child.poll() is None:
        held = 0
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                held += one.memory_info().rss
        peak = max(peak, held)
        time.sleep(0.01)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return peak / 2**20


def pictures(folder: Path, count: int, width: int, height: int) -> Path:
    """So many JPEGs; hard links to twenty different ones."""
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


@click.command()
def main() -> None:
    """Measure and write results/bench_memory.json."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        few = peak_mib(pictures(place / "few", 1_000, 640, 480))
        many = peak_mib(pictures(place / "many", 10_000, 640, 480))
        large = pictures(place / "large", 200, 4000, 3000)
        reduced = peak_mib(large, "--batch-size", "8")
        full = peak_mib(large, "--batch-size", "8", "--crop", "0,0,1,1")
    result = {
        "what": f"peak resident memory of mediasift classify -m {MODEL}, MiB",
        "1,000 pictures of 640x480": round(few, 1),
        "10,000 pictures of 640x480": round(many, 1),
        "growth": round(many / few, 3),
        "200 pictures of 4000x3000, reduced while decoding": round(reduced, 1),
        "200 pictures of 4000x3000, every pixel (--crop)": round(full, 1),
    }
    for key, value in result.items():
        print(f"{key}: {value}")
    save("bench_memory", result, "onnxruntime", "opencv-python-headless", "numpy")


if __name__ == "__main__":
    main()
