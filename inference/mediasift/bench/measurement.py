"""A whole measurement: what is asked for, in which order it is measured, and the result as JSON values."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mediasift import __version__
from mediasift.bench import apart
from mediasift.bench.advice import advice
from mediasift.bench.pictures import Pictures, draw_pictures, find_pictures
from mediasift.bench.roofline import share_of_possible
from mediasift.bench.scenarios import SCENARIOS
from mediasift.bench.stages import together
from mediasift.bench.subject import Setup, load
from mediasift.bench.sweep import SWEPT as USUAL
from mediasift.bench.sweep import TUNED, agreement, best, check_sweep, merged, setups
from mediasift.bench.taking import Plan
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.operations import Operations, count_operations
from mediasift.engines.onnx.recipe import input_shape
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import MediasiftError, ModelError, UsageError
from mediasift.run.profile import find_profile, save_profile
from mediasift.system.machine import available_cores, last_level_cache, load_average, machine_facts
from mediasift.tables.manifest import versions

SCHEMA = {"name": "mediasift.bench", "version": 1}
"""Of the result; the version goes up when a field changes its meaning or goes. docs/bench.md describes the fields."""

_ON_THIS_PROCESSOR = ("cpu", "openvino")
"""Devices whose limit is that of this processor's products."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to measure.

    Attributes:
        model: Name or path.
        inputs: Pictures, as for `classify`; none draws some.
        pictures: How many at most.
        size: (width, height) of drawn ones.
        scenarios: Keys of `scenarios.SCENARIOS`.
        plan: How long, and what a service is asked.
        device, batch_size, threads, jobs: How the model is run; None for a profile's, else the usual.
        sweep: Setting → values, see `sweep.SWEPT`.
        tune: Find the best batch size, threads and jobs, and keep them as a profile.
        cold: Fresh processes in which the first answer is measured; 0 for none.
        explain: Measure stages and limits, too.
    """

    model: str
    inputs: tuple[str, ...] = ()
    pictures: int = 64
    size: tuple[int, int] = (500, 375)
    scenarios: tuple[str, ...] = ("single", "offline")
    plan: Plan
    device: str = "cpu"
    batch_size: int | None = None
    threads: int | None = None
    jobs: int | None = None
    sweep: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    tune: bool = False
    cold: int = 5
    explain: bool = True


def measure_all(order: Order, tell: Tell) -> dict[str, Any]:
    """Measure what is asked for.

    Args:
        order: That.
        tell: Told what is measured next.

    Raises:
        UsageError: The order makes no sense.
        InputError: There is no picture.
        ModelError: The model is not here or does not run.
        OutputError: The profile cannot be written.
    """
    sweep = _checked(order)
    started, clock, load_before = datetime.now(UTC), time.perf_counter(), load_average()
    setup, profile = _setup(order)
    model = load(setup)
    setup = replace(setup, device=model.device)  # what `auto` came to, so that all that follows is on the same one
    described, operations = _described(model)
    with tempfile.TemporaryDirectory() as folder:
        pictures = _pictures(order, Path(folder))
        run = _Run(order, setup, pictures, tell)
        result: dict[str, Any] = {"cold": run.cold(), "scenarios": run.scenarios()}
        result |= run.explained(model, operations)
        result["sweep"] = run.swept(sweep, tune=order.tune and not set(sweep) & set(TUNED))
    result["advice"] = _advice(result, model, setup)
    result["profile"] = _kept(order, model, setup, result) if order.tune else None
    return {
        "schema": SCHEMA,
        "mediasift": __version__,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - clock, 1),
        "machine": machine_facts(),
        "load": {"before": load_before, "after": load_average()},
        "versions": versions(),
        "model": described,
        "input": pictures.facts,
        "settings": {**setup.told, "profile": profile, **asdict(order.plan)},
        **result,
    }


def _checked(order: Order) -> dict[str, list[Any]]:
    if unknown := [name for name in order.scenarios if name not in SCENARIOS]:
        raise UsageError(f"scenario {unknown[0]!r}: there are {', '.join(SCENARIOS)}")
    if "server" in order.scenarios and order.plan.qps is None:
        raise UsageError("the scenario server needs a rate of questions: --qps 20")
    if order.pictures < 1 or min(order.size) < 1 or order.plan.seconds <= 0:
        raise UsageError("pictures, size and seconds must be above 0")
    return check_sweep(order.sweep)


def _setup(order: Order) -> tuple[Setup, str | None]:
    """How the model is run, and the profile that decided some of it; while tuning, none does."""
    profile = None if order.tune else find_profile(order.model, order.device)
    cores = available_cores()
    usual = (None, cores, cores) if profile is None else (profile.batch_size, profile.threads, profile.jobs)
    chosen = [order.batch_size, order.threads, order.jobs]
    batch_size, threads, jobs = (own if own is not None else other for own, other in zip(chosen, usual, strict=True))
    setup = Setup(
        model=order.model,
        device=order.device,
        batch_size=batch_size,
        threads=threads or cores,
        jobs=cores if jobs is None else jobs,
    )
    return setup, None if profile is None else str(profile.path)


def _described(model: OnnxModel) -> tuple[dict[str, Any], Operations | None]:
    """What a result says of the model, and its operations where they can be counted."""
    described = {**model.facts, "task": model.description.task, "parameters": read_facts(model.path).parameters}
    try:
        return described, count_operations(model)
    except ModelError as error:
        return {**described, "operations": str(error)}, None


def _pictures(order: Order, folder: Path) -> Pictures:
    if order.inputs:
        return find_pictures(order.inputs, limit=order.pictures)
    width, height = order.size
    return draw_pictures(folder, count=order.pictures, width=width, height=height)


class _Run:
    """One order's measurements, each in a fresh process."""

    def __init__(self, order: Order, setup: Setup, pictures: Pictures, tell: Tell) -> None:
        self.order = order
        self.setup = setup
        self.files = pictures.files
        self.tell = tell
        self.reference: list[list[str]] | None = None

    def cold(self) -> dict[str, Any] | None:
        if self.order.cold < 1:
            return None
        self.tell("first answer, in fresh processes")
        return apart.cold_start(self.setup, self.files[0], processes=self.order.cold)

    def scenarios(self) -> dict[str, Any]:
        found = {}
        for name in self.order.scenarios:
            self.tell(f"scenario {name}")
            found[name] = apart.scenario(self.setup, name, self.files, asdict(self.order.plan))
            answers = found[name].pop("answers")
            if name == "offline":
                self.reference = answers
        return found

    def explained(self, model: OnnxModel, operations: Operations | None) -> dict[str, Any]:
        """Stages and limits."""
        if not self.order.explain:
            return {"stages": None, "limits": None}
        self.tell("stages, one by one")
        setup, seconds = self.setup, self.order.plan.seconds
        stages = apart.ask("stages", threads=setup.threads, setup=asdict(setup), files=self.files, seconds=seconds)
        limits: dict[str, Any] | None = None
        if operations is not None and setup.device.partition(":")[0] in _ON_THIS_PROCESSOR:
            self.tell("matrix products and memory")
            machine = apart.ask("machine", threads=setup.threads, seconds=min(4.0, seconds))
            wanted = model.description.input
            limits = {
                "machine": machine,
                "model": share_of_possible(
                    machine,
                    operations,
                    quantised=_is_quantised(model),
                    per_second=stages["alone"]["infer"]["per_second"],
                    batch_size=stages["batch_size"],
                    picture_bytes=int(np.prod(input_shape(wanted))) * np.dtype(wanted.dtype).itemsize,
                    cache_bytes=last_level_cache(),
                ),
            }
        return {"stages": stages, "limits": limits}

    def swept(self, sweep: Mapping[str, Sequence[Any]], *, tune: bool) -> dict[str, Any] | None:
        """Every combination; or, to tune, one setting after the other."""
        over = {**sweep, **({name: USUAL[name]() for name in TUNED} if tune else {})}
        rows = self._rows(setups(self.setup, sweep)) if sweep else []
        if tune:
            rows += self._tuned({name: over[name] for name in TUNED})
        return {"over": over, "rows": rows} if rows else None

    def _tuned(self, over: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """One setting after the other, each with the best of those before it: all combinations would take hours."""
        setup, rows = self.setup, []
        for name, values in over.items():
            found = self._rows(setups(setup, {name: values}))
            rows += found
            if (fastest := best(found, lambda row: "error" not in row)) is not None:
                setup = replace(setup, **{key: fastest[key] for key in ("batch_size", "threads", "jobs")})
        return rows

    def _rows(self, wanted: Sequence[Setup]) -> list[dict[str, Any]]:
        """Each setting twice, there and back: a machine that becomes slower on the way does so for all of them."""
        there = [self._row(one) for one in wanted]
        back = [self._row(one) for one in reversed(wanted)]
        return [merged(*both) for both in zip(there, reversed(back), strict=True)]

    def _row(self, setup: Setup) -> dict[str, Any]:
        """One run of all pictures at once, beside whether its labels agree with those of the order's own settings."""
        shown = ", ".join(f"{name} {value}" for name, value in setup.told.items() if value is not None)
        self.tell(f"sweep: {shown}")
        try:
            plan = replace(self.order.plan, seconds=self.order.plan.seconds / 2)
            found = apart.scenario(setup, "offline", self.files, asdict(plan))
        except MediasiftError as error:
            return {**setup.told, "error": str(error)}
        answers = found.pop("answers")
        self.reference = self.reference or answers
        return {**found, "agreement": agreement(answers, self.reference)}


def _is_quantised(model: OnnxModel) -> bool:
    """Whether most of the stored numbers are of 8 bits."""
    facts = read_facts(model.path)
    small = sum(int(np.prod(t.shape)) for t in facts.initializers if t.data_type in (2, 3))
    return small > facts.parameters / 2


def _advice(result: dict[str, Any], model: OnnxModel, setup: Setup) -> dict[str, str] | None:
    """The bottleneck and what would help; needs the stages and a run of all pictures."""
    offline = result["scenarios"].get("offline")
    if result["stages"] is None or offline is None:
        return None
    stages = result["stages"] | together(result["stages"]["alone"], offline["per_second"])
    result["stages"] = stages
    rows = (result["sweep"] or {"rows": []})["rows"]
    known = {**asdict(setup), "batch_size": offline["batch_size"]}
    helps = advice(stages["bottleneck"], known, read_facts(model.path), rows, offline["per_second"])
    return {"bottleneck": stages["bottleneck"], "helps": helps}


def _kept(order: Order, model: OnnxModel, setup: Setup, result: dict[str, Any]) -> dict[str, Any]:
    """The best row of the sweep, on the order's own device, as a profile.

    Raises:
        UsageError: No row ran on that device.
    """
    row = best(result["sweep"]["rows"], lambda row: "error" not in row and row["device"] == setup.device)
    if row is None:
        raise UsageError(f"no row of the sweep ran on device {setup.device}; a profile is for that device only")
    settings = {name: row[name] for name in ("batch_size", "threads", "jobs")}
    found = {"model": model.path.name, "per_second": round(row["per_second"], 2), "mediasift": __version__,
             "found": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    path = save_profile(settings, model_sha256=model.sha256, device=order.device, found=found)
    return {"path": str(path), **settings, "per_second": row["per_second"]}
