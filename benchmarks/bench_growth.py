"""From ten thousand to a million small pictures: on one machine, in four parts, on a cluster of two processes.

    python -m benchmarks.bench_growth [--counts 10000,100000,1000000] [--quick]

Time for each picture, time until the first row is kept, the largest memory of each process, and a run that goes on
where all is done. Then the price of parts and of a cluster on photographs, beside the supervised worker of one machine.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
import psutil

from benchmarks.harness import ROOT, Result, Row, Versus, alternate, mediasift, program, run, versus
from benchmarks.material import digits, mobilenet, photographs

PARTS, PROCESSES, PHOTOS = 4, 2, 5000
ALONE, SHARDS, CLUSTER = "one machine", f"{PARTS} parts one after the other, merged", f"--cluster local:{PROCESSES}"
MOST = {SHARDS: 1.15, CLUSTER: 1.3}
"""How many times the seconds of one machine they may take on photographs."""

_LOOK_S = 0.02


@dataclass(slots=True)
class Watched:
    """A run from outside.

    Attributes:
        seconds: How long it took.
        first_s: Until its journal had the first row; None where it was gone before that was seen.
        mib: Kind of process → largest resident memory of one of them.
    """

    seconds: float = 0.0
    first_s: float | None = None
    mib: dict[str, float] = field(default_factory=dict)

    def then(self, other: Watched) -> Watched:
        """This one and another behind it."""
        mib = {name: max(self.mib.get(name, 0), other.mib.get(name, 0)) for name in {**self.mib, **other.mib}}
        first = self.first_s if self.first_s is not None else other.first_s
        return Watched(self.seconds + other.seconds, first, mib)

    def facts(self, count: int) -> dict[str, float | str]:
        """What the report says of it."""
        first = "not seen" if self.first_s is None else self.first_s
        memory = {f"{name}, MiB": size for name, size in self.mib.items()}
        return {"microseconds per picture": 1e6 * self.seconds / count, "first row, s": first, **memory}


def kinds(process: psutil.Process) -> Iterator[tuple[str, psutil.Process]]:
    """The processes of a command, and what each of them is."""
    yield "command", process
    with contextlib.suppress(psutil.Error):
        for one in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = one.cmdline()
                if any(word.startswith("mediasift.run.worker") for word in words):
                    yield "worker", one
                elif any("multiprocessing" in word for word in words):
                    yield "process of the cluster", one


def watched(*words: str | Path, output: Path, keep: Path | None = None) -> Watched:
    """Run a command and look at it.

    Args:
        words: Behind `mediasift`.
        output: Its table.
        keep: A second name for its journal, under which it stays when the run is over.
    """
    line = [sys.executable, "-P", "-m", "mediasift", *map(str, words), "-o", str(output)]
    journal, seen, began = output.with_name(f"{output.name}.journal.jsonl"), Watched(), time.perf_counter()
    child = subprocess.Popen(line, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
    process = psutil.Process(child.pid)
    while child.poll() is None:
        with contextlib.suppress(OSError):
            if keep is not None and not keep.exists():
                os.link(journal, keep)
            if seen.first_s is None and has_row(journal):
                seen.first_s = time.perf_counter() - began
        for kind, one in kinds(process):
            with contextlib.suppress(psutil.Error):
                seen.mib[kind] = max(seen.mib.get(kind, 0.0), one.memory_info().rss / 2**20)
        time.sleep(_LOOK_S)
    seen.seconds = time.perf_counter() - began
    if child.returncode:
        raise SystemExit(f"{' '.join(line)} failed")
    return seen


def has_row(journal: Path) -> bool:
    """Whether the first source is there, of a journal that is not continued."""
    with journal.open("rb") as file:
        return b'"rows":' in file.read(1 << 16)


def in_parts(*words: str | Path, folder: Path, output: Path) -> Watched:
    """The parts, one after the other, and their tables together."""
    parts, seen = [folder / f"part{part}.csv" for part in range(1, PARTS + 1)], Watched()
    for part, file in enumerate(parts, 1):
        seen = seen.then(watched(*words, "--shard", f"{part}/{PARTS}", output=file))
    return seen.then(watched("merge", *parts, output=output))


def resumed(*words: str | Path, output: Path, journal: Path) -> Watched:
    """A run whose journal says that all is done."""
    before = output.read_bytes()
    for file in (output, output.with_name(f"{output.name}.run.json")):
        file.unlink()
    journal.rename(output.with_name(f"{output.name}.journal.jsonl"))
    seen = watched(*words, output=output)
    if output.read_bytes() != before:
        raise SystemExit("a run that goes on gives another table")
    return seen


def small(folder: Path, count: int) -> dict[str, Mapping[str, float | str]]:
    """All runs over so many small pictures."""
    folder.mkdir()
    pictures, out, kept = digits(folder / "in", count), folder / "out.csv", folder / "kept.jsonl"
    words = ("classify", pictures, "-m", "digits-lenet")
    alone = watched(*words, output=out, keep=kept)
    again = resumed(*words, output=out, journal=kept)
    seen = {
        ALONE: alone,
        SHARDS: in_parts(*words, folder=folder, output=folder / "merged.csv"),
        CLUSTER: watched(*words, "--cluster", f"local:{PROCESSES}", output=folder / "cluster.csv"),
    }
    if any((folder / name).read_bytes() != out.read_bytes() for name in ("merged.csv", "cluster.csv")):
        raise SystemExit("not the same tables: no figures")
    facts: dict[str, dict[str, float | str]] = {name: one.facts(count) for name, one in seen.items()}
    facts[ALONE] |= {"all done before, s": again.seconds, "all done before, command, MiB": again.mib["command"]}
    return {f"{count:,}, {name}": one for name, one in facts.items()}


def price(folder: Path, count: int, rounds: int, result: Result) -> None:
    """Rows of photographs: parts and cluster beside one machine."""
    photos, model = photographs(folder / "photos", count), mobilenet()
    words = ("classify", photos, "-m", model.stem)
    tables = {name: folder / f"{number}.csv" for number, name in enumerate((ALONE, SHARDS, CLUSTER))}
    parts = [folder / f"part{part}.csv" for part in range(1, PARTS + 1)]
    shards = [mediasift(*words, "--shard", f"{number}/{PARTS}", "-o", part, "--restart", models=model.parent)
              for number, part in enumerate(parts, 1)]  # fmt: skip
    shards.append(program(sys.executable, "-P", "-m", "mediasift", "merge", *parts, "-o", tables[SHARDS]))

    def one_by_one() -> None:
        tables[SHARDS].unlink(missing_ok=True)
        for once in shards:
            once()

    work = {
        ALONE: mediasift(*words, "-o", tables[ALONE], "--restart", models=model.parent),
        SHARDS: one_by_one,
        CLUSTER: mediasift(*words, "--cluster", f"local:{PROCESSES}", "-o", tables[CLUSTER], "--restart",
                           models=model.parent),
    }  # fmt: skip
    result.timings[f"{count:,} photographs"] = timings = alternate(work, count, rounds)
    if len({table.read_bytes() for table in tables.values()}) > 1:
        raise SystemExit("not the same tables: no ratio")
    for name, most in MOST.items():
        limit = versus(timings, name, ALONE, round(1 / most, 3))
        result.rows.append(Row(what=f"classify, {count:,} photographs: {name}", limit=limit, outputs="the same bytes"))


def measure(folder: Path, quick: bool, counts: str) -> Result:
    """Each number of small pictures, then the photographs."""
    result = Result(what="how time and memory grow with the number of small pictures (28x28, digits-lenet), and what "
                         "parts and a cluster cost", packages=("onnxruntime", "numpy", "distributed"))  # fmt: skip
    many = [int(count) // 20 if quick else int(count) for count in counts.split(",")]
    for count in many:
        result.facts |= small(folder / str(count), count)
    few, most = (result.facts[f"{count:,}, {ALONE}"] for count in (many[0], many[-1]))
    for name, label in (("microseconds per picture", "time per picture"), ("command, MiB", "memory of the command"),
                        ("worker, MiB", "memory of the worker")) if len(many) > 1 else ():  # fmt: skip
        limit = Versus(few[name] / most[name], f"as much as with {many[0]:,}")
        result.rows.append(Row(what=f"{label}, {many[-1]:,} small pictures", limit=limit))
    price(folder, PHOTOS // 20 if quick else PHOTOS, 1 if quick else 3, result)
    return result


if __name__ == "__main__":
    run("growth", measure, click.Option(["--counts"], default="10000,100000,1000000", show_default=True))
