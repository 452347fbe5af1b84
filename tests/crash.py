"""A run that ends at any call that changes the disk: killed there, or refused by the system; then the same run again.

    python -m tests.crash [--every 1] [--first 1] [SCENARIO...]

Each scenario is run whole once, in a process of its own in which all calls that write, sync, truncate, rename, unlink,
create or lock are counted. Then, for every one of them, a process is killed at it (a write is torn first), or is told
that the disk is full or broken; and the same call again must give the same bytes and leave nothing else behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from PIL import Image

import mediasift as ms
from mediasift.errors import MediasiftError
from mediasift.media.libraries import cv2
from mediasift.run.job import Job
from mediasift.run.stream import Stream
from mediasift.run.table import Table
from mediasift.sources.naming import Inputs
from tests.pictures import save, scene, solid
from tests.run.planted import Planted
from tests.videos import make_video, numbered

WATCHED = ("write", "pwrite", "fsync", "ftruncate", "replace", "unlink", "open", "mkdir")
HOW = ("kill", "full", "broken")
MANIFEST = ".run.json"

Call = Callable[..., Any]


@dataclass(frozen=True)
class Scenario:
    """What is run; what was done before it; how it is continued, where that is another call."""

    run: Callable[[], None]
    prepare: Callable[[], None] = lambda: None
    again: Callable[[], None] | None = None


def _planted(out: str, *named: str, **how: bool) -> None:
    inputs = Inputs(named=[*(named or ("in",))])
    Table(Stream(Job(task=Planted(evil=False, jobs=0), inputs=inputs))).write(out, **how)


def _first() -> None:
    _planted("out.csv", "in/0.png", "in/pages.tif", "in/0.png")


SCENARIOS = {
    **{form: Scenario(lambda form=form: _planted(f"out.{form}")) for form in ("csv", "jsonl", "parquet", "npz")},  # type: ignore[misc]
    "restart": Scenario(
        lambda: _planted("out.csv", restart=True), lambda: _planted("out.csv"), lambda: _planted("out.csv")
    ),
    "update": Scenario(lambda: _planted("out.csv", "in", "in/0.png", update=True), _first),
    "retry": Scenario(lambda: _planted("out.csv", retry_errors=True), lambda: _planted("out.csv")),
    "duplicates": Scenario(lambda: ms.duplicates("in", jobs=0).write("out.csv")),
    "index": Scenario(lambda: ms.duplicates("in", jobs=0, index="index.jsonl").write("out.csv")),
    "convert": Scenario(lambda: ms.convert("in", "made", jobs=0).write("out.csv")),
    "keyframes": Scenario(lambda: ms.keyframes("film.mp4", directory="made", every="3f", jobs=0).write("out.csv")),
}


def make_inputs(folder: Path, *, pictures: int = 3, width: int = 24, pages: int = 3, frames: int = 9) -> None:
    """Pictures of a width, in pixels, and two thirds of it; one of several pages, one broken, and a film."""
    (folder / "in").mkdir(parents=True)
    for number in range(pictures):
        save(folder / "in" / f"{number}.png", scene(width, width * 2 // 3, seed=number))
    first, *rest = (Image.fromarray(solid((page, 0, 0), 4, 4)) for page in range(pages))
    first.save(folder / "in" / "pages.tif", save_all=True, append_images=rest)
    (folder / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    make_video(folder / "film.mp4", numbered(frames), range(0, frames * 100, 100))


class Watched:
    """The calls that change the disk, counted; at one of them the process is killed, or the call is refused."""

    def __init__(self, at: int, how: str) -> None:
        self.at, self.how, self.count = at, how, 0

    def install(self) -> None:
        """For the rest of this process."""
        for name in WATCHED:
            setattr(os, name, self._watching(name, getattr(os, name)))
        fcntl.flock = self._watching("flock", fcntl.flock)

    def _watching(self, name: str, call: Call) -> Call:
        def watching(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return call(*arguments, **options)
            self.count += 1
            if self.count != self.at:
                return call(*arguments, **options)
            if name in ("write", "pwrite"):
                with suppress(OSError):
                    call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2], *arguments[2:])
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            code = errno.ENOSPC if self.how == "full" else errno.EIO
            raise OSError(code, os.strerror(code))

        return watching


def in_child(call: Callable[[], None], folder: Path, at: int = 0, how: str = "kill") -> tuple[int, int]:
    """Run a call in a forked process, in the folder: (how it ended, calls that changed the disk)."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        code, watched = 99, Watched(at, how)
        try:
            os.chdir(folder)
            os.environ["TMPDIR"] = tempfile.tempdir = str(folder.parent)
            watched.install()
            call()
            code = 0
        except MediasiftError as error:
            code = error.exit_code
        except BaseException as error:
            print(f"{how} at {at}: {error!r}", file=sys.stderr, flush=True)
        finally:
            watched.at = -1
            os.write(writing, str(watched.count).encode())
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as file:
        count = file.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), int(count or 0)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path, without what says when a run was; of an index, which says where and when, the lines."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(MANIFEST))
    data_of = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: b"\n" * data.count(b"\n") if name == "index.jsonl" else data for name, data in data_of.items()}


def crashes(name: str, place: Path, *, every: int = 1, first: int = 1) -> Iterator[str]:
    """What went wrong, a sentence each; points from `first` on in steps of `every`."""
    scenario, start, whole = SCENARIOS[name], place / "start", place / "whole"
    start.mkdir(parents=True)
    make_inputs(start)
    assert in_child(scenario.prepare, start)[0] == 0
    shutil.copytree(start, whole)
    code, count = in_child(scenario.run, whole)
    if code or not count:
        yield f"{name}: the whole run ended with {code} after {count} calls"
        return
    expected = contents(whole)
    for at in range(first, count + 1, every):
        for how in HOW:
            folder = place / f"{at}-{how}"
            shutil.copytree(start, folder)
            code, _ = in_child(scenario.run, folder, at, how)
            if code not in ((-signal.SIGKILL,) if how == "kill" else (0, 6, 1)):
                yield f"{name}, {how} at {at}: ended with {code}"
            code, _ = in_child(scenario.again or scenario.run, folder)
            if code:
                yield f"{name}, {how} at {at}: the same call again ended with {code}"
            elif (now := contents(folder)) != expected:
                different = sorted(one for one in {*now, *expected} if now.get(one) != expected.get(one))
                yield f"{name}, {how} at {at}: differs in {', '.join(different)}"
            shutil.rmtree(folder)
    yield f"{count}"


@click.command()
@click.argument("scenarios", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option("--every", default=1, show_default=True, help="Try every so many-th call.")
@click.option("--first", default=1, show_default=True, help="Begin with this one.")
def main(scenarios: tuple[str, ...], every: int, first: int) -> None:
    """Try them, and leave with 1 if anything went wrong."""
    cv2.setNumThreads(1)
    wrong = 0
    for name in scenarios or SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="mediasift-crash-") as place:
            *failures, count = crashes(name, Path(place) / name, every=every, first=first)
        for failure in failures:
            click.echo(failure)
        wrong += len(failures)
        click.echo(f"{name}: {count} calls that change the disk, {len(failures)} failures")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
