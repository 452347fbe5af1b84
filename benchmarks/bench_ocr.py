"""How fast `ocr` with Tesseract is beside a plain pytesseract loop and a naive pool of threads around it.

    python -m benchmarks.bench_ocr PAGE... [--copies 4] [--rounds 3]

PAGE is a picture of a page. Each is read `--copies` times per round; so are small crops cut out of the first page.
Before a figure is printed, the words that each contestant read are compared.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import pytesseract
from PIL import Image

import mediasift as ms
from benchmarks.measure import alternate, ratios, save

OURS, LOOP, POOL = "mediasift ocr", "pytesseract, plain loop", "pytesseract, naive thread pool"
CROP_PX = (400, 80)


def contestants(folder: Path) -> tuple[dict[str, Callable[[], int]], dict[str, dict[str, list[str]]]]:
    """Name → one pass over the folder, and what each read last, by file."""
    files = sorted(folder.iterdir())
    read: dict[str, dict[str, list[str]]] = {}

    def plain(file: Path) -> list[str]:
        with Image.open(file) as picture:
            return str(pytesseract.image_to_string(picture.convert("RGB"))).split()

    def peers_environment() -> None:
        os.environ.pop("OMP_THREAD_LIMIT", None)  # which our own engine sets

    def ours() -> int:
        read[OURS] = {row.path: (row.text or "").split() for row in ms.ocr(folder)}
        return len(files)

    def loop() -> int:
        peers_environment()
        read[LOOP] = {str(file): plain(file) for file in files}
        return len(files)

    def pool() -> int:
        peers_environment()
        with ThreadPoolExecutor() as threads:
            read[POOL] = dict(zip(map(str, files), threads.map(plain, files), strict=True))
        return len(files)

    return {OURS: ours, LOOP: loop, POOL: pool}, read


def measure(folder: Path, rounds: int) -> dict[str, object]:
    """Pages per second, and the ratios; stops if the contestants do not read the same words."""
    work, read = contestants(folder)
    measured = alternate(work, rounds)
    for name, words in read.items():
        if words != read[LOOP]:
            different = [file for file in words if words[file] != read[LOOP][file]]
            raise SystemExit(f"{name} read other words than the plain loop in {', '.join(different)}")
    return {"measured": measured, "ratio_to_loop": ratios(measured, LOOP), "ratio_to_pool": ratios(measured, POOL)}


@click.command()
@click.argument("pages", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--copies", default=4, show_default=True)
@click.option("--rounds", default=3, show_default=True)
def main(pages: tuple[Path, ...], copies: int, rounds: int) -> None:
    """Measure and write results/bench_ocr.json."""
    with tempfile.TemporaryDirectory() as name:
        whole, crops = Path(name, "pages"), Path(name, "crops")
        whole.mkdir()
        crops.mkdir()
        pictures = [Image.open(page).convert("RGB") for page in pages]
        for copy in range(copies):
            for number, picture in enumerate(pictures):
                picture.save(whole / f"{number:03}-{copy:03}.png")
        page = np.asarray(pictures[0])
        for top in range(0, page.shape[0] - CROP_PX[1], CROP_PX[1]):
            crop = page[top : top + CROP_PX[1], page.shape[1] // 8 : page.shape[1] // 8 + CROP_PX[0]]
            Image.fromarray(crop).save(crops / f"{top:05}.png")
        result = {
            "what": "Tesseract with its defaults (eng), pages and small crops per second; all read the same words",
            "tesseract": str(pytesseract.get_tesseract_version()),
            "pages": {"count": len(pages) * copies, **measure(whole, rounds)},
            "crops": {"count": len(list(crops.iterdir())), **measure(crops, rounds)},
        }
    save("bench_ocr", result, "pytesseract", "pillow", "numpy")


if __name__ == "__main__":
    main()
