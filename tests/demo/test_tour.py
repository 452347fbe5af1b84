"""The tour as a new user takes it: interrupted once, continued, read by other libraries, refused where it must be."""

from __future__ import annotations

import csv
import html
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pypdfium2
import pytest

from mediasift.cli.demo import command
from mediasift.demo.steps import STEPS
from tests.spy import assert_harmless, did, watching

ROOT = Path(__file__).resolve().parent.parent.parent
ASKED = [sys.executable, "-m", "mediasift", "demo", "-d", "tour/"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "inference"), "MEDIASIFT_OFFLINE": "1"}
PAGE = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")


def demo(cwd: Path, *, limit_bytes: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    asked = ASKED if limit_bytes is None else ["sh", "-c", f"ulimit -f {limit_bytes // 512}; exec {shlex.join(ASKED)}"]
    return subprocess.run(
        asked, cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=False
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A tour that Ctrl-C interrupts and the same command ends, watched; and what it prints."""
    cwd, folder = tmp_path_factory.mktemp("newcomer"), tmp_path_factory.mktemp("watched")
    environment = watching(folder)
    begun = subprocess.Popen(
        ASKED, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  (no threads; what runs in the background ignores it)
    )  # fmt: skip
    while begun.poll() is None and not list(cwd.glob("tour/results/digits.csv*")):
        time.sleep(0.01)
    os.killpg(begun.pid, signal.SIGINT)  # as a terminal does: to the command and to what it runs
    err = begun.communicate()[1].decode()
    assert begun.returncode == 130, err
    assert "Traceback" not in err
    kept = (cwd / "tour/results/files.csv").stat().st_mtime_ns
    done = demo(cwd, **environment)
    assert done.returncode == 0, done.stderr + done.stdout
    seen = did(folder)
    assert any("/tour/results/" in line for line in seen), "the spy saw nothing"
    assert_harmless(seen, folder, cwd)
    assert (cwd / "tour/results/files.csv").stat().st_mtime_ns == kept
    assert "tour/index.html in a browser" in done.stderr
    return cwd, done.stdout


def test_a_dozen_verbs_run_and_nothing_is_left_out_where_all_is_installed(toured):
    _, printed = toured
    commands = [shlex.split(line[2:]) for line in printed.splitlines() if line.startswith("$ ")]
    assert len(commands) == len(STEPS)
    assert len({words[1] for words in commands}) >= 12
    assert [option.name for option in command.params] == ["directory"]
    if os.environ.get("MEDIASIFT_CI"):
        assert "Left out" not in printed


def test_what_the_documentation_shows_is_what_is_printed(toured):
    """Word by word; shares and scores may differ a little with the versions of codecs and engines."""
    _, printed = toured
    blocks = re.findall(r"```\n(# .*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        title = block.splitlines()[0]
        assert title in printed.splitlines()
        real = (printed + "\n").partition(f"{title}\n")[2].partition("\n\n")[0].split()
        expected = block.partition("\n")[2].split()
        assert len(real) == len(expected), title
        for one, other in zip(real, expected, strict=True):
            fraction = re.fullmatch(r"0\.\d{3,}", other)
            assert (float(one) == pytest.approx(float(other), abs=0.05)) if fraction else one == other, title


def test_tables_say_what_was_made(toured):
    results = toured[0] / "tour" / "results"
    digits = rows(results / "digits.csv")
    right = [row["label"] == Path(row["path"]).name[0] for row in digits if not row["error"]]
    assert (len(digits), len(right), sum(right)) == (31, 30, 28)
    assert [row["path"] for row in digits if row["error"]] == ["tour/media/digits/damaged.png"]
    accuracy = {row["measure"]: row["value"] for row in rows(results / "accuracy.csv") if not row["label"]}
    assert float(accuracy["accuracy"]) == pytest.approx(28 / 30, abs=1e-6)
    groups: dict[str, set[str]] = {}
    for row in rows(results / "duplicates.csv"):
        groups.setdefault(row["group"], set()).add(Path(row["path"]).name)
    assert [groups["1"], groups["2"]] == [{"1-small.png", "1.jpg"}, {"5-brighter.jpg", "5.jpg"}]
    assert [float(row["start_s"]) for row in rows(results / "shots.csv")] == pytest.approx([0, 1.6, 3.2, 4.8])
    assert len(list((results / "stills").rglob("*.jpg"))) == 4
    assert len(list((results / "small").rglob("*.png"))) == 10


def test_other_libraries_open_the_film_and_the_letter(toured):
    media = toured[0] / "tour" / "media"
    with av.open(str(media / "film.mp4")) as film:
        assert [frame.time for frame in film.decode(video=0)] == pytest.approx([n / 25 for n in range(160)])
    with pypdfium2.PdfDocument(media / "letter.pdf") as letter:
        texts = [page.get_textpage().get_text_bounded() for page in letter]
    assert texts[0].split("\r\n")[0] == "Dear reader,"
    assert texts[1] == ""


def test_the_page_asks_no_network_and_its_links_lead_to_files(toured):
    folder = toured[0] / "tour"
    page = (folder / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) >= 11
    for link in links:
        assert (folder / html.unescape(link)).is_file(), link
    assert not re.search(r"https?://|<script|src=", page)


def test_a_shown_command_can_be_typed(toured):
    cwd, printed = toured
    line = next(one for one in printed.splitlines() if one.startswith("$ mediasift search"))
    words = shlex.split(line)[2:]
    words[words.index("-o") + 1] = "mine.csv"
    done = subprocess.run([sys.executable, "-m", "mediasift", *words], cwd=cwd, env=ENVIRONMENT, check=False)
    assert done.returncode == 0
    assert (cwd / "mine.csv").read_bytes() == (cwd / "tour/results/alike.csv").read_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tour: (tour / "media/digits/0-a.png").write_bytes(b"mine"), "media/digits/0-a.png is another one"),
        (lambda tour: (tour / "media/mine.png").write_bytes(b"mine"), "media/mine.png is another one"),
        (lambda tour: (tour / "reference.csv").unlink(), "reference.csv"),
        (lambda tour: (tour / "tour.json").write_text("[]"), "holds something else than a tour"),
        (lambda tour: (tour / "tour.json").unlink(), "is there already"),
        (lambda tour: None, "made with -d"),
    ],
)
def test_what_is_no_unchanged_tour_is_refused_and_left_alone(toured, tmp_path: Path, change, reason: str):
    for name, data in contents(toured[0] / "tour").items():
        if name.startswith(("media/", "reference", "tour.json")):
            path = tmp_path / "tour" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if name != "tour.json" else data.replace(b'"tour"', b'"other"'))
    change(tmp_path / "tour")
    before = contents(tmp_path)
    done = demo(tmp_path)
    assert done.returncode == 6
    assert reason in done.stderr
    assert contents(tmp_path) == before


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path):
    done = demo(tmp_path, limit_bytes=8192)
    assert done.returncode == 6
    assert "ulimit -f" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_program_is_named_with_its_line(tmp_path: Path):
    code = (
        "from pathlib import Path; from mediasift.demo.steps import STEPS\n"
        "print([one.lacks(Path()) for one in STEPS if one.lacks(Path())])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**ENVIRONMENT, "PATH": ""},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert "apt-get install tesseract-ocr" in done.stdout or "[ocr]" in done.stdout
    assert "apt-get install espeak-ng" in done.stdout or "[speech]" in done.stdout
