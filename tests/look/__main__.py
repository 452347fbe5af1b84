"""A page of many pictures in Chromium: opened, scrolled, filtered, sorted, clicked and driven by keys; with times.

python -m tests.look --count 50000
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from mediasift.look.settings import Look, look
from tests.browser import END, ENTER, ESCAPE, HOME, LEFT, RIGHT, Page, chromium

LABELS = ("cat", "dog", "owl", "bee")


def pictures(folder: Path, count: int) -> Path:
    """So many small pictures, each of a colour that its number gives, and their table, with an error in the middle."""
    (folder / "photos").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "page", "frame", "time_s", "rank", "label", "score", "party", "found", "error"])
        for number in range(count):
            name = f"photos/{number:06}.png"
            Image.new("RGB", (32, 24), colour(number)).save(folder / name, compress_level=1)
            if number == count // 2:
                lines.writerow([name, "", "", "", "", "", "", "", "", "damaged: it is cut off"])
                continue
            label, score = LABELS[number % 4], round((number * 7919 % count) / count, 6)
            lines.writerow([name, "", "", "", 1, label, score, f"P{number % 7}", 1, ""])
    return folder / "labels.csv"


def colour(number: int) -> tuple[int, int, int]:
    return 64 + number % 128, 64 + number // 128 % 128, 64 + number // 16384 * 16


def is_shown(page: Page) -> bool:
    """Whether tiles cover all that is in sight, each with its own picture, which is decoded."""
    return page.js(
        """(() => {
            const box = document.getElementById("scroll").getBoundingClientRect();
            for (let v = box.top + 20; v < box.bottom - 60; v += 50) {
                const line = [...document.querySelectorAll(".line")].find((one) => {
                    const at = one.getBoundingClientRect();
                    return at.top <= v && at.bottom > v;
                });
                if (!line && v < document.getElementById("sheet").getBoundingClientRect().bottom - 20) return false;
            }
            return [...document.querySelectorAll(".tile img")].every((one) => {
                const at = one.getBoundingClientRect();
                return at.bottom < box.top || at.top > box.bottom || (one.complete && one.naturalWidth > 0);
            });
        })()"""
    )


def wait(page: Page, condition: str | None = None) -> float:
    """Seconds until a condition holds, or until all in sight is shown."""
    began = time.monotonic()
    while not (is_shown(page) if condition is None else page.js(condition)):
        if time.monotonic() - began > 120:
            raise AssertionError(condition or "some of what is in sight is not shown after two minutes")
        time.sleep(0.01)
    return time.monotonic() - began


def counted(page: Page) -> int:
    """Tiles that the filters leave, as the page says."""
    return int(page.text("#count").split(" of ")[0].replace(",", ""))


def driven(page: Page, folder: Path, count: int) -> dict[str, float]:
    """Open the page and use it; what it shows is asserted. Returns seconds."""
    seconds = {}
    began = time.monotonic()
    page.open(folder)
    wait(page)
    seconds["open until all in sight is shown"] = time.monotonic() - began
    assert counted(page) == count
    scroll = "document.getElementById('scroll')"
    height, longest = page.js(f"{scroll}.scrollHeight"), 0.0
    for share in np.linspace(0, 1, 40):
        page.js(f"({scroll}.scrollTop = {share * height})")
        page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        assert page.js("drawn.size") > 0
        longest = max(longest, wait(page))
    seconds["longest wait for pictures after a jump"] = longest
    began = time.monotonic()
    page.js("[...document.querySelectorAll('.values label')].find((one) => one.innerText.startsWith('owl')).click()")
    wait(page)
    seconds["filter a label"] = time.monotonic() - began
    assert counted(page) == len(range(2, count, 4)) - (count // 2 % 4 == 2)
    began = time.monotonic()
    page.js(
        "(at('sort').value = String(columns.findIndex((one) => one.name === 'score')), "
        "at('sort').dispatchEvent(new Event('change')), at('direction').click())"
    )
    wait(page)
    seconds["sort by score"] = time.monotonic() - began
    scores = page.js("order.map((tile) => named('score').cells[first[tile]])")
    assert scores == sorted(scores, reverse=True)
    page.press(HOME, ENTER)
    best = max(range(2, count, 4), key=lambda number: (number * 7919 % count) if number != count // 2 else -1)
    assert page.text("#name") == f"photos/{best:06}.png", (
        page.text("#name"),
        best,
        page.js("document.activeElement.id"),
        page.js("order.slice(0,5)"),
    )
    wait(page, "document.querySelector('#picture > img').naturalWidth === 32")
    assert (page.js(f"{scroll}.scrollTop")) < 50
    page.press(RIGHT, RIGHT, LEFT)
    assert page.text("#position") == f"2 of {counted(page):,}"
    page.press(ESCAPE)
    page.press("a")
    assert counted(page) == count
    page.press("e")
    assert counted(page) == 1
    assert page.text(".tile .wrong") == "damaged: it is cut off"
    page.press("e", "/", *f"{count - 1:06}", ENTER)
    wait(page, "at('count').textContent.startsWith('1 of')")
    page.press("a", END, ENTER)
    page.js("(at('sort').value = '', at('sort').dispatchEvent(new Event('change')), at('direction').click())")
    page.press(ESCAPE, HOME, END)
    wait(page)
    assert page.js("pathOf(current)") == f"photos/{count - 1:06}.png"
    shown = page.js(
        "(() => { const image = document.querySelector('.tile.current img'), canvas = document.createElement('canvas');"
        "const brush = canvas.getContext('2d'); brush.drawImage(image, 0, 0);"
        "return [...brush.getImageData(4, 4, 1, 1).data].slice(0, 3); })()"
    )
    assert np.abs(np.subtract(shown, colour(count - 1))).max() <= 6, "the thumbnail is another picture's"
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.look", description=__doc__)
    parser.add_argument("--count", type=int, default=5_000)
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as name, chromium(Path(name, "profile")) as driver:
        folder = Path(name)
        table = pictures(folder / "study", count)
        began = time.monotonic()
        look(table, Look(directory=folder / "page", isolate=True), progress=sys.stderr)
        seconds = {"make the page": time.monotonic() - began}
        page = Page(driver, folder)
        seconds |= driven(page, folder / "page", count)
        assert page.complaints() == []
        files = [file for file in (folder / "page").rglob("*") if file.is_file()]
        print(json.dumps({name: round(value, 3) for name, value in seconds.items()}, indent=1))
        print(f"{len(files):,} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
