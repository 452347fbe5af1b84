"""Hostile pictures in any number through the whole of `classify`: is every one a row, how long, how much memory?

    python -m benchmarks.bench_mutants [--count 100000] [--seed 1] [--quick]

The files come from `tests/mutants.py`; the same seed gives the same files.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path

import click

import mediasift as ms
from benchmarks.harness import Result, run
from tests.mutants import PER_FOLDER, write_mutants
from tests.tiny_models import mean_colour, write


def measure(folder: Path, quick: bool, count: int, seed: int) -> Result:
    """A folder of them after the other, in the worker process, time limit 20 s."""
    codes: Counter[str] = Counter()
    lost = ended = restarts = 0
    longest = peak = 0.0
    started, total = time.perf_counter(), count // 20 if quick else count
    for first in range(0, total, PER_FOLDER):
        with tempfile.TemporaryDirectory(dir=folder) as name:
            place = Path(name) / "mutants"
            place.mkdir()
            write_mutants(place, min(PER_FOLDER, total - first), seed, first=first)
            named = sorted(str(path) for path in place.iterdir())
            model = write(Path(name), mean_colour())
            table = ms.classify(named, model=model, isolate=True, timeout_s=20, every_frame=True)
            seen = set()
            try:
                for row in table:
                    seen.add(row.path)
                    codes[row.error.partition(":")[0] or "read"] += 1
            except Exception as error:
                ended += 1
                print(f"ended at {first}: {error!r}")
            lost += len(set(named) - seen)
            summary = table.summary
            restarts += summary.worker_restarts
            longest = max(longest, summary.seconds["longest_item"])
            peak = max(peak, summary.worker_peak_bytes)
        print(f"{first + PER_FOLDER:7,} of {total:,}, {lost} lost, {restarts} crashes or limits", flush=True)
    facts = {
        "mutants": total, "seconds": round(time.perf_counter() - started), "rows lost": lost, "runs ended": ended,
        "worker deaths": restarts, "longest item, seconds": longest, "worker's peak, MiB": peak / 2**20,
        **{f"rows: {code}": rows for code, rows in codes.most_common()},
    }  # fmt: skip
    return Result(what="mutants of small pictures through mediasift classify in its worker process", facts=facts,
                  packages=("opencv-python-headless", "pillow", "onnxruntime"))  # fmt: skip


if __name__ == "__main__":
    how_many = click.Option(["--count"], type=int, default=100_000, show_default=True)
    run("mutants", measure, how_many, click.Option(["--seed"], type=int, default=1, show_default=True))
