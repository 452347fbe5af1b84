"""A result as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mediasift.bench.comparison import Comparison

Result = Mapping[str, Any]


def lines(result: Result) -> Iterator[str]:
    """Everything that a result says, for people."""
    yield from _heading(result)
    yield ""
    yield from _scenarios(result["scenarios"])
    if (cold := result["cold"]) is not None:
        parts = ", ".join(f"{name[:-2].replace('_', ' ')} {_time(cold[name])}"
                          for name in ("interpreter_s", "import_s", "load_s", "first_answer_s"))  # fmt: skip
        yield ""
        yield f"cold start  {_time(cold['command_s'])} for the whole command with one picture; {parts}"
        yield f"            median of {cold['processes']} in fresh processes, files in the system's cache"
    yield from _stages(result)
    yield from _limits(result)
    yield from _sweep(result)
    if (profile := result["profile"]) is not None:
        yield ""
        yield f"profile     {profile['path']}"
        yield (
            f"            batch size {profile['batch_size']}, {profile['threads']} threads, {profile['jobs']} readers: "
            "used from now on with this model and device, unless options say otherwise; delete the file to forget it"
        )


def _heading(result: Result) -> Iterator[str]:
    machine, model, settings, given = (result[name] for name in ("machine", "model", "settings", "input"))
    load = result["load"]["before"]
    busy = f"; load before {load[0]:g}" if load else ""
    yield f"machine     {machine['processor']}, {machine['cores']} cores, {' '.join(machine['instruction_sets'])}{busy}"
    where = f"{model['device']} ({model['provider']})"
    yield f"model       {model['model']} on {where}, sha256 {model['model_sha256'][:12]}"
    what = f"drawn, {given['width']}x{given['height']}" if given["drawn"] else f"of {given['found']}"
    yield f"pictures    {given['pictures']}, {what}, {given['mean_bytes'] / 1000:.0f} kB each"
    profile = f"; from profile {settings['profile']}" if settings["profile"] else ""
    yield f"settings    {settings['threads']} threads, {settings['jobs']} readers{profile}"


def _scenarios(scenarios: Result) -> Iterator[str]:
    header = ["scenario", "batch", "per s", "median", "p90", "p99", "samples", "spread", "cpu s each", "cores busy",
              "peak MB", "warm-up"]  # fmt: skip
    rows = []
    for name, found in scenarios.items():
        latency = found["latency_s"] or {}
        warm = found["warm_up"]
        rows.append([
            name, str(found["batch_size"]), _number(found["per_second"]), _time(found["median_s"] if latency else None),
            _time(latency.get("p90")), _time(latency.get("p99")), str(found["samples"]),
            "" if found["spread"] is None else f"{100 * found['spread']:.1f} %", f"{found['cpu_s_per_item']:.4g}",
            f"{found['cores_busy']:g}", _megabytes(found["peak_bytes"]),
            f"{warm['rounds']} rounds" if warm["steady"] else "not steady",
        ])  # fmt: skip
    if rows:
        yield from table(header, rows)
    yield from _server(scenarios.get("server"))
    if any(found["errors"] for found in scenarios.values()):
        yield "errors      " + ", ".join(f"{name}: {found['errors']}" for name, found in scenarios.items())


def _server(found: Result | None) -> Iterator[str]:
    if found is None:
        return
    late = f", {found['unanswered']} unanswered" if found["unanswered"] else ""
    text = f"server      {found['qps']:g} questions per second, {found['mean_batch']:g} per call{late}"
    if "target_met" in found:
        share = found["within_target"]
        text += (
            f"; within {_time(found['target_s'])}: {100 * share['share']:.2f} % "
            f"({100 * share['low']:.2f} to {100 * share['high']:.2f}), 99 % met: {found['target_met']}"
        )
    yield text


def _stages(result: Result) -> Iterator[str]:
    stages = result["stages"]
    if stages is None:
        return
    yield ""
    shares = stages.get("share_of_time", {})
    yield from table(
        ["stage alone", "per s", "cpu s each", "share"],
        [
            [name, _number(one["per_second"]), f"{one['cpu_s_per_item']:.4g}",
             f"{100 * shares[name]:.0f} %" if shares else ""]
            for name, one in stages["alone"].items()
        ],
    )  # fmt: skip
    if shares:
        yield (
            f"together    {_number(stages['measured_per_second'])} per s, "
            f"{100 * stages['share_of_possible']:.0f} % of the {_number(stages['possible_per_second'])} "
            "that the stages allow on shared cores"
        )
    if (advice := result["advice"]) is not None:
        yield f"bottleneck  {advice['bottleneck']}; what would help: {advice['helps']}"


def _limits(result: Result) -> Iterator[str]:
    if result["limits"] is None:
        return
    machine, model = result["limits"]["machine"], result["limits"]["model"]
    yield ""
    yield (
        f"limits      {machine['float32_multiply_adds_per_second'] / 1e9:.1f} G multiply-adds/s in float32 "
        f"(by {machine['float32_by']}), {machine['int8_multiply_adds_per_second'] / 1e9:.1f} G in int8, "
        f"{machine['memory_bytes_per_second'] / 1e9:.1f} GB/s of memory, with {machine['threads']} threads"
    )
    counted = f"{model['multiply_adds_per_picture'] / 1e6:,.4g} M multiply-adds per picture"
    if model["percent_of_possible"] is None:
        yield f"model       {counted}, not counted: {', '.join(model['uncounted']) or 'anything'}"
    else:
        yield (
            f"model       {counted}, {_number(model['measured_per_second'])} per s alone: "
            f"{model['percent_of_possible']:.0f} % of what {model['kind']} {model['bound']} allows"
        )


def _sweep(result: Result) -> Iterator[str]:
    if result["sweep"] is None:
        return
    yield ""
    header = [
        "device",
        "batch",
        "threads",
        "jobs",
        "per s",
        "spread",
        "cpu s each",
        "peak MB",
        "agreement",
    ]
    rows, failed = [], []
    for row in result["sweep"]["rows"]:
        start = [row["device"], str(row["batch_size"] or ""), str(row["threads"])]
        start.append(str(row["jobs"]))
        if "error" in row:
            failed.append(f"failed      {start[0]}: {row['error']}")
            continue
        rows.append([*start, _number(row["per_second"]), f"{100 * row['spread']:.1f} %", f"{row['cpu_s_per_item']:.4g}",
                     _megabytes(row["peak_bytes"]), f"{100 * row['agreement']:.1f} %"])  # fmt: skip
    yield from table(header, rows)
    yield from failed


def compared_lines(found: Comparison) -> Iterator[str]:
    """A comparison, for people."""
    header = ["measure", "before", "after", "speed", "95 % interval", "verdict", "peak MB"]
    rows = [
        [row.measure, _time(row.before_s), _time(row.after_s), f"{row.speed.ratio:.3f} x",
         f"{row.speed.low:.3f} to {row.speed.high:.3f}", row.verdict,
         f"{_megabytes(row.before_bytes)} → {_megabytes(row.after_bytes)}" if row.before_bytes else ""]
        for row in found.rows
    ]  # fmt: skip
    yield from table(header, rows)
    for difference in found.differences:
        yield f"differs     {difference}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned columns."""
    widths = [max(len(cells[column]) for cells in (header, *rows)) for column in range(len(header))]
    for cells in (header, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _number(value: float | None) -> str:
    """Four digits."""
    return "" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.0f}"
