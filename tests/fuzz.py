"""Our own parsers against bytes that Atheris makes up: they refuse with an error of ours, or they read.

    python -m tests.fuzz [--seconds 60] [TARGET...]

Each target runs in a process of its own, as the fuzzer ends its process. What it finds lies in the folder it names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from mediasift.engines.onnx.description import ModelDescription
from mediasift.engines.onnx.onnx_file import read_facts
from mediasift.errors import MediasiftError
from mediasift.media.pictures.probe import read_header
from mediasift.rows import Row
from mediasift.run.finished import Finished
from mediasift.run.journal import Journal, journal_path
from mediasift.sources.formats import HEAD_BYTES, known_format
from mediasift.sources.lists import listed_lines, listed_paths
from mediasift.sources.naming import Source
from tests.mutants import seeds
from tests.tiny_models import COLOURS, mean_colour

_FOLDER = Path(tempfile.gettempdir())


def _file(name: str, data: bytes) -> Path:
    path = _FOLDER / f"mediasift-fuzz-{os.getpid()}-{name}"
    path.write_bytes(data)
    return path


def protobuf(data: bytes) -> None:
    """An ONNX file's facts."""
    read_facts(_file("model.onnx", data))


def csv_list(data: bytes) -> None:
    """A list in CSV."""
    list(listed_paths(_file("list.csv", data), None, ()))


def json_list(data: bytes) -> None:
    """A list in JSON Lines."""
    list(listed_paths(_file("list.jsonl", data), "path", ()))


def text_list(data: bytes) -> None:
    """A list of lines."""
    listed_lines(data, "list.txt", None)


def header(data: bytes) -> None:
    """A picture's header."""
    read_header(data, known_format(data[:HEAD_BYTES], "").name)


def description(data: bytes) -> None:
    """A model's description."""
    ModelDescription.from_json(data.decode("utf-8", "replace"))


def journal(data: bytes) -> None:
    """A journal that something else has written to."""
    output = _FOLDER / f"mediasift-fuzz-{os.getpid()}.csv"
    journal_path(output).write_bytes(data)
    with Journal(output) as opened:
        opened.find(Source(path="a.png"))
        opened.vanished()
        opened.forget()


def _journal_seeds() -> list[bytes]:
    output = _FOLDER / f"mediasift-fuzz-{os.getpid()}-seed.csv"
    with Journal(output) as opened:
        opened.begin({"what": {}, "replaces": None, "repeated": [["a.png", {}, 2]]})
        ended, goes_on = (
            Finished(source=Source(path=path), row_type=Row, given=b"[]", errors=0, items=3, ended=path == "a.png")
            for path in ("a.png", "b.png")
        )
        opened.append([ended, goes_on], [([1, 2], 0), ([1, 2], 0)])
        data = opened.path.read_bytes()
        opened.forget()
    return [data]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "protobuf": (protobuf, lambda: [mean_colour()]),
    "csv_list": (csv_list, lambda: [b"path,post\na.png,1\n", b'"a ""b""";c\nx;y\n']),
    "json_list": (json_list, lambda: [b'{"path": "a.png", "post": {"id": 1}}\n']),
    "text_list": (text_list, lambda: [b"a.png\nb.png\n", "ü.png\n".encode("utf-16")]),
    "header": (header, lambda: [data for _, data in seeds()]),
    "description": (description, lambda: [COLOURS.to_json().encode()]),
    "journal": (journal, _journal_seeds),
}
"""Target → (what takes bytes, valid ones)."""


def tried(target: str, data: bytes) -> None:
    """Whatever it raises that is no error of ours is a bug."""
    with suppress(MediasiftError):
        TARGETS[target][0](data)


_CHILD = """
import sys
import atheris
with atheris.instrument_imports(include=["mediasift"]):
    from tests import fuzz
fuzz.run(sys.argv[1], int(sys.argv[2]), sys.argv[3])
"""


def run(target: str, seconds: int, corpus: str) -> None:
    """Until the time is over, or something was found; ends this process."""
    import atheris

    for number, data in enumerate(TARGETS[target][1]()):
        Path(corpus, f"seed-{number}").write_bytes(data)
    artifacts = f"-artifact_prefix={corpus}/found-"
    atheris.Setup([sys.argv[0], corpus, f"-max_total_time={seconds}", artifacts], lambda data: tried(target, data))
    atheris.Fuzz()


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", default=60, show_default=True, help="For each target.")
def main(targets: tuple[str, ...], seconds: int) -> None:
    """Fuzz, and leave with 1 if anything was found."""
    wrong = 0
    for target in targets or TARGETS:
        corpus = tempfile.mkdtemp(prefix=f"mediasift-fuzz-{target}-")
        words = [sys.executable, "-c", _CHILD, target, str(seconds), corpus]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        wrong += done.returncode != 0
        click.echo(f"{target}: {'nothing found' if done.returncode == 0 else done.stderr[-1500:] + corpus}")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
