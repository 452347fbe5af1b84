"""Stand-ins for some of the test data: pages, pictures, PDFs and clips that are drawn, with the names of the real ones.

They let tests run that need some page of text or some clip with cuts. What has a known answer that a drawn file cannot
have (photographs, speech, a book's figures) has no stand-in; those tests are skipped without the real data.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from tests.mutants import bombs, write_mutants
from tests.pictures import save, scene
from tests.videos import make_video

LINES = (
    "This is a page of eight lines",
    "that a test has drawn, so that",
    "all who have a clone can now",
    "read it with the two engines.",
    "The quick brown dog jumped over",
    "the lazy fox, and then the lazy",
    "fox jumped over the brown dog",
    "because it was a lot of fun.",
)


def cut_short(run: Any, out: Path, after: int) -> None:
    """Begin to write a table and abandon it after so many finished inputs, as Ctrl-C in Python does."""
    runner = getattr(run._rows, "stream", run._rows)._runner
    original, count = runner.run_together, iter(range(10**9))

    def short(sources):
        for together in original(sources):
            for finished in together:
                if next(count) == after:
                    raise KeyboardInterrupt
                yield [finished]

    runner.run_together = short
    with pytest.raises(KeyboardInterrupt):
        run.write(out)


def damaged(whole: bytes, at: int, data: st.DataObject) -> bytes:
    """A file as a power cut, a bad disk or another program leaves it from this byte on."""
    how = data.draw(st.sampled_from(["cut", "zeros", "flip", "garbage"]))
    return {
        "cut": whole[:at],
        "zeros": whole[:at] + bytes(len(whole) - at),
        "flip": whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :],
        "garbage": whole[:at] + data.draw(st.binary(min_size=1, max_size=50)),
    }[how]


def make(folder: Path) -> Path:
    """The folder, with all of them."""
    makers = {"ocr": _scans, "pdf": _documents, "exif-orientation": _upright, "video": _clips, "malformed": _broken}
    for name, maker in makers.items():
        (folder / name).mkdir(parents=True)
        maker(folder / name)
    (folder / "detection").mkdir()
    save(folder / "detection" / "dog.jpg", scene(640, 480))
    return folder


def page(lines: tuple[str, ...], width: int = 640, size: int = 32) -> Image.Image:
    """Black text on white."""
    image = Image.new("RGB", (width, 60 + 50 * len(lines)), "white")
    font = ImageFont.load_default(size)
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((40, 30 + 50 * number), line, "black", font)
    return image


def _scans(folder: Path) -> None:
    (folder / "phototest.gold.txt").write_text("\n".join(LINES))
    image = page(LINES)
    image.save(folder / "phototest.tif", dpi=(150, 150))
    image.rotate(-90, expand=True).save(folder / "phototest-rotated-R.png")
    for number in ("136", "324"):
        page((number,), width=140, size=48).crop((20, 20, 140, 95)).save(folder / f"{number}.tif", dpi=(150, 150))


def _documents(folder: Path) -> None:
    for name, count in (("multipage", 3), ("text", 2)):
        (folder / f"{name}.pdf").write_bytes(_pdf([f"Page {number}" for number in range(1, count + 1)]))


def _pdf(texts: list[str]) -> bytes:
    """Pages with a text layer and a frame around it; PDFium rebuilds the missing cross-reference table."""
    kids = " ".join(f"{10 * number} 0 R" for number in range(1, len(texts) + 1))
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(texts)}>>",
        3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for number, text in enumerate(texts, 1):
        stream = f"20 20 555 802 re S BT /F 24 Tf 100 600 Td ({text}) Tj ET"
        objects[10 * number] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {10 * number + 1} 0 R"
            "/Resources<</Font<</F 3 0 R>>>>>>"
        )
        objects[10 * number + 1] = f"<</Length {len(stream)}>>stream\n{stream}\nendstream"
    body = "".join(f"{number} 0 obj{text} endobj\n" for number, text in objects.items())
    return f"%PDF-1.4\n{body}trailer<</Root 1 0 R/Size 99>>\n%%EOF\n".encode()


def _upright(folder: Path) -> None:
    """One scene, stored in each of the ways that EXIF knows."""
    upright = scene(1800, 1200, seed=4)
    ways = (None, None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_270)  # fmt: skip
    for number, way in enumerate(ways):
        image, exif = Image.fromarray(upright), Image.Exif()
        if number:
            exif[0x0112] = number
        (image if way is None else image.transpose(way)).save(folder / f"Landscape_{number}.jpg", exif=exif, quality=95)


def _clips(folder: Path) -> None:
    """A clip of moving scenes with cuts."""
    frames = [
        np.roll(scene(160, 120, seed=seed), number, axis=1)
        for seed, length in enumerate((70, 60, 110))
        for number in range(length)
    ]
    make_video(folder / "bikes.mp4", frames, range(240), time_base=Fraction(1, 25), keyframe_distance=25)


def _broken(folder: Path) -> None:
    """Pictures and clips that were cut and changed, and files that are something else."""
    pictures, clips = folder / "images", folder / "video"
    pictures.mkdir()
    write_mutants(pictures, 60, seed=11)
    for name, data in (next(bombs()), ("text.jpg", b"this is text"), ("document.png", _pdf(["Page"]))):
        (pictures / name).write_bytes(data)
    clips.mkdir()
    frames = [scene(64, 48, seed=seed) for seed in range(12)]
    data = make_video(clips / "whole.mp4", frames, range(0, 1200, 100)).read_bytes()
    for number in range(35):
        spoiled, (start, end) = bytearray(data), np.random.default_rng(number).integers(0, len(data), 2)
        spoiled[start : start + 40] = bytes(40)
        (clips / f"{number}.mp4").write_bytes(spoiled[:end] if number % 2 else spoiled)
