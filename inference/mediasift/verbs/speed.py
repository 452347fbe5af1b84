"""How fast a model is here, and whether that has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mediasift.bench import comparison
from mediasift.bench.comparison import Comparison, read_result
from mediasift.bench.measurement import Order, Tell, measure_all
from mediasift.bench.plot import check_plot, plot
from mediasift.bench.taking import Plan
from mediasift.errors import OutputError
from mediasift.system.files import write_atomically

TOLERANCE = 0.05


def bench(
    model: str | Path,
    inputs: str | Path | Sequence[str | Path] = (),
    *,
    scenarios: Sequence[str] = ("single", "offline"),
    seconds: float = 5.0,
    qps: float | None = None,
    latency_target_s: float | None = None,
    device: str = "cpu",
    batch_size: int | None = None,
    threads: int | None = None,
    jobs: int | None = None,
    pictures: int = 64,
    size: tuple[int, int] = (500, 375),
    sweep: Mapping[str, Sequence[Any]] | None = None,
    tune: bool = False,
    cold: int = 5,
    explain: bool = True,
    seed: int = 0,
    output: str | Path | None = None,
    plot_to: str | Path | None = None,
    tell: Tell = lambda _text: None,
) -> dict[str, Any]:
    """How fast a model is on this machine, as JSON values; docs/bench.md describes them.

    Args:
        model: Name or path.
        inputs: Pictures, as for `classify`; none draws some.
        scenarios: single, offline, server.
        seconds: About how long each measurement takes after its warm-up.
        qps: For `server`: questions per second.
        latency_target_s: For `server`: within which time 99 % of the answers should come.
        device: As for `classify`.
        batch_size: Pictures per model call; default: a profile's, else the task's own.
        threads: Of the model; default: a profile's, else every core.
        jobs: Reader threads; default: a profile's, else one per core.
        pictures: How many at most.
        size: (width, height) of drawn pictures.
        sweep: batch, threads, jobs or device → values; every combination is measured.
        tune: Keep the fastest batch size, threads and jobs as a profile that the other commands read.
        cold: Fresh processes in which the first answer is measured; 0 for none.
        explain: Measure the stages and the machine's limits, too.
        seed: Of a server's random moments.
        output: Write the result here, as JSON.
        plot_to: Draw it here: .svg, .png or .pdf.
        tell: Told what is measured next.

    Raises:
        ModelError: The model is not here or does not run.
        InputError: There is no picture.
        UsageError: An option is out of range.
        OutputError: A file cannot be written.
        MissingPackage: A plot needs matplotlib.
    """
    if plot_to is not None:
        check_plot(Path(plot_to))
    for path in (output, plot_to):
        if path is not None and not Path(path).parent.is_dir():
            raise OutputError(f"{path}: the folder {Path(path).parent} does not exist; make it first")
    order = Order(
        model=str(model),
        inputs=(str(inputs),) if isinstance(inputs, (str, Path)) else tuple(map(str, inputs)),
        pictures=pictures,
        size=size,
        scenarios=tuple(scenarios),
        plan=Plan(seconds=seconds, qps=qps, target_s=latency_target_s, seed=seed),
        device=device,
        batch_size=batch_size,
        threads=threads,
        jobs=jobs,
        sweep=sweep or {},
        tune=tune,
        cold=cold,
        explain=explain,
    )
    result = measure_all(order, tell)
    if output is not None:
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        write_atomically(Path(output), lambda file: file.write(text.encode()))
    if plot_to is not None:
        plot(result, Path(plot_to))
    return result


def compare_bench(
    before: str | Path,
    after: str | Path,
    *,
    across_machines: bool = False,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Comparison:
    """How many times as fast the second result is as the first, with 95 % intervals from a bootstrap.

    Args:
        before: Written by `bench`.
        after: Another.
        across_machines: Compare results of different machines, which is refused otherwise.
        tolerance: By how much of the speed anything may be slower; 0.05 is 5 %.
        seed: Of the bootstrap.

    Raises:
        InputError: A file is no such result.
        UsageError: They are of different machines or pictures.
    """
    return comparison.compare(
        read_result(Path(before)), read_result(Path(after)), across_machines=across_machines, tolerance=tolerance,
        seed=seed,
    )  # fmt: skip
