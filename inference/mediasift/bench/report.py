"""Results and comparisons as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mediasift.bench.comparison import Comparison

Result = Mapping[str, Any]


def lines(result: Result) -> Iterator[str]:
    """Everything that a result holds, for people."""
    machine, model, settings, given = (result[name] for name in ("machine", "model", "settings", "input"))
    load = result["load"]["before"]
    busy = f"; load before {load[0]:g}" if load else ""
    drawn = f"drawn, {given['width']}x{given['height']}" if given["drawn"] else f"of {given['available']}"
    profile = f"; from profile {settings['profile']}" if settings["profile"] else ""
    yield f"machine     {machine['processor']}, {machine['cores']} cores, {' '.join(machine['instruction_sets'])}{busy}"
    where = f"{model['device']} ({model['provider']})"
    yield f"model       {model['model']} on {where}, sha256 {model['model_sha256'][:12]}"
    yield f"pictures    {given['pictures']}, {drawn}, {given['mean_bytes'] / 1000:.0f} kB each"
    yield f"settings    {settings['threads']} threads, {settings['jobs']} readers{profile}"
    yield ""
    yield from _aligned([{"scenario": name, **_measured(one)} for name, one in result["scenarios"].items()])
    if (cold := result["cold"]) is not None:
        parts = ", ".join(f"{name} {_time(cold[f'{name}_s'])}" for name in ("interpreter", "import", "load", "answer"))
        yield f"cold start  {_time(cold['median_s'])} to the first answer (median of {cold['processes']}): {parts}"
    yield from _explained(result)
    if result["sweep"]:
        yield ""
        yield from _aligned([
            {"threads": str(row["threads"]), "jobs": str(row["jobs"]), **_measured(row)} for row in result["sweep"]
        ])  # fmt: skip
    if (kept := result["profile"]) is not None:
        yield f"profile     {kept['path']}"
        yield (
            f"            batch size {kept['batch_size']}, {kept['threads']} threads, {kept['jobs']} readers: used "
            "with this model and device from now on, unless options differ; delete the file to forget it"
        )


def load_lines(result: Result) -> Iterator[str]:
    """A load test, for people."""
    given, checked = result["input"], result["checked"]
    drawn = f"drawn, {given['width']}x{given['height']}" if given["drawn"] else f"of {given['available']}"
    texts = {"refused": "refused", "error_rows": "answered with an error row"}
    refused = "".join(f"; {checked[name]} {text}" for name, text in texts.items() if checked[name])
    yield f"server      {result['settings']['url']}"
    yield f"pictures    {given['pictures']}, {drawn}, {given['mean_bytes'] / 1000:.0f} kB each{refused}"
    yield ""
    yield from _aligned([{"load": name, **_loaded(one)} for name, one in result["scenarios"].items()])
    for name, one in result["scenarios"].items():
        if one["cores_busy"] > _BUSY or one["late_s"].get("p99", 0) > one["median_s"]:
            yield (
                f"{name}: this client used {one['cores_busy']:g} cores, and sent requests up to "
                f"{_time(one['late_s']['max'])} late: the figures may be its own. Send from another machine, or less"
            )


_BUSY = 0.7
"""Cores of the client: its threads share one, and wait for it from about there on."""


def _loaded(one: Result) -> dict[str, str]:
    """Columns of a level of load."""
    latency, (low, high) = one["latency_s"], one["intervals"]["per_second"]
    shown = {name: ("never" if latency[name] is None else _time(latency[name])) if name in latency else ""
             for name in ("p50", "p90", "p99", "max")}  # fmt: skip
    between = {name: " to ".join(_time(value) or "never" for value in one["intervals"].get(name, ()))
               for name in ("p50", "p99")}  # fmt: skip
    return {
        "per s": _number(one["per_second"]), "95 % interval": f"{_number(low)} to {_number(high)}", **shown,
        **{f"{name} interval": text for name, text in between.items()}, "requests": str(one["requests"]),
        "errors": ", ".join(f"{count} {kind}" for kind, count in one["errors_by_kind"].items()),
    }  # fmt: skip


def _measured(one: Result) -> dict[str, str]:
    """Columns of a scenario or a row of a sweep."""
    latency, warm_up = one["latency_s"] or {}, one["warm_up"]
    return {
        "batch": str(one["batch_size"]), "per s": _number(one["per_second"]),
        "median": _time(one["median_s"]) if one["latency_s"] is not None else "", "p90": _time(latency.get("p90")),
        "p99": _time(latency.get("p99")), "samples": str(one["samples"]), "spread": f"{100 * one['spread']:.1f} %",
        "cpu s each": f"{one['cpu_s_per_item']:.4g}", "cores busy": f"{one['cores_busy']:g}",
        "peak MB": _megabytes(one["peak_bytes"]), "errors": str(one.get("errors") or ""),
        "warm-up": f"{warm_up['rounds']} rounds" if warm_up["steady"] else "not steady",
    }  # fmt: skip


def _explained(result: Result) -> Iterator[str]:
    """Stages, bottleneck, advice, limits."""
    stages, limits = result["stages"], result["limits"]
    if stages is None:
        return
    shares = stages.get("share_of_time", {})
    yield ""
    yield from _aligned([
        {"stage alone": name, "per s": _number(one["per_second"]), "cpu s each": f"{one['cpu_s_per_item']:.4g}",
         "share": f"{100 * shares[name]:.0f} %" if shares else ""}
        for name, one in stages["alone"].items()
    ])  # fmt: skip
    if shares:
        possible = f"{_number(stages['possible_per_second'])} per s that the stages allow on shared cores"
        yield f"together    {100 * stages['share_of_possible']:.0f} % of the {possible}"
        yield f"bottleneck  {stages['bottleneck']}; what would help: {result['advice']}"
    if limits is None:
        return
    yield (
        f"limits      {limits['float32_multiply_adds_per_second'] / 1e9:.1f} G multiply-adds/s in float32, "
        f"{limits['int8_multiply_adds_per_second'] / 1e9:.1f} G in int8, "
        f"{limits['memory_bytes_per_second'] / 1e9:.1f} GB/s of memory, with {limits['threads']} threads"
    )


def compared_lines(comparison: Comparison) -> Iterator[str]:
    """A comparison, for people."""
    yield from _aligned([
        {"measure": row.measure, "before": _time(row.before_s), "after": _time(row.after_s),
         "speed": f"{row.speed.ratio:.3f} x", "95 % interval": f"{row.speed.low:.3f} to {row.speed.high:.3f}",
         "verdict": row.verdict, "peak MB": _megabytes(row.before_bytes), "after MB": _megabytes(row.after_bytes)}
        for row in comparison.rows
    ])  # fmt: skip
    yield from (f"differs     {difference}" for difference in comparison.differences)


def _aligned(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Aligned columns under their names, without those that are empty."""
    names = [name for name in (rows[0] if rows else {}) if any(row[name] for row in rows)]
    cells = [names, *([row[name] for name in names] for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _number(value: float) -> str:
    """Four digits."""
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _megabytes(count: int | None) -> str:
    return "" if count is None else f"{count / 1e6:.0f}"
