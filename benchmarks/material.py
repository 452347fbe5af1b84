"""What benchmarks work on: small pictures, photographs, a film; and what this machine could do with them at most."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.harness import DATA
from mediasift.system.machine import available_cores
from training.datasets import load

SIZE = (500, 375)
"""Width and height of the photographs, pixels: the usual size in ImageNet."""


def digits(folder: Path, count: int) -> Path:
    """So many PNGs of 28x28, MNIST's test pictures; beyond its 10,000 as further names of the same files."""
    folder.mkdir()
    pictures = load("mnist", folder=DATA / "mnist").test_images
    for number in range(count):
        path = folder / f"{number:07}.png"
        if number < len(pictures):
            cv2.imwrite(str(path), pictures[number])
        else:
            os.link(folder / f"{number % len(pictures):07}.png", path)
    return folder


def photographs(folder: Path, count: int, source: Path = DATA / "imagenet-photos") -> Path:
    """So many JPEGs of 500x375; beyond those that there are as further names of the same files."""
    folder.mkdir()
    files = sorted(file for file in source.iterdir() if file.is_file())
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if number < len(files):
            with Image.open(files[number]) as picture:
                copy = picture.convert("RGB").resize(SIZE if picture.width >= picture.height else SIZE[::-1])
            copy.save(path, quality=90)
        else:
            os.link(folder / f"{number % len(files):05}.jpg", path)
    return folder


def mobilenet() -> Path:
    """The ImageNet classifier of the test data."""
    return DATA / "models" / "mobilenetv2-12-int8.onnx"


def film(folder: Path, times: int) -> Path:
    """PySceneDetect's test video, 720 frames of 1280x720, so many times in a row; packets copied, not coded again."""
    parts, path = folder / "parts.txt", folder / "film.mp4"
    parts.write_text(f"file {(DATA / 'video' / 'testvideo.mp4').resolve()}\n" * times, encoding="utf-8")
    command = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", str(parts), "-c", "copy", "-an", str(path)]
    subprocess.run(command, check=True)
    return path


def column(path: Path, name: str) -> list[str]:
    """A column of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def imagenet_ids() -> dict[str, str]:
    """WordNet's name of a label → its number among the thousand."""
    listed = json.loads((DATA / "models" / "imagenet_class_index.json").read_text(encoding="utf-8"))
    return {name: number for number, (name, _) in listed.items()}


def decoding_rate(files: Iterable[Path], decode: Callable[[str], object]) -> float:
    """Files per second that all cores decode together, nothing else being done; the best of three times."""
    names, best = [str(file) for file in files], np.inf
    with ThreadPoolExecutor(available_cores()) as pool:
        for _ in range(3):
            started = time.perf_counter()
            list(pool.map(decode, names, chunksize=16))
            best = min(best, time.perf_counter() - started)
    return len(names) / float(best)


def inference_rate(model: Path, batch: np.ndarray, seconds: float = 3.0) -> float:
    """Items per second of ONNX Runtime on all cores, with a batch that is prepared already; the best call."""
    import onnxruntime as ort

    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name, best, until = session.get_inputs()[0].name, np.inf, time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.perf_counter()
        session.run(None, {name: batch})
        best = min(best, time.perf_counter() - started)
    return len(batch) / float(best)
