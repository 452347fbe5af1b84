"""`mediasift bench -m MODEL [INPUT...] | compare A.json B.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mediasift import verbs
from mediasift.bench.report import compared_lines, lines
from mediasift.bench.scenarios import SCENARIOS
from mediasift.bench.sweep import SWEPT, parse_sweep
from mediasift.cli import options
from mediasift.cli.derived import declared_option
from mediasift.engines.onnx.settings import DeviceSettings
from mediasift.verbs.speed import TOLERANCE


class Bench(click.Group):
    """A group that measures unless its first word is another command of its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`bench -m M photos` is `bench run -m M photos`."""
        return super().parse_args(ctx, args if args[:1] and args[0] in self.commands else ["run", *args])


@click.group(cls=Bench)
def command() -> None:
    """Measure how fast a model is on this machine, and compare two measurements."""


def _size(_context: click.Context, _option: click.Parameter, given: str) -> tuple[int, int]:
    width, times, height = given.partition("x")
    if not (times and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise click.BadParameter("a size is WIDTHxHEIGHT, e.g. 500x375")
    return int(width), int(height)


@command.command()
@click.argument("inputs", nargs=-1, metavar="[INPUT...]")
@click.option("-m", "--model", required=True, help="Name of a model, or an .onnx file.")
@click.option(
    "--scenario", "scenarios", multiple=True, type=click.Choice(list(SCENARIOS)),
    help="single: one picture at a time; offline: all at once; server: at random moments, needs --qps; may be given "
    "several times.  [default: single and offline, and server with --qps]",
)  # fmt: skip
@click.option("--qps", type=click.FloatRange(min=0, min_open=True), help="Questions per second that a server is asked.")
@click.option("--latency-target", "latency_target_ms", type=click.FloatRange(min=0, min_open=True),
              metavar="MS", help="Milliseconds within which 99 % of a server's answers should come.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True,
              help="About how long each measurement takes, after its warm-up.")  # fmt: skip
@click.option("--pictures", type=click.IntRange(min=1), default=64, show_default=True, help="How many at most.")
@click.option("--size", default="500x375", show_default=True, callback=_size, metavar="WxH",
              help="Of the pictures that are drawn where none are named.")  # fmt: skip
@declared_option(DeviceSettings, "device")
@click.option("--batch-size", type=click.IntRange(min=1), help="Pictures per model call.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the model.  [default: one per core]")
@click.option("--jobs", type=click.IntRange(min=0), help="Reader threads, 0 for none.  [default: one per core]")
@click.option("--sweep", multiple=True, metavar="NAME[=VALUES]",
              help=f"Also measure other settings, every combination: {', '.join(SWEPT)}; e.g. --sweep batch=1,8,32 "
              "--sweep threads.")  # fmt: skip
@click.option("--tune", is_flag=True,
              help="Find the best batch size, threads and jobs; the other commands use them from then on.")  # fmt: skip
@click.option("--cold", type=click.IntRange(min=0), default=5, show_default=True,
              help="Fresh processes in which the first answer is measured.")  # fmt: skip
@click.option("--explain/--no-explain", default=True, show_default=True,
              help="Measure each stage alone, and what the machine allows.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of a server's random moments.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the result here, as JSON.")
@click.option("--plot", "plot_to", type=click.Path(path_type=Path),
              help="Draw throughput against batch size, and latencies: .svg, .png or .pdf.")  # fmt: skip
@options.offline_option
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def run(
    *,
    inputs: tuple[str, ...],
    scenarios: tuple[str, ...],
    qps: float | None,
    latency_target_ms: float | None,
    sweep: tuple[str, ...],
    quiet: bool,
    **others: Any,
) -> None:
    """Measure how fast a model is on this machine, and say why it is not faster.

    INPUT are pictures, as for the other commands; where none is named, some are drawn. To compare two results:
    mediasift bench compare A.json B.json.
    """
    result = verbs.bench(
        inputs=inputs,
        scenarios=scenarios or ("single", "offline", *(["server"] if qps else [])),
        qps=qps,
        latency_target_s=None if latency_target_ms is None else latency_target_ms / 1000,
        sweep=parse_sweep(sweep),
        tell=lambda text: None if quiet else click.echo(f"measuring: {text}", err=True),
        **others,
    )
    for line in lines(result):
        click.echo(line)


@command.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--across-machines", is_flag=True, help="Compare results of different machines, too.")
@click.option("--tolerance", type=click.FloatRange(0, 1), default=TOLERANCE, show_default=True,
              help="By how much of its speed anything may be slower.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap that the intervals come from.")
def compare(*, before: Path, after: Path, **others: Any) -> None:
    """Tell how many times as fast AFTER is as BEFORE; exit code 1 if anything is slower.

    Both are JSON files of mediasift bench -o. Slower is what is beyond the tolerance with its whole 95 % interval.
    """
    found = verbs.compare_bench(before, after, **others)
    for line in compared_lines(found):
        click.echo(line)
    if found.is_regression:
        raise click.exceptions.Exit(1)
