"""A whole measurement: in which order things are measured, and the result as JSON values."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mediasift import __version__
from mediasift.bench import SCHEMA
from mediasift.bench.advice import advice
from mediasift.bench.child import ask
from mediasift.bench.limits import LIMITS
from mediasift.bench.scenarios import STAGES, measured, summary, together
from mediasift.bench.settings import BenchSettings
from mediasift.bench.subject import Setup, load
from mediasift.bench.sweep import SWEPT, best, parse_sweep, setups
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
    output = None if settings.output is None else Path(settings.output)
    if output is not None and not output.parent.is_dir():
        raise OutputError(f"{output}: the folder {output.parent} does not exist; make it first")
    started, began, load_before = datetime.now(UTC), time.perf_counter(), load_average()
    profile = None if settings.tune else find_profile(settings.model, settings.device or "cpu")
    setup = settings.setup(settings.model, profile)
    model = load(setup)
    setup = replace(setup, device=model.device)  # what `auto` came to, so that all that follows is on the same one
    with settings.shown(settings.inputs) as (files, pictures):
        parts = _Run(settings, setup, model, files).parts()
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
    if output is not None:
        write_atomically(output, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
    return result


def cold_start(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """First answers of several processes: the median of each part, and every whole as a round."""
    firsts = [answer["first"] for answer in answers]
    medians = {name: float(np.median([first[name] for first in firsts])) for name in firsts[0]}
    return {"processes": len(firsts), **medians, "rounds_s": [[first["median_s"]] for first in firsts]}


@dataclass(frozen=True, eq=False)
class _Run:
    """One order's measurements, each in a fresh process."""

    settings: BenchSettings
    setup: Setup
    model: OnnxModel
    files: Sequence[str]

    def ask(self, names: Sequence[str], seconds: float, setup: Setup | None = None) -> dict[str, Any]:
        """What a fresh process measures."""
        return ask(setup or self.setup, self.files, names, seconds=seconds)

    def parts(self) -> dict[str, Any]:
        """What a result holds beyond names and versions."""
        settings, scenarios = self.settings, {}
        cold = stages = limits = profile = helps = None
        if settings.cold:
            settings.report("first answer, in fresh processes")
            answers = [self.ask([], 0) for _ in range(settings.cold + 1)]
            cold = cold_start(answers[1:])  # the first one brings the files into the system's cache
        for name in settings.scenarios:
            settings.report(f"scenario {name}")
            answer = self.ask([name], settings.seconds)
            scenarios[name] = measured([answer], name)
        if settings.explain:
            stages, limits = self._explained()
        rows = self._swept()
        if stages is not None and (offline := scenarios.get("offline")) is not None:
            stages |= together(stages["alone"], offline["per_second"])
            setup = replace(self.setup, batch_size=offline["batch_size"])
            helps = advice(stages, setup, read_facts(self.model.path), rows, offline["per_second"])
        if settings.tune:
            profile = self._kept(best(rows))
        return {"cold": cold, "scenarios": scenarios, "stages": stages, "limits": limits, "sweep": rows,
                "advice": helps, "profile": profile}  # fmt: skip

    def _explained(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Stages; and limits, on devices whose limit is that of this processor."""
        self.settings.report("stages, one by one")
        answer = self.ask(list(STAGES), self.settings.seconds / len(STAGES))
        stages: dict[str, Any] = {"alone": {name: summary([part]) for name, part in answer["measured"].items()}}
        if self.setup.device.partition(":")[0] not in ("cpu", "openvino"):
            return stages, None
        self.settings.report("matrix products and memory")
        timed = self.ask(list(LIMITS), min(1.0, self.settings.seconds / len(LIMITS)))["measured"]
        # The shortest run counts: a limit is what is possible if nothing disturbs.
        limits: dict[str, Any] = {name: 1 / np.min(np.concatenate(one["rounds_s"])) for name, one in timed.items()}
        return stages, {**limits, "threads": self.setup.threads}

    def _swept(self) -> list[dict[str, Any]]:
        """Every combination; or, to tune what the sweep does not name, one setting after the other.

        Each has the best of those before it: all combinations would take hours.
        """
        sweep = parse_sweep(self.settings.sweep)
        rows = self._rows(setups(self.setup, sweep)) if sweep else []
        setup = self.setup
        for name in SWEPT if self.settings.tune and not sweep else ():
            tried = self._rows(setups(setup, {name: SWEPT[name]()}))
            setup = replace(setup, **{key: best(tried)[key] for key in _TUNED})
            rows += tried
        return rows

    def _rows(self, wanted: Sequence[Setup]) -> list[dict[str, Any]]:
        """Each setting twice, there and back: a machine that becomes slower on the way does so for all of them."""
        answers: dict[Setup, list[dict[str, Any]]] = {setup: [] for setup in wanted}
        for setup in (*wanted, *reversed(wanted)):
            self.settings.report("sweep: " + ", ".join(f"{name} {getattr(setup, name)}" for name in _TUNED))
            answers[setup].append(self.ask(["offline"], self.settings.seconds / 2, setup))
        return [{**setup.settings, **measured(both, "offline")} for setup, both in answers.items()]

    def _kept(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of the sweep as a profile."""
        chosen = {name: row[name] for name in _TUNED}
        facts = {"model": self.model.path.name, "per_second": round(row["per_second"], 2), "mediasift": __version__,
                 "found": datetime.now(UTC).isoformat(timespec="seconds")}  # fmt: skip
        path = save_profile(chosen, model_sha256=self.model.sha256, device=self.settings.device or "cpu", found=facts)
        return {"path": str(path), **chosen, "per_second": row["per_second"]}
