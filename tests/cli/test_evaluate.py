from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import mediasift as ms
from mediasift.cli import main
from mediasift.tables.formats import read_table
from tests.pictures import save, solid
from tests.tiny_models import mean_colour, write

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures, the table of what they are (one is said to be another), and a model's table."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    lines = ["path,label"]
    for name, colour in COLOURS.items():
        for number in range(4):
            save(Path("photos") / f"{name}{number}.png", solid(colour))
            lines.append(f"photos/{name}{number}.png,{name if (name, number) != ('red', 0) else 'blue'}")
    Path("true.csv").write_text("\n".join(lines))
    Path("photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    ms.classify("photos", model=write(tmp_path, mean_colour())).write("said.csv")
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(main, ["evaluate", *arguments], catch_exceptions=False)


def test_the_measures_as_a_table(tables: Path):
    done = call("said.csv", "true.csv")
    assert done.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    measures = {(row["measure"], row["label"]): float(row["value"]) for row in rows}
    assert measures["pictures", ""] == 12
    assert measures["accuracy", ""] == pytest.approx(11 / 12, abs=1e-6)
    assert measures["recall", "blue"] == pytest.approx(4 / 5)
    assert measures["precision", "red"] == pytest.approx(3 / 4)


def test_a_report_with_tables_and_plots(tables: Path, package):
    package("matplotlib", "evaluate")
    assert call("said.csv", "true.csv", "-d", "report").exit_code == 0
    assert sorted(path.name for path in Path("report").iterdir()) == [
        "confusion.csv", "confusion.png", "measures.csv", "mistakes.csv", "mistakes.png", "reliability.png",
    ]  # fmt: skip
    assert Path("report/confusion.csv").read_text() == "true,blue,green,red\nblue,4,0,1\ngreen,0,4,0\nred,0,0,3\n"
    assert Path("report/mistakes.csv").read_text().startswith("path,true,predicted,score\nphotos/red0.png,blue,red,0.")
    for path in Path("report").glob("*.png"):
        with Image.open(path) as picture:
            assert min(picture.size) > 200


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_any_format_and_identifiers_instead_of_labels(tables: Path, suffix: str):
    ms.classify("photos", model=str(tables / "tiny.onnx"), top=2).write(f"said2.{suffix}")
    by_id = Path("true.csv").read_text().replace(",red", ",c1").replace(",green", ",c2").replace(",blue", ",c3")
    Path("ids.csv").write_text(by_id)
    for reference in ("true.csv", "ids.csv"):
        done = call(f"said2.{suffix}", reference)
        assert "accuracy,,0.916667" in done.stdout
        assert "top2_accuracy,," in done.stdout


def test_a_table_of_somebody_elses(tables: Path):
    Path("other.csv").write_text("path;label\nphotos/red1.png;red\nphotos/blue1.png;red\n")
    done = call("other.csv", "true.csv")
    assert "accuracy,,0.5" in done.stdout
    assert "10 of the reference have no label in other.csv: photos/red0.png" in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "path,klass\na,b\n", "no column 'label'; it has path, klass"),
        ("x.csv", "", "the table is empty"),
        ("x.csv", "path,label\n", "the table is empty"),
        ("x.jsonl", "[1]\n", "no JSON object"),
        ("x.jsonl", "{", "line 1 is not JSON"),
        ("x.parquet", "nonsense", "cannot be read"),
        ("x.txt", "a", "must end in"),
        ("x.csv", "path,label,score\nphotos/red0.png,red,high\n", "'high' is no number"),
    ],
)
def test_tables_that_cannot_be_used(tables: Path, name: str, text: str, message: str):
    Path(name).write_text(text)
    done = call(name, "true.csv")
    assert done.exit_code == 3
    assert message in done.stderr
    assert call("nothing.csv", "true.csv").exit_code == 3
    if "score" not in text:
        assert call("said.csv", name).exit_code == 3


def test_a_report_that_cannot_be_written(tables: Path, package):
    package("matplotlib", "evaluate")
    Path("report").write_text("a file")
    assert call("said.csv", "true.csv", "-d", "report").exit_code == 6


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_measures_and_error_rates_in_any_format(tables: Path, suffix: str, package):
    package("jiwer", "evaluate")
    if suffix == "parquet":
        package("pyarrow", "parquet")
    Path("text.csv").write_text("path,text\na.png,one two\n")
    assert call("said.csv", "true.csv", "-o", f"measures.{suffix}").exit_code == 0
    by_name = {(row["measure"], row["label"]): row for row in read_table(Path(f"measures.{suffix}"))}
    accuracy = by_name["accuracy", None]
    assert list(accuracy) == ["measure", "label", "value", "low", "high", "undefined", "group", "note"]
    assert float(accuracy["value"]) == pytest.approx(11 / 12, abs=1e-6)
    assert float(accuracy["low"]) < 11 / 12 < float(accuracy["high"]) + 1e-9
    assert call("text.csv", "text.csv", "-o", f"rates.{suffix}").exit_code == 0
    assert [float(row["word_error_rate"]) for row in read_table(Path(f"rates.{suffix}"))] == [0, 0]
    done = call("said.csv", "true.csv", "-o", "measures.xlsx")
    assert done.exit_code == 2
    assert "measures.xlsx: no table format" in done.stderr
