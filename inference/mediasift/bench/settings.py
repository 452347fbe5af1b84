"""The options of `mediasift bench` and `mediasift bench compare`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

from mediasift.bench.scenarios import SCENARIOS
from mediasift.bench.subject import Pictures, Setup, draw_pictures, find_pictures
from mediasift.bench.sweep import SWEPT, parse_sweep
from mediasift.engines.onnx.settings import DeviceSettings
from mediasift.errors import UsageError
from mediasift.run.profile import Profile
from mediasift.settings import Option, Settings, comma_separated, parse_size
from mediasift.sources.memory import Named, named_inputs
from mediasift.system.machine import available_cores

_OUTPUT = Option("Write the result here, as JSON.", short="-o", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class PicturesSettings(Settings):
    """For how long, and on which pictures."""

    seconds: Annotated[float, Option("About how long each measurement takes, after its warm-up.", above=0)] = 5.0
    pictures: Annotated[int, Option("Pictures at most, evenly spread over all inputs.", least=1, metavar="N")] = 64
    size: Annotated[
        str, Option("Of the pictures that are drawn if no input is named.", metavar="WxH", check=parse_size)
    ] = "500x375"
    progress: TextIO | None = None

    def report(self, text: str) -> None:
        """Write what is measured next."""
        if self.progress is not None:
            self.progress.write(f"measuring: {text}\n")

    @contextmanager
    def shown(self, inputs: Named) -> Iterator[Pictures]:
        """The pictures among the inputs; without inputs, drawn ones.

        Raises:
            InputError: There is none.
        """
        named = named_inputs(inputs)
        width, height = parse_size(self.size)
        with tempfile.TemporaryDirectory() as folder:
            yield (
                find_pictures(named, limit=self.pictures) if named
                else draw_pictures(Path(folder), count=self.pictures, width=width, height=height)
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MeasuringSettings(PicturesSettings, DeviceSettings):
    """The same, and how the model is run."""

    batch_size: Annotated[int | None, Option("Pictures per model call.", least=1, metavar="N")] = None
    threads: Annotated[int | None, Option("Threads of the model.", least=1, default="one per core")] = None
    jobs: Annotated[int | None, Option("Reader threads, 0 for none.", least=0, default="one per core")] = None

    def setup(self, model: str | Path, profile: Profile | None = None) -> Setup:
        """How a model is run: as the settings say, else as its profile says, else as usual."""
        usual = {"batch_size": None, "threads": available_cores(), "jobs": available_cores()}
        chosen: dict[str, Any] = {name: getattr(profile, name, value) for name, value in usual.items()}
        chosen |= {name: getattr(self, name) for name in usual if getattr(self, name) is not None}
        return Setup(model=str(model), device=self.device or "cpu", **chosen)


@dataclass(frozen=True)
class BenchSettings(MeasuringSettings):
    """Measure how fast a model is on this machine, and report why it is not faster.

    INPUT are pictures, as for classify; where none is named, some are drawn.
    """

    model: Annotated[str | Path, Option("Name of a model, or an .onnx file.", short="-m", metavar="MODEL")]
    inputs: Named = ()
    _: KW_ONLY
    scenarios: Annotated[
        Sequence[str],
        Option(
            "single: one picture at a time; offline: all at once; may be given several times.", flag="--scenario",
            choices=tuple(SCENARIOS), multiple=True,
        ),
    ] = tuple(SCENARIOS)  # fmt: skip
    sweep: Annotated[
        Sequence[str],
        Option(
            f"Also measure other settings, every combination: {', '.join(SWEPT)}; e.g. --sweep batch=1,8.",
            metavar="NAME[=VALUES]", multiple=True, check=parse_sweep,
        ),
    ] = ()  # fmt: skip
    tune: Annotated[
        bool, Option("Find the best batch size, threads and jobs; the other commands use them from then on.")
    ] = False
    cold: Annotated[int, Option("Fresh processes that measure the first answer.", least=0, metavar="N")] = 5
    explain: Annotated[bool, Option("Measure each stage alone, and what the machine allows.")] = True
    output: Annotated[str | Path | None, _OUTPUT] = None


def _numbers(kind: type[int] | type[float]) -> Option:
    """An option of several numbers above zero."""

    def parse(text: str) -> tuple[float, ...]:
        try:
            return tuple(kind(part) for part in comma_separated(text))
        except ValueError as error:
            raise UsageError(f"{text!r}: must be numbers separated by commas, e.g. 1,8,64") from error

    text = "Requests a second, each at its own moment." if kind is float else "Clients that wait for their answers."
    return Option(text, above=0, metavar="N,...", parse=parse)


@dataclass(frozen=True)
class LoadSettings(PicturesSettings):
    """Measure how fast a server answers that takes pictures over HTTP, as `mediasift serve` does.

    Each request is the bytes of one picture of INPUT; where none is named, some are drawn. Without --concurrency and
    --qps one client asks.
    """

    url: Annotated[str, Option("Where pictures are sent, e.g. http://127.0.0.1:8000/v1/classify.", metavar="URL")]
    inputs: Named = ()
    _: KW_ONLY
    concurrency: Annotated[Sequence[int], _numbers(int)] = ()
    qps: Annotated[Sequence[float], _numbers(float)] = ()
    timeout_s: Annotated[
        float,
        Option("A request has failed when nothing came for so long.", flag="--timeout", above=0, metavar="SECONDS"),
    ] = 30.0
    headers: Annotated[
        Sequence[str],
        Option("Header of each request; may be given several times.", flag="--header", metavar="NAME:TEXT",
               multiple=True, secret=True),
    ] = ()  # fmt: skip
    output: Annotated[str | Path | None, _OUTPUT] = None


@dataclass(frozen=True)
class CompareSettings(MeasuringSettings):
    """Compare the speed of AFTER with that of BEFORE, two results of mediasift bench -o.

    With --run, measure both here instead, in turn, on INPUT: each is a model, or another installation that runs the
    model of -m: PYTHON=path/to/python, or PYTHON=folder of a checkout.

    Exit codes: 0 the same or faster, 1 something is slower, 7 undecided: the 95 % interval of a ratio reaches into more
    than one of slower, same and faster, and nothing is slower.
    """

    before: str | Path
    after: str | Path
    inputs: Named = ()
    _: KW_ONLY
    run: Annotated[bool, Option("Measure both models or installations here, in turn.")] = False
    model: Annotated[
        str | Path | None, Option("With --run: what an installation runs.", short="-m", metavar="MODEL")
    ] = None
    rounds: Annotated[int, Option("With --run: turns of each.", least=5, metavar="N")] = 10
    tolerance: Annotated[float, Option("Speeds that differ by less are the same.", least=0, most=1)] = 0.05
    across_machines: Annotated[bool, Option("Compare results of different machines, too.")] = False
