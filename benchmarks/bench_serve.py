"""A service of photographs: `mediasift serve` beside batched inference in one process, FastAPI and LitServe.

    python -m benchmarks.bench_serve [--quick]

The client is the same for all: threads with one kept connection each, on the same machine. Batched inference is a
script for this one model: readers decode and prepare ahead, batches of 8 go through `session.run`, nothing is checked
and nothing is sent. The latency of a single request is beside `predict` of the same bytes in one process.
"""

from __future__ import annotations

import base64
import io
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

import mediasift as ms
from benchmarks.bench_predict import LARGE, photograph
from benchmarks.harness import Result, Row, Versus, alternate, equal, run, versus
from benchmarks.material import photographs
from benchmarks.peer import Peer
from mediasift.bench.load import Client
from mediasift.engines.onnx.registry import find_model
from mediasift.engines.onnx.runtime import session_options
from mediasift.system.machine import available_cores
from tests.serve.service import LONG_S, Service

OURS, BARE, PLAIN = "mediasift serve", "batched inference in one process", "plain FastAPI"
THREADS, LIT = "FastAPI in threads, session made for them", "LitServe"
AT_A_TIME, BATCH = 16, 8
TIMES_PLAIN = 1.3
MORE_S = 0.002


def bare(session: ort.InferenceSession, bodies: list[bytes]) -> list[int]:
    """Number of the best label of each."""
    cores = available_cores()
    key, output = session.get_inputs()[0].name, [session.get_outputs()[0].name]

    def read(body: bytes) -> np.ndarray:
        return photograph(np.asarray(Image.open(io.BytesIO(body)).convert("RGB")))

    with ThreadPoolExecutor(cores) as pool:
        ahead = list[np.ndarray]()
        labels = list[int]()
        for one in pool.map(read, bodies):
            ahead.append(one)
            if len(ahead) == BATCH:
                labels += session.run(output, {key: np.concatenate(ahead)})[0].argmax(axis=1).tolist()
                ahead = []
        if ahead:
            labels += session.run(output, {key: np.concatenate(ahead)})[0].argmax(axis=1).tolist()
    return labels


def asking(url: str, bodies: list[bytes], answers: dict[str, list[str]], name: str) -> Callable[[], None]:
    """All of them once, so many at a time."""

    def label(text: bytes) -> str:
        answer = json.loads(text)
        return str(answer["rows"][0]["label"] if "rows" in answer else answer["label"])

    def work() -> None:
        with Client(url, [], LONG_S) as client, ThreadPoolExecutor(AT_A_TIME) as pool:
            asked = list(pool.map(client.ask, bodies))
        if wrong := [text for error, text in asked if error]:
            raise SystemExit(f"{name}: {wrong[0][:200]!r}")
        answers[name] = [label(text) for _, text in asked]

    return work


def latencies(url: str, bodies: list[bytes]) -> tuple[list[float], list[float]]:
    """Seconds of each as a request, and of `predict` of the same, which take turns."""
    loaded = ms.load_model(LARGE)
    served, alone = list[float](), list[float]()
    with Client(url, [], LONG_S) as client:
        for body in [bodies[0], *bodies]:
            started = time.perf_counter()
            client.ask(body)
            between = time.perf_counter()
            loaded.predict(body)
            served.append(between - started)
            alone.append(time.perf_counter() - between)
    return served[1:], alone[1:]


def measure(folder: Path, quick: bool) -> Result:
    """Throughput of all, and latency of ours."""
    packages = ("onnxruntime", "opencv-python-headless", "pillow", "numpy", "starlette", "uvicorn")
    result = Result(what=f"photographs of 500x375, {AT_A_TIME} requests at a time, {LARGE}", packages=packages)
    files = sorted(photographs(folder / "photos", 60 if quick else 572).iterdir())
    bodies, answers = [file.read_bytes() for file in files], dict[str, list[str]]()
    same = [f"{name}=={metadata.version(name)}" for name in ("onnxruntime", "pillow", "numpy")]
    peer = Peer("serve", (*same, "fastapi", "uvicorn[standard]", "litserve"), "served.py")
    ports = {
        name: peer.ask(kind=kind, model=str(find_model(LARGE)), threads=available_cores())["port"]
        for name, kind in ((PLAIN, "fastapi"), (THREADS, "threads"), (LIT, "litserve"))
    }
    labels = ms.load_model(LARGE).description.labels
    session = ort.InferenceSession(str(find_model(LARGE)), session_options(available_cores()))
    with Service("-m", LARGE, "--no-log-requests") as own:
        url = f"{own.url}/v1/classify"

        def batched() -> None:
            answers[BARE] = [labels[number] for number in bare(session, bodies)]

        coded = [
            json.dumps({"image": base64.b64encode(body).decode()}).encode() for body in bodies
        ]  # as LitServe has it
        others = {
            name: asking(f"http://127.0.0.1:{port}/predict", coded if name == LIT else bodies, answers, name)
            for name, port in ports.items()
        }
        contestants = {OURS: asking(url, bodies, answers, OURS), BARE: batched, **others}
        timings = alternate(contestants, len(bodies), 1 if quick else 7)
        served, alone = latencies(url, bodies[: 20 if quick else 300])
    peer.close()
    for name in ports:
        answers[name] = [labels[int(number)] for number in answers[name]]
    result.timings["throughput"] = timings
    outputs = "; ".join(f"{name}: {equal(answers[OURS], answers[name], least=0.9)}" for name in (BARE, *ports))
    best = max((THREADS, LIT), key=lambda name: float(timings[name]["per_second"]))
    result.rows.append(Row(
        what=f"serve, {AT_A_TIME} requests at a time", loop=versus(timings, OURS, PLAIN, TIMES_PLAIN),
        peer=versus(timings, OURS, best), limit=versus(timings, OURS, BARE, 0.8), outputs=outputs,
    ))  # fmt: skip
    one, prepared = statistics.median(served), statistics.median(alone)
    result.rows.append(Row(
        what="serve, one request after another", limit=Versus((prepared + MORE_S) / one, "predict and 2 ms", 1.0)
    ))  # fmt: skip
    bound = available_cores() * len(bodies) / statistics.median(timings[BARE]["cpu_seconds"])
    result.facts = {
        "median of a single request": f"{one * 1e3:.2f} ms",
        "median of predict": f"{prepared * 1e3:.2f} ms",
        "a second, if nothing but preparing and computing took time of the cores": f"{bound:.0f}",
        f"a second, at {TIMES_PLAIN} times {THREADS}": f"{TIMES_PLAIN * timings[THREADS]['per_second']:.0f}",
        **{f"against {name}": f"{timings[OURS]['per_second'] / timings[name]['per_second']:.2f}" for name in ports},
    }
    return result


if __name__ == "__main__":
    run("serve", measure)
