"""Runs that are killed at random moments and run again, until they end: the table is that of a run that was not killed.

    python -m tests.kills [--kills 1000] [VERB...]

The program is killed as a machine would, by SIGKILL; its worker process ends by itself, or finishes what it does.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.crash import contents, make_inputs
from tests.tiny_models import mean_colour, write

ROOT = Path(__file__).resolve().parents[1]

VERBS = {
    "classify": ["classify", "in", "-m", "tiny.onnx", "-o", "out.csv"],
    "embed": ["embed", "in", "-m", "digits-lenet", "-o", "out.npz"],
    "info": ["info", "in", "film.mp4", "-o", "out.jsonl"],
    "convert": ["convert", "in", "-d", "made", "--to", "jpg", "-o", "out.csv"],
    "keyframes": ["keyframes", "film.mp4", "-d", "made", "--every", "5f", "-o", "out.parquet"],
    "shots": ["shots", "film.mp4", "-o", "out.csv"],
    "ocr": ["ocr", "in", "--engine", "tesseract", "-o", "out.csv"],
    "duplicates": ["duplicates", "in", "-o", "out.csv"],
    "compare": ["compare", "in", "-o", "out.csv"],
    "search": ["search", "in/0.png", "--in", "in", "-o", "out.csv"],
}


def start(folder: Path, verb: str) -> subprocess.Popen[bytes]:
    """The program, in the folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference")}
    return subprocess.Popen([sys.executable, "-m", "mediasift", *VERBS[verb], "--quiet"], cwd=folder, env=environment,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip


def killed(verb: str, folder: Path, kills: int, chance: random.Random) -> list[str]:
    """Kill it so often; what went wrong, a sentence each."""
    begin, whole, here = folder / "begin", folder / "whole", folder / "here"
    make_inputs(begin, pictures=24, width=120, pages=6, frames=60)
    write(begin, mean_colour())
    shutil.copytree(begin, whole)
    began = time.monotonic()
    with start(whole, verb) as child:
        printed = child.communicate()[1].decode()
    lasts = time.monotonic() - began
    if child.returncode not in (0, 1):
        return [f"{verb}: the whole run ended with {child.returncode}: {printed[-300:]}"]
    expected, wrong, done = contents(whole), [], 0
    while done <= kills:
        if not here.exists():
            shutil.copytree(begin, here)
        with start(here, verb) as child:
            try:
                printed = child.communicate(timeout=None if done == kills else chance.uniform(0.1, 1.1) * lasts)[
                    1
                ].decode()
            except subprocess.TimeoutExpired:
                child.kill()
        if child.returncode < 0:
            done += 1
            continue
        done += done == kills
        now = contents(here)
        if child.returncode not in (0, 1) or now != expected:
            different = sorted(one for one in {*now, *expected} if now.get(one) != expected.get(one))
            wrong.append(f"{verb}: ended with {child.returncode}, differs in {different}: {printed[-300:]}")
        shutil.rmtree(here)
    return wrong


@click.command()
@click.argument("verbs", nargs=-1, type=click.Choice(list(VERBS)))
@click.option("--kills", default=1000, show_default=True, help="Over all verbs.")
@click.option("--seed", default=1, show_default=True)
def main(verbs: tuple[str, ...], kills: int, seed: int) -> None:
    """Kill them, and leave with 1 if anything went wrong."""
    chance, wrong = random.Random(seed), 0
    each = -(-kills // len(verbs or VERBS))
    for verb in verbs or VERBS:
        with tempfile.TemporaryDirectory(prefix="mediasift-kills-") as folder:
            failures = killed(verb, Path(folder), each, chance)
        wrong += len(failures)
        for failure in failures:
            click.echo(failure)
        click.echo(f"{verb}: {each} kills, {len(failures)} failures")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
