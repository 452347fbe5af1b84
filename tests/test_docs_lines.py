"""Every command line and Python line of the pages runs, on small material made for it, or says what it needs.

A comment `<!-- needs: ... -->` before a block says what continuous integration lacks: a key, another machine, a person.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from mediasift.cli import main
from mediasift.tables.formats import read_table
from tests.conftest import ROOT
from tests.pictures import save, scene
from tests.stand_ins import _pdf
from tests.test_docs import PAGES
from tests.tiny_models import COLOURS, mean_colour, write
from tests.videos import make_video

ELSEWHERE = {
    "pictures.md": "test_docs_pictures.py", "similarity.md": "test_docs_pictures.py",
    "studies.md": "test_docs_studies.py", "r.md": "test_docs_studies.py",
    "tour.md": "demo/test_tour.py", "training/README.md": "training/test_readme.py",
}  # fmt: skip
"""Page → the test that runs it and compares what it shows."""

BLOCK = re.compile(r"^(?:<!-- needs: ([^\n]+) -->\n)?```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

BEFORE = {
    "citing.md": ["classify photos/ -m protest.onnx -o labels.csv"],
    "codebook.md": ["classify photos/ -m protest.onnx -o labels.csv"],
    "evaluate.md": ["classify posts.csv --column path --keep account -m protest.onnx -o labels.csv"],
    "tables.md": [
        "classify photos/ -m protest.onnx -o objects.csv",
        "classify photos/ -m protest.onnx --per item -o per-picture.csv",
    ],
}
"""Page → what its reader did before."""


def lines(text: str) -> list[str]:
    """The commands of a block, without what they print."""
    return re.findall(r"^\$ mediasift (.+)$", text.replace("\\\n", " "), re.MULTILINE)


def name_of(page: Path) -> str:
    """`studies.md`, `training/README.md`."""
    return str(page.relative_to(ROOT)).removeprefix("docs/")


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """(need, language, text) of what a reader may type."""
    several = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [one for one in several if one[1] in ("python", "py") or lines(one[2])]


WITH_LINES = [page for page in PAGES if name_of(page) not in ELSEWHERE and blocks(page)]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files with the names that the pages use."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "examples").symlink_to(ROOT / "examples")
    write(folder, mean_colour(replace(COLOURS, labels=("protest", "street", "sky"))), "protest.onnx")
    colours, noise = {"protest": (200, 40, 40), "street": (40, 200, 40)}, np.random.default_rng(1)
    labelled, rows, posts = folder / "labelled", [], ["post_id,account,date,path,image"]
    for label, colour in colours.items():
        for number in range(52):
            name = f"{label}-{number:02}.png"
            picture = (colour + noise.integers(-40, 40, (12, 16, 3))).clip(0, 255).astype(np.uint8)
            for place in (labelled / label, folder / "photos"):
                place.mkdir(parents=True, exist_ok=True)
                save(place / name, picture)
            rows.append((f"photos/{name}", label))
            account, day = "daily" if number % 2 else "weekly", number % 31 + 1
            posts.append(f"{number},{account},2026-01-{day:02},photos/{name},photos/{name}")
    (folder / "posts.csv").write_text("\n".join(posts) + "\n")
    shutil.copyfile(folder / "posts.csv", folder / "my-table.csv")
    (folder / "by-hand.csv").write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in rows))
    for coder in ("anna", "ben"):
        with (folder / f"{coder}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "page", "frame", "time_s", "coder", "protest", "note"])
            for number, (path, label) in enumerate(rows):
                shows = (label == "protest") != (coder == "ben" and number == 0)
                writer.writerow([path, "", "", "", coder, "yes" if shows else "no", ""])
    question = "  - name: protest\n    question: Does it show a protest?\n    values: ['yes', 'no']\n"
    shutil.copyfile(folder / "anna.csv", folder / "machine.csv")
    codebook = f"name: protest-2026\nvariables:\n{question}"
    for name in ("protest.yaml", "codebook.yaml"):
        (folder / name).write_text(codebook)
    frames = [scene(160, 120, seed=number // 20) for number in range(60)]
    (folder / "films").mkdir()
    make_video(folder / "film.mp4", frames, range(0, 60 * 40, 40))
    shutil.copyfile(folder / "film.mp4", folder / "films" / "film.mp4")
    (folder / "letter.pdf").write_bytes(_pdf(["A letter", "Its second page"]))
    subprocess.run(["espeak-ng", "-w", str(folder / "interview.wav"), "how are you"], check=True)
    answer = {"responses": [{"labelAnnotations": [{"mid": "/m/1", "description": "Street", "score": 0.9}]}]}
    (folder / "answers.json").write_text(json.dumps(answer))
    (folder / "answers").mkdir()
    (folder / "answers" / "a.json").write_text(json.dumps(answer))
    return folder


def coded() -> None:
    """What coders of a sample save: the truth; it is in the pictures' names."""
    items = read_table(Path("coding/sheet.csv"))
    name = next((one for one in ("protest", "label") if one in items[0]), "protest")
    for coder in ("1", "2"):
        own = [row for row in items if row.get("coder") in (coder, f"coder {coder}")] or items
        for file in (f"coded-{coder}.csv", "coded.csv")[: 1 if coder == "2" else 2]:
            with Path(file).open("w", newline="") as out:
                writer = csv.writer(out)
                writer.writerow(["path", "page", "frame", "time_s", "coder", name, "note"])
                for row in own:
                    shows = "protest-" in row["path"]
                    answers = ("protest", "street") if name == "label" else ("yes", "no")
                    writer.writerow([row["path"], "", "", "", coder, answers[not shows], ""])


def check_options(line: str) -> None:
    """What is not run has at least commands and options that exist."""
    command = main.get_command(click.Context(main), shlex.split(line)[0])
    assert command is not None, line
    words = shlex.split(line, comments=True)[1:]
    if isinstance(command, click.Group):
        inner = words[0] if words else ""
        several = [command.commands[inner]] if inner in command.commands else [command, *command.commands.values()]
    else:
        several = [command]
    options = [option for one in several for option in one.params]
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help"}
    for word in words:
        if re.match(r"--?[a-zA-Z]", word):
            assert word.split("=")[0] in known, f"{line}: {word}"


def test_commands_within_sentences_have_options_that_exist():
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for line in re.findall(r"`mediasift ((?!models\b|-)[a-z]+ [^`|\[]*)`", text):
            if page.name != "CHANGELOG.md" and "..." not in line:
                check_options(" ".join(line.split()))


@pytest.mark.parametrize("page", WITH_LINES, ids=name_of)
def test_every_line_of_a_page_runs_or_says_what_it_needs(
    page: Path, material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "here"
    shutil.copytree(material, folder, symlinks=True)
    monkeypatch.chdir(folder)
    for line in BEFORE.get(page.name, ()):
        assert CliRunner().invoke(main, shlex.split(line), catch_exceptions=False).exit_code == 0
    python: list[str] = []
    for need, language, text in blocks(page):
        if language in ("python", "py"):
            python += [] if need else [text]
            continue
        for line in lines(text):
            check_options(line)
            if need:
                continue
            words = shlex.split(line, comments=True)
            done = CliRunner().invoke(main, words, catch_exceptions=False)
            assert done.exit_code == int("exit code 1" in line or "damaged: " in text), f"{line}\n{done.output}"
            if words[0] == "sample" and Path("coding/sheet.csv").is_file():
                coded()
    ran = subprocess.run([sys.executable, "-c", "\n".join(python)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


CAUSES = {
    "classify gone/ -m fashion-mlp": 3, "classify empty/ -m fashion-mlp": 3, "classify list.csv -m fashion-mlp": 2,
    "classify list.csv --column c -m fashion-mlp": 2, "classify one.png -m nonsense": 4, "detect one.png": 4,
    "transcribe x.wav --engine whisper": 4, "classify one.png -m foreign.onnx": 4,
    "classify one.png -m fashion-mlp --device coreml": 4, "classify one.png -m fashion-mlp -o out.xyz": 2,
    "classify one.png -m fashion-mlp -o no/where/out.csv": 6, "classify one.png -m fashion-mlp -o a.csv --top 2": 2,
    "classify one.png -m fashion-mlp -o edited.csv": 6, "classify https://example.org/a.jpg --offline": 2,
    "classify one.png -m fashion-mlp --labels Bag": 4, "look gone.csv -d page": 3, "merge a.csv -o b.csv": 3,
    "cite gone.run.json": 3, "ocr one.png --language xyz": 5, "classify one.png --every 3x": 2,
    "classify nothing.png text.png cut.jpg examples/digits/broken.jpg gone.png -m fashion-mlp --max-megapixels 0.5": 1,
    "transcribe one.png": 1, "convert large.png -d small --max-megapixels 0.5": 1,
}  # fmt: skip
"""Command → its exit code; what the messages of docs/troubleshooting.md come of."""


def test_each_message_of_troubleshooting_is_what_its_situation_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIASIFT_MODELS", str(tmp_path / "models"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    Path("empty").mkdir()
    picture = Path("examples/garments/bag.png").read_bytes()
    files = {
        "one.png": picture, "nothing.png": b"", "text.png": b"<html>", "foreign.onnx": b"no model",
        "list.csv": b"a,b\nx,y\n", "cut.jpg": Path("examples/digits/2.jpg").read_bytes()[:300],
    }  # fmt: skip
    for name, data in files.items():
        Path(name).write_bytes(data)
    save(Path("large.png"), scene(1200, 900))
    for name in ("a.csv", "edited.csv"):
        assert CliRunner().invoke(main, ["classify", "one.png", "-m", "fashion-mlp", "-o", name]).exit_code == 0
    with Path("edited.csv").open("a") as file:
        file.write("one more\n")
    printed = {}
    for line, code in CAUSES.items():
        done = CliRunner().invoke(main, shlex.split(line), catch_exceptions=False)
        assert done.exit_code == code, f"{line}\n{done.output}"
        printed[line] = done.output
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) > 20
    patterns = [re.compile(".*".join(map(re.escape, message.split("...")))) for message in messages]
    for message, pattern in zip(messages, patterns, strict=True):
        assert any(pattern.search(output) for output in printed.values()), message
    for line, output in printed.items():
        assert any(pattern.search(output) for pattern in patterns), f"{line}\n{output}: not on the page"


def test_pages_that_are_run_elsewhere_are_named_there():
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / "tests" / test).read_text(encoding="utf-8"), page
