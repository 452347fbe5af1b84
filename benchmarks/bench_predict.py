"""A loaded model in a service: `predict` of one array, beside preparing it by hand and calling ONNX Runtime.

    python -m benchmarks.bench_predict [--calls 1000000] [--quick]

By hand means a script for this one model: OpenCV or Pillow, numpy, `session.run` with our session options, and the
label of the largest number; it checks nothing. Both run in one thread of one process. With `--calls`, `predict` is also
called so often, and the memory after each tenth of them is among the facts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
import onnxruntime as ort
from PIL import Image

import mediasift as ms
from benchmarks.harness import DATA, Result, Row, Versus, alternate, equal, run, versus
from benchmarks.material import photographs
from mediasift.engines.onnx.registry import find_model
from mediasift.engines.onnx.runtime import session_options
from mediasift.system.machine import resident_bytes
from training.datasets import load

SMALL, LARGE = "digits-lenet", "efficientnet-lite0-int8"
FLOORS = {SMALL: 1 / 2.5, LARGE: 1 / 1.1}
OURS, LOOP, ALONE = "load_model().predict(array)", "prepared by hand + session.run", "session.run alone"

Prepared = Callable[[np.ndarray], np.ndarray]


def digit(picture: np.ndarray) -> np.ndarray:
    """float32 (1, 28, 28, 1), 0..1, from uint8 (28, 28)."""
    return (picture * np.float32(1 / 255))[None, ..., None]


def photograph(picture: np.ndarray) -> np.ndarray:
    """float32 (1, 3, 224, 224) from uint8 (H, W, 3) RGB: shorter side 256, the middle, (x - 127) / 128."""
    height, width = picture.shape[:2]
    size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    resized = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    pixels = resized[top : top + 224, left : left + 224].astype(np.float32)
    return np.stack(cv2.split((pixels - np.float32(127)) / np.float32(128)))[None]


def one_model(name: str, by_hand: Prepared, arrays: list[np.ndarray], rounds: int, result: Result) -> None:
    """The row of one model.

    Args:
        name: Of the model.
        by_hand: Makes of a picture what the graph takes.
        arrays: uint8, what is predicted.
        rounds: That count.
        result: Gets the row.
    """
    model, session = ms.load_model(name, threads=1), ort.InferenceSession(str(find_model(name)), session_options(1))
    key, output, known = session.get_inputs()[0].name, [session.get_outputs()[0].name], model.description.labels
    prepared, labels = [by_hand(one) for one in arrays], dict[str, list[str]]()

    def ours() -> None:
        labels[OURS] = [str(model.predict(one)[0].label) for one in arrays]

    def loop() -> None:
        labels[LOOP] = [str(known[session.run(output, {key: by_hand(one)})[0][0].argmax()]) for one in arrays]

    def alone() -> None:
        for one in prepared:
            session.run(output, {key: one})

    result.timings[name] = timings = alternate({OURS: ours, LOOP: loop, ALONE: alone}, len(arrays), rounds)
    result.rows.append(Row(
        what=f"predict of one array, {name}", loop=versus(timings, OURS, LOOP, FLOORS[name]),
        limit=Versus(timings[OURS]["per_second"] / timings[ALONE]["per_second"], ALONE),
        outputs=equal(labels[OURS], labels[LOOP], least=0.9),
    ))  # fmt: skip


def memory(calls: int, picture: np.ndarray) -> dict[str, float]:
    """Resident MiB after each tenth of so many calls."""
    model, held = ms.load_model(SMALL, threads=1), dict[str, float]()
    for tenth in range(11):
        held[f"MiB after {tenth * calls // 10:,} calls"] = resident_bytes(os.getpid()) / 2**20
        for _ in range(calls // 10 if tenth < 10 else 0):
            model.predict(picture)
    return held


def measure(folder: Path, quick: bool, calls: int) -> Result:
    """A small model and one of photographs."""
    packages, rounds = ("onnxruntime", "opencv-python-headless", "pillow", "numpy"), 1 if quick else 9
    result = Result(what="one array through a loaded model, calls per second", packages=packages)
    digits = list(load("mnist", folder=DATA / "mnist").test_images[: 100 if quick else 1000])
    one_model(SMALL, digit, digits, rounds, result)
    files = sorted(photographs(folder / "photos", 5 if quick else 40).iterdir())
    photos = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    one_model(LARGE, photograph, photos, rounds, result)
    result.facts = memory(calls, digits[0]) if calls else {}
    return result


if __name__ == "__main__":
    run("predict", measure, click.Option(["--calls"], type=int, default=0, help="Call so often too."))
