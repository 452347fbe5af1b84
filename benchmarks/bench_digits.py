"""Ten thousand small pictures and more with `digits-lenet`: beside the plain loop, and as a share of what is possible.

    python -m benchmarks.bench_digits [--count 10000]... [--quick]

Whole programs, imports included. A single `--count 1000000` shows whether time per picture and memory stay as they are.
"""

from __future__ import annotations

import json
import sys
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
    mediasift,
    program,
    run,
    together,
    versus,
)
from benchmarks.material import column, decoding_rate, digits, inference_rate
from mediasift.engines.onnx.registry import find_model

OURS, LOOP = "mediasift classify -m digits-lenet", "cv2, batches of 64, csv"
FLOORS = {10_000: 0.55, 100_000: 0.85}
LIMIT = "reading by all cores, then computing by all cores, nothing else"


def possible(folder: Path, model: Path) -> float:
    """Pictures per second of reading and computing alone."""
    few = sorted(folder.iterdir())[:10_000]
    decoded = decoding_rate(few, lambda name: cv2.imread(name, cv2.IMREAD_GRAYSCALE))
    return together(decoded, inference_rate(model, np.zeros((64, 28, 28, 1), np.float32)))


def one_count(count: int, folder: Path, model: Path, rounds: int, result: Result) -> None:
    """Rows of one number of pictures."""
    pictures, ours, theirs = digits(folder / str(count), count), folder / "ours.csv", folder / "theirs.csv"
    work = {
        OURS: mediasift("classify", pictures, "-m", "digits-lenet", "-o", ours, "--restart"),
        LOOP: program(*LOOPS, "digits", pictures, theirs, model),
    }
    result.timings[f"{count:,} PNGs"] = timings = alternate(work, count, rounds, warm=count < 1_000_000)
    outputs = equal(column(ours, "label"), column(theirs, "label"))
    limit = Versus(timings[OURS]["per_second"] / possible(pictures, model), LIMIT)
    loop = versus(timings, OURS, LOOP, FLOORS.get(count))
    result.rows.append(Row(what=f"classify, {count:,} PNGs of 28x28", loop=loop, limit=limit, outputs=outputs))
    counts = json.loads(ours.with_name(f"{ours.name}.run.json").read_text(encoding="utf-8"))["counts"]
    result.facts[f"{count:,} PNGs"] = {
        "ours, microseconds per picture": 1e6 / timings[OURS]["per_second"],
        "worker's peak, MiB": counts["worker_peak_bytes"] / 2**20,
    }


def measure(folder: Path, quick: bool, count: tuple[int, ...]) -> Result:
    """Each number of pictures, beside the loop."""
    result = Result(what="small pictures to a table of labels, whole programs", packages=("onnxruntime", "numpy"))
    for each in count:
        rounds = 1 if quick or each >= 1_000_000 else 3 if each >= 100_000 else 5
        one_count(each // 20 if quick else each, folder, Path(find_model("digits-lenet")), rounds, result)
    return result


if __name__ == "__main__":
    wanted = [int(one) for name, one in zip(sys.argv, sys.argv[1:], strict=False) if name == "--count"]
    counts = click.Option(["--count"], multiple=True, type=int, default=list(FLOORS), show_default=True)
    run("digits_million" if wanted == [1_000_000] else "digits", measure, counts)
