"""A whole measurement: in which order things are measured, and the result as JSON values."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mediasift import __version__
from mediasift.bench import SCHEMA
from mediasift.bench.child import ask
from mediasift.bench.scenarios import LIMITS, STAGES, measured, summary, together
from mediasift.bench.settings import BenchSettings
from mediasift.bench.subject import Setup, load
from mediasift.bench.sweep import SWEPT, advice, best, parse_sweep, setups
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.engines.onnx.session import OnnxModel
from mediasift.errors import OutputError
from mediasift.run.profile import find_profile, save_profile
from mediasift.system.files import write_atomically
from mediasift.system.machine import load_average, machine_facts
from mediasift.tables.manifest import versions

_TUNED = ("batch_size", "threads", "jobs")


def measure(settings: BenchSettings) -> dict[str, Any]:
    """How fast a model is on this machine, as JSON values; docs/bench.md describes them.

    Raises:
        UsageError: A model that reads no pictures.
        InputError: There is no picture.
        ModelError: The model is not here or does not run.
        OutputError: The result or the profile cannot be written.
    """
    output = result_path(settings.output)
    started, began, load_before = datetime.now(UTC), time.perf_counter(), load_average()
    profile = None if settings.tune else find_profile(settings.model, settings.device or "cpu")
    setup = settings.setup(settings.model, profile)
    model = load(setup)
    setup = replace(setup, device=model.device)  # what `auto` came to, so that all that follows is on the same one
    with settings.shown(settings.inputs) as (files, pictures):
        parts = _parts(settings, setup, model, partial(ask, files=files))
    result = {
        "schema": SCHEMA,
        "mediasift": __version__,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - began, 1),
        "machine": machine_facts(),
        "load": {"before": load_before, "after": load_average()},
        "versions": versions(),
        "model": {**model.facts, "task": model.description.task, "parameters": read_facts(model.path).parameters},
        "input": pictures,
        "settings": {**setup.settings, "profile": profile and str(profile.path), "seconds": settings.seconds},
        **parts,
    }
    keep_result(output, result)
    return result


def result_path(output: str | Path | None) -> Path | None:
    """Where a result goes.

    Raises:
        OutputError: There is no such folder.
    """
    path = None if output is None else Path(output)
    if path is not None and not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; make it first")
    return path


def keep_result(output: Path | None, result: Mapping[str, Any]) -> None:
    """Write a result, where it goes anywhere; raises an OutputError if it cannot be written."""
    if output is not None:
        write_atomically(output, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())


def cold_start(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """First answers of several processes: the median of each part, and every whole as a round."""
    firsts = [answer["first"] for answer in answers]
    medians = {name: float(np.median([first[name] for first in firsts])) for name in firsts[0]}
    return {"processes": len(firsts), **medians, "rounds_s": [[first["median_s"]] for first in firsts]}


Ask = Callable[..., dict[str, Any]]
"""`child.ask` about the pictures that were chosen."""


def _parts(settings: BenchSettings, setup: Setup, model: OnnxModel, ask: Ask) -> dict[str, Any]:
    """What a result holds beyond names and versions."""
    scenarios: dict[str, dict[str, Any]] = {}
    cold = stages = limits = profile = helps = None
    if settings.cold:
        settings.report("first answer, in fresh processes")
        cold = cold_start([ask(setup) for _ in range(settings.cold + 1)][1:])  # the first fills the system's cache
    for name in settings.scenarios:
        settings.report(f"scenario {name}")
        scenarios[name] = measured([ask(setup, names=[name], seconds=settings.seconds)], name)
    if settings.explain:
        stages, limits = _explained(settings, setup, ask)
    rows = _swept(settings, setup, ask)
    if stages is not None and (offline := scenarios.get("offline")) is not None:
        stages |= together(stages["alone"], offline["per_second"])
        chosen = replace(setup, batch_size=offline["batch_size"])
        helps = advice(stages, chosen, read_facts(model.path), rows, offline["per_second"])
    if settings.tune:
        profile = _kept(best(rows), model, settings.device or "cpu")
    return {"cold": cold, "scenarios": scenarios, "stages": stages, "limits": limits, "sweep": rows,
            "advice": helps, "profile": profile}  # fmt: skip


def _explained(settings: BenchSettings, setup: Setup, ask: Ask) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Stages; and limits, on devices whose limit is that of this processor."""
    settings.report("stages, one by one")
    alone = ask(setup, names=list(STAGES), seconds=settings.seconds / len(STAGES))["measured"]
    stages = {"alone": {name: summary([part]) for name, part in alone.items()}}
    if setup.device.partition(":")[0] not in ("cpu", "openvino"):
        return stages, None
    settings.report("matrix products and memory")
    timed = ask(setup, names=list(LIMITS), seconds=min(1.0, settings.seconds / len(LIMITS)))["measured"]
    # The shortest run counts: a limit is what is possible if nothing disturbs.
    limits: dict[str, Any] = {name: 1 / np.min(np.concatenate(one["rounds_s"])) for name, one in timed.items()}
    return stages, {**limits, "threads": setup.threads}


def _swept(settings: BenchSettings, setup: Setup, ask: Ask) -> list[dict[str, Any]]:
    """Every combination; or, to tune what the sweep does not name, one setting after the other.

    Each has the best of those before it: all combinations would take hours.
    """
    sweep = parse_sweep(settings.sweep)
    rows = _rows(settings, setups(setup, sweep), ask) if sweep else []
    for name in SWEPT if settings.tune and not sweep else ():
        tried = _rows(settings, setups(setup, {name: SWEPT[name]()}), ask)
        setup = replace(setup, **{key: best(tried)[key] for key in _TUNED})
        rows += tried
    return rows


def _rows(settings: BenchSettings, wanted: Sequence[Setup], ask: Ask) -> list[dict[str, Any]]:
    """Each setting twice, there and back: a machine that becomes slower on the way does so for all of them."""
    answers: dict[Setup, list[dict[str, Any]]] = {setup: [] for setup in wanted}
    for setup in (*wanted, *reversed(wanted)):
        settings.report("sweep: " + ", ".join(f"{name} {getattr(setup, name)}" for name in _TUNED))
        answers[setup].append(ask(setup, names=["offline"], seconds=settings.seconds / 2))
    return [{**setup.settings, **measured(both, "offline")} for setup, both in answers.items()]


def _kept(row: Mapping[str, Any], model: OnnxModel, device: str) -> dict[str, Any]:
    """A row of the sweep as a profile."""
    chosen = {name: row[name] for name in _TUNED}
    facts = {"model": model.path.name, "per_second": round(row["per_second"], 2), "mediasift": __version__,
             "found": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
    path = save_profile(chosen, model_sha256=model.sha256, device=device, origin=facts)
    return {"path": str(path), **chosen, "per_second": row["per_second"]}
