"""Photographs with the 8-bit `mobilenetv2-12-int8`: beside a loop of Pillow and ONNX Runtime.

    python -m benchmarks.bench_photos [--count 572 --count 5000] [--quick]

Whole programs, imports included. On processors with VNNI both compute alike; without, ours takes the slower way on
which no sum of 8-bit products overflows, and the loop's labels may be wrong.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np

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
from benchmarks.material import column, decoding_rate, imagenet_ids, inference_rate, mobilenet, photographs

OURS, LOOP = "mediasift classify -m mobilenetv2-12-int8", "Pillow + ONNX Runtime"
FLOORS = {572: 1.15, 5000: 1.3}
LIMIT = "decoding by all cores, then computing by all cores, nothing else"


def measure(folder: Path, quick: bool, count: tuple[int, ...]) -> Result:
    """Each number of photographs, beside the loop."""
    result = Result(what="photographs of 500x375 to a table of labels, whole programs",
                    packages=("onnxruntime", "opencv-python-headless", "pillow", "numpy"))  # fmt: skip
    model, ids = mobilenet(), imagenet_ids()
    name = "with" if has_vnni() else "without"
    for each in count:
        many = max(40, each // 20) if quick else each
        photos, ours, theirs = photographs(folder / str(each), many), folder / "ours.csv", folder / "theirs.csv"
        ours_line = mediasift("classify", photos, "-m", model.stem, "-o", ours, "--restart", models=model.parent)
        work = {OURS: ours_line, LOOP: program(*LOOPS, "photos", photos, theirs, model)}
        timings = alternate(work, many, 1 if quick else 5 if each < 2000 else 3)
        result.timings[f"{many:,} photographs"] = timings
        numbers = [ids[name] for name in column(ours, "label_id")]
        decoded = decoding_rate(sorted(photos.iterdir())[:572], cv2.imread)
        possible = together(decoded, inference_rate(model, np.zeros((8, 3, 224, 224), np.float32)))
        result.rows.append(Row(
            what=f"classify, {many:,} photographs of 500x375, int8 {name} VNNI",
            loop=versus(timings, OURS, LOOP, FLOORS.get(each) if has_vnni() else None),
            limit=Versus(timings[OURS]["per_second"] / possible, LIMIT),
            outputs=equal(numbers, column(theirs, "label"), least=0.9 if has_vnni() else 0.5),
        ))  # fmt: skip
    other, why = ("without", "has") if has_vnni() else ("with", "has no")
    result.rows.append(Row(what=f"the same {other} VNNI", not_here=f"this processor {why} VNNI"))
    return result


if __name__ == "__main__":
    run("photos", measure, click.Option(["--count"], multiple=True, type=int, default=list(FLOORS), show_default=True))
