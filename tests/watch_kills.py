"""`mediasift watch`, killed at random moments while files arrive: in the end its table is that of `classify`.

    python -m tests.watch_kills [--kills 50]

Files arrive whole, slowly, under another name first, and are changed and removed. After every kill the table is whole,
without a row twice; in the end it has the rows of a fresh run, and of files that were removed since they were read.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from tests.pictures import encoded, solid
from tests.tiny_models import mean_colour, write

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 120


class Program:
    """`mediasift WORDS`, in a folder."""

    def __init__(self, folder: Path, *words: str, python: Sequence[str] = ("-m", "mediasift")) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "inference"), "MEDIASIFT_OFFLINE": "1"}
        self.process = subprocess.Popen([sys.executable, *python, *words], cwd=folder, env=environment, text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        self.printed: list[str] = []
        self._reader = threading.Thread(target=lambda: self.printed.extend(self.process.stderr), daemon=True)
        self._reader.start()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for it; a program that ends meanwhile is a failure."""
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"it ended: {''.join(self.printed)}"
            assert time.monotonic() < until, f"it never came: {''.join(self.printed)}"
            time.sleep(0.05)

    def end(self, how: int = signal.SIGINT) -> int:
        """Its exit code, after such a signal."""
        self.process.send_signal(how)
        return self.ended()

    def ended(self) -> int:
        """Its exit code, when it ends."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self.process.stderr.close()
        return code

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


def rows(table: Path) -> Counter[tuple[str, ...]]:
    """The rows of a table, each how often."""
    if not table.exists():
        return Counter()
    with table.open(newline="") as file:
        return Counter(tuple(row) for row in list(csv.reader(file))[1:])


def paths(table: Path) -> set[str]:
    """The paths in a table."""
    return {row[0] for row in rows(table)}


class Arriving(threading.Thread):
    """Puts files into a folder in many ways, until it is stopped; `removed` are those that it took away."""

    def __init__(self, folder: Path, chance: random.Random, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.removed: set[str] = set()
        self.count = 0
        self._folder, self._chance, self._pause_s = folder, chance, pause_s
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        while not self._stopped.wait(self._chance.uniform(0, 2 * self._pause_s)):
            self.count += 1
            self._act(self._folder / self._chance.choice(("", "a", "b/c")))

    def _act(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        data = encoded(solid((self._chance.randrange(256), self._chance.randrange(256), 9), 8, 8))
        file = folder / f"{self.count}.png"
        match self._chance.randrange(6):
            case 0 | 1:
                file.write_bytes(data)
            case 2:
                with file.open("wb") as opened:
                    opened.write(data[:30])
                    opened.flush()
                    self._stopped.wait(self._chance.uniform(0, 1))
                    opened.write(data[30:])
            case 3:
                hidden = file.with_name(self._chance.choice((f".{file.name}.Xy12", f"{file.name}.part")))
                hidden.write_bytes(data)
                hidden.rename(file)
            case 4:
                file.write_bytes(data[:40])  # damaged for ever
            case 5 if here := sorted(self._folder.rglob("*.png")):
                chosen = self._chance.choice(here)
                if self._chance.random() < 0.5:
                    chosen.write_bytes(data)
                else:
                    self.removed.add(str(chosen.relative_to(self._folder.parent)))
                    chosen.unlink()


def killed(folder: Path, kills: int, chance: random.Random, *more: str) -> list[str]:
    """Kill it so often; what went wrong, a sentence each."""
    write(folder, mean_colour())
    incoming, table, wrong = folder / "in", folder / "out.csv", []
    incoming.mkdir()
    words = ("in", "-m", "tiny.onnx", "-o", "out.csv")
    watch = ("watch", *words, "--table-every", "0.3", "--settle", "0.3", *more)
    arriving = Arriving(incoming, chance, pause_s=0.05)
    arriving.start()
    for _ in range(kills):
        with Program(folder, *watch) as program:
            try:
                program.process.wait(chance.uniform(0.5, 4))
                wrong.append(f"it ended by itself: {''.join(program.printed)[-300:]}")
            except subprocess.TimeoutExpired:
                program.end(signal.SIGKILL)
        wrong += [f"{row} is there {count} times" for row, count in rows(table).items() if count > 1]
    arriving.stop()
    whole = {str(file.relative_to(folder)) for file in incoming.rglob("*.png")}
    code = 130
    while code == 130:  # ended before all that is there was read: the same command goes on
        with Program(folder, *watch) as program:
            program.until(lambda: whole <= paths(table))
            time.sleep(1)
            code = program.end()
    if code not in (0, 1):
        wrong.append(f"it ended with {code}: {''.join(program.printed)[-300:]}")
    with Program(folder, "classify", "in", "-m", "tiny.onnx", "-o", "fresh.csv") as program:
        program.ended()
    expected, now = rows(folder / "fresh.csv"), rows(table)
    wrong += [f"lost: {row}" for row in expected - now]
    wrong += [f"too many: {row}" for row in now - expected if row[0] not in arriving.removed]
    left = [one.name for one in folder.iterdir() if one.name.startswith(".mediasift") or "journal" in one.name]
    return wrong + [f"left behind: {name}" for name in left]


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(kills: int, seed: int) -> None:
    """Kill it, with notices and without, and leave with 1 if anything went wrong."""
    wrong = []
    for more in ((), ("--poll", "0.5")):
        with tempfile.TemporaryDirectory(prefix="mediasift-kills-") as folder:
            wrong += killed(Path(folder), kills // 2, random.Random(seed), *more)
    for failure in wrong:
        click.echo(failure)
    click.echo(f"{kills} kills, {len(wrong)} failures")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
