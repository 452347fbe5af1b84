"""Measurements, each in a process of its own; see `speed.child`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import mediasift
from mediasift.bench.subject import Setup
from mediasift.engines.onnx.registry import find_description, find_model
from mediasift.errors import EngineError
from mediasift.run.job import error_from_json

_THREADS_OF_NUMPY = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def _environment(threads: int) -> dict[str, str]:
    """Ours, with this package found first, and as many threads for numpy's products as the model gets."""
    root = str(Path(mediasift.__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    numpy_threads = dict.fromkeys(_THREADS_OF_NUMPY, str(threads))
    return {**os.environ, **numpy_threads, "PYTHONPATH": os.pathsep.join(paths), "OPENCV_LOG_LEVEL": "SILENT"}


def ask(work: str, *, threads: int, **order: Any) -> dict[str, Any]:
    """The answer of a fresh process.

    Args:
        work: A key of `child.WORK`.
        threads: Of numpy, in that process.
        **order: What it needs to know; JSON values.

    Raises:
        MediasiftError: What it raised there.
        EngineError: It died without an answer.
    """
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "mediasift.bench.child"],
        input=json.dumps({"work": work, "started": started, "threads": threads, **order}).encode(),
        capture_output=True,
        check=False,
        env=_environment(threads),
    )
    if done.returncode or not done.stdout:
        told = done.stderr.decode("utf-8", "replace").strip()
        raise EngineError(f"the process that measured {work} ended with code {done.returncode}: {told}")
    found = json.loads(done.stdout)
    if "error" in found:
        raise error_from_json(found["error"])
    answer: dict[str, Any] = found["answer"]
    return answer


def cold_start(setup: Setup, file: str, *, processes: int) -> dict[str, Any]:
    """What the first answer costs, in fresh processes: their parts, and the command as a user types it.

    Files are in the system's cache from the second process on; the first one of each kind warms up and does not count.
    """
    parts = [ask("first", threads=setup.threads, setup=asdict(setup), files=[file]) for _ in range(processes + 1)][1:]
    commands = [_command_seconds(setup, file) for _ in range(processes + 1)][1:]
    medians = {name: float(np.median([part[name] for part in parts])) for name in parts[0]}
    return {
        "processes": processes,
        **medians,
        "command_s": float(np.median(commands)),
        "rounds_s": [[seconds] for seconds in commands],
    }


def _command_seconds(setup: Setup, file: str) -> float:
    """One picture on the command line, from typing to prompt."""
    task = find_description(find_model(setup.model)).task
    words = [task, file, "-m", setup.model, "--device", setup.device, "--quiet"]
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603  (our own program)
        [sys.executable, "-m", "mediasift", *words],
        capture_output=True,
        check=False,
        env=_environment(setup.threads),
    )
    seconds = time.monotonic() - started
    if done.returncode > 1:
        raise EngineError(f"mediasift {task} {file} ended with code {done.returncode}: {done.stderr.decode()}")
    return seconds


def scenario(setup: Setup, name: str, files: Sequence[str], plan: dict[str, Any]) -> dict[str, Any]:
    """One scenario in a fresh process."""
    return ask("scenario", threads=setup.threads, setup=asdict(setup), scenario=name, files=list(files), plan=plan)
