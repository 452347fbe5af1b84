"""docs/pictures.md and docs/similarity.md are run: commands and Python give what the pages show."""

from __future__ import annotations

import doctest
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mediasift.cli import main
from mediasift.compare.methods import CENTRED_MIN_SIMILARITY, METHODS, MODEL_MIN_SIMILARITY

DOCS = Path(__file__).resolve().parent.parent / "docs"
PICTURES = (DOCS / "pictures.md").read_text(encoding="utf-8")
SIMILARITY = (DOCS / "similarity.md").read_text(encoding="utf-8")


@pytest.fixture
def beside_the_data(test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("book-pictures", "near-duplicates"):
        (tmp_path / name).symlink_to(test_data / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sessions(page: str) -> list[tuple[str, str]]:
    """(command, shown output) of each block that begins with a $."""
    return re.findall(r"```\n\$ (mediasift [^\n]+)\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("page", [PICTURES, SIMILARITY], ids=["pictures", "similarity"])
def test_commands_print_what_the_page_shows(page: str, beside_the_data: Path):
    shown = sessions(page)
    assert shown
    for command, expected in shown:
        words = shlex.split(command)[1:]
        done = CliRunner().invoke(main, [*words, "--format", "aligned", "--quiet"], catch_exceptions=False)
        if os.environ.get("MEDIASIFT_WRITE_DOCS") == "1":
            path = DOCS / ("pictures.md" if page is PICTURES else "similarity.md")
            text = path.read_text(encoding="utf-8")
            text = text.replace(f"$ {command}\n{expected}```", f"$ {command}\n{done.stdout}```")
            path.write_text(text, encoding="utf-8")
        else:
            assert done.stdout.split() == expected.split(), command


def test_python_gives_what_the_page_shows(beside_the_data: Path):
    page = PICTURES.replace("```python", "").replace("```", "")
    examples = doctest.DocTestParser().get_doctest(page, {}, "page", None, 0)
    report: list[str] = []
    doctest.DocTestRunner().run(examples, out=report.append)
    assert not report, "".join(report)
    assert len(examples.examples) > 10


def test_the_books_column_is_what_the_books_way_gives(test_data: Path):
    """Pillow and numpy, as in the book."""
    jpeg, png = (Image.open(path) for path in sorted((test_data / "book-pictures").iterdir()))
    quarter = jpeg.resize((round(jpeg.width * 0.25), round(jpeg.height * 0.25)))

    def small(picture: Image.Image) -> np.ndarray:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        square = picture.convert("RGB").crop((left, top, left + side, top + side)).resize((224, 224))
        return np.asarray(square.resize((15, 15)), dtype=float).ravel()

    a, b = small(jpeg), small(png)
    values = {
        "size and mode of the JPEG": f"{jpeg.size}, {jpeg.mode}",
        "size and mode of the PNG": f"{png.size}, {png.mode}",
        "shape of the grey array": str(np.asarray(jpeg.convert("L")).shape),
        "shape of the colour array": str(np.asarray(jpeg).shape),
        "resized to 25%": str(quarter.size),
        "turned by 45 degrees clockwise": str(jpeg.rotate(-45).size),
        "cosine at 15x15, resampled by Pillow": f"{a @ b / np.linalg.norm(a) / np.linalg.norm(b):.5f}",
    }
    for name, value in values.items():
        line = rf"^\| 14\.\d \| {re.escape(name)} \| {re.escape(value)} \|"
        assert re.search(line, PICTURES, re.MULTILINE), (name, value)


def test_the_page_names_every_methods_default():
    defaults = {**METHODS, "pixels --centred": CENTRED_MIN_SIMILARITY, "a model": MODEL_MIN_SIMILARITY}
    for name, value in defaults.items():
        assert re.search(rf"^\| `?{re.escape(name)}`?[^|]*\|.*\| {value:g} \|$", SIMILARITY, re.MULTILINE), name
