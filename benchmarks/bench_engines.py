"""Text, speech and duplicates: beside the loops of pytesseract, pocketsphinx and ImageHash.

    python -m benchmarks.bench_engines [--part ocr|transcribe|duplicates]... [--quick]

Whole programs, imports included; none may be slower than its loop. Tesseract alone, a process per core, is the limit of
`ocr`; decoding alone that of `duplicates`; the loop on all cores that of `transcribe`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import cv2
import numpy as np
from PIL import Image

from benchmarks.harness import DATA, LOOPS, Result, Row, Versus, alternate, mediasift, program, run, versus
from benchmarks.material import column, decoding_rate, photographs
from mediasift.system.machine import available_cores
from tests.words import wer


def words_alike(ours: list[str], theirs: list[str], least: float) -> str:
    """How far two readings are the same, in words; ends the benchmark where they are not."""
    rate = wer(" ".join(theirs), " ".join(ours))
    if rate > 1 - least:
        raise SystemExit(f"{rate:.0%} of the words differ: not the same work, no ratio")
    return f"{1 - rate:.0%} of the words equal"


def ocr(folder: Path, quick: bool, result: Result) -> None:
    """A page of the test data, and lines cut out of it."""
    pages, ours, theirs = folder / "pages", folder / "ours.csv", folder / "theirs.csv"
    pages.mkdir()
    page = Image.open(DATA / "ocr" / "phototest.tif").convert("RGB")
    for number in range(1 if quick else 6):
        page.save(pages / f"page-{number}.png")
    pixels = np.asarray(page)
    for top in range(0, 0 if quick else pixels.shape[0] - 80, 40):
        Image.fromarray(pixels[top : top + 80, :400]).save(pages / f"strip-{top:04}.png")
    files = sorted(pages.iterdir())
    work = {
        "mediasift ocr": mediasift("ocr", pages, "-o", ours, "--restart"),
        "pytesseract, a loop": program(*LOOPS, "ocr", pages, theirs),
    }
    timings = alternate(work, len(files), 1 if quick else 3)

    def alone(file: str) -> None:
        line = ["tesseract", file, "-", "-l", "eng"]
        subprocess.run(line, capture_output=True, check=True, env={**os.environ, "OMP_THREAD_LIMIT": "1"})

    started = time.perf_counter()
    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(alone, map(str, files)))
    possible = len(files) / (time.perf_counter() - started)
    result.timings["ocr"] = timings
    result.rows.append(Row(
        what=f"ocr, {len(files)} pages and strips, Tesseract",
        loop=versus(timings, "mediasift ocr", "pytesseract, a loop", 1.0),
        limit=Versus(timings["mediasift ocr"]["per_second"] / possible, "tesseract alone, a process per core"),
        outputs=words_alike(column(ours, "text"), column(theirs, "text"), 0.98),
    ))  # fmt: skip


def transcribe(folder: Path, quick: bool, result: Result) -> None:
    """Recordings of a minute or so each: several, as a study has them."""
    sounds, ours, theirs = folder / "sounds", folder / "ours.csv", folder / "theirs.csv"
    sounds.mkdir()
    for number in range(1 if quick else 4):
        shutil.copy(DATA / "speech" / "jfk.wav", sounds / f"{number}.wav")
    count = len(list(sounds.iterdir()))
    work = {
        "mediasift transcribe": mediasift("transcribe", sounds, "-o", ours, "--restart"),
        "pocketsphinx, a loop": program(*LOOPS, "transcribe", sounds, theirs),
    }
    timings = alternate(work, count, 1 if quick else 3)
    possible = timings["pocketsphinx, a loop"]["per_second"] * min(available_cores(), count)
    result.timings["transcribe"] = timings
    result.rows.append(Row(
        what=f"transcribe, {count} recordings of 11 s, pocketsphinx",
        loop=versus(timings, "mediasift transcribe", "pocketsphinx, a loop", 1.0),
        limit=Versus(timings["mediasift transcribe"]["per_second"] / possible, "the loop's rate on each core"),
        outputs=words_alike(column(ours, "text"), column(theirs, "text"), 0.6),
    ))  # fmt: skip


def duplicates(folder: Path, quick: bool, result: Result) -> None:
    """A few photographs, and ten times as many: each turned and mirrored, in which only a person sees the same."""
    some_duplicates(folder / "some", 40 if quick else 1000, 1, quick, result)
    if not quick:
        some_duplicates(folder / "many", 1000, 8, quick, result)


def some_duplicates(folder: Path, most: int, ways: int, quick: bool, result: Result) -> None:
    """Photographs, and one in ten again at half its size.

    Args:
        folder: Where they are made.
        most: Of each folder of the test data, at most.
        ways: In how many of the eight ways each of them lies.
        quick: One round instead of several.
        result: Gets the row.
    """
    folder.mkdir()
    ours, theirs = folder / "pairs.csv", folder / "theirs.csv"
    photos = folder / "photos"
    photos.mkdir()
    for source in (DATA / "imagenet-photos", *sorted((DATA / "ants-bees" / "train").iterdir())):
        count = min(most, sum(file.is_file() for file in source.iterdir()))
        for file in photographs(folder / source.name, count, source).iterdir():
            file.rename(photos / f"{source.name}-{file.name}")
    for file in sorted(photos.iterdir()):
        picture = np.asarray(cv2.imread(str(file)))
        for way in range(1, ways):
            turned = np.rot90(picture[:, ::-1] if way > 3 else picture, way % 4)
            cv2.imwrite(str(photos / f"{file.stem}-{way}.jpg"), np.ascontiguousarray(turned))
    for file in sorted(photos.iterdir())[::10]:
        picture = np.asarray(cv2.imread(str(file)))
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(photos / f"{file.stem}-half.png"), half)
    files = sorted(photos.iterdir())
    halves = sum(file.suffix == ".png" for file in files)
    work = {
        "mediasift duplicates": mediasift("duplicates", photos, "-o", ours, "--restart"),
        "ImageHash, a loop": program(*LOOPS, "duplicates", photos, theirs),
    }
    timings = alternate(work, len(files), 1 if quick else 5 if ways == 1 else 3)
    pairs = {
        frozenset(Path(one).stem.removesuffix("-half") for one in pair)
        for pair in (*zip(column(ours, "path"), column(ours, "representative"), strict=True),
                     *zip(column(theirs, "path"), column(theirs, "other"), strict=True))
    }  # fmt: skip
    known = sum(len(pair) == 1 for pair in pairs)
    if known < halves:
        raise SystemExit(f"{known} of {halves} halves are with their whole: not the same work, no ratio")
    possible = decoding_rate(files, cv2.imread)
    result.timings[f"duplicates, {len(files)}"] = timings
    result.rows.append(Row(
        what=f"duplicates, {len(files):,} photographs",
        loop=versus(timings, "mediasift duplicates", "ImageHash, a loop", 1.0),
        limit=Versus(timings["mediasift duplicates"]["per_second"] / possible, "decoding by all cores alone"),
        outputs=f"all {halves} halves with their whole",
    ))  # fmt: skip


PARTS: dict[str, Callable[[Path, bool, Result], None]] = {
    "ocr": ocr, "transcribe": transcribe, "duplicates": duplicates,
}  # fmt: skip


def measure(folder: Path, quick: bool, part: tuple[str, ...]) -> Result:
    """The parts that are asked for."""
    result = Result(what="text, speech and duplicates; files per second",
                    packages=("pytesseract", "pocketsphinx", "ImageHash", "pillow", "numpy"))  # fmt: skip
    for name in part or PARTS:
        place = folder / name
        place.mkdir()
        PARTS[name](place, quick, result)
    return result


if __name__ == "__main__":
    run("engines", measure, click.Option(["--part"], multiple=True, type=click.Choice(list(PARTS)), help="All."))
