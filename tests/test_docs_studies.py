"""The lines of docs/r.md and docs/studies.md, run on small material; R's numbers are Python's."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mediasift.cli import main
from mediasift.tables.formats import read_table
from tests.conftest import ROOT, skip
from tests.pictures import save
from tests.tiny_models import COLOURS, mean_colour, write
from tests.videos import make_video


@pytest.fixture
def rscript() -> str:
    """The program, or a skip with the line to type."""
    program = shutil.which("Rscript")
    return program or skip("R is not installed; on Debian and Ubuntu: apt-get install r-base-core")


def blocks(page: str, first: str, last: str | None = None) -> list[tuple[str, str]]:
    """(language, text) of each block of a page between two headings."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    text = text[text.index(first) : None if last is None else text.index(last)]
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def size(plot: str) -> tuple[int, int]:
    with Image.open(plot) as picture:
        return picture.size


class Reader:
    """Runs the blocks of a page in their order, as who reads it would."""

    def __init__(self, rscript: str, folder: Path) -> None:
        self.rscript, self.folder, self.names, self.r = rscript, folder, dict[str, object](), ""
        self.printed = {"python": "", "r": ""}

    def run(self, several: list[tuple[str, str]]) -> None:
        following = [language for language, _ in several[1:]] + [""]
        for (language, text), after in zip(several, following, strict=True):
            if language == "":
                for line in re.findall(r"^\$ mediasift (.*)$", text, re.MULTILINE):
                    done = CliRunner().invoke(main, shlex.split(line, comments=True), catch_exceptions=False)
                    assert done.exit_code == 0, f"{line}: {done.output}"
            elif language == "python":
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    exec(text, self.names)
                self.printed["python"] = out.getvalue()
            elif language == "r":
                self.r += text
                if after == "r":  # each run does all that came before
                    continue
                ran = subprocess.run(
                    [self.rscript, "-e", self.r], capture_output=True, text=True, check=False, cwd=self.folder
                )
                assert ran.returncode == 0, ran.stderr
                self.printed["r"] = ran.stdout


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Drawn pictures in two accounts: path → whether it shows a protest. Red ones are labelled so; some are not red."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, mean_colour(replace(COLOURS, labels=("protest", "street", "sky"))), "protest.onnx")
    (tmp_path / "photos").mkdir()
    true, lines = {}, ["path,account,likes"]
    for number in range(48):
        labelled, shows = number % 3 == 0, number % 3 == 0 or number % 8 == 1
        colour = (200, 40, 40 + number) if labelled else (40, 200, 40 + number)
        save(tmp_path / "photos" / f"{number:02}.png", np.full((12, 16, 3), colour, np.uint8))
        true[f"photos/{number:02}.png"] = shows
        lines.append(f"photos/{number:02}.png,{'daily' if number < 24 else 'weekly'},{number}")
    for name in ("articles.csv", "list.csv"):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return true


def code(true: dict[str, bool], coder: int, yes: str = "yes", no: str = "no", variable: str = "protest") -> None:
    """What a coder saves; the second sees one picture otherwise."""
    own = [row for row in read_table(Path("coding/sheet.csv")) if row["coder"] in (str(coder), f"coder {coder}")]
    own = own or read_table(Path("coding/sheet.csv"))[:24]
    with Path(f"coded-{coder}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "page", "frame", "time_s", "coder", variable, "note"])
        for number, row in enumerate(own):
            shows = true[row["path"]] != (coder == 2 and number == 0)
            writer.writerow([row["path"], "", "", "", coder, yes if shows else no, ""])


def test_the_page_for_r_users_gives_pythons_numbers(rscript: str, photographs: dict[str, bool], tmp_path: Path):
    Path("broken.png").write_bytes((tmp_path / "photos" / "00.png").read_bytes()[:40])
    with Path("list.csv").open("a") as file:
        file.write("broken.png,daily,1\n")
    reader, page = Reader(rscript, tmp_path), blocks("r.md", "## Read")
    done = CliRunner().invoke(main, shlex.split(re.search(r"mediasift (.*)", page[0][1])[1]))
    assert done.exit_code == 1, "one picture is broken, and stands in the table with its error"
    sampled = next(at for at, (language, text) in enumerate(page) if "mediasift sample" in text)
    reader.run([("", page[0][1].splitlines()[1] + "\n"), *page[1 : sampled + 1]])
    code(photographs, 1, "protest", "street", "label")
    Path("coded-1.csv").rename("coded.csv")
    reader.run(page[sampled + 1 :])

    labels = [row for row in read_table(Path("labels.csv")) if row["error"] is None]
    protest = {row["path"]: row["label"] == "protest" for row in labels}
    likes = {row["path"]: (row["account"], int(row["likes"])) for row in read_table(Path("list.csv"))}
    design = {row["path"]: float(row["probability"]) for row in read_table(Path("coding/design.csv"))}
    coded = {row["path"]: row["label"] == "protest" for row in read_table(Path("coded.csv"))}
    weights = [1 / design[path] for path in coded]
    expected = [f"1 rows with an error, 48 pictures, share {np.mean(list(protest.values())):.6f}"]
    for account in ("daily", "weekly"):
        own = [path for path in protest if likes[path][0] == account]
        means = np.mean([protest[path] for path in own]), np.mean([likes[path][1] for path in own])
        expected.append("{} {:.6f} {:.6f}".format(account, *means))
    share = np.average(list(coded.values()), weights=weights)
    assert reader.printed["r"].splitlines() == [*expected, f"weighted share {share:.6f} of 12 coded"]
    assert size("shares.png") == (480, 320)

    done = CliRunner().invoke(
        main, shlex.split("prevalence labels.csv coded.csv --design coding/design.csv --recode protest=protest "
                          "--recode *=street -o shares.csv"),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    row = next(row for row in read_table(Path("shares.csv")) if (row["label"], row["method"]) == ("protest", "coded"))
    assert float(row["share"]) == pytest.approx(share, abs=1e-6)


def test_types_of_empty_columns_are_stable_in_r(rscript: str, photographs: dict[str, bool], tmp_path: Path):
    reader, page = Reader(rscript, tmp_path), blocks("r.md", "## Read")
    reader.run(page[:2])
    reader.run([("r", 'cat(sapply(labels[c("page", "time_s", "label_id", "error", "score")], class))\n')])
    assert reader.printed["r"].split() == ["integer", "numeric", "character", "character", "numeric"]


def test_the_study_of_photographs(rscript: str, photographs: dict[str, bool], tmp_path: Path, package):
    package("yaml", "codebook")
    package("pandas", "dev")
    several = blocks("studies.md", "## News photographs", "## Films")
    sampled = next(at for at, (_, text) in enumerate(several) if "mediasift sample" in text)
    Path("protest.yaml").write_text(next(text for language, text in several if language == "yaml"))
    reader = Reader(rscript, tmp_path)
    reader.run(several[: sampled + 1])
    code(photographs, 1)
    code(photographs, 2)
    reader.run(several[sampled + 1 :])
    assert reader.printed["python"] == reader.printed["r"]
    naive, best = (float(line.split()[1]) for line in reader.printed["r"].splitlines())
    true = np.mean(list(photographs.values()))
    assert naive == pytest.approx(1 / 3, abs=1e-6)
    row = next(
        row for row in read_table(Path("shares.csv"))
        if (row["label"], row["group"], row["method"]) == ("yes", None, "design_based")
    )  # fmt: skip
    assert float(row["low"]) < true < float(row["high"])
    assert float(row["share"]) == pytest.approx(best, abs=1e-6)
    methods = Path("about/methods.md").read_text()
    for part in ("A random sample of 24 of 48 items", "Coders' agreement on protest", "The share of yes is 0.33"):
        assert part in methods
    assert size("accounts.png") == (480, 320)


def test_the_study_of_films(
    rscript: str, test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package
):  # fmt: skip
    package("pandas", "dev")
    models, films = tmp_path / "models", tmp_path / "films"
    models.mkdir()
    films.mkdir()
    shutil.copyfile(test_data / "models" / "yolox_nano.onnx", models / "yolox_nano.onnx")
    monkeypatch.setenv("MEDIASIFT_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    photo = min((test_data / "detection" / "coco-person-labels").glob("*.txt")).stem
    with Image.open(test_data / "detection" / "coco" / f"{photo}.jpg") as picture:
        persons = np.asarray(picture.convert("RGB").resize((416, 416)))
    empty = np.full_like(persons, 90)
    make_video(films / "a.mp4", [persons] * 10 + [empty] * 30, range(0, 4000, 100))
    make_video(films / "b.mp4", [empty] * 20 + [persons] * 20, range(0, 4000, 100))
    reader = Reader(rscript, tmp_path)
    reader.run(blocks("studies.md", "## Films"))
    assert reader.printed["python"] == reader.printed["r"]
    shares = [[float(number) for number in line.split()[1:]] for line in reader.printed["r"].splitlines()]
    assert [one[0] for one in shares] == [0.25, 0.5]
    assert [one[1] for one in shares] == pytest.approx([1, 2], abs=0.15)
    assert len(list(Path("stills").rglob("*.jpg"))) == 4
    assert size("films.png") == (480, 320)
