"""Options that commands share, and what a command does with its table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from mediasift.compare.comparing import DEFAULT_METHOD, PIXELS_SIDE
from mediasift.compare.methods import CENTRED_MIN_SIMILARITY, METHODS, MODEL_MIN_SIMILARITY
from mediasift.engines.onnx.providers import DEVICES, SPECS
from mediasift.errors import UsageError
from mediasift.media.pictures.images import MAX_MEGAPIXELS
from mediasift.media.video.cuts import DETECTORS
from mediasift.run.supervisor import TIMEOUT_S
from mediasift.run.table import Table
from mediasift.system.network import VARIABLE
from mediasift.tables.formats import FORMATS, format_of
from mediasift.tables.writers import printable_text
from mediasift.verbs import TableOptions

Function = TypeVar("Function", bound=Callable[..., Any])


def _all(*decorators: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """One decorator out of several, shown in --help in the order given."""

    def decorate(function: Function) -> Function:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


inputs = click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")


def _go_offline(ctx: click.Context, _option: click.Parameter, chosen: bool) -> None:
    """For this command and the processes it starts."""
    if chosen:
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = "1"
        ctx.call_on_close(lambda: os.environ.pop(VARIABLE) if before is None else os.environ.update({VARIABLE: before}))


offline = click.option(
    "--offline",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_go_offline,
    help="Open no connection; the same as MEDIASIFT_OFFLINE=1.",
)

device = click.option(
    "--device",
    type=click.Choice(["cpu", "auto", *(spec for spec in SPECS if spec != "cpu")]),
    metavar="DEVICE",
    default="cpu",
    show_default=True,
    help=f"Where the model runs: auto, {', '.join(DEVICES)}; some with a precision, as in openvino:float32. What is "
    "asked for is what runs, or the command stops; auto takes the fastest whose numbers agree with the CPU's.",
)

detector = click.option(
    "--detector",
    type=click.Choice(list(DETECTORS)),
    default="content",
    show_default=True,
    help="What finds hard cuts: content compares neighbouring frames; adaptive also those around, for fast movement.",
)

table = _all(
    click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the table here, a manifest beside it."),
    click.option("--format", "format_", type=click.Choice(list(FORMATS)), help="Default: by the suffix of -o."),
    click.option("--spreadsheet-safe", is_flag=True, help="Put a ' before text cells that begin with = + - @."),
    click.option("--recursive/--no-recursive", default=True, show_default=True, help="Enter folders inside folders."),
    click.option("--column", help="Column of a .csv list that holds the paths.  [default: path, or the only one]"),
    click.option("--keep", help="Columns of a .csv list to carry into every row, separated by commas."),
    click.option(
        "--max-megapixels",
        type=click.FloatRange(min=0, min_open=True),
        default=MAX_MEGAPIXELS,
        show_default=True,
        help="Larger pictures end as an error row.",
    ),
    click.option("--every-frame", is_flag=True, help="All frames of animated pictures instead of the first."),
    click.option("--every", metavar="2s|1000f|iframe|shot", help="Which frames of a video.  [default: 1s]"),
    click.option("--batch-size", type=click.IntRange(min=1), help="Pictures per model call."),
    click.option("--jobs", type=click.IntRange(min=0), help="Reader threads, 0 for none.  [default: one per core]"),
    click.option("--threads", type=click.IntRange(min=1), help="Threads of the model.  [default: one per core]"),
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0, min_open=True),
        default=TIMEOUT_S,
        show_default=True,
        metavar="SECONDS",
        help="An item that takes longer ends as an error row.",
    ),
    click.option(
        "--max-memory",
        "max_memory_gb",
        type=click.FloatRange(min=0, min_open=True),
        metavar="GB",
        help="An item that makes the run need more ends as an error row.  [default: 3/4 of the machine's]",
    ),
    click.option("--restart", is_flag=True, help="Begin the table of -o anew instead of going on with it."),
    click.option("--update", is_flag=True, help="Add inputs that are not in the finished table of -o."),
    offline,
    click.option("--quiet", is_flag=True, help="No progress on stderr."),
)  # fmt: skip
"""Options of every command that ends in a table."""

DEFAULTS = ", ".join(f"{name} {method.min_similarity:g}" for name, method in METHODS.items()) + (
    f", pixels --centred {CENTRED_MIN_SIMILARITY:g}, models {MODEL_MIN_SIMILARITY:g}"
)
"""From which similarity on each method calls pictures the same."""

_COMPARING = ("method", "size", "centred", "resample", "layer", "device", "index")


def split_comparing(chosen: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """As `split`, with the options on how to compare first."""
    how = {name: chosen[name] for name in _COMPARING}
    passed, showing = split({name: value for name, value in chosen.items() if name not in _COMPARING})
    return how, dict(passed), showing


_SHOWING = ("output", "format_", "spreadsheet_safe", "restart", "update", "quiet")
documents = _all(
    click.option(
        "--dpi",
        type=click.FloatRange(min=1, max=2400),
        help="Resolution of PDF pages; less where a page would be too large.  [default: 150; ocr: 300]",
    ),
    click.option("--pages", metavar="1-3,5", help="Only these pages of PDFs."),
    click.option("--password", help="Opens encrypted PDFs."),
)
"""Options of every command that reads pictures, and so PDFs."""


def split(chosen: dict[str, Any]) -> tuple[TableOptions, dict[str, Any]]:
    """The shared options, parted: those for `api`, and those for `finish`.

    Raises:
        UsageError: Options that make no sense together.
    """
    if chosen["output"] is None and (chosen["restart"] or chosen["update"]):
        raise UsageError("--restart and --update are about the table of -o; name it")
    showing = {name: chosen[name] for name in _SHOWING}
    keep = [name.strip() for name in (chosen["keep"] or "").split(",") if name.strip()]
    passed = {name: value for name, value in chosen.items() if name not in _SHOWING}
    return cast("TableOptions", {**passed, "keep": keep, "stdin": sys.stdin, "isolate": True}), showing


def finish(
    rows: Table[Any],
    *,
    output: Path | None,
    format_: str | None,
    spreadsheet_safe: bool,
    restart: bool,
    update: bool,
    quiet: bool,
) -> None:
    """Write the table where it was asked for; leave with 1 when some rows carry an error."""
    progress = None if quiet else sys.stderr
    if not quiet and rows.settings.get("device") == "auto":
        click.echo(f"auto: the model runs on {rows.facts.get('device', 'cpu')}", err=True)
    if output is not None:
        rows.write(
            output,
            format=format_,
            spreadsheet_safe=spreadsheet_safe,
            progress=progress,
            restart=restart,
            update=update,
        )
        if progress is not None:
            click.echo(_told(rows, output), err=True)
    else:
        shown = format_ or ("aligned" if sys.stdout.isatty() else format_of(None, None))
        progress = None if sys.stdout.isatty() else progress
        stream = sys.stdout.buffer
        rows.print_to(stream, format=shown, spreadsheet_safe=spreadsheet_safe, progress=progress)
        stream.flush()
    if rows.summary.error_rows:
        raise click.exceptions.Exit(1)


_NAMED = 10
"""Vanished inputs that are named on the terminal; the manifest has all of them."""


def _told(rows: Table[Any], output: Path) -> str:
    summary = rows.summary
    if rows.left_alone:
        return (
            f"{output}: is finished ({summary.rows:,} rows from {summary.sources:,} files); nothing was done. "
            "To add new files: --update; to begin anew: --restart"
        )
    errors = "".join(f", {count:,} {code}" for code, count in summary.errors.items())
    skipped = sum(summary.skipped.values())
    left_out = f"; {skipped:,} files left out, see {output.name}.run.json" if skipped else ""
    old = f"; {summary.taken_over:,} were done before" if summary.taken_over else ""
    gone = ", ".join(printable_text(path) for path in summary.vanished[:_NAMED])
    more = ", ..." if len(summary.vanished) > _NAMED else ""
    vanished = f"; {len(summary.vanished):,} are no longer there (their rows stay): {gone}{more}" if gone else ""
    return f"{output}: {summary.rows:,} rows from {summary.sources:,} files{errors}{left_out}{old}{vanished}"


_METHODS = "phash, dhash, ahash, disc, pixels, or a model's name or .onnx file"

comparing = _all(
    click.option("--method", default=DEFAULT_METHOD, show_default=True, metavar="METHOD",
                 help=f"How to compare: {_METHODS}."),
    click.option("--size", type=click.IntRange(1, 256), default=PIXELS_SIDE, show_default=True,
                 help="For pixels: side of the square."),
    click.option("--centred", is_flag=True, help="For pixels: subtract each picture's mean first."),
    click.option("--resample", type=click.Choice(["area", "bicubic"]), default="area", show_default=True,
                 help="For pixels: how to shrink; bicubic is Pillow's."),
    click.option("--layer", help="For a model: the layer to take.  [default: the penultimate one, or an embedding]"),
    device,
    click.option("--index", type=click.Path(path_type=Path),
                 help="Keep what was taken of each picture here; the next run reads only what is new."),
)  # fmt: skip
"""Options of every command that compares pictures."""

turns = click.option(
    "--turns", is_flag=True, help="Also mirrored and turned by 90, 180 and 270 degrees; by method disc at any angle."
)


def fractions(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[float, ...], ...]:
    """`L,T,R,B` texts as tuples of numbers; whether they are boxes is the task's to say."""
    try:
        boxes = tuple(tuple(float(side) for side in box.split(",")) for box in given)
    except ValueError as error:
        raise click.BadParameter(f"{error}; a box is four fractions from 0 to 1: L,T,R,B") from error
    if any(len(box) != 4 for box in boxes):
        raise click.BadParameter("a box is four fractions from 0 to 1: L,T,R,B")
    return boxes
