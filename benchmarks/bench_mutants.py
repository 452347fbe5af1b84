"""Hostile pictures in any number through the whole of `classify`: is every one a row, how long, how much memory?

    python -m benchmarks.bench_mutants [--count 100000] [--seed 1]

The files come from `tests/mutants.py`; the same seed gives the same files.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path

import click

import mediasift as ms
from benchmarks.measure import save
from tests.mutants import PER_FOLDER, write_mutants
from tests.tiny_models import mean_colour, write


@click.command()
@click.option("--count", default=100_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(count: int, seed: int) -> None:
    """Run and write results/bench_mutants.json."""
    codes: Counter[str] = Counter()
    lost = ended = restarts = 0
    longest = peak = 0.0
    started = time.perf_counter()
    for first in range(0, count, PER_FOLDER):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name) / "mutants"
            place.mkdir()
            write_mutants(place, min(PER_FOLDER, count - first), seed, first=first)
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
        print(f"{first + PER_FOLDER:7,} of {count:,}, {lost} lost, {restarts} crashes or limits", flush=True)
    result = {
        "what": "mutants of small pictures through mediasift classify in its worker process, time limit 20 s",
        "mutants": count,
        "seed": seed,
        "seconds": round(time.perf_counter() - started),
        "rows_lost": lost,
        "runs_ended": ended,
        "worker_deaths": restarts,
        "longest_item_s": round(longest, 1),
        "peak_resident_mb": round(peak / 1e6),
        "rows_by_code": dict(codes.most_common()),
    }
    save("bench_mutants", result, "opencv-python-headless", "pillow", "onnxruntime")


if __name__ == "__main__":
    main()
