"""What a picture costs is bounded by what it is: 256 MiB and 8 bytes for each pixel that it declares, for each item.

    python -m tests.memory [--count 100000] [--first 0] [--seed 1]

Mutants and bombs are read and prepared one by one, as `classify` does, in processes that look at their own peak. Linux
alone tells that of a moment (`clear_refs`, proc(5)).
"""

from __future__ import annotations

import gc
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import click

from mediasift.errors import ItemError
from mediasift.items import Item
from mediasift.media.pictures import images
from mediasift.media.pictures.probe import read_header
from mediasift.media.readers import read_source
from mediasift.run.job import Job
from mediasift.run.pipeline import started
from mediasift.sources.formats import HEAD_BYTES, known_format
from mediasift.sources.memory import Bytes
from mediasift.sources.naming import Inputs, Source
from mediasift.system.machine import peak_bytes, resident_bytes
from mediasift.tasks.classify import Classify
from tests.mutants import PER_FOLDER, bombs, mutant
from tests.tiny_models import COLOURS, mean_colour, write

MOST_BYTES, PER_PIXEL = 256 << 20, 8


def narrow() -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of valid pictures that are a line: of few bytes, with sides that differ ten thousand times."""
    import cv2
    import numpy as np

    for height, width in ((12_000, 1), (1, 12_000), (60_000, 3), (3, 60_000)):
        for suffix in (".png", ".jpg", ".bmp"):
            yield f"{width}x{height}{suffix}", cv2.imencode(suffix, np.zeros((height, width, 3), np.uint8))[1].tobytes()


def floats() -> tuple[str, bytes]:
    """(name, bytes) of 67 megapixels of numbers that take four bytes each."""
    from PIL import Image

    packed = io.BytesIO()
    Image.new("F", (64, 1 << 20)).save(packed, "TIFF", compression="tiff_adobe_deflate")
    return "floats.tif", packed.getvalue()


def declared(data: bytes, suffix: str) -> int:
    """Pixels that the header of a file declares; 0 where there is none."""
    with suppress(ItemError):
        header = read_header(data, known_format(data[:HEAD_BYTES], suffix).name)
        return header.width * header.height
    return 0


def costs(files: Iterable[tuple[str, bytes]], model: Path) -> Iterator[tuple[str, int, int]]:
    """(name, bytes that it took at its peak, bytes that it may) of each file."""
    task = Classify(model=str(model), jobs=0, every_frame=True)
    pipeline = started(Job(task=task, inputs=Inputs(named=())))
    for name, data in files:
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = resident_bytes("self")
        pixels = 0
        with suppress(ItemError):
            source = Source(path=name, content=Bytes(name, data))
            for item in read_source(source, "pictures", task, needs=pipeline.task.needs):
                if isinstance(item, Item):
                    pixels = max(pixels, item.original_size[0] * item.original_size[1], item.image.size // 3)
                    pipeline.task.prepare(item)
        took = peak_bytes("self") - before
        yield name, took, MOST_BYTES + PER_PIXEL * max(pixels, declared(data, Path(name).suffix))
    pipeline.close()


def over(first: int, count: int, seed: int, *, frames: int = images.MAX_FRAMES) -> dict[str, tuple[int, int]]:
    """Files above the bound → (bytes, bound), measured in a process of its own; with `first` 0 bombs and lines, too.

    Args:
        first, count, seed: Of the mutants.
        frames: So many of a picture are read at most.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = [folder, str(first), str(count), str(seed), str(frames)]
        done = subprocess.run([sys.executable, "-m", "tests.memory", "child", *words], capture_output=True, text=True,
                              check=False)  # fmt: skip
    if done.returncode:
        return {f"process {first} ended with {done.returncode}: {done.stderr[-300:]}": (0, 0)}
    peaks: dict[str, tuple[int, int]] = json.loads(done.stdout)
    return peaks


def _child(folder: str, first: int, count: int, seed: int, frames: int) -> None:
    images.MAX_FRAMES = frames
    mutants = ((f"{number:07}{suffix}", data) for number in range(first, first + count)
               for suffix, data in (mutant(number, seed),))  # fmt: skip
    files = [*bombs(), *narrow(), floats(), *mutants] if first == 0 else mutants
    model = write(Path(folder), mean_colour(COLOURS), "memory.onnx")
    print(json.dumps({name: (took, most) for name, took, most in costs(files, model) if took > most}))


@click.command()
@click.option("--count", default=100_000, show_default=True)
@click.option("--first", "begin", default=0, show_default=True, help="Begin with this one.")
@click.option("--seed", default=1, show_default=True)
def main(count: int, begin: int, seed: int) -> None:
    """Measure, and leave with 1 if a file took more than it may."""
    wrong = 0
    for first in range(begin, count, PER_FOLDER):
        peaks = over(first, min(PER_FOLDER, count - first), seed)
        wrong += len(peaks)
        for name, (took, most) in peaks.items():
            click.echo(f"{name}: {took / 1e6:,.0f} MB, may take {most / 1e6:,.0f}")
        click.echo(f"{first + PER_FOLDER:,} of {count:,}: {wrong} above the bound")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        _child(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        main()
