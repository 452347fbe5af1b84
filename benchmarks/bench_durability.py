"""What journal and worker process cost: the same pictures with neither, with the journal, and with both.

    python -m benchmarks.bench_durability PHOTOS [--rounds 5]

Measured from the loaded model to the finished table, for ResNet50 (random weights) and for the fastest small model.
A cost of a few per cent is less than what the machine's speed changes from one run to the next. So all three run side
by side, but only one at a time: every half second the one that runs is stopped and another goes on.
Needs the training extra, and Linux.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import statistics
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

import mediasift as ms
from benchmarks.measure import goal, save
from benchmarks.networks import resnet50

PLAIN, JOURNAL, BOTH = "neither: rows to the caller", "journal", "journal and worker process"
SLICE_S = 0.5


def contestant(way: str, photos: Path, model: str, out: Path, parent: Connection) -> None:
    """In a process of its own: start a run; when told to, do the work; tell when it is done."""
    table = ms.classify(photos, model=model, isolate=way == BOTH)
    parent.send("ready")
    parent.recv()
    if way == PLAIN:
        done = sum(1 for row in table if row.label)
    else:
        table.write(out)
        done = table.summary.rows - table.summary.error_rows
    parent.send(done)
    parent.recv()


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    pids = [pid]
    for one in pids:
        pids.extend(child for child, parent in parents.items() if parent == one)
    return pids


def in_slices(photos: Path, model: str, folder: Path, order: list[str]) -> dict[str, float]:
    """Pictures per second of each way while it was its turn."""
    count = len(list(photos.iterdir()))
    context = multiprocessing.get_context("spawn")
    processes, pipes, families = {}, {}, {}
    for number, way in enumerate(order):
        pipes[way], theirs = context.Pipe()
        out = folder / f"{number}.csv"
        out.unlink(missing_ok=True)
        processes[way] = context.Process(target=contestant, args=(way, photos, model, out, theirs))
        processes[way].start()
        pipes[way].recv()
        families[way] = family(processes[way].pid or 0)
        send(families[way], signal.SIGSTOP)
        pipes[way].send("go")
    active = dict.fromkeys(order, 0.0)
    running = list(order)
    while running:
        for way in list(running):
            begun = time.perf_counter()
            send(families[way], signal.SIGCONT)
            finished = pipes[way].poll(SLICE_S)
            if not finished:
                send(families[way], signal.SIGSTOP)
            active[way] += time.perf_counter() - begun
            if finished:
                running.remove(way)
                if (done := pipes[way].recv()) != count:
                    raise RuntimeError(f"{way}: {done} of {count} pictures got a label")
                pipes[way].send("bye")
                processes[way].join()
    return {way: count / seconds for way, seconds in active.items()}


def send(pids: list[int], number: signal.Signals) -> None:
    """Stop processes, or let them go on."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def measure(photos: Path, model: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Pictures per second of each way, and the cost of durability in per cent."""
    ways = [PLAIN, JOURNAL, BOTH]
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way, rate in in_slices(photos, model, folder, ways[turn % 3 :] + ways[: turn % 3]).items():
            rates[way].append(rate)
            print(f"round {turn}  {way:<40} {rate:8.1f} per second", flush=True)
    return {
        "pictures": len(list(photos.iterdir())),
        "ways": {way: told(samples, rates[PLAIN]) for way, samples in rates.items()},
    }


def told(rates: list[float], plain: list[float]) -> dict[str, Any]:
    """A way's rates, and what it costs in the median and in each round, per cent of `plain`'s rate."""
    costs = [100 * (1 - rate / other) for rate, other in zip(rates, plain, strict=True)]
    return {
        "median_per_second": round(statistics.median(rates), 2),
        "rounds": [round(rate, 2) for rate in rates],
        "cost_percent": round(statistics.median(costs), 1),
        "cost_percent_of_rounds": [round(cost, 1) for cost in costs],
    }


def goals(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What was wanted, beside what was found."""
    network = result["resnet50"]
    return [
        goal(
            "ResNet50 with journal and worker process: pictures per second",
            "without either",
            1 - network["ways"][BOTH]["cost_percent"] / 100,
            at_least=0.97,
            aim_for=1.0,
            agreement=f"{network['pictures']} of {network['pictures']} pictures have a label",
            why="see the small models below: the cost is some tenths of a millisecond per picture",
        )
    ]


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
            "resnet50": measure(links(photos, folder / "photos", 2), str(resnet), folder, rounds),
            "fashion-mlp, the same photographs": measure(
                links(photos, folder / "many", 4), "fashion-mlp", folder, rounds
            ),
            "fashion-mlp, small drawings": measure(
                links(small or Path("examples/garments"), folder / "tiny", 600), "fashion-mlp", folder, rounds
            ),
        }
    save("bench_durability", {**result, "goals": goals(result)}, "onnxruntime", "opencv-python-headless", "numpy")


if __name__ == "__main__":
    main()
