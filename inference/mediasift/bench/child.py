"""Measurements, each in a fresh process: `ask` starts it, and `python -m mediasift.bench.child` is what it runs.

Memory that one measurement took does not stand in the next one's peak, and what it left in caches and thread pools does
not help the next. An order is one JSON object on standard input; the answer is one on what was standard output, which
then becomes standard error, so that no library can write into it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mediasift
from mediasift.bench import SCHEMA
from mediasift.errors import EngineError, MediasiftError
from mediasift.system.trust import trusted_environment

if TYPE_CHECKING:
    from mediasift.bench.subject import Setup

LEAST_ROUNDS = 5
_BEGAN = time.monotonic()


def ask(
    setup: Setup, files: Sequence[str], names: Sequence[str] = (), *, seconds: float = 0.0, rounds: int = LEAST_ROUNDS
) -> dict[str, Any]:
    """What a fresh process measures.

    Args:
        setup: The model and how it is run.
        files: The pictures.
        names: Keys of `scenarios.TIMED`; the first answer is always measured.
        seconds: About how long for each of them.
        rounds: At least so many of each.

    Raises:
        MediasiftError: What it raised there.
        EngineError: It ended without an answer.
    """
    python = setup.python
    root = Path(mediasift.__file__).parents[1] if python is None else Path(python) / "inference"
    environment = {**trusted_environment(), "OPENCV_LOG_LEVEL": "SILENT"}
    inherited = environment.pop("PYTHONPATH", "")  # another interpreter measures what it finds by itself
    program = sys.executable if python is None or root.is_dir() else python
    if root.is_dir():
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root.resolve()), inherited)))
    order = {"schema": SCHEMA, "setup": {"model": setup.model, **setup.settings}, "files": files, "names": names,
             "seconds": seconds, "rounds": rounds, "started": time.monotonic()}  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603  (an interpreter: our own, or the one that was named)
            [program, "-P", "-m", "mediasift.bench.child"], input=json.dumps(order).encode(), capture_output=True,
            check=False, env=environment,
        )  # fmt: skip
    except OSError as error:
        raise EngineError(f"{python}: is neither an interpreter nor a checkout ({error.strerror})") from error
    if done.returncode or not done.stdout:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        needs = "" if python is None else f"; it needs a mediasift that measures by version {SCHEMA['version']}"
        raise EngineError(f"{python or setup.model}: measuring ended with code {done.returncode}: {last}{needs}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        from mediasift.run.job import error_from_json

        raise error_from_json(answer)
    return answer


def _answer(order: Mapping[str, Any]) -> dict[str, Any]:
    """The first answer, from the start of the process, then what else is asked for.

    `started` is the parent's clock, which all processes share.
    """
    if order["schema"] != SCHEMA:
        raise EngineError(f"mediasift {mediasift.__version__} measures by {SCHEMA}, not by {order['schema']}")
    from mediasift.bench.scenarios import SCENARIOS, measure
    from mediasift.bench.subject import Setup, Subject
    from mediasift.engines.onnx.providers import runtime
    from mediasift.tables.manifest import versions

    runtime()
    imported = time.monotonic()
    subject = Subject(Setup(**order["setup"]), order["files"])
    pipeline = subject.pipeline(1, jobs=0)
    loaded = time.monotonic()
    list(pipeline.run(subject.sources[:1]))
    answered = time.monotonic()
    seen = subject.sources if SCENARIOS.keys() & {*order["names"]} else []
    rows = [row for one in subject.pipeline(None, subject.setup.jobs).run(seen) for row in one.rows]
    return {
        "first": {
            "interpreter_s": _BEGAN - order["started"], "import_s": imported - _BEGAN, "load_s": loaded - imported,
            "answer_s": answered - loaded, "median_s": answered - order["started"],
        },
        "measured": {name: measure(subject, name, order["seconds"], order["rounds"]) for name in order["names"]},
        "errors": sum(1 for row in rows if row.error),
        "model": dict(subject.model.facts),
        "batch_size": subject.started().batch_size,
        "versions": versions(),
    }  # fmt: skip


def main() -> None:
    """Take the order, answer it."""
    out = os.dup(1)
    os.dup2(2, 1)
    order = json.loads(sys.stdin.buffer.read())
    try:
        answer = _answer(order)
    except MediasiftError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    with os.fdopen(out, "wb") as file:
        file.write(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
