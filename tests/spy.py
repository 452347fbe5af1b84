"""What a command does, seen by an audit hook in each Python process: sockets, unpickling, files opened for writing."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SPY = """
import os, sys
LOG = os.environ.get("SPY_LOG")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def hook(event, arguments):
    if event.startswith("socket.") or event == "pickle.find_class":
        note(event, repr(arguments[1:])[:100])
    elif event == "open" and len(arguments) == 3 and isinstance(arguments[2], int) and arguments[2] & WRITING:
        note("write", os.path.abspath(os.fsdecode(arguments[0])) if not isinstance(arguments[0], int) else "descriptor")
def note(event, text):
    global LOG
    if LOG:
        log, LOG = LOG, None
        with open(log, "a") as file:
            file.write(f"{event} {text}\\n")
        LOG = log
if LOG:
    sys.addaudithook(hook)
"""
"""A sitecustomize module: it watches every Python process, the worker too."""


def watching(folder: Path) -> dict[str, str]:
    """The environment in which a command is watched, offline, with the temporary files in a folder of their own."""
    spy = folder / "spy"
    spy.mkdir(exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    (spy / "sitecustomize.py").write_text(SPY)
    (folder / "spy.log").write_text("")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(spy), str(ROOT / "inference")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SPY_LOG": str(folder / "spy.log"),
        "MEDIASIFT_OFFLINE": "1",
        "TMPDIR": str(folder / "tmp"),
    }


def did(folder: Path) -> list[str]:
    """What the command did, a line each."""
    return (folder / "spy.log").read_text().splitlines()


def assert_harmless(seen: list[str], folder: Path, place: Path) -> None:
    """No connection, nothing unpickled, nothing written elsewhere than in the place, no temporary file left."""
    watched = [line for line in seen if not line.startswith("write ")]
    assert watched == [], watched
    written = {line.split(" ", 1)[1] for line in seen} - {"descriptor", os.devnull}
    passing = folder / "tmp"  # what Tesseract reads and writes
    assert all(Path(path).is_relative_to(place) or Path(path).is_relative_to(passing) for path in written), written
    assert list(passing.iterdir()) == []
