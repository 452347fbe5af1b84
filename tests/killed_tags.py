"""`mediasift tag` killed again and again while a service answers: nothing that arrived is bought again.

    python -m tests.killed_tags [--pictures 100] [--kills 10] [ENGINE...]

The service is a server on loopback, asked by the vendor's client. What is killed, by SIGKILL, is the program with its
worker, once a number of requests drawn by chance has come in. Checked are the server's own bill, the ledger, and that
the table is, byte for byte, that of a run that was not killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from PIL import Image

from mediasift.run.ledger import Book
from tests.vision_server import Server, serving

ROOT = Path(__file__).resolve().parents[1]
CONCURRENCY = 4
PRICES = {
    "LABEL_DETECTION": 1.5, "FACE_DETECTION": 1.5, "DetectLabels": 1.0, "DetectFaces": 1.0, "tags": 1.0, "read": 1.5,
}  # fmt: skip
"""USD for 1,000, by the price lists."""
ENGINES = {"google-vision": "labels,faces", "rekognition": "labels,faces", "azure-vision": "labels,text"}
"""Engine → what is asked: two units for each picture."""
UNITS_PER_REQUEST = {"google-vision": 32, "rekognition": 1, "azure-vision": 2}


class Run:
    """The program over a folder of pictures, with a ledger of its own."""

    def __init__(self, engine: str, endpoint: str, photos: Path, home: Path, max_cost: float) -> None:
        self.paid, self.table = home / "paid", home / "tags.csv"
        home.mkdir()
        region = ["--region", "eu-west-1"] if engine == "rekognition" else []
        self.command = [
            sys.executable, "-m", "mediasift", "tag", photos.name, "--engine", engine, "--features", ENGINES[engine],
            "--endpoint", endpoint, "--paid", str(self.paid), "--parallel", str(CONCURRENCY), "--max-cost",
            f"{max_cost:.6f}", "--quiet", "-o", str(self.table), *region,
        ]  # fmt: skip
        self.folder = photos.parent

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference"), "AWS_ACCESS_KEY_ID": "a",
                       "AWS_SECRET_ACCESS_KEY": "b", "VISION_KEY": "k"}  # fmt: skip
        return subprocess.Popen(self.command, cwd=self.folder, env=environment, start_new_session=True,
                                stderr=subprocess.PIPE)  # fmt: skip

    def finish(self) -> None:
        child = self.start()
        printed = child.communicate()[1].decode()
        assert child.returncode == 0, printed

    def kill(self, server: Server, requests: int) -> bool:
        """Kill it once so many further requests have come in; whether it was still alive by then."""
        wanted, child = len(server.requests) + requests, self.start()
        while len(server.requests) < wanted and child.poll() is None:
            time.sleep(0.01)
        was_alive = child.poll() is None
        if was_alive:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < 0.5:  # what was in flight is answered, and billed
            quiet_since = time.monotonic() if server.is_busy else quiet_since
            time.sleep(0.01)
        return was_alive

    @property
    def kept(self) -> int:
        """Answers on the disk."""
        return len(list(self.paid.glob("?" * 64 + ".json"))) if self.paid.is_dir() else 0

    def spent(self) -> float:
        """By the book, in USD."""
        until = time.monotonic() + 30
        while True:
            try:
                book = Book(self.paid)
            except ValueError:  # the worker that was killed still holds it
                assert time.monotonic() < until
                time.sleep(0.05)
                continue
            book.close()
            return book.usd


def usd(server: Server) -> float:
    """What the server bills."""
    return sum(PRICES[operation] * count for operation, count in server.billed.items()) / 1000


def check(engine: str, folder: Path, pictures: int, kills: int, chance: random.Random) -> str:
    """Kill it so often, and assert; returns what was seen."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    noise = np.random.default_rng(chance.randrange(1 << 30))
    for number in range(pictures):
        Image.fromarray(noise.integers(0, 255, (80, 100, 3), dtype=np.uint8)).save(photos / f"{number:03}.png")
    with serving() as (server, endpoint):
        whole = Run(engine, endpoint, photos, folder / "whole", max_cost=pictures)
        whole.finish()
        bill, estimate = usd(server), pictures * sum(PRICES[name] for name in server.billed) / 1000
        assert abs(bill - estimate) < 1e-9
        assert abs(whole.spent() - bill) < 1e-9
    with serving() as (server, endpoint):
        server.delay_s = 0.2
        dearest = max(PRICES[name] for name in PRICES) * UNITS_PER_REQUEST[engine] / 1000
        limit = bill + kills * CONCURRENCY * dearest
        run = Run(engine, endpoint, photos, folder / "killed", max_cost=limit)
        lost, done = 0, 0
        calls = -(-2 * pictures // UNITS_PER_REQUEST[engine])
        for _ in range(20 * kills):
            done += run.kill(server, chance.randint(1, max(1, calls // (kills + 1) + 1)))
            before, lost = lost, len(server.answered) - run.kept
            assert 0 <= lost - before <= CONCURRENCY * UNITS_PER_REQUEST[engine], "more was lost than was in flight"
            if done == kills or run.table.is_file():
                break
        run.finish()
        assert len(server.answered) == 2 * pictures + lost, "something that had arrived was bought again"
        assert run.kept == 2 * pictures
        assert usd(server) <= run.spent() + 1e-9 <= usd(server) + done * CONCURRENCY * dearest + 1e-9
        assert usd(server) <= limit
        assert run.table.read_bytes() == whole.table.read_bytes()
    return f"{engine}: {pictures} pictures, {done} kills, {lost} answers lost on the way and bought again, none other"


@click.command()
@click.argument("engines", nargs=-1, type=click.Choice(list(ENGINES)))
@click.option("--pictures", default=100, show_default=True)
@click.option("--kills", default=10, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(engines: tuple[str, ...], pictures: int, kills: int, seed: int) -> None:
    """Kill them, and fail if anything went wrong."""
    for engine in engines or ENGINES:
        with tempfile.TemporaryDirectory(prefix="mediasift-tags-") as folder:
            click.echo(check(engine, Path(folder), pictures, kills, random.Random(seed)))


if __name__ == "__main__":
    main()
