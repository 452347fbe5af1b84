"""A loaded model in a service: `predict` of one array, against preparing it by hand and calling ONNX Runtime.

    python -m benchmarks.bench_predict [PHOTOGRAPHS] [--rounds 9] [--calls 0]

By hand means a script for this one model: OpenCV, numpy, `session.run` with our session options, and the label of the
largest number; it checks nothing. Both run in one thread of one process. `--calls 1000000` calls `predict` so often and
prints the resident memory; nothing is written then.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import cv2
import numpy as np
import onnxruntime as ort
from PIL import Image

import mediasift as ms
from benchmarks.measure import alternate, goal, ratios, save
from mediasift.engines.onnx.registry import find_model
from mediasift.engines.onnx.runtime import session_options
from mediasift.system.machine import resident_bytes

SMALL, LARGE = "digits-lenet", "efficientnet-lite0-int8"
GOALS = {SMALL: (0.4, 0.67), LARGE: (0.91, 0.97)}
"""Model → the rate of `predict` as a share of the script's: at least, and hoped for."""

By = Callable[[np.ndarray], str]


def digit_by_hand() -> By:
    """uint8 (28, 28), light on dark, to a label."""
    session = ort.InferenceSession(str(find_model(SMALL)), session_options(1))
    (name,) = (one.name for one in session.get_inputs())
    shape = (1, *session.get_inputs()[0].shape[1:])

    def label(picture: np.ndarray) -> str:
        scaled = (picture.astype(np.float32) * np.float32(1 / 255)).reshape(shape)
        return str(session.run(None, {name: scaled})[0][0].argmax())

    return label


def photograph_by_hand() -> By:
    """uint8 (H, W, 3) RGB to a label: shorter side 256, the middle 224 x 224, (x - 127) / 128."""
    session = ort.InferenceSession(str(find_model(LARGE)), session_options(1))
    labels = ms.load_model(LARGE, threads=1).description.labels
    name, output = session.get_inputs()[0].name, session.get_outputs()[0].name

    def label(picture: np.ndarray) -> str:
        height, width = picture.shape[:2]
        size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
        left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
        resized = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
        pixels = resized[top : top + 224, left : left + 224].astype(np.float32)
        planes = cv2.split((pixels - np.float32(127)) / np.float32(128))
        return str(labels[session.run([output], {name: np.stack(planes)[None]})[0][0].argmax()])

    return label


def by_predict(model: str) -> By:
    """The label of the same by a loaded model."""
    loaded = ms.load_model(model, threads=1)
    return lambda picture: str(loaded.predict(picture)[0].label)


def answered(label: By, pictures: list[np.ndarray], times: int) -> int:
    """One call for each picture, so many times."""
    for _ in range(times):
        for picture in pictures:
            label(picture)
    return times * len(pictures)


def call_on(calls: int, picture: np.ndarray) -> None:
    """So many calls, with the memory after each tenth of them."""
    label, pid = by_predict(SMALL), os.getpid()
    for tenth in range(11):
        click.echo(f"{tenth * calls // 10:>10,} calls  {resident_bytes(pid) / 2**20:8.1f} MiB")
        if tenth < 10:
            answered(label, [picture], calls // 10)


@click.command()
@click.argument("photographs", default=Path("examples/scenes"), type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=9, show_default=True)
@click.option("--calls", default=0, help="Call so often instead, and watch the memory.")
def main(photographs: Path, rounds: int, calls: int) -> None:
    """Measure and write results/bench_predict.json."""
    digits = [np.asarray(Image.open(f"examples/digits/{n}.png").convert("L").resize((28, 28))) for n in (0, 1, 3, 5)]
    if calls:
        call_on(calls, digits[0])
        return
    files = sorted(file for file in photographs.iterdir() if file.is_file())[:8]
    photos = [np.asarray(Image.open(file).convert("RGB").resize((640, 480))) for file in files]
    goals, speed = [], {}
    for model, hand, pictures, times in (
        (SMALL, digit_by_hand(), digits, 250),
        (LARGE, photograph_by_hand(), photos, 5),
    ):
        ours, title = by_predict(model), f"{model} by hand"
        alike = f"{sum(ours(one) == hand(one) for one in pictures)} of {len(pictures)} labels are the same"
        contestants = {f"{model}, predict": ours, title: hand}
        measured = alternate({name: partial(answered, by, pictures, times) for name, by in contestants.items()}, rounds)
        shares = ratios(measured, title)
        least, aim = GOALS[model]
        goals.append(
            goal(
                f"`predict` of one array, {model}", "preparing by hand and session.run", shares[f"{model}, predict"],
                at_least=least, aim_for=aim, agreement=alike,
                why="checks of picture, numbers and options, and the row: some 75 microseconds a call",
            )
        )  # fmt: skip
        speed[model] = {"measured": measured, "ratio": shares}
    result = {"what": "one array through a loaded model, calls per second", "goals": goals, "speed": speed}
    save("bench_predict", result, "onnxruntime", "opencv-python-headless", "pillow", "numpy")


if __name__ == "__main__":
    main()
