"""A language model codes pictures while the program is killed again and again: nothing that arrived is asked for again.

    python -m tests.codebook_kills [--pictures 100] [--kills 10]

The program is killed as a machine would, by SIGKILL, when the server has got a number of requests that chance chooses;
its worker process ends by itself. The table must be that of a run that was not killed, byte for byte.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from mediasift.errors import UsageError
from mediasift.run.ledger import BOOK, Book
from tests.chat_server import MODEL, Asked, ChatServer, chatting
from tests.pictures import save, solid

ROOT = Path(__file__).resolve().parents[1]
CODEBOOK = """\
name: reds
variables:
  - {name: red, question: Is it red, values: ["yes", "no"]}
  - {name: level, question: How red is it, kind: number, ask_if: {red: "yes"}}
"""
PARALLEL = 4


def brain(asked: Asked) -> dict:
    """What it sees; of every fifth level of red it says something else first, in the first attempt."""
    red = round(asked.color[0])
    if red % 5 == 0 and len(asked.body["messages"]) == 1:
        return {"red": "perhaps", "level": None}
    return {"red": "yes" if red > 100 else "no", "level": red if red > 100 else None}


def start(folder: Path, url: str, output: str) -> subprocess.Popen[bytes]:
    """The program, in the folder."""
    words = ["tag", "in", "--engine", "codebook", "--codebook", "book.yaml", "--url", url, "--model", MODEL, "--paid",
             f"paid-{output}", "--parallel", str(PARALLEL), "--price-in", "10", "--price-out", "40", "--picture-tokens",
             "85", "--max-cost", "1000", "-o", f"{output}.csv", "--quiet"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference")}
    return subprocess.Popen([sys.executable, "-m", "mediasift", *words], cwd=folder, env=environment,
                            stderr=subprocess.PIPE)  # fmt: skip


def kept(folder: Path) -> set[str]:
    """Names of the completions whose answers are on the disk."""
    files = [file for file in folder.glob("*.json") if file.name != BOOK]
    return {json.loads(file.read_text())["raw"]["id"] for file in files}


def ended(folder: Path) -> None:
    """Wait until the worker that was left alone is gone, and the book with it."""
    until = time.monotonic() + 120
    while True:
        try:
            Book(folder).close()
            return
        except UsageError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def killed(folder: Path, *, pictures: int, kills: int, seed: int) -> list[str]:
    """Kill it so often; what went wrong, a sentence each."""
    (folder / "in").mkdir()
    (folder / "book.yaml").write_text(CODEBOOK)
    for number in range(pictures):
        save(folder / "in" / f"{number:03}.png", solid((2 * number % 256, number % 7, 90), 16, 16))
    with chatting(brain) as (served, url):
        served.delay_s = 0.02
        whole = start(folder, url, "whole")
        printed = whole.communicate()[1]
        if whole.returncode != 0:
            return [f"the whole run ended with {whole.returncode}: {printed.decode()[-500:]}"]
        once = len(served.asked)
        served.asked.clear()
        wrong = _again_and_again(folder, served, url, once, kills, random.Random(seed))
    if (folder / "here.csv").read_bytes() != (folder / "whole.csv").read_bytes():
        wrong.append("the tables differ")
    return wrong


def _again_and_again(
    folder: Path, served: ChatServer, url: str, once: int, kills: int, chance: random.Random
) -> list[str]:
    wrong, paid, here = [], folder / "paid-here", set[str]()
    moments = sorted(chance.randrange(1, once) for _ in range(kills))
    for moment in [*moments, sys.maxsize]:
        asked = len(served.asked)
        with start(folder, url, "here") as run:
            while run.poll() is None and len(served.asked) < max(moment, asked + 1):
                time.sleep(0.005)
            if run.poll() is None:
                run.kill()
            printed = run.communicate()[1].decode()
        if moment == sys.maxsize and run.returncode != 0:
            wrong.append(f"the last run ended with {run.returncode}: {printed[-500:]}")
        ended(paid)
        with served.lock:
            names = {one.name for one in served.asked[asked:]}
            lost = len(served.asked) - len(kept(paid))
        if bought := names & here:
            wrong.append(f"{len(bought)} answers that had arrived were asked for again")
        here = kept(paid)
    if lost > kills * PARALLEL:
        wrong.append(f"{lost} requests were repeated; {kills} kills explain {kills * PARALLEL}")
    reserved = sum(json.loads(line)["event"] == "reserved" for line in (paid / BOOK).read_text().splitlines())
    if reserved < len(served.asked):
        wrong.append(f"{len(served.asked)} requests were sent, {reserved} reserved")
    return wrong


@click.command()
@click.option("--pictures", default=100, show_default=True)
@click.option("--kills", default=10, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(pictures: int, kills: int, seed: int) -> None:
    """Kill it, and leave with 1 if anything went wrong."""
    with tempfile.TemporaryDirectory(prefix="mediasift-codebook-") as folder:
        failures = killed(Path(folder), pictures=pictures, kills=kills, seed=seed)
    for failure in failures:
        click.echo(failure)
    click.echo(f"{pictures} pictures, {kills} kills, {len(failures)} failures")
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
