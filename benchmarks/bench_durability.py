"""What journal and worker process cost: the same pictures with neither, with the journal, and with both.

    python -m benchmarks.bench_durability PHOTOS [--rounds 5]

Measured from the loaded model to the finished table, for ResNet50 (random weights) and for the fastest small model.
Needs the training extra.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import mediasift as ms
from benchmarks.measure import save
from benchmarks.networks import resnet50

PLAIN, JOURNAL, BOTH = "neither: rows to the caller", "journal", "journal and worker process"


def ways(photos: Path, model: str, out: Path) -> dict[str, Callable[[], tuple[Callable[[], Any], Path | None]]]:
    """Name → starts a run; returns what does the work, and the table it writes."""

    def plain():
        table = ms.classify(photos, model=model)
        return (lambda: sum(1 for _ in table)), None

    def journal():
        table = ms.classify(photos, model=model)
        return (lambda: table.write(out, restart=True)), out

    def both():
        table = ms.classify(photos, model=model, isolate=True)
        return (lambda: table.write(out, restart=True)), out

    return {PLAIN: plain, JOURNAL: journal, BOTH: both}


def measure(photos: Path, model: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Pictures per second of each way, in turns, and the cost of durability in per cent."""
    count = len(list(photos.iterdir()))
    rates: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, start in ways(photos, model, folder / "out.csv").items():
            work, _ = start()
            begun = time.perf_counter()
            work()
            rate = count / (time.perf_counter() - begun)
            if turn:
                rates.setdefault(name, []).append(rate)
            print(f"round {turn}  {name:<40} {rate:8.1f} per second", flush=True)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    return {
        name: {
            "median_per_second": round(medians[name], 2),
            "rounds": [round(rate, 2) for rate in rates[name]],
            "cost_percent": round(100 * (1 - medians[name] / medians[PLAIN]), 1),
        }
        for name in rates
    }


def links(photos: Path, folder: Path, copies: int) -> Path:
    """The photographs, each so many times, as links."""
    folder.mkdir()
    for file in sorted(photos.iterdir()):
        for copy in range(copies):
            (folder / f"{file.stem}-{copy}.jpg").symlink_to(file.resolve())
    return folder


@click.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--small", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Small pictures.")
@click.option("--rounds", default=5, show_default=True)
def main(photos: Path, small: Path | None, rounds: int) -> None:
    """Measure and write results/bench_durability.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        resnet = resnet50(folder, photos, planar=False).path
        result = {
            "what": "pictures per second from the loaded model to the finished table, batch 8, CPU",
            "resnet50": measure(links(photos, folder / "photos", 1), str(resnet), folder, rounds),
            "fashion-mlp, the same photographs": measure(
                links(photos, folder / "many", 4), "fashion-mlp", folder, rounds
            ),
            "fashion-mlp, small drawings": measure(
                links(small or Path("examples/garments"), folder / "tiny", 600), "fashion-mlp", folder, rounds
            ),
        }
    save("bench_durability", result, "onnxruntime", "opencv-python-headless", "numpy")


if __name__ == "__main__":
    main()
