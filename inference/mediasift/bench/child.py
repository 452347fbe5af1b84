"""A process that takes one measurement: `python -m mediasift.bench.child`, started by `speed.apart`.

Each setting gets a process of its own: memory that one took does not stand in the next one's peak, and what one left
in caches and thread pools does not help the next. An order is one JSON object on standard input; the answer is one on
what was standard output, which then becomes standard error, so that no library can write into it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

_BEGUN = time.monotonic()


def _scenario(order: Mapping[str, Any]) -> dict[str, Any]:
    from mediasift.bench.scenarios import measure
    from mediasift.bench.subject import Setup, Subject
    from mediasift.bench.taking import Plan

    return measure(Subject(Setup(**order["setup"]), order["files"]), order["scenario"], Plan(**order["plan"]))


def _stages(order: Mapping[str, Any]) -> dict[str, Any]:
    from mediasift.bench.stages import measure_stages
    from mediasift.bench.subject import Setup, Subject

    return measure_stages(Subject(Setup(**order["setup"]), order["files"]), order["seconds"])


def _machine(order: Mapping[str, Any]) -> dict[str, Any]:
    from mediasift.bench.roofline import measure_machine

    return measure_machine(order["threads"], order["seconds"])


def _first(order: Mapping[str, Any]) -> dict[str, Any]:
    """From the start of the process to the first row; `started` is the parent's clock, which all processes share."""
    from mediasift.bench.subject import Setup, Subject
    from mediasift.engines.onnx.providers import runtime
    from mediasift.run.pipeline import Pipeline

    runtime()
    imported = time.monotonic()
    subject = Subject(Setup(**{**order["setup"], "batch_size": 1}), order["files"][:1])
    loaded = time.monotonic()
    pipeline = Pipeline(
        subject.started(1), row_type=subject.task.row, reads="pictures", options=subject.options, jobs=0
    )
    list(pipeline.run(subject.sources))
    answered = time.monotonic()
    return {
        "interpreter_s": _BEGUN - order["started"],
        "import_s": imported - _BEGUN,
        "load_s": loaded - imported,
        "first_answer_s": answered - loaded,
        "all_s": answered - order["started"],
    }


WORK: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "scenario": _scenario, "stages": _stages, "machine": _machine, "first": _first,
}  # fmt: skip
"""What can be ordered."""


def main() -> None:
    """Take the order, answer it."""
    answers = os.dup(1)
    os.dup2(2, 1)
    order = json.loads(sys.stdin.buffer.read())
    from mediasift.errors import MediasiftError

    try:
        answer = {"answer": WORK[order["work"]](order)}
    except MediasiftError as error:
        answer = {"error": {"error": type(error).__name__, "message": str(error)}}
    with os.fdopen(answers, "wb") as out:
        out.write(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
