"""A run on a cluster of two, of which a part is killed at random moments: the table is that of a run on one machine.

    python -m tests.cluster_kills [--kills 50]

Killed, each by SIGKILL: the client, the scheduler, a process of the cluster, what computes there. The same command is
typed again until it ends; a scheduler that was killed is started again.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import psutil

from tests.crash import make_inputs
from tests.tiny_models import mean_colour, write

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("client", "scheduler", "worker", "decoder")


class Small:
    """A scheduler and two workers, as separate programs in a folder, where the scheduler writes `scheduler.json`."""

    def __init__(self, folder: Path, *, workers: bool = True) -> None:
        self.folder, self.file, self._has_workers = folder, folder / "scheduler.json", workers
        self.start()

    def start(self) -> None:
        """Start all of it; the file is there afterwards."""
        self.file.unlink(missing_ok=True)
        self._scheduler = self._program("scheduler", "--host", "127.0.0.1", "--port", "0")
        self._programs = [self._scheduler]
        if self._has_workers:
            self._workers = self._program("worker", "--nworkers", "2", "--nthreads", "1", "--memory-limit", "0")
            self._programs.append(self._workers)
        until = time.monotonic() + 120
        while not self.file.exists() or self.file.stat().st_size == 0:
            assert time.monotonic() < until, "the scheduler does not start"
            time.sleep(0.05)

    def _program(self, program: str, *options: str) -> psutil.Popen:
        command = [
            sys.executable,
            "-m",
            "dask",
            program,
            "--scheduler-file",
            str(self.file),
            "--no-dashboard",
            *options,
        ]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'inference'}"}
        return psutil.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self, kind: str, chance: random.Random) -> None:
        """One of its processes; after the scheduler, all is started again."""
        if kind == "scheduler":
            self.close()
            self.start()
            return
        below = self._workers.children(recursive=True)
        computes = [one for one in below if _is_decoder(one)]
        others = [one for one in below if one not in computes and any(_is_decoder(child) for child in _children(one))]
        if chosen := computes if kind == "decoder" else others:
            _kill(chance.choice(chosen))

    def close(self) -> None:
        """End all of it."""
        for program in self._programs:
            below = _children(program)
            _kill(program)
            for one in below:
                _kill(one)
            program.wait()


def _is_decoder(process: psutil.Process) -> bool:
    try:
        return any(word.startswith("mediasift.run.worker") for word in process.cmdline())
    except psutil.Error:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill()


def killed(folder: Path, kills: int, chance: random.Random) -> list[str]:
    """Kill so often; what went wrong, a sentence each."""
    make_inputs(folder, pictures=150, width=60, pages=6, frames=40)
    write(folder, mean_colour())
    command = [sys.executable, "-P", "-m", "mediasift", "classify", "in", "-m", "tiny.onnx", "--quiet"]
    whole, out = folder / "whole.csv", folder / "out.csv"
    subprocess.run([*command, "-o", "whole.csv"], cwd=folder, check=False, stdout=subprocess.DEVNULL)
    expected, wrong, done = whole.read_bytes(), [], 0
    cluster = Small(folder)
    try:
        while done < kills or not out.exists():
            out.unlink(missing_ok=True)
            with subprocess.Popen(
                [*command, "--cluster", "scheduler.json", "-o", "out.csv"], cwd=folder, stderr=subprocess.PIPE
            ) as child:
                while done < kills:
                    try:
                        child.wait(chance.uniform(0.3, 5))
                        break
                    except subprocess.TimeoutExpired:
                        kind = chance.choice(KINDS)
                        done += 1
                        if kind == "client":
                            child.kill()
                            break
                        cluster.kill(kind, chance)
                printed = child.communicate(timeout=300)[1].decode()
            if child.returncode == -signal.SIGKILL:
                continue
            if "Traceback" in printed or child.returncode not in (0, 1, 4, 5):  # 4: killed while it loaded the model
                wrong.append(f"ended with {child.returncode}: {printed[-500:]}")
            if child.returncode in (0, 1) and (not out.exists() or out.read_bytes() != expected):
                wrong.append(f"ended with {child.returncode}, another table than on one machine: {printed[-2000:]}")
    finally:
        cluster.close()
    return wrong


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Kill, and leave with 1 if anything went wrong."""
    with tempfile.TemporaryDirectory(prefix="mediasift-cluster-") as folder:
        wrong = killed(Path(folder), kills, random.Random(seed))
    for failure in wrong:
        click.echo(failure)
    click.echo(f"{kills} kills, {len(wrong)} failures")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
