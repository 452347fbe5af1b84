"""How every benchmark here measures: contestants take turns, medians are compared, the machine is written down.

A benchmark is a module `bench_NAME.py` with a function that measures and returns a `Result`, and `run(...)` at its end;
`python -m benchmarks.bench_NAME` writes `results/NAME.json`, of which `benchmarks.report` makes the tables.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from mediasift.system.machine import available_cores, instruction_sets, processor

RESULTS = Path(__file__).parent / "results"
ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("MEDIASIFT_TEST_DATA", ROOT.parent / "shared" / "data"))
ROUNDS = 5
LOOPS = (sys.executable, "-P", str(Path(__file__).with_name("loops.py")))
"""What runs a plain loop: `[*LOOPS, "digits", ...]`."""


@dataclass(frozen=True, slots=True)
class Versus:
    """One figure beside what it is compared with.

    Attributes:
        ratio: How many times as fast (or small) as `against`, or the share of it that is reached.
        against: The plain loop, the peer, or the limit, in words.
        floor: What is wanted at least; a smaller ratio is a miss.
    """

    ratio: float
    against: str
    floor: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the README's table.

    Attributes:
        what: Was done, by ours.
        loop, peer, limit: Beside the plain loop, the best other program, and what is physically possible here.
        outputs: How far the outputs of the contestants are the same.
        not_here: Why this machine cannot measure it; then there are no figures.
    """

    what: str
    loop: Versus | None = None
    peer: Versus | None = None
    limit: Versus | None = None
    outputs: str = ""
    not_here: str = ""


@dataclass(slots=True, kw_only=True)
class Result:
    """What a benchmark gives.

    Attributes:
        what: Was measured, a sentence.
        rows: Of the README's table.
        timings: Part → contestant → what `alternate` gives.
        facts: Anything else worth a line: name → a value, or a mapping of them.
        packages: Whose versions matter.
    """

    what: str
    rows: list[Row] = field(default_factory=list)
    timings: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


def program(*command: str | Path, env: Mapping[str, str] | None = None) -> Callable[[], None]:
    """A contestant that is a whole program, imports included: ours and a loop's count alike."""

    def once() -> None:
        environment = {
            **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "",  # who installs mediasift has it compiled, as everything that a loop imports
            **(env or {}),
        }  # fmt: skip
        line = [str(one) for one in command]
        done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(line)} failed:\n{done.stderr[-2000:]}")

    return once


def mediasift(*arguments: str | Path, models: Path | None = None) -> Callable[[], None]:
    """Ours as a whole program; `models` is the folder in which it looks for models that are not shipped."""
    env = {} if models is None else {"MEDIASIFT_MODELS": str(models)}
    return program(sys.executable, "-P", "-m", "mediasift", *arguments, "--quiet", env=env)


def alternate(
    contestants: Mapping[str, Callable[[], object]], items: int, rounds: int = ROUNDS, *, warm: bool = True
) -> dict[str, dict[str, Any]]:
    """Seconds of each contestant over several rounds, in each of which everyone has one turn.

    Args:
        contestants: Name → does the work once.
        items: How many it does.
        rounds: That count.
        warm: Whether a round that does not count comes first.

    Returns:
        Name → `per_second` (median), `seconds` and `cpu_seconds` of each round; the latter with those of child
        processes that have ended.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for turn in range(-1 if warm else 0, rounds):
        for name, work in contestants.items():
            cpu, started = sum(os.times()[:4]), time.perf_counter()
            work()
            spent = time.perf_counter() - started, sum(os.times()[:4]) - cpu
            if turn >= 0:
                seconds[name].append(spent)
            print(f"round {turn}  {name:<50} {spent[0]:9.3f} s, cpu {spent[1]:9.3f} s", flush=True)
    return {
        name: {
            "per_second": items / statistics.median(wall for wall, _ in spent),
            "seconds": [round(wall, 4) for wall, _ in spent],
            "cpu_seconds": [round(cpu, 3) for _, cpu in spent],
        }
        for name, spent in seconds.items()
    }


def versus(timings: Mapping[str, Mapping[str, Any]], ours: str, other: str, floor: float | None = None) -> Versus:
    """How many times as fast ours is as the other, by their medians."""
    return Versus(timings[ours]["per_second"] / timings[other]["per_second"], other, floor)


def together(*rates: float) -> float:
    """Items per second of stages, each of which may use all cores, one after the other."""
    return 1 / sum(1 / rate for rate in rates)


def equal(ours: list[str], theirs: list[str], kind: str = "labels", *, least: float = 1.0) -> str:
    """How many are equal, in words.

    Raises:
        SystemExit: Fewer than `least`, a share, so that no ratio would mean anything.
    """
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    words = f"{same:,} of {len(ours):,} {kind} equal"
    if same < least * len(ours):
        raise SystemExit(f"{words}: not the same work, no ratio")
    return words


def machine(*packages: str) -> dict[str, Any]:
    """Processor, its instruction sets, cores, memory, system, load and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": processor(),
        "instruction_sets": list(instruction_sets()),
        "cores": available_cores(),
        "memory_gib": round(memory, 1),
        "load_before": round(os.getloadavg()[0], 1),
        "system": platform.platform(terse=True),
        "versions": {"python": platform.python_version(), **{one: metadata.version(one) for one in packages}},
    }


def has_vnni() -> bool:
    """Whether this processor sums 8-bit products exactly and fast."""
    return bool({"avx512_vnni", "avx_vnni", "amx_int8"} & set(instruction_sets()))


def as_json(value: Any) -> Any:
    """Three figures of each number, and of dataclasses what is set."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return {name: as_json(one) for name, one in fields.items() if one is not None and one != ""}
    if isinstance(value, Mapping):
        return {str(name): as_json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def run(name: str, measure: Callable[..., Result], *options: click.Parameter) -> None:
    """The command of a benchmark: measure in a folder that goes, and write `results/NAME.json`.

    Args:
        name: Of the module, without `bench_`.
        measure: Gets `folder` (empty), `quick`, and the options.
        options: Of its own.
    """

    def command(quick: bool, **values: Any) -> None:
        before, started = machine(), time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            result = measure(folder=Path(folder), quick=quick, **values)
        line = " ".join(["python", "-m", f"benchmarks.bench_{name}", *sys.argv[1:]])
        versions = machine(*result.packages)["versions"]
        data = {
            "what": result.what, "command": line, "date": datetime.now(UTC).date().isoformat(), "quick": quick,
            "took_seconds": round(time.monotonic() - started), "machine": {**before, "versions": versions},
            "rows": result.rows, "timings": result.timings, "facts": result.facts,
        }  # fmt: skip
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(as_json(data), indent=1) + "\n", encoding="utf-8")
        print(f"written: {path}, {data['took_seconds']} s")

    quick = click.Option(["--quick"], is_flag=True, help="A twentieth of the work, one round: to try it.")
    doc = sys.modules[measure.__module__].__doc__
    click.Command(f"bench_{name}", params=[quick, *options], callback=command, help=doc)()
