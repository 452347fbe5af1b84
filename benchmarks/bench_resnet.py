"""ResNet50: beside Keras and a plain loop, and as a share of what matrix products reach on this machine.

    python -m benchmarks.bench_resnet [--count 96] [--quick]

The weights are random, because trained ones are not at hand, with statistics and last layer fitted so that each
photograph has a label of its own (`networks.py`); trained ones take the same time. Needs the extra `training`.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np

import mediasift as ms
from benchmarks.harness import (
    LOOPS,
    Result,
    Row,
    Versus,
    alternate,
    equal,
    has_vnni,
    mediasift,
    program,
    run,
    together,
    versus,
)
from benchmarks.material import column, photographs
from benchmarks.networks import MULTIPLY_ADDS, RECIPE, pixels, quantized, resnet50
from mediasift.bench.scenarios import LIMITS
from mediasift.engines.onnx.recipe import prepare, smallest_size
from mediasift.engines.onnx.session import load_model
from mediasift.items import Item
from mediasift.media.readers import read_source
from mediasift.media.settings import PictureSettings
from mediasift.sources.finding import find_sources
from mediasift.sources.naming import Inputs
from mediasift.system.machine import available_cores

BATCH = 8
OURS, KERAS, LOOP = "mediasift classify", "Keras: image_dataset_from_directory + predict", "Pillow + ONNX Runtime"
DECODING, INFERENCE = "decoding and preparing alone", "inference alone"


def decoded(photos: Path) -> None:
    """Reading and preparing, by as many threads as there are cores."""

    def read(source: Any) -> None:
        for item in read_source(source, "pictures", PictureSettings(), needs=smallest_size(RECIPE)):
            if isinstance(item, Item):
                prepare(item.image, RECIPE)

    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(read, find_sources(Inputs(named=[photos]))))


def product_rate() -> float:
    """Multiply-adds per second of a float32 matrix product in ONNX Runtime, the best of ten."""
    make, work = LIMITS["float32_multiply_adds_per_second"]
    product, best = make(available_cores()), np.inf
    for _ in range(10):
        started = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - started)
    return work / float(best)


def float32(path: Path, photos: Path, rounds: int, result: Result) -> None:
    """Rows of float32: of the whole way, and of computing alone."""
    model, count = load_model(path), len(list(photos.iterdir()))
    batch = pixels(photos)[:BATCH]
    work = {
        OURS: lambda: list(ms.classify(photos, model=model, batch_size=BATCH)),
        DECODING: lambda: decoded(photos),
        INFERENCE: lambda: [model.run(batch) for _ in range(count // BATCH)],
    }
    result.timings["float32"] = timings = alternate(work, count, rounds)
    rates = {name: one["per_second"] for name, one in timings.items()}
    whole = rates[OURS] / together(rates[DECODING], rates[INFERENCE])
    product = product_rate()
    result.facts["G multiply-adds per second of a matrix product"] = product / 1e9
    result.rows += [
        Row(what="ResNet50 float32, photographs of 500x375",
            limit=Versus(whole, f"1 / (1 / {DECODING} + 1 / {INFERENCE})", 0.85), outputs="the same pictures"),
        Row(what="ResNet50 float32, inference alone",
            limit=Versus(rates[INFERENCE] * MULTIPLY_ADDS / product, "the rate of a float32 matrix product"),
            outputs="batches of 8"),
    ]  # fmt: skip


def int8(graph: Path, keras: Path, photos: Path, rounds: int, result: Result) -> None:
    """The row of 8 bits: whole programs, imports included."""
    folder, count = graph.parent, len(list(photos.iterdir()))
    ours, loop, theirs = (folder / f"{name}.csv" for name in ("ours", "loop", "keras"))
    work = {
        OURS: mediasift("classify", photos, "-m", graph, "-o", ours, "--restart"),
        LOOP: program(*LOOPS, "resnet", photos, loop, graph),
        KERAS: program(*LOOPS, "keras", photos, theirs, keras),
    }
    result.timings["int8"] = timings = alternate(work, count, rounds)
    ours_labels = [label.removeprefix("class ") for label in column(ours, "label")]
    same = equal(ours_labels, column(loop, "label"), least=0.5 if has_vnni() else 0.0)
    as_keras = equal(ours_labels, column(theirs, "label"), least=0.0)
    result.rows.append(Row(
        what=f"ResNet50 int8, {count} photographs of 500x375", loop=versus(timings, OURS, LOOP, 1.0),
        peer=versus(timings, OURS, KERAS, 3.5), outputs=f"{same} with the loop's, {as_keras} with Keras' float32",
    ))  # fmt: skip


def measure(folder: Path, quick: bool, count: int) -> Result:
    """One network, made here, in float32 and in 8 bits."""
    packages = ("onnxruntime", "opencv-python-headless", "pillow", "tensorflow", "keras", "numpy")
    result = Result(what="ResNet50 with random weights; pictures per second", packages=packages)
    photos, rounds = photographs(folder / "photos", 24 if quick else count), 1 if quick else 5
    network = resnet50(folder, photos)
    network.keras.save(folder / "resnet50.keras")
    float32(network.path, photos, rounds, result)
    int8(quantized(network, photos), folder / "resnet50.keras", photos, rounds, result)
    return result


if __name__ == "__main__":
    run("resnet", measure, click.Option(["--count"], type=click.IntRange(24), default=96, show_default=True))
