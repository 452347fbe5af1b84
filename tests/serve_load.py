"""A service under load: many requests, one in a hundred a hostile file, its workers killed now and then.

    python -m tests.serve_load --requests 200000 [--kills 20] [--clients 16]

No answer may be wrong, none may be lost, and the memory must stay what it was after the first tenth. A hostile file has
the row that `predict` gives it; a killed worker costs an error row for what it was working on, at most. 2,000 requests
are a test.
"""

from __future__ import annotations

import itertools
import os
import signal
import struct
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click
import cv2
import numpy as np

import mediasift as ms
from mediasift.bench.load import Client
from mediasift.system.machine import resident_bytes
from tests.serve.service import LONG_S, Service

MODEL = "digits-lenet"
_GROWTH = 1.15
_SLACK_BYTES = 24 << 20


def pictures(count: int = 40) -> list[bytes]:
    """Valid ones: noise around a bright square, as PNG and JPEG."""
    rng = np.random.default_rng(7)
    files = []
    for number in range(count):
        image = rng.integers(0, 60, (40, 40), dtype=np.uint8)
        image[number % 20 : number % 20 + 12, 10 : 12 + number % 9] = 250
        files.append(cv2.imencode(".png" if number % 2 else ".jpg", image)[1].tobytes())
    return files


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def hostile() -> list[bytes]:
    """Files that lie, stop, or are none."""
    rng = np.random.default_rng(11)
    (good, *_), head = pictures(2)[1:], b"\x89PNG\r\n\x1a\n"
    huge = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    scrambled = bytearray(good)
    scrambled[60:90] = rng.bytes(30)
    return [
        good[: len(good) // 2], good[:30], rng.bytes(3000), b"%PDF-1.7\n" + rng.bytes(500), b"GIF89a" + rng.bytes(60),
        head + _chunk(b"IHDR", huge) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b""),
        head + _chunk(b"IHDR", bomb) + _chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + _chunk(b"IEND", b""),
        bytes(scrambled), b"RIFF\xff\xff\xff\xffWEBPVP8 " + rng.bytes(100), b"II*\0" + rng.bytes(200),
        b"\xff\xd8\xff\xe0" + rng.bytes(400), b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/>",
    ]  # fmt: skip


def plain(row: Any) -> tuple[Any, ...]:
    """What two rows of one file have in common, whatever went into the model with it."""
    get = row.get if isinstance(row, dict) else lambda name: getattr(row, name)
    return get("label"), None if get("score") is None else round(get("score"), 4), get("error")


def measured(requests: int, kills: int, clients: int) -> dict[str, Any]:
    """What came of so many requests, and the memory after each tenth of them."""
    loaded = ms.load_model(MODEL)
    good, bad = pictures(), hostile()
    files = [
        bad[number // 100 % len(bad)] if number % 100 == 50 else good[number % len(good)] for number in range(8000)
    ]
    expected = {file: [plain(row) for row in loaded.predict(file)] for file in {*good, *bad}}
    counted, memory, lock = Counter[str](), list[int](), threading.Lock()
    numbers = itertools.count()
    with Service("-m", MODEL, "--no-log-requests", "--max-requests", "256") as own:
        client = Client(f"{own.url}/v1/classify", [], LONG_S)

        def ask() -> None:
            while (number := next(numbers)) < requests:
                if number and number % (max(1, requests // (kills + 1))) == 0 and kills:
                    kill(own)
                if number % (requests // 10) == requests // 10 - 1:
                    held = sum(map(resident_bytes, (own.process.pid, *own.workers())))
                    with lock:
                        memory.append(held)
                file = files[number % len(files)]
                wrong, text = client.ask(file)
                outcome = judged(wrong, text, expected[file])
                with lock:
                    counted[outcome] += 1

        with client, ThreadPoolExecutor(clients) as pool:
            for one in [pool.submit(ask) for _ in range(clients)]:
                one.result()
        restarts = own.metrics()["mediasift_worker_restarts_total"]
    return {"counted": dict(counted), "memory": memory, "restarts": int(restarts)}


def judged(wrong: str, text: bytes, expected: list[tuple[Any, ...]]) -> str:
    """What an answer is."""
    import json

    if wrong:
        return f"lost: {wrong} {text[:80].decode('utf-8', 'replace')}"
    rows = [plain(row) for row in json.loads(text)["rows"]]
    if rows == expected:
        return "error row" if rows[0][2] else "right"
    return "crashed" if [row[2][:8] for row in rows] == ["crashed:"] else f"wrong: {rows} is not {expected}"


def kill(own: Service) -> None:
    """`kill -9` of a worker, as soon as there is one."""
    until = time.monotonic() + LONG_S
    while not (processes := own.workers()) and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(processes[0], signal.SIGKILL)


def verdict(result: dict[str, Any], requests: int, kills: int, clients: int) -> list[str]:
    """What is not as it should be."""
    counted, memory = result["counted"], sorted(result["memory"])
    bad = [f"{count} {outcome}" for outcome, count in counted.items() if outcome.startswith(("lost", "wrong"))]
    if sum(counted.values()) != requests:
        bad.append(f"{sum(counted.values())} answers for {requests} requests")
    if counted.get("crashed", 0) > kills * clients:
        bad.append(f"{counted['crashed']} error rows for {kills} killed workers")
    if kills and result["restarts"] < 1:
        bad.append("no worker was replaced")
    if memory[-1] > _GROWTH * result["memory"][0] + _SLACK_BYTES:
        bad.append(f"memory grew: {[round(one / 2**20) for one in result['memory']]} MiB")
    return bad


@click.command(help=__doc__)
@click.option("--requests", default=200_000, show_default=True, type=click.IntRange(min=100))
@click.option("--kills", default=20, show_default=True)
@click.option("--clients", default=16, show_default=True)
def command(requests: int, kills: int, clients: int) -> None:
    began = time.monotonic()
    result = measured(requests, kills, clients)
    print(result["counted"], f"{result['restarts']} restarts", f"{time.monotonic() - began:.0f} s")
    print("MiB after each tenth:", [round(one / 2**20) for one in result["memory"]])
    if bad := verdict(result, requests, kills, clients):
        raise SystemExit("\n".join(bad))


if __name__ == "__main__":
    command()
